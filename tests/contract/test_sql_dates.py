"""Expiries that are dates: what no library writes is none, and no live session is taken for dead.

The tables are made by hand, as the libraries make them; what they write is proved in
`tests/e2e/test_express_sql.py`.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.removal import Removal
from sessctl.errors import ConfigError, StoreError
from sessctl.session import Query, Session, State
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.support.engines import SqliteEngine, now_ms, value

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer

HOUR = 3_600_000


def purge(store: Store) -> dict[str, int]:
    """End what is expired, with the grace that is usual; what became of it."""
    run = Removal(store, None, grace_ms=60_000)
    for _ in run.purge(Query(expired=True, grace_ms=60_000)):
        pass
    return dict(run.summary.counts)


def states(store: Store) -> dict[str, State]:
    return {session.sid: session.state(now_ms()) for session in store.scan(Query())}


# -- SQLite ----------------------------------------------------------------------------------------

SHAPES = {
    "connect-session-knex": "{0}T{1}Z",
    "better-sqlite3-session-store": "{0}T{1}Z",
    "connect-session-sequelize": "{0} {1} +00:00",
    "prisma-session-store": "{0}T{1}+00:00",
}
TABLES = {
    "connect-session-knex": "sessions (sid varchar(255) primary key, expired datetime, sess json)",
    "better-sqlite3-session-store": "sessions (sid TEXT PRIMARY KEY, expire TEXT, sess JSON)",
    "connect-session-sequelize": "Sessions (sid VARCHAR(36) PRIMARY KEY, expires DATETIME, data)",
    "prisma-session-store": "Session (sid TEXT UNIQUE, expiresAt DATETIME, data, id DEFAULT 1)",
}
OTHERS = ["{0}", "{0} {1}", "{0}T{1}", "{0}T{1}Z", "{0}T{1}+00:00", "{0} {1} +00:00",
          "{0}T{1}+14:00", "{0}T{1}z", "x{0}T{1}Z", "{0}T{1}Z ", " {0}T{1}Z", "{0}T{1}ZZ",
          "+00{0}T{1}Z", "-{0}T{1}Z"]  # fmt: skip
NO_DATES: list[Any] = [
    None, "", "now", "never", "0", "2451910.5", "\N{FULLWIDTH DIGIT TWO}001-01-01T00:00:00.000Z",
    -1, 0, 0.0, 1e9, 1_700_000_000, -9e999, b"2001-01-01T00:00:00.000Z",
]  # fmt: skip
IMPOSSIBLE = [("2001-13-01", "00:00:00.000"), ("2001-00-00", "00:00:00.000"),
              ("2001-01-01", "25:00:00.000"), ("0000-00-00", "00:00:00.000"),
              ("1969-12-31", "23:59:59.999"), ("1000-01-01", "00:00:00.000")]  # fmt: skip


@pytest.fixture(params=SHAPES)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(path: Path, layout: str, dates: list[Any]) -> SqliteEngine:
    """A table of this layout with these dates, and a session that is over and one that lives."""
    engine = SqliteEngine(path, f"CREATE TABLE {TABLES[layout]}")
    rows = {str(place): date for place, date in enumerate(dates)}
    rows |= {"past": text(layout, now_ms() - HOUR), "live": text(layout, now_ms() + HOUR)}
    table = TABLES[layout].partition(" ")[0]
    names = "(sid, expiresAt, data)" if layout.startswith("prisma") else ""
    for sid, date in rows.items():
        engine.client.execute(
            f"INSERT INTO {table} {names} VALUES (?, ?, ?)", (sid, date, value().decode())
        )
    return engine


def text(layout: str, ms: int) -> str:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    return SHAPES[layout].format(*instant.isoformat("T", "milliseconds")[:-6].split("T"))


def test_sqlite_what_the_library_does_not_write_is_unknown_and_stays(
    tmp_path: Path, layout: str
) -> None:
    shape = SHAPES[layout]
    dates = [other.format("2001-01-01", "00:00:00.000") for other in OTHERS if other != shape]
    dates += [shape.format(*impossible) for impossible in IMPOSSIBLE]
    # SQLite makes numbers of texts that are some: this one is an instant of 1970 in ms.
    numbers = ["2451910.5"] if layout == "prisma-session-store" else []
    dates += [date for date in NO_DATES if date not in numbers]
    made(tmp_path / "db", layout, dates).client.close()
    with open_store(f"sqlite:///{tmp_path}/db", layout, write=True) as store:
        found = states(store)
        unknown = {sid for sid, state in found.items() if state is State.UNKNOWN}
        no_end = {str(dates.index(None))} if layout == "connect-session-sequelize" else set()
        assert unknown == {str(place) for place in range(len(dates))} - no_end
        assert (found["past"], found["live"]) == (State.EXPIRED, State.ACTIVE)
        assert store.count(Query(expired=True)) == 1
        assert purge(store) == {"deleted": 1}
        assert set(states(store)) == set(found) - {"past"}


def test_sqlite_dates_are_exact_to_the_millisecond(tmp_path: Path, layout: str) -> None:
    ends = [1, 999, 951_782_400_001, 1_795_293_795_498, 4_102_444_799_999, 253_402_300_799_999]
    made(tmp_path / "db", layout, [text(layout, ms) for ms in ends]).client.close()
    with open_store(f"sqlite:///{tmp_path}/db", layout, write=True) as store:
        sids = [str(place) for place in range(len(ends))]
        assert [session.expires_ms for session in store.get(sids)] == ends
        for ms in ends:
            assert store.set_expiry(store.get(["live"]), ms)[0].outcome is Outcome.STORED
            assert store.get(["live"])[0].expires_ms == ms


def test_sqlite_sorts_dates_by_their_index(tmp_path: Path) -> None:
    layout, ends = "connect-session-knex", [now_ms() + place * 1000 for place in range(5)]
    engine = made(tmp_path / "db", layout, [text(layout, ms) for ms in ends])
    engine.client.execute("CREATE INDEX i ON sessions (expired)")
    with engine.open(layout=layout) as store:
        assert store.capabilities.orders_by_expiry
        ordered = [session.expires_ms for session in store.by_expiry(Query())]
        assert ordered == sorted(ordered, key=lambda ms: ms or 0)
    engine.client.execute("INSERT INTO sessions VALUES ('number', ?, '{}')", (now_ms() + HOUR,))
    with engine.open(layout=layout) as store:  # no date to this library
        assert store.get(["number"])[0].state(now_ms()) is State.UNKNOWN
        assert [session.sid for session in store.by_expiry(Query())][-1] == "number"
    engine.client.close()


# -- MySQL -----------------------------------------------------------------------------------------

KNEX_MYSQL = (
    "CREATE TABLE shop.sessions (sid varchar(255) PRIMARY KEY, sess longtext NOT NULL, "
    "expired {kind} NULL, KEY sessions_expired_index (expired))"
)


@pytest.fixture
def mysql(maria_server: MariaServer) -> MariaServer:
    maria_server.empty()
    return maria_server


def fill(server: MariaServer, zone: str, **dates: str | None) -> None:
    """Rows that end an hour ago and in an hour, in the wall clock of the zone, and further ones."""
    insert = "INSERT INTO shop.sessions (sid, sess, expired) VALUES "
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")  # takes dates that are none
        for sid, sign in (("past", "-"), ("live", "+")):
            wall = f"CONVERT_TZ(UTC_TIMESTAMP() {sign} INTERVAL 1 HOUR, '+00:00', '{zone}')"
            cursor.execute(f"{insert} ('{sid}', '{{}}', {wall})")
        for sid, date in dates.items():
            cursor.execute(f"{insert} (%s, '{{}}', %s)", (sid, date))
        connection.commit()


@pytest.mark.parametrize(
    ("zone", "named"),
    [("+00:00", None), ("+00:00", "UTC"), ("-08:00", "-08:00"), ("+13:00", "+13:00"),
     ("+05:30", "server")],
)  # fmt: skip
def test_mysql_live_rows_survive_in_every_zone(
    mysql: MariaServer, zone: str, named: str | None
) -> None:
    """Without a zone of the backend a DATETIME is UTC, whatever the server's own zone is."""
    mysql.query(KNEX_MYSQL.format(kind="datetime"))
    dates = {"zero": "0000-00-00", "nul": None, "epoch": "1970-01-01 00:00:00", "bc": "0001-01-01"}
    fill(mysql, zone, far="9999-12-31 23:59:59", **(dates if zone == "+00:00" else {}))
    options = {} if named is None else {"expires_zone": named}
    with open_store(mysql.url, "connect-session-knex", write=True, **options) as store:
        found = states(store)
        assert (found["past"], found["live"]) == (State.EXPIRED, State.ACTIVE)
        unknown = {sid for sid, state in found.items() if state is State.UNKNOWN}
        assert unknown == (set(dates) if zone == "+00:00" else set())
        assert store.count(Query(expired=True)) == 1
        assert [s.sid for s in store.by_expiry(Query())][:2] == ["past", "live"]
        assert purge(store) == {"deleted": 1}
        assert set(states(store)) == set(found) - {"past"}


