"""Redis of several servers as an application sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

from tests.support.engines import RedisEngine, with_layout

if TYPE_CHECKING:
    from tests.support.redis_forms import RedisCluster, SentinelService


class ClusterEngine(RedisEngine):
    """connect-redis' layout in a real cluster."""

    name = "redis-cluster"

    def __init__(self, servers: RedisCluster) -> None:
        self.servers = servers
        self.url = with_layout(servers.url, "connect-redis")
        self.client: Any = redis.RedisCluster("127.0.0.1", servers.primaries()[0].port)


class SentinelEngine(RedisEngine):
    """connect-redis' layout behind sentinels."""

    name = "redis-sentinel"

    def __init__(self, servers: SentinelService) -> None:
        super().__init__(servers.primary)
        self.servers = servers
        self.url = with_layout(servers.url, "connect-redis")
