"""How far replicas are behind, as real servers tell it: in step, stopped, gone on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from sessctl.errors import AccessDenied, StoreError, UsageError
from sessctl.stores.access import Access
from sessctl.stores.opening import replica_status
from tests.support.engines import RedisEngine, now_ms, value
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.sql_engines import MariaEngine, PostgresEngine

DAY = 86_400_000


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_redis_replica(redis_engine: RedisEngine) -> None:
    port = redis_engine.server.port
    follow = [f"replicaof 127.0.0.1 {port}"]
    with RedisServer(settings=follow) as replica, redis_engine.open() as store:
        until(lambda: [lag.seconds is not None for lag in store.lags()] == [True])
        assert [lag.replica for lag in store.lags()] == [f"127.0.0.1:{replica.port}"]
        assert max(lag.seconds or 0 for lag in store.lags()) <= 1
        replica.pause()
        until(lambda: (store.lags()[0].seconds or 0) > 2)
        replica.resume()
        until(lambda: (store.lags()[0].seconds or 0) <= 1)


def test_postgres_replica(postgres_engine: PostgresEngine) -> None:
    server = postgres_engine.server
    server.query("GRANT pg_monitor TO app")
    try:
        with server.replica() as replica, postgres_engine.open() as store:
            replica.catch_up()
            until(lambda: [lag.seconds for lag in store.lags()] == [0])
            replica.pause()
            postgres_engine.save(b"abc", value(), now_ms() + DAY)
            until(lambda: (store.lags()[0].seconds or 0) > 1)
            replica.resume()
            until(lambda: store.lags()[0].seconds == 0)
    finally:
        server.query("REVOKE pg_monitor FROM app")


def test_postgres_without_the_right_to_look(postgres_engine: PostgresEngine) -> None:
    with (
        postgres_engine.server.replica(),
        postgres_engine.open() as store,
        pytest.raises(AccessDenied, match="may not see replicas"),
    ):
        store.lags()


def test_mysql_replica_is_asked_itself(mysql_engine: MariaEngine) -> None:
    server = mysql_engine.server
    with server.replica() as replica:
        replica.catch_up()
        replica.query("GRANT REPLICA MONITOR ON *.* TO app@'%'")
        status = replica_status(replica.url, Access())
        until(lambda: status().seconds == 0)
        replica.pause()
        mysql_engine.save(b"abc", value(), now_ms() + DAY)
        until(lambda: (status().seconds is None) or (status().seconds or 0) > 1)
        replica.resume()
        until(lambda: status().seconds == 0)
        status.close()


def test_mysql_primary_is_no_replica(mysql_engine: MariaEngine) -> None:
    status = replica_status(mysql_engine.url, Access())
    with pytest.raises(StoreError):
        status()
    status.close()


def test_other_servers_know_their_replicas_themselves() -> None:
    with pytest.raises(UsageError, match="--lag-from takes MySQL"):
        replica_status("redis://127.0.0.1:1/0", Access())
