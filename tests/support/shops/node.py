"""Shops on other frameworks of Node, their sessions in Redis: Koa's two libraries, Fastify's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from redis import Redis

from tests.support.express import Browser
from tests.support.npm import PEERS, modules, program
from tests.support.peer import PeerApp
from tests.support.shops.base import ENV, Shop

if TYPE_CHECKING:
    import pytest

# @fastify/session takes no shorter one.
LONG_SECRET = "keyboard cat, and forty more of its kind"
ENV["LONG_SECRET"] = LONG_SECRET


class NodeApp(PeerApp):
    """An application of `tests/peers/PEER/app.js`; `config` as it stands there."""

    def __init__(self, peer: str, **config: Any) -> None:
        folder = PEERS / peer
        super().__init__(
            [program("node"), str(folder / "app.js")],
            NODE_PATH=str(modules(folder)),
            SESSCTL_PEER=json.dumps(config),
        )

    def browser(self) -> Browser:
        return Browser(self.port)


class NodeShop(Shop):
    """A shop whose app is its framework's own; its lifetime is `maxAge` in ms."""

    expires_by_itself = True
    peer: ClassVar[str]
    secret: ClassVar[str] = "keyboard cat"
    key_prefix: ClassVar[str]  # of the keys, beside the id
    redis: Redis

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("redis_url")
        self.redis = self._running.enter_context(Redis.from_url(self.url))
        self.options = {"redisUrl": self.url, **self.settings}

    def ends_ms(self, sid: str) -> float:
        return int(self.redis.pexpiretime(f"{self.key_prefix}{sid}"))

    def start(self, *, cookie: dict[str, Any] | None = None, **options: Any) -> Any:
        given = {"secrets": [self.secret], **self.options, **(cookie or {}), **options}
        return self._running.enter_context(NodeApp(self.peer, **given))


class KoaShop(NodeShop):
    """koa-session lets a key live 10 s longer than its session."""

    layout = "koa-session"
    cookie_name = "koa.sess"
    peer = "koa"
    settings: ClassVar = {"prefix": "app:"}
    key_prefix = ""  # the id holds it
    lifetime_ms = 86_410_000
    slack_ms = 10_000

    def open(self, request: pytest.FixtureRequest) -> None:
        super().open(request)
        self.options |= {"library": "koa-session"}


class KoaGenericShop(NodeShop):
    layout = "koa-generic-session"
    cookie_name = "koa.sid"
    peer = "koa"
    key_prefix = "koa:sess:"

    def open(self, request: pytest.FixtureRequest) -> None:
        super().open(request)
        self.options |= {"library": "koa-generic-session"}


class FastifyShop(NodeShop):
    layout = "fastify-session"
    cookie_name = "sessionId"
    peer = "fastify"
    secret, secret_name = LONG_SECRET, "LONG_SECRET"
    key_prefix = "sess:"
