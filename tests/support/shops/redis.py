"""A shop on connect-redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis import Redis

from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest


class RedisShop(Shop):
    layout = "connect-redis"
    expires_by_itself = True
    redis: Any

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("redis_url")
        self.redis = self._running.enter_context(Redis.from_url(self.url))
        self.options = {"store": "redis", "redisUrl": self.url}

    def ends_ms(self, sid: str) -> float:
        return int(self.redis.pexpiretime(f"sess:{sid}"))