def test_mysql_unknown_zone_is_named(mysql: MariaServer) -> None:
    mysql.query(KNEX_MYSQL.format(kind="datetime"))
    with pytest.raises(ConfigError, match="no time zone 'Mars/Olympus'") as caught:
        open_store(mysql.url, "connect-session-knex", expires_zone="Mars/Olympus")
    assert "+03:00" in (caught.value.hint or "")


@pytest.mark.parametrize("kind", ["timestamp", "bigint", "varchar(30)"])
def test_mysql_another_type_of_column_is_refused(mysql: MariaServer, kind: str) -> None:
    """A TIMESTAMP depends on the zone of the application's connection, which nobody tells us."""
    mysql.query(KNEX_MYSQL.format(kind=kind))
    with pytest.raises(StoreError, match=r"column 'expired' is .* keeps a datetime there"):
        open_store(mysql.url, "connect-session-knex")


# -- PostgreSQL ------------------------------------------------------------------------------------

PRISMA_POSTGRES = (
    'CREATE TABLE "Session" (id text PRIMARY KEY, sid text NOT NULL UNIQUE, data text NOT NULL, '
    '"expiresAt" timestamp(3) NOT NULL)'
)


@pytest.mark.parametrize(
    ("written_in", "options", "right"),
    [
        ("UTC", {}, True),  # as Prisma does; the server is in Istanbul
        ("UTC", {"expires_zone": "server"}, False),  # so it would lose a live session
        ("Asia/Tokyo", {"expires_zone": "Asia/Tokyo"}, True),
        ("Asia/Tokyo", {"expires_zone": "+09:00"}, True),
        ("America/St_Johns", {"expires_zone": "America/St_Johns"}, True),
    ],
)
def test_postgres_live_rows_survive(
    postgres_server: PostgresServer, written_in: str, options: dict[str, str], right: bool
) -> None:
    postgres_server.empty()
    postgres_server.query(PRISMA_POSTGRES)
    postgres_server.query('ALTER TABLE "Session" OWNER TO app')
    for sid, hours in (("past", -1), ("live", 1)):
        postgres_server.query(
            'INSERT INTO "Session" VALUES (%s, %s, \'{}\', '
            "(now() + %s * interval '1 hour') AT TIME ZONE %s)",
            sid, sid, hours, written_in,
        )  # fmt: skip
    with open_store(postgres_server.url, "prisma-session-store", write=True, **options) as store:
        assert purge(store) == {"deleted": 1 if right else 2}
        assert set(states(store)) == ({"live"} if right else set())


