"""A shop on connect-memcached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest

    from tests.support.memcached import MemcachedServer


class MemcachedShop(Shop):
    layout = "connect-memcached"
    granularity_ms = 1000
    expires_by_itself = True
    touch_revives = True  # its touch is a set
    server: MemcachedServer

    store_secret: ClassVar[str | None] = None

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("memcached_url")
        self.server = request.getfixturevalue("memcached_server")
        self.options = {
            "peer": "memcached", "store": "memcached", "hosts": f"127.0.0.1:{self.server.port}",
            "storeSecret": self.store_secret,
        }  # fmt: skip

    def ends_ms(self, sid: str) -> float:
        return self.server.ends_s(sid) * 1000


class EncryptedMemcachedShop(MemcachedShop):
    """Its values are kruptein's."""

    # kruptein wants two of every kind of character.
    store_secret = "SQu1rrel+in=the-4ttic"
    settings: ClassVar[dict[str, Any]] = {"store_secrets": [store_secret]}
