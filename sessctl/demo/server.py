"""A demo shop that listens: its app, its store and its secrets together.

with RunningShop(ShopOptions(), store="memory") as shop:
    print(shop.url)
    shop.restart()  # the same address; what only lived in memory is gone
"""

from __future__ import annotations

import secrets as randomness
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sessctl.cookies.api import as_secrets
from sessctl.demo.app import demo_app
from sessctl.demo.express.stores import MemoryStore, RedisStore, SqliteStore
from sessctl.demo.listener import LocalServer
from sessctl.demo.options import ShopOptions
from sessctl.errors import UsageError
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.demo.express.session import SessionStore

_REDIS = ("redis", "rediss", "redis+unix")


class RunningShop:
    """A shop that listens from construction to `stop`. Two of them can share a store and secrets.

    Args:
        store: `memory`, `sqlite:///relative.db` or `sqlite:////absolute.db`, or a Redis URL.
        signers: signing secrets, the first signs and all verify; a random one unless given.
        port: 0 takes a free one.

    Raises:
        UsageError: no such kind of store, an empty secret, or the port is taken.
        StoreError: the store cannot be reached.
    """

    def __init__(
        self,
        options: ShopOptions | None = None,
        *,
        store: str = "memory",
        signers: Sequence[str | Secret] = (),
        port: int = 0,
    ) -> None:
        self.options = options or ShopOptions()
        self.store_url = store
        self.signers = as_secrets(list(signers) or [Secret(randomness.token_urlsafe(48))])
        self.port = port
        self._server: LocalServer | None = None
        self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Finish the requests that are being answered and close the store; harmless twice."""
        if self._server is not None:
            self._server.stop()
            self._store.close()
            self._server = None

    def restart(self, options: ShopOptions | None = None) -> None:
        """Stop and start on the same port, as a deploy does; with other options if given."""
        self.stop()
        self.options = options or self.options
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _start(self) -> None:
        self._store = session_store(self.store_url)
        app = demo_app(self.options, self._store, self.signers)
        try:
            self._server = LocalServer(app, self.port)
        except UsageError:
            self._store.close()
            raise
        self.port = self._server.port


def session_store(url: str) -> SessionStore:
    """The store that a URL, or `memory`, stands for. Raises UsageError and StoreError."""
    scheme, _, rest = url.partition("://")
    if url == "memory":
        return MemoryStore()
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteStore(Path(rest[1:]))
    if scheme in _REDIS:
        return RedisStore(url)
    # Nothing of it is quoted: it may hold a password.
    raise UsageError(
        "the demo shop has no such store",
        hint="memory, sqlite, sqlite:///sessions.db or redis://127.0.0.1:6379/0",
    )


__all__ = ["RunningShop", "session_store"]
