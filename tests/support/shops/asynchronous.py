"""Shops on Starlette, aiohttp and Litestar, their sessions in Redis."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from redis import Redis

from tests.support.cli import HOUR_MS
from tests.support.express import Browser
from tests.support.peer import PeerApp
from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest


class AsyncApp(PeerApp):
    """One of the applications of `tests/peers/asynchronous/app.py`."""

    def __init__(self, library: str, redis_url: str, lifetime_s: int) -> None:
        line = [sys.executable, "-m", "tests.peers.asynchronous.app", library, redis_url]
        super().__init__([*line, str(lifetime_s)])

    def browser(self) -> Browser:
        return Browser(self.port)


class AsyncShop(Shop):
    """The cookie is the id, and a session's life that of the application's settings."""

    expires_by_itself = True
    granularity_ms = 1000
    leaves_empty: ClassVar[bool] = False  # a visit to a session that is over makes an empty one
    library: ClassVar[str]
    key_prefix: ClassVar[str]
    redis: Any

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("redis_url")
        self.redis = self._running.enter_context(Redis.from_url(self.url))
        self.options = {"library": self.library, "redis_url": self.url}

    def start(self, *, cookie: dict[str, Any] | None = None, **options: Any) -> Any:
        lifetime_s = (cookie or {}).get("maxAge", 2 * HOUR_MS) // 1000
        given = {"lifetime_s": lifetime_s, **self.options, **options}
        return self._running.enter_context(AsyncApp(**given))

    def ends_ms(self, sid: str) -> float:
        return int(self.redis.pexpiretime(f"{self.key_prefix}{sid}"))


class StarsessionsShop(AsyncShop):
    layout = library = "starsessions"
    cookie_name = "session"
    key_prefix = "starsessions."
    touch_revives = True


class AiohttpShop(AsyncShop):
    layout, library = "aiohttp-session", "aiohttp"
    cookie_name = "AIOHTTP_SESSION"
    key_prefix = "AIOHTTP_SESSION_"


class LitestarShop(AsyncShop):
    layout, library = "litestar-redis", "litestar"
    cookie_name = "session"
    key_prefix = "LITESTAR:"
    touch_revives = leaves_empty = True
