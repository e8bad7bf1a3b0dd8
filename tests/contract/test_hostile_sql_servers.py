"""Hostile tables on PostgreSQL and MariaDB: every row marked LIVE survives a purge."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalWriter
from sessctl.admin.plan import Permissions, check_guards, make_plan
from sessctl.admin.removal import Removal, Summary
from sessctl.errors import ConfigError, GuardRefused, Refused, StoreError
from sessctl.session import Query, State
from sessctl.stores.opening import open_store
from tests.support.engines import now_ms
from tests.support.vectors import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer

WEIRD_PG = {
    "table": "Session Table",
    "columns": {"sid": 'Sid"x', "data": "data", "expires": "expires"},
}
WEIRD_MY: dict[str, Any] = {
    "table": "weird`; table",
    "columns": {"sid": "s`id", "data": "s`id", "expires": "expires"},
}
MYISAM: dict[str, Any] = {
    "table": "sess_myisam",
    "columns": {"sid": "sid", "data": "sid", "expires": "expires"},
}


def purge(store: Store, folder: Path) -> Summary:
    journal = JournalWriter(folder / "journals", {"command": "purge", "backend": "x"})
    run = Removal(store, journal, grace_ms=60_000)
    for _ in run.purge(Query(expired=True, grace_ms=60_000)):
        pass
    return run.summary


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.empty()
    with postgres_server.connect() as connection:
        connection.execute("SET ROLE app")
        connection.execute((HOSTILE / "stores" / "postgres.sql").read_bytes())
    return postgres_server


@pytest.fixture
def mysql(maria_server: MariaServer) -> MariaServer:
    maria_server.empty()
    text = (HOSTILE / "stores" / "mysql.sql").read_text(encoding="utf-8")
    with closing(maria_server.connect()) as connection, connection.cursor() as cursor:
        for line in text.splitlines():
            for statement in statements(line):
                cursor.execute(statement)
        connection.commit()
    return maria_server


def statements(line: str) -> list[str]:
    """The statements of a line; one table's name holds a semicolon."""
    code = line.partition("-- ")[0].replace("``; ", "``\0 ")
    return [part.replace("\0", ";").strip() for part in code.split(";") if part.strip()]


def test_postgres_dates_that_are_no_instant_are_unknown(postgres: PostgresServer) -> None:
    with open_store(postgres.url, expires_zone="UTC") as store:
        states = {session.sid: session.state(now_ms()) for session in store.scan(Query())}
        assert store.remarks.stranger_samples == ["session: 1 row (the id is not a text)"]
        assert [s.sid for s in store.scan(Query(expired=True))] == ["past"]
        assert store.count(Query(expired=True)) == 1
    unknown = dict.fromkeys(("inf", "ninf", "nul", "bc", "far"), State.UNKNOWN)
    assert states == {**unknown, "live": State.ACTIVE, "past": State.EXPIRED}


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/St_Johns"])
def test_postgres_live_rows_survive_in_every_zone(
    postgres: PostgresServer, tmp_path: Path, zone: str
) -> None:
    """The row was written for a server in UTC; another zone may make it late, never early."""
    postgres.query("DELETE FROM session WHERE sid IS NULL")
    postgres.query("ALTER TABLE session ADD PRIMARY KEY (sid)")
    before = {row[0] for row in postgres.query("SELECT sid FROM session")}
    postgres.query(
        "UPDATE session SET expire = (now() AT TIME ZONE %s) + interval '1 hour' "
        "WHERE sid = 'live'",
        zone,
    )
    with open_store(postgres.url, "connect-pg-simple", write=True, expires_zone=zone) as store:
        assert purge(store, tmp_path).counts == {"deleted": 1}
    assert {row[0] for row in postgres.query("SELECT sid FROM session")} == before - {"past"}


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_postgres_zone_of_our_environment_changes_nothing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    with open_store(postgres.url) as store:
        before = {session.sid: session.expires_ms for session in store.scan(Query())}
    monkeypatch.setenv("PGTZ", zone)
    monkeypatch.setenv("TZ", zone)
    with open_store(postgres.url) as store:
        assert {session.sid: session.expires_ms for session in store.scan(Query())} == before


