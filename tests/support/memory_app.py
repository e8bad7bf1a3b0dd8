"""Applications that keep their sessions in their own memory, and what only they can see there."""

from __future__ import annotations

import json
import os
import re
import selectors
from typing import TYPE_CHECKING, Any

from sessctl.stores.opening import open_store
from tests.support.engines import with_layout
from tests.support.express import Browser, ExpressApp
from tests.support.npm import PEERS, modules, program
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store

APPS = PEERS / "memory" / "apps"
ANSWER_TIMEOUT_S = 30.0


class MemoryApp(ExpressApp):
    """The Express peer on a store of `tests/peers/memory`.

    Args:
        store: "memory" (express-session's own MemoryStore) or "memorystore".
        node_options: what Node is started with. By itself any free port for its inspector, so that
            tests run side by side.
        max, ttl (ms): for memorystore.
    """

    def __init__(
        self, *, store: str, node_options: str = "--inspect-port=127.0.0.1:0", **options: Any
    ) -> None:
        options = {"secrets": ["keyboard cat"], **options}
        super().__init__(peer="memory", store=store, node_options=node_options, **options)

    def ask(self, act: str, *given: Any) -> Any:
        """One act of `stores.js`; what it returns."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([act, *given]).encode() + b"\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            assert waiting.select(ANSWER_TIMEOUT_S), f"no answer to {act}: {self.errors()}"
        return json.loads(process.stdout.readline())

    def sessions(self) -> dict[str, tuple[str, float | None]]:
        """What is stored, in its order: sid -> (text, end in ms)."""
        return {sid: (text, ends) for sid, text, ends in self.ask("all")}

    @property
    def inspector_port(self) -> int | None:
        """Where its inspector listens; None: it is closed."""
        url = self.ask("inspector")
        found = re.search(r":(\d+)/", url or "")
        return int(found[1]) if found else None


class NodeApp(PeerApp):
    """A script of `tests/peers/memory/apps`, in its folder or copied or bundled elsewhere.

    Args:
        words: its arguments.
    """

    def __init__(
        self,
        script: str | Path,
        *words: str,
        node_options: str = "--inspect-port=127.0.0.1:0",
        **environment: str,
    ) -> None:
        super().__init__(
            [program("node"), str(APPS / script), *words],
            NODE_OPTIONS=node_options,
            NODE_PATH=os.pathsep.join(str(modules(PEERS / name)) for name in ("memory", "express")),
            **environment,
        )

    def browser(self) -> Browser:
        return Browser(self.port)


class NodeEngine:
    """memorystore in a process whose inspector is open."""

    name = "node"

    def __init__(self, app: MemoryApp) -> None:
        self.app = app
        self.url = with_layout(f"node://127.0.0.1:{app.inspector_port}", "memorystore")

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        self.app.ask("save", sid.decode(), raw.decode(), expires_ms)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.app.ask("touch", sid.decode(), expires_ms)

    def drop(self, sid: bytes) -> None:
        self.app.ask("drop", sid.decode())

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        try:
            sid.decode()
        except UnicodeDecodeError:  # JavaScript's strings are Unicode
            return False
        return sid != beside

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        return {sid.encode(): value for sid, value in self.app.sessions().items()}
