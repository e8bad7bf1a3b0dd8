"""Redis of several servers: a cluster of three primaries with a replica each, and a primary with a
replica behind three sentinels.

They find a dead server by themselves only after a long time, so that a busy machine makes no
failover of its own; the tests order theirs (`promote`).
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from redis import Redis
from redis.exceptions import ResponseError

from tests.support.servers import RedisServer, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PATIENCE_S = 30.0
SLOTS = 16384
SERVICE = "mymaster"
_REPLICATION = ["repl-diskless-sync-delay 0", "replica-priority 1"]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something of servers. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def ask(server: RedisServer, *words: Any) -> Any:
    """What a server answers to one command."""
    with Redis(port=server.port, password=server.password) as client:
        return client.execute_command(*words)


class _Servers:
    """Servers that are ended together."""

    def __init__(self) -> None:
        self._running = ExitStack()
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise

    def _begin(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self._running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class RedisCluster(_Servers):
    """Three primaries, each with a replica. `pairs` are (primary, replica) as they began."""

    def _begin(self) -> None:
        servers = [self._server() for _ in range(6)]
        self.pairs = list(zip(servers[:3], servers[3:], strict=True))
        step = SLOTS // 3 + 1
        for number, server in enumerate(servers):
            ask(server, "CLUSTER SET-CONFIG-EPOCH", number + 1)
            ask(servers[0], "CLUSTER MEET", "127.0.0.1", server.port, self._bus[server.port])
        for number, (primary, _) in enumerate(self.pairs):
            last = min(SLOTS, (number + 1) * step) - 1
            ask(primary, "CLUSTER ADDSLOTSRANGE", number * step, last)
        until(lambda: all(self._knows(server, 6) for server in servers), "no cluster")
        for primary, replica in self.pairs:
            ask(replica, "CLUSTER REPLICATE", self.id_of(primary))
        self.settle()
        for server in servers:  # they gossip in this time: a short one is for the beginning
            ask(server, "CONFIG SET", "cluster-node-timeout", 60_000)

    def _server(self) -> RedisServer:
        bus = free_port()
        lines = [
            "cluster-enabled yes", f"cluster-port {bus}", "cluster-node-timeout 1000",
            "repl-diskless-sync-delay 0", "cluster-replica-validity-factor 0",
        ]  # fmt: skip
        server = self._running.enter_context(RedisServer(settings=lines))
        self._bus = {**getattr(self, "_bus", {}), server.port: bus}
        return server

    @property
    def servers(self) -> list[RedisServer]:
        return [server for pair in self.pairs for server in pair]

    @property
    def url(self) -> str:
        """Every server, so that some may be dead."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{one.port}" for one in self.servers)

    def primaries(self) -> list[RedisServer]:
        """Who they are now."""
        return [one for one in self.servers if one.is_running and _role(one) == b"master"]

    def replica_of(self, primary: RedisServer) -> RedisServer:
        return next(pair[1 - pair.index(primary)] for pair in self.pairs if primary in pair)

    def id_of(self, server: RedisServer) -> str:
        return str(ask(server, "CLUSTER MYID").decode())

    def empty(self) -> None:
        for primary in self.primaries():
            ask(primary, "FLUSHALL")

    def promote(self, replica: RedisServer) -> None:
        """Make a replica the primary, whether the old one lives or not."""
        ask(replica, "CLUSTER FAILOVER", "TAKEOVER")

    def revive(self) -> None:
        """Start what was killed, and wait until everybody is well and in step."""
        for server in self.servers:
            if not server.is_running:
                server.restart()
        self.settle()

    def settle(self) -> None:
        """Wait until every server sees the same three primaries and every replica follows."""

        def is_well() -> bool:
            roles = [_role(server) for server in self.servers]
            if roles.count(b"master") != 3:
                return False
            maps = {self._map(server) for server in self.servers}
            return len(maps) == 1 and all(
                _follows(one) for one, role in zip(self.servers, roles, strict=True)
                if role == b"slave"
            )  # fmt: skip

        until(is_well, "the cluster does not settle")

    @staticmethod
    def _knows(server: RedisServer, count: int) -> bool:
        flags = [one["flags"] for one in ask(server, "CLUSTER NODES").values()]
        return len(flags) == count and not any("handshake" in one for one in flags)

    @staticmethod
    def _map(server: RedisServer) -> str:
        """Who owns which slots, as this server sees it."""
        if ask(server, "CLUSTER INFO")["cluster_state"] != "ok":
            return f"{server.port} is not well"
        return str(sorted((*one[:2], one[2][2]) for one in ask(server, "CLUSTER SLOTS")))


