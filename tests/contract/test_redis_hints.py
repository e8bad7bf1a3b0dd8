"""Keyspace notifications, where a server sends them, and where it does not."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from sessctl import open_store, watch
from sessctl.admin.watch import Pace
from tests.faults.recorder import recorded
from tests.support.cli import save, sid
from tests.support.engines import RedisEngine
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.stores.base import HintingStore


@pytest.fixture(scope="module")
def telling() -> Iterator[RedisEngine]:
    """A server whose administrator has switched them on."""
    with RedisServer(settings=["notify-keyspace-events KA"]) as server:
        engine = RedisEngine(server)
        yield engine
        engine.client.close()


def hears(store: HintingStore, *, within_s: float = 10) -> bool:
    """In such a time: long where something is to come, short where nothing is."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if store.heard():
            return True
        time.sleep(0.01)
    return False


def test_a_change_of_a_session_is_heard_once(telling: RedisEngine) -> None:
    with telling.open() as store:
        assert not store.heard()
        save(telling, sid("a"), 42)
        assert hears(store)
        telling.client.set("other:key", "x")
        assert not hears(store, within_s=0.3)
        telling.drop(sid("a").encode())
        assert hears(store)


def test_the_next_look_comes_sooner(telling: RedisEngine) -> None:
    now_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now_s
        if not now_s:
            save(telling, sid("b"), 7)
        now_s += seconds
        time.sleep(0.02)

    pace = Pace(300, clock=lambda: now_s, sleep=sleep)
    with telling.open() as store:
        (event,) = islice(watch(store, pace=pace), 1)
    assert (event.change, event.sid) == ("appeared", sid("b"))
    assert now_s < 300  # a message may take its time, and five minutes are many of these


def test_a_server_that_sends_none_is_left_as_it_is(redis_server: RedisServer) -> None:
    engine = RedisEngine(redis_server)
    with recorded(redis_server.port) as commands, engine.open() as store:
        assert not store.heard()
        save(engine, sid("a"), 42)
        assert not hears(store, within_s=0.3)
    assert "CONFIG" not in {words[0].upper() for words in commands}
    assert engine.client.config_get("notify-keyspace-events") == {"notify-keyspace-events": ""}
    engine.client.close()


def test_a_user_who_may_not_listen_hears_nothing(telling: RedisEngine) -> None:
    telling.client.acl_setuser("reader", enabled=True, nopass=True, keys=["*"],
                               commands=["+@all"], reset_channels=True)  # fmt: skip
    url = f"redis://reader:x@127.0.0.1:{telling.server.port}/0"
    with open_store(url, "connect-redis") as store:
        assert not store.heard()
        save(telling, sid("c"), 42)
        assert not hears(store, within_s=0.3)
        assert [one.sid for one in store.get([sid("c")])] == [sid("c")]


def test_a_connection_that_breaks_is_a_hint_and_no_error(telling: RedisEngine) -> None:
    with telling.open() as store:
        assert not store.heard()
        telling.server.cli("CLIENT", "KILL", "TYPE", "pubsub")
        assert hears(store)
        assert not store.heard()  # listens again
        save(telling, sid("d"), 42)
        assert hears(store)
