"""Sessions in the order of their expiry: by an index where the table has one, sorted where not."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.removal import Removal
from sessctl.session import Query
from sessctl.stores.base import Outcome
from tests.support.cli import Cli
from tests.support.engines import SqliteEngine, now_ms, value
from tests.support.sql_engines import MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer

HOUR = 3_600_000
SqlEngine = SqliteEngine | PostgresEngine | MariaEngine
EXPIRED = Query(expired=True)


@pytest.fixture
def cli(home: Path) -> Cli:
    return Cli(home)


@pytest.fixture
def sqlite_indexed(tmp_path: Path) -> Iterator[SqlEngine]:
    ddl = SqliteEngine.DDL + "; CREATE INDEX ends ON sessions (expired)"
    engine = SqliteEngine(tmp_path / "sessions", ddl)
    yield engine
    engine.client.close()


@pytest.fixture
def postgres_indexed(postgres_server: PostgresServer) -> Iterator[SqlEngine]:
    postgres_server.empty()
    ddl = PostgresEngine.DDL.replace('"expire" timestamp(6) NOT NULL', '"expire" timestamp(6)')
    engine = PostgresEngine(postgres_server, ddl)
    yield engine
    engine.client.close()


@pytest.fixture
def mysql_indexed(maria_server: MariaServer) -> Iterator[SqlEngine]:
    maria_server.empty()
    ddl = MariaEngine.DDL.replace("unsigned NOT NULL", "NULL, KEY `ends` (`expires`)")
    engine = MariaEngine(maria_server, ddl)
    yield engine
    engine.client.close()


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def indexed(request: pytest.FixtureRequest) -> SqlEngine:
    """A table with an index on the expiry, which may be NULL."""
    found: SqlEngine = request.getfixturevalue(f"{request.param}_indexed")
    return found


def drop_index(engine: SqlEngine) -> None:
    drop = {
        "sqlite": "DROP INDEX ends",
        "postgres": 'DROP INDEX "IDX_session_expire"',
        "mysql": "DROP INDEX ends ON sessions",
    }[engine.name]
    run(engine, drop)


def run(engine: SqlEngine, sql: str) -> None:
    if isinstance(engine, MariaEngine):
        engine._execute(sql)
    else:
        engine.client.execute(sql)


def unreadable(engine: SqlEngine) -> None:
    """Make the expiry of `nul` NULL and that of `odd` something that is no instant."""
    table, sid, expires, odd = {
        "sqlite": ("sessions", "sid", "expired", "'soon'"),
        "postgres": ("session", "sid", "expire", "'infinity'"),
        "mysql": ("sessions", "session_id", "expires", "-1"),
    }[engine.name]
    run(engine, f"UPDATE {table} SET {expires} = NULL WHERE {sid} = 'nul'")
    run(engine, f"UPDATE {table} SET {expires} = {odd} WHERE {sid} = 'odd'")


@pytest.fixture
def mixed(indexed: SqlEngine) -> SqlEngine:
    """Ends in no order of the ids, some of one instant, some that cannot be read."""
    now = now_ms() // 1000 * 1000
    for sid, hours in {"a": 3, "b": 1, "c": 2, "d": 1, "nul": 1, "e": -1, "odd": 1, "B": 1}.items():
        indexed.save(sid.encode(), value(), now + hours * HOUR)
    unreadable(indexed)
    return indexed


UP = ["e", "B", "b", "d", "c", "a", "nul", "odd"]
DOWN = ["a", "c", "B", "b", "d", "e", "nul", "odd"]


def listed(cli: Cli, engine: SqlEngine, *words: str) -> list[str]:
    result = cli("list", "-b", engine.url, "-o", "name", *words)
    assert result.code == 0, result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("index", [True, False], ids=["index", "none"])
@pytest.mark.parametrize(("sort", "order"), [("expires", UP), ("-expires", DOWN), ("-ttl", DOWN)])
def test_a_list_is_sorted_the_same_with_and_without_an_index(
    cli: Cli, mixed: SqlEngine, index: bool, sort: str, order: list[str]
) -> None:
    if not index:
        drop_index(mixed)
    assert listed(cli, mixed, "--sort", sort) == order
    for limit in range(1, 9):
        assert listed(cli, mixed, "--sort", sort, "--limit", str(limit)) == order[:limit]


@pytest.mark.parametrize("index", [True, False], ids=["index", "none"])
def test_equal_expiries_follow_the_next_key(cli: Cli, mixed: SqlEngine, index: bool) -> None:
    if not index:
        drop_index(mixed)
    order = ["e", "d", "b", "B", "c", "a", "odd", "nul"]
    assert listed(cli, mixed, "--sort", "expires,-sid") == order


def test_a_filter_goes_with_the_order(cli: Cli, mixed: SqlEngine) -> None:
    mixed.save(b"mine", value("42"), now_ms() + 2 * HOUR)
    mixed.save(b"first", value("42"), now_ms() + HOUR)
    assert listed(cli, mixed, "--sort", "expires", "--user", "42") == ["first", "mine"]
    assert listed(cli, mixed, "--sort", "-expires", "--expired") == ["e"]


def test_what_comes_first_is_read_without_the_rest(indexed: SqlEngine) -> None:
    """The store is asked for few rows and for no more until somebody wants them."""
    fill(indexed, 1500, now_ms() + HOUR, step_ms=1000)
    with indexed.open() as store:
        pages: list[int] = []
        read = store._dialect.rows

        def rows(statement):
            found = read(statement)
            pages.append(len(found))
            return found

        store._dialect.rows = rows
        found = [s.sid for s in islice(store.by_expiry(Query(), first=10), 10)]
    assert found == [f"s{i:04}" for i in range(10)]
    assert pages == [10]


def fill(engine: SqlEngine, count: int, ends_ms: int, *, step_ms: int = 0, sign: str = "s") -> None:
    """So many sessions, written in no order."""
    order = list(range(count))
    random.Random(1).shuffle(order)
    for place in order:
        engine.save(f"{sign}{place:04}".encode(), value(), ends_ms + place * step_ms)


@pytest.mark.parametrize("descending", [False, True])
def test_more_of_one_instant_than_a_page_are_each_read_once(
    indexed: SqlEngine, descending: bool
) -> None:
    ends = now_ms() // 1000 * 1000 - HOUR
    fill(indexed, 2300, ends)
    fill(indexed, 40, ends + 1000, step_ms=1000, sign="t")
    with indexed.open() as store:
        found = list(store.by_expiry(Query(), descending=descending, first=7))
        expired = [session.sid for session in store.scan(EXPIRED)]
    assert len(found) == len({session.sid for session in found}) == 2340
    instants = [session.expires_ms for session in found]
    assert instants == sorted(instants, reverse=descending)
    assert sorted(expired) == sorted(session.sid for session in found)


def purge(store: Store) -> Removal:
    removal = Removal(store, None, grace_ms=0)
    for _ in removal.purge(EXPIRED):
        pass
    return removal


@pytest.mark.parametrize("index", [True, False], ids=["index", "none"])
def test_a_purge_ends_though_sessions_stay(indexed: SqlEngine, index: bool) -> None:
    """Some are renewed after they were read, of some only the value changes: all of these stay,
    over or not, none is read again and none stops the rest."""
    ends = now_ms() // 1000 * 1000 - HOUR
    fill(indexed, 2100, ends)
    fill(indexed, 5, now_ms() + HOUR, sign="live")
    if not index:
        drop_index(indexed)
    with indexed.open(write=True) as store:
        read: list[str] = []
        delete = store.delete

        def changed_meanwhile(sessions, *, grace_ms):
            read.extend(session.sid for session in sessions)
            for session in sessions:
                if session.sid.endswith("1"):
                    indexed.touch(session.sid.encode(), now_ms() + HOUR)
                elif session.sid.endswith("2"):
                    indexed.save(session.sid.encode(), value("8"), ends)
            return delete(sessions, grace_ms=grace_ms)

        store.delete = changed_meanwhile
        summary = purge(store).summary
    assert summary.complete
    assert summary.counts == {Outcome.DELETED: 1680, Outcome.CHANGED: 420}
    assert len(read) == len(set(read)) == 2100
    assert len(indexed.everything()) == 420 + 5