class SentinelService(_Servers):
    """A primary and its replica, watched by three sentinels."""

    def _begin(self) -> None:
        primary = self._running.enter_context(RedisServer(settings=_REPLICATION))
        follow = [f"replicaof 127.0.0.1 {primary.port}", *_REPLICATION]
        replica = self._running.enter_context(RedisServer(settings=follow))
        self.servers = [primary, replica]
        watch = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 60000",
            f"sentinel failover-timeout {SERVICE} 5000",
        ]
        self.sentinels = [
            self._running.enter_context(RedisServer(settings=watch, mode="--sentinel"))
            for _ in range(3)
        ]
        self.settle()

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def primary(self) -> RedisServer:
        """Who it is now, in the eyes of the sentinels."""
        _, port = ask(self.sentinels[0], "SENTINEL GET-MASTER-ADDR-BY-NAME", SERVICE)
        return next(one for one in self.servers if one.port == int(port))

    @property
    def replica(self) -> RedisServer:
        return next(one for one in self.servers if one is not self.primary)

    def empty(self) -> None:
        ask(self.primary, "FLUSHALL")

    def fail_over(self) -> None:
        """Order it, whether the primary lives or not; it takes a second or so. A replica that the
        sentinel has just met is no good to it before its first answer."""
        until(self._is_ordered, "no replica is good enough")

    def _is_ordered(self) -> bool:
        try:
            ask(self.sentinels[0], "SENTINEL FAILOVER", SERVICE)
        except ResponseError as exc:
            if "NOGOODSLAVE" in str(exc):
                return False
            raise
        return True

    def revive(self) -> None:
        """Start what was killed, and wait until everybody is well and in step."""
        primary = self.primary
        for server in self.servers:
            if not server.is_running:
                server.restart()
            if server is not primary:  # the sentinels would see to it, after 10 s
                ask(server, "REPLICAOF", "127.0.0.1", primary.port)
        self.settle()

    def settle(self) -> None:
        """Wait until all sentinels know each other and the replica, which follows."""

        def is_well() -> bool:
            seen = {
                (one[b"ip"], one[b"port"], one[b"num-other-sentinels"], one[b"num-slaves"])
                for one in map(_told, self.sentinels)
            }
            if len(seen) != 1 or next(iter(seen))[2:] != (b"2", b"1"):
                return False
            roles = _role(self.primary), _role(self.replica)
            return roles == (b"master", b"slave") and _follows(self.replica)

        until(is_well, "the sentinels do not settle")


def _told(sentinel: RedisServer) -> dict[bytes, bytes]:
    """What a sentinel knows of the service."""
    with Redis(port=sentinel.port) as client:
        client.set_response_callback("SENTINEL MASTER", lambda reply, **_: reply)
        flat = client.execute_command("SENTINEL MASTER", SERVICE)
    if isinstance(flat, dict):
        return {_bytes(key): _bytes(value) for key, value in flat.items()}
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def _role(server: RedisServer) -> bytes:
    return bytes(ask(server, "ROLE")[0])


def _follows(replica: RedisServer) -> bool:
    return bool(ask(replica, "ROLE")[3] == b"connected")