def test_postgres_a_date_of_knex_without_zone_is_the_servers(
    postgres_server: PostgresServer,
) -> None:
    """The library casts to an instant; a `timestamp` of somebody's own keeps the wall clock."""
    postgres_server.empty()
    postgres_server.query(
        "CREATE TABLE sessions (sid text PRIMARY KEY, sess json, expired timestamp)"
    )
    postgres_server.query("ALTER TABLE sessions OWNER TO app")
    for sid, hours in (("past", -1), ("live", 1)):
        instant = datetime.now(UTC) + timedelta(hours=hours)
        postgres_server.query(
            "INSERT INTO sessions VALUES (%s, '{}', %s::timestamp with time zone)",
            sid, instant.isoformat(),
        )  # fmt: skip
    with open_store(postgres_server.url, "connect-session-knex", write=True) as store:
        assert purge(store) == {"deleted": 1}
        assert set(states(store)) == {"live"}


# -- rows of destroyed sessions --------------------------------------------------------------------

TYPEORM = (
    'CREATE TABLE "session" ("expiredAt" bigint NOT NULL, "id" varchar(255) PRIMARY KEY NOT NULL, '
    '"json" text NOT NULL, "destroyedAt" datetime)'
)


class TestDestroyed:
    @pytest.fixture
    def engine(self, tmp_path: Path) -> SqliteEngine:
        engine = SqliteEngine(tmp_path / "db", TYPEORM)
        for sid, marked in (("a", None), ("b", None), ("gone", "2026-01-01 00:00:00")):
            engine.client.execute(
                "INSERT INTO session VALUES (?, ?, ?, ?)",
                (now_ms() + HOUR, sid, value().decode(), marked),
            )
        return engine

    def marks(self, engine: SqliteEngine) -> dict[str, bool]:
        rows = engine.client.execute('SELECT id, "destroyedAt" FROM session').fetchall()
        return {sid.decode(): at is not None for sid, at in rows}

    def test_a_mark_goes_by_what_was_read(self, engine: SqliteEngine) -> None:
        with engine.open(layout="connect-typeorm", write=True) as store:
            found = store.get(["a", "b", "gone"])
            assert [session.sid for session in found] == ["a", "b"]
            engine.client.execute("UPDATE session SET \"expiredAt\" = 1 WHERE id = 'a'")
            engine.client.execute("UPDATE session SET \"destroyedAt\" = 'now' WHERE id = 'b'")
            outcomes = [result.outcome for result in store.delete(found)]
            assert outcomes == [Outcome.CHANGED, Outcome.GONE]
        assert self.marks(engine) == {"a": False, "b": True, "gone": True}

    def test_every_way_of_reading_leaves_them_out(self, engine: SqliteEngine) -> None:
        with engine.open(layout="connect-typeorm") as store:
            for query in (Query(), Query(user="7"), Query(sids=("a", "b", "gone"))):
                assert {session.sid for session in store.scan(query)} == {"a", "b"}
                assert store.count(query) == 2
            assert {session.sid for session in store.by_expiry(Query())} == {"a", "b"}
            (note,) = store.remarks.notes
            assert "keeps 1 row of sessions" in note

    def test_a_table_without_the_column_has_its_rows_deleted(self, tmp_path: Path) -> None:
        ddl = TYPEORM.replace(', "destroyedAt" datetime', "")
        engine = SqliteEngine(tmp_path / "db", ddl)
        engine.client.execute("INSERT INTO session VALUES (?, 'a', '{}')", (now_ms() + HOUR,))
        with engine.open(layout="connect-typeorm", write=True) as store:
            assert store.delete(store.get(["a"]))[0].outcome is Outcome.DELETED
        assert self.everything(engine) == []

    @staticmethod
    def everything(engine: SqliteEngine) -> list[Any]:
        return engine.client.execute("SELECT id FROM session").fetchall()

    def test_only_the_row_of_that_very_id_is_written_over(self, mysql: MariaServer) -> None:
        """To MySQL's usual collation `ABC` and `abc` are one id, which is taken."""
        mysql.query(
            "CREATE TABLE shop.session (`expiredAt` bigint NOT NULL, id varchar(255) PRIMARY KEY "
            "COLLATE utf8mb4_general_ci, `json` text, `destroyedAt` datetime(6))"
        )
        mysql.query("INSERT INTO shop.session VALUES (1, 'ABC', '{}', now(6))")
        other = Session(sid="abc", raw=b"{}", location="", expires_ms=now_ms() + HOUR)
        with open_store(mysql.url, "connect-typeorm", write=True) as store:
            assert store.put([other])[0].outcome is Outcome.NEWER
            same = Session(sid="ABC", raw=b"{}", location="", expires_ms=now_ms() + HOUR)
            assert store.put([same])[0].outcome is Outcome.STORED
        (row,) = mysql.query("SELECT id, destroyedAt FROM shop.session")
        assert row == ("ABC", None)


def test_a_layout_has_the_columns_that_it_has(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no column 'destroyed'") as caught:
        open_store(f"sqlite:///{tmp_path}/x", "connect-session-knex", columns={"destroyed": "x"})
    assert "columns are sid, data, expires, user" in (caught.value.hint or "")
