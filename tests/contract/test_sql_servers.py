"""What PostgreSQL and MariaDB have in common: access, TLS, limits, replicas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import copy_sessions, set_data
from sessctl.errors import (
    AccessDenied,
    Refused,
    SerializerError,
    StoreError,
    StoreUnreachable,
    UsageError,
)
from sessctl.session import Query
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.engines.sql_bites import next_size
from sessctl.stores.opening import open_store
from sessctl.text import Secret
from tests.support.engines import SqliteEngine, now_ms, value
from tests.support.mariadb import MariaServer
from tests.support.postgres import PostgresServer
from tests.support.sql_engines import MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3_600_000
Engine = PostgresEngine | MariaEngine


@pytest.fixture(params=["postgres", "mysql"])
def sql(request: pytest.FixtureRequest) -> Engine:
    """Each server with one session."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    engine.save(b"abc", value(), now_ms() + HOUR)
    return engine


@pytest.fixture(scope="module")
def postgres_tls() -> Iterator[PostgresEngine]:
    with PostgresServer(tls=True) as server:
        engine = PostgresEngine(server)
        yield engine
        engine.client.close()


@pytest.fixture(scope="module")
def mysql_tls() -> Iterator[MariaEngine]:
    with MariaServer(tls=True) as server:
        engine = MariaEngine(server)
        yield engine
        engine.client.close()


@pytest.fixture(params=["postgres_tls", "mysql_tls"])
def tls(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(request.param)
    return found


def verifying(engine: Engine) -> str:
    word = "sslmode=verify-full" if engine.name == "postgres" else "ssl-mode=VERIFY_IDENTITY"
    return f"{engine.server.url}?{word}"


def test_password_and_user_of_the_access_win(sql: Engine) -> None:
    access = Access(password=Secret("canary-wrong-1"))
    with pytest.raises(AccessDenied) as caught:
        open_store(sql.url, access=access)
    assert "canary-wrong-1" not in str(caught.value)


def test_a_server_that_is_not_there(sql: Engine) -> None:
    url = sql.url.replace(f":{sql.server.port}/", ":1/")
    with pytest.raises(StoreUnreachable, match="connection refused"):
        open_store(url)


def test_a_database_that_is_not_there(sql: Engine) -> None:
    with pytest.raises(StoreError, match=r"no database|denied|knows no"):
        open_store(sql.server.url.removesuffix("/shop") + "/nowhere")


def test_a_url_without_a_database(sql: Engine) -> None:
    with pytest.raises(UsageError, match="names no database"):
        open_store(sql.server.url.removesuffix("/shop"))


def test_a_table_that_is_not_there_names_those_that_are(sql: Engine) -> None:
    with pytest.raises(StoreError, match="no table 'web'") as caught:
        open_store(sql.url, table="web")
    assert "session" in (caught.value.hint or "")


def test_another_store_s_layout_is_refused(sql: Engine) -> None:
    with pytest.raises(UsageError, match="does not live in a"):
        open_store(sql.url, layout="connect-sqlite3")


def test_a_reader_cannot_write_whatever_it_says(sql: Engine) -> None:
    with sql.open() as store:
        with pytest.raises(Refused, match="for reading only"):
            store.delete(store.get(["abc"]))
        with pytest.raises(StoreError, match="read-only"):
            store._dialect.delete(store._table, store._sid, ["abc"])
    assert set(sql.everything()) == {b"abc"}


def test_a_lost_connection_is_opened_again_for_reading(sql: Engine) -> None:
    with sql.open() as store:
        assert store.count(Query()) == 1
        if isinstance(sql, PostgresEngine):
            sql.server.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'sessctl'"
            )
        else:
            for row in sql.server.query(
                "SELECT id FROM information_schema.processlist WHERE user = 'app' "
                f"AND id <> {sql.client.thread_id()}"
            ):
                sql.server.query(f"KILL {row[0]}")
        assert [session.sid for session in store.get(["abc"])] == ["abc"]


def test_a_row_that_somebody_holds_is_left_and_not_waited_for(sql: Engine) -> None:
    other = sql.server.connect()
    table, column = (
        ("session", "sid") if isinstance(sql, PostgresEngine) else ("shop.sessions", "session_id")
    )
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT * FROM {table} WHERE {column} = 'abc' FOR UPDATE")
        before = now_ms()
        with sql.open(write=True) as store:
            (result,) = store.delete(store.get(["abc"]))
        assert (result.outcome, result.reason) == (Outcome.CHANGED, "in use by another transaction")
        assert now_ms() - before < 1500
        cursor.execute("ROLLBACK")
    other.close()
    assert set(sql.everything()) == {b"abc"}


