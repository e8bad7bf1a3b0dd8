"""Redis of several servers as an application sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis

from sessctl.stores.registry import open_store

if TYPE_CHECKING:
    from sessctl.stores.base import Store
    from tests.support.redis_forms import RedisCluster


class ClusterEngine:
    """connect-redis' layout in a real cluster."""

    name = "redis-cluster"

    def __init__(self, cluster: RedisCluster) -> None:
        self.cluster = cluster
        self.url = cluster.url
        self.client: Any = redis.RedisCluster("127.0.0.1", cluster.primaries()[0].port)

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        self.client.execute_command("SET", b"sess:" + sid, raw)
        if expires_ms is not None:
            self.touch(sid, expires_ms)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.client.execute_command("PEXPIREAT", b"sess:" + sid, expires_ms)

    def drop(self, sid: bytes) -> None:
        self.client.delete(b"sess:" + sid)

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        return sid != beside

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        keys: list[Any] = list(self.client.scan_iter(count=1000))
        return {key: (self.client.dump(key), self.client.pexpiretime(key)) for key in keys}