def test_postgres_zone_of_a_role_is_not_guessed(postgres: PostgresServer) -> None:
    """The application may connect as another role than we do."""
    postgres.query("ALTER ROLE app SET timezone = 'Asia/Tokyo'")
    try:
        query = Query(expired=True)
        for zone, refused in ((None, True), ("UTC", False)):
            options = {} if zone is None else {"expires_zone": zone}
            with open_store(postgres.url, **options) as store:
                plan = make_plan(store, query, Permissions())
                assert bool(plan.zone_doubt) == refused
                if refused:
                    named = Permissions(frozenset({"wrong-store"}))
                    with pytest.raises(GuardRefused, match="set for the role app"):
                        check_guards(plan, store, named, by_rule=True)
                    forced = Permissions(frozenset({"zone", "wrong-store"}))
                    check_guards(plan, store, forced, by_rule=True)
    finally:
        postgres.query("ALTER ROLE app RESET timezone")


def test_postgres_unknown_zone_is_named(postgres: PostgresServer) -> None:
    with pytest.raises(ConfigError, match="no time zone 'Mars/Olympus'"):
        open_store(postgres.url, expires_zone="Mars/Olympus")


def test_postgres_without_a_key_nothing_is_written(postgres: PostgresServer) -> None:
    with pytest.raises(Refused, match="is not unique"):
        open_store(postgres.url, "connect-pg-simple", write=True)


def test_postgres_view_is_refused(postgres: PostgresServer) -> None:
    with pytest.raises(StoreError, match="'session_view' is no table"):
        open_store(postgres.url, table="session_view")


def test_postgres_weird_names_and_a_cascade(postgres: PostgresServer, tmp_path: Path) -> None:
    with open_store(
        postgres.url, "connect-pg-simple", write=True, expires_zone="UTC", **WEIRD_PG
    ) as store:
        assert "foreign key of audit_child" in store.capabilities.cascades
        query = Query(expired=True, grace_ms=60_000)
        plan = make_plan(store, query, Permissions())
        with pytest.raises(GuardRefused, match="audit_child"):
            check_guards(plan, store, Permissions(), by_rule=True)
        assert purge(store, tmp_path).counts == {"deleted": 1}
    left = {row[0] for row in postgres.query('SELECT "Sid""x" FROM "Session Table"')}
    assert left == {"live", "a\nb"}


def test_mysql_ids_are_bytes_whatever_the_collation_says(
    mysql: MariaServer, tmp_path: Path
) -> None:
    with open_store(mysql.url, "express-mysql-session", write=True) as store:
        assert store.get(["case", "trail", "LIVE"]) == []
        run = Removal(store, None)
        assert [page[0].outcome for page in run.expire(["case"])] == ["gone"]
        assert purge(store, tmp_path).counts == {"deleted": 1}
        assert store.get(["zero"])[0].state(now_ms()) is State.UNKNOWN
    left = {row[0] for row in mysql.query("SELECT session_id FROM shop.sessions")}
    assert left == {"live", "zero", "trail ", "CaSe"}


def test_mysql_a_date_column_is_no_number_of_seconds(mysql: MariaServer) -> None:
    columns = {"sid": "sid", "data": "data", "expires": "expire"}
    with pytest.raises(StoreError, match="column 'expire' is datetime"):
        open_store(mysql.url, table="sess_dt", columns=columns)


def test_mysql_weird_names(mysql: MariaServer, tmp_path: Path) -> None:
    with open_store(mysql.url, "express-mysql-session", write=True, **WEIRD_MY) as store:
        assert purge(store, tmp_path).counts == {"deleted": 1}
    left = {row[0] for row in mysql.query("SELECT `s``id` FROM shop.`weird``; table`")}
    assert left == {"live"}


def test_mysql_table_without_transactions_says_so(mysql: MariaServer, tmp_path: Path) -> None:
    with open_store(mysql.url, "express-mysql-session", write=True, **MYISAM) as store:
        assert any("has no transactions" in note for note in store.remarks.notes)
        found = store.get(["past"])
        mysql.query("UPDATE shop.sess_myisam SET expires = 2 WHERE sid = 'past'")
        assert [result.outcome for result in store.delete(found)] == ["changed"]
        assert purge(store, tmp_path).counts == {"deleted": 1}
    assert {row[0] for row in mysql.query("SELECT sid FROM shop.sess_myisam")} == {"live"}