def test_a_replica_is_read_and_never_written(sql: Engine) -> None:
    with sql.server.replica() as replica:
        replica.catch_up()
        with open_store(replica.url) as store:
            assert [session.sid for session in store.scan(Query())] == ["abc"]
        with pytest.raises(Refused, match="is read-only"):
            open_store(replica.url, sql.layout, write=True)
    assert set(sql.everything()) == {b"abc"}


def test_tls_with_a_verified_name(tls: Engine) -> None:
    access = Access(ca_file=str(tls.server.ca_file), require_tls=True)
    with open_store(verifying(tls), access=access) as store:
        assert store.count(Query()) == 0


def test_tls_with_a_certificate_of_nobody_is_refused(tls: Engine) -> None:
    with pytest.raises(StoreUnreachable, match="TLS"):
        open_store(verifying(tls))


def test_tls_that_the_server_does_not_speak_is_refused(sql: Engine) -> None:
    with pytest.raises(StoreUnreachable, match="TLS"):
        open_store(verifying(sql))


@pytest.mark.parametrize("url", ["postgresql://u@db.example/x", "mysql://u@db.example/x"])
def test_a_backend_that_requires_tls_takes_no_less(url: str) -> None:
    less = "?sslmode=require" if url.startswith("postgresql") else "?ssl-mode=REQUIRED"
    for text in (url, url + less):
        with pytest.raises(Refused, match="requires TLS with a verified host name"):
            open_store(text, access=Access(require_tls=True, timeout_s=1))


def test_rows_of_a_partitioned_table_are_told_apart(postgres_engine: PostgresEngine) -> None:
    """In each partition a row stands at the same place as one of another."""
    client = postgres_engine.client
    client.execute("DROP TABLE session")
    client.execute(
        "CREATE TABLE session (sid varchar PRIMARY KEY, sess json NOT NULL, "
        "expire timestamp(6) NOT NULL) PARTITION BY HASH (sid)"
    )
    for part in range(3):
        client.execute(
            f"CREATE TABLE session_{part} PARTITION OF session "
            f"FOR VALUES WITH (MODULUS 3, REMAINDER {part})"
        )
    for number in range(30):
        ends = now_ms() + (HOUR if number % 2 else -HOUR)
        postgres_engine.save(f"s{number:02}".encode(), value(), ends)
    with postgres_engine.open(write=True) as store:
        results = store.delete(list(store.scan(Query(expired=True))), grace_ms=0)
    assert {result.outcome for result in results} == {Outcome.DELETED}
    left = {f"s{number:02}".encode() for number in range(1, 30, 2)}
    assert set(postgres_engine.everything()) == left


@pytest.mark.parametrize(
    ("size", "done", "took_s", "then"),
    [
        (250, 250, 0.005, 500),
        (1000, 1000, 0.005, 1000),
        (500, 3, 0.001, 500),
        (500, 500, 0.03, 500),
        (500, 500, 0.1, 250),
        (500, 500, 60.0, 10),
    ],
)
def test_a_slow_transaction_is_followed_by_a_smaller_one(
    size: int, done: int, took_s: float, then: int
) -> None:
    assert next_size(size, done, took_s) == then


def test_a_row_that_the_table_does_not_take_fails_alone(sql: Engine, tmp_path: Path) -> None:
    """PostgreSQL takes no NUL, this table of MariaDB no long id: the rest of the page moves."""
    source = SqliteEngine(tmp_path / "source.db")
    names = [b"good-%d" % number for number in range(20)]
    for name in (*names, b"a\0b", b"x" * 9_000):
        source.save(name, value(), now_ms() + HOUR)
    with source.open() as store, sql.open(write=True) as target:
        done = copy_sessions(store, target, journals=tmp_path / "journals")
    assert done.complete
    assert done.counts == {"copied": 21, "failed": 1}
    assert set(names) <= set(sql.everything())
    source.client.close()


def test_mysql_cuts_nothing_off_even_where_the_server_would(
    mysql_engine: MariaEngine, tmp_path: Path
) -> None:
    """Without strict mode a longer value is cut to what the column holds: a session lost."""
    client = mysql_engine.client
    with client.cursor() as cursor:
        cursor.execute("ALTER TABLE sessions MODIFY data text COLLATE utf8mb4_bin")
        cursor.execute("SELECT @@GLOBAL.sql_mode")
        (usual,) = cursor.fetchone()
        cursor.execute("SET GLOBAL sql_mode = ''")
    try:
        mysql_engine.save(b"abc", value(), now_ms() + HOUR)
        before = mysql_engine.everything()
        with (
            mysql_engine.open(write=True) as store,
            pytest.raises(SerializerError, match="Data too long"),
        ):
            set_data(store, "abc", {"text": "x" * 70_000}, journals=tmp_path / "journals")
        assert mysql_engine.everything() == before
    finally:
        with client.cursor() as cursor:
            cursor.execute("SET GLOBAL sql_mode = %s", (usual,))
