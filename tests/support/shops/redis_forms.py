"""Shops on connect-redis whose Redis is a cluster, or behind sentinels, or Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis import Redis, RedisCluster

from tests.support.shops.redis import RedisShop

if TYPE_CHECKING:
    import pytest


class ClusterShop(RedisShop):
    """node-redis' `createCluster`."""

    def open(self, request: pytest.FixtureRequest) -> None:
        servers = request.getfixturevalue("redis_cluster")
        self.url = servers.url
        ports = [one.port for one in servers.servers]
        self.redis = self._running.enter_context(RedisCluster("127.0.0.1", ports[0]))
        self.options = {"peer": "redis-forms", "store": "cluster", "ports": ports}


class SentinelShop(RedisShop):
    """node-redis' `createSentinel`."""

    def open(self, request: pytest.FixtureRequest) -> None:
        servers = request.getfixturevalue("redis_sentinel")
        self.url = servers.url
        ports = [one.port for one in servers.sentinels]
        self.redis = self._running.enter_context(Redis(port=servers.primary.port))
        self.options = {"peer": "redis-forms", "store": "sentinel", "ports": ports}


class ValkeyShop(RedisShop):
    """The ordinary client of Redis, its server Valkey."""

    def open(self, request: pytest.FixtureRequest) -> None:
        url = request.getfixturevalue("valkey_url")
        self.url = url.replace("redis://", "valkey://")
        self.redis = self._running.enter_context(Redis.from_url(url))
        self.options = {"store": "redis", "redisUrl": url}
