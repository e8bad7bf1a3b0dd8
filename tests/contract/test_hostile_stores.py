"""Stores full of what no library would write: a purge of the expired takes none of the living."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import JournalWriter
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal
from sessctl.session import Query, State
from sessctl.stores.opening import open_store
from tests.support.engines import SqliteEngine, now_ms
from tests.support.vectors import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.engines import RedisEngine

GRACE = 60_000
CORPUS = json.loads((HOSTILE / "stores/redis.json").read_bytes())
# 40 ms to live: gone before anybody could purge it.
BY_ITSELF = b"sess:almost"


def purge(store: Store, folder: Path, **options) -> Removal:
    journal = JournalWriter(folder / "journals", {"command": "purge", "backend": "x"})
    run = Removal(store, journal, grace_ms=GRACE, **options)
    for _ in run.purge(Query(expired=True, grace_ms=GRACE)):
        pass
    assert run.summary.complete
    return run


@pytest.fixture
def hostile_redis(redis_engine: RedisEngine) -> RedisEngine:
    for command in CORPUS["commands"]:
        redis_engine.client.execute_command(*map(b64decode, command["args"]))
    return redis_engine


@pytest.mark.parametrize("prefix", ["sess:", "s[ae]ss:", "", "spring:"])
@pytest.mark.parametrize("no_ttl", [False, True])
def test_hostile_redis_store_keeps_what_must_survive(
    hostile_redis, tmp_path, prefix, no_ttl
) -> None:
    before = hostile_redis.everything()
    with hostile_redis.open(write=True, prefix=prefix) as store:
        purge(store, tmp_path, permissions=Permissions(no_ttl_by_cookie_date=no_ttl))
    after = hostile_redis.everything()
    for key in map(b64decode, CORPUS["must_survive_purge_expired"]):
        if key in before and key != BY_ITSELF:
            assert after[key] == before[key], key


def test_hostile_redis_store_is_listed_whole(hostile_redis) -> None:
    with hostile_redis.open() as store:
        listed = {
            session.location.encode("utf-8", "surrogateescape") for session in store.scan(Query())
        }
        strings = {
            key
            for key in hostile_redis.everything()
            if key.startswith(b"sess:") and hostile_redis.client.type(key) == b"string"
        }
        assert listed - {BY_ITSELF} == strings - {BY_ITSELF}
        assert store.remarks.strangers == 5


def test_hostile_redis_store_ends_only_what_has_the_prefix(hostile_redis, tmp_path) -> None:
    before = hostile_redis.everything()
    with hostile_redis.open(write=True, prefix="s[ae]ss:") as store:
        for _ in Removal(store, None).purge(Query(everything=True)):
            pass
    gone = set(before) - set(hostile_redis.everything()) - {BY_ITSELF}
    assert gone == {b"s[ae]ss:only"}


WEIRD = {
    "table": 'we"ird; table',
    "columns": {"sid": "sid", "data": "sess", "expires": "expire; at"},
}


@pytest.fixture
def hostile_sqlite(tmp_path: Path) -> Path:
    path = tmp_path / "hostile"
    connection = sqlite3.connect(path)
    connection.executescript((HOSTILE / "stores/sqlite.sql").read_text(encoding="utf-8"))
    # The corpus' Django rows once more, in the shape of connect-sqlite3: columns without types.
    connection.executescript(
        SqliteEngine.DDL
        + ";INSERT INTO sessions SELECT session_key, expire_date, session_data FROM django_session;"
    )
    connection.close()
    return path


def rows(path: Path, table: str) -> set[tuple]:
    connection = sqlite3.connect(path)
    connection.text_factory = bytes
    found = set(connection.execute(f'SELECT rowid, * FROM "{table}"').fetchall())
    connection.close()
    return found


def test_hostile_sqlite_store_keeps_every_row_of_unknown_expiry(hostile_sqlite, tmp_path) -> None:
    """The dates are text here, or seconds; nothing of it is an instant in milliseconds."""
    before = rows(hostile_sqlite, "sessions")
    with open_store(f"sqlite:///{hostile_sqlite}", "connect-sqlite3", write=True) as store:
        purge(store, tmp_path)
        assert {s.state(now_ms()) for s in store.scan(Query())} == {State.UNKNOWN}
        assert store.remarks.stranger_samples == ["sessions: 3 rows (the id is not a text)"]
    assert rows(hostile_sqlite, "sessions") == before
    assert len(before) == 17


def test_hostile_sqlite_store_with_a_weird_table_loses_only_what_is_over(
    hostile_sqlite, tmp_path
) -> None:
    django = rows(hostile_sqlite, "django_session")
    with open_store(f"sqlite:///{hostile_sqlite}", "connect-sqlite3", write=True, **WEIRD) as store:
        run = purge(store, tmp_path)
        left = {session.sid for session in store.scan(Query())}
    assert run.summary.counts == {"deleted": 1}
    assert left == {"live", "seconds", "neg", "nul", "big", "real", "nan"}
    assert rows(hostile_sqlite, "django_session") == django


def test_hostile_sqlite_ids_stay_data(hostile_sqlite) -> None:
    injection = "a'; DROP TABLE django_session;--"
    with open_store(f"sqlite:///{hostile_sqlite}", "connect-sqlite3", write=True) as store:
        assert [s.sid for s in store.get([injection, "%"])] == [injection, "%"]
        for _ in Removal(store, None).expire([injection]):
            pass
    left = rows(hostile_sqlite, "sessions")
    assert len(left) == 16
    assert len(rows(hostile_sqlite, "django_session")) == 17
