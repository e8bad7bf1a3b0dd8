"""What only SQLite has: files, locks, views, triggers, columns without types."""

from __future__ import annotations

import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.removal import Removal
from sessctl.errors import Refused, StoreError, StoreUnreachable, UsageError
from sessctl.session import Query
from sessctl.stores.base import Outcome
from sessctl.stores.engines import sqlite as module
from sessctl.stores.opening import open_store
from tests.support.engines import SqliteEngine, now_ms, value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOUR = 3_600_000


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is waited for two seconds; not in a test."""
    monkeypatch.setattr(module, "LOCK_TIMEOUT_S", 0.02)


@pytest.fixture
def blocker(sqlite_engine: SqliteEngine) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of its write."""
    connection = sqlite3.connect(sqlite_engine.path, isolation_level=None)
    yield connection
    connection.close()


class TestFiles:
    @pytest.mark.parametrize("write", [False, True])
    def test_a_missing_file_is_not_created(self, tmp_path: Path, write: bool) -> None:
        with pytest.raises(StoreUnreachable, match="does not exist") as caught:
            open_store(f"sqlite:///{tmp_path}/none", write=write)
        assert "relative" in (caught.value.hint or "")
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnreachable, match="is not a file"):
            open_store(f"sqlite:///{tmp_path}")

    @pytest.mark.parametrize("content", [b"hello world, no database here" * 100, b"\x00" * 5000])
    def test_another_file_is_not_a_database(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(StoreError, match="is not a SQLite database"):
            open_store(f"sqlite:///{tmp_path}/x")
        assert (tmp_path / "x").read_bytes() == content

    def test_half_of_a_write_is_taken_back_by_a_reader(
        self, sqlite_engine: SqliteEngine, blocker: sqlite3.Connection
    ) -> None:
        """An application that is killed in the middle of a write leaves a journal beside the file.
        SQLite refuses it to whoever may not write."""
        for number in range(200):
            sqlite_engine.save(b"s%d" % number, value() * 100, now_ms() + HOUR)
        before = sqlite_engine.everything()
        blocker.execute("PRAGMA cache_size = 1")  # what is changed goes to the file at once
        blocker.execute("BEGIN IMMEDIATE")
        blocker.execute("UPDATE sessions SET sess = replace(sess, 'cookie', 'cake')")
        copy = sqlite_engine.path.with_name("killed.db")
        for ending in ("", "-journal"):
            shutil.copy(f"{sqlite_engine.path}{ending}", f"{copy}{ending}")
        with open_store(f"sqlite:///{copy}") as store:
            found = {session.sid.encode(): session.raw for session in store.scan(Query())}
        blocker.execute("ROLLBACK")
        assert found.keys() == before.keys()
        assert all(b"cake" not in raw for raw in found.values())
        assert not copy.with_name("killed.db-journal").exists()

    def test_a_damaged_database_is_told(self, sqlite_engine: SqliteEngine) -> None:
        for i in range(500):
            sqlite_engine.save(b"s%d" % i, value() * 10, now_ms())
        raw = bytearray(sqlite_engine.path.read_bytes())
        raw[4096 * 3 : 4096 * 20] = b"\xff" * (4096 * 17)
        (damaged := sqlite_engine.path.with_name("damaged")).write_bytes(raw)
        with pytest.raises(StoreError), open_store(f"sqlite:///{damaged}") as store:
            list(store.scan(Query()))

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
    def test_no_file_is_no_store(self, url: str) -> None:
        with pytest.raises(UsageError, match="names no file"):
            open_store(url)

    @pytest.mark.parametrize("name", ["a b", "a?b", "a#b", "a%20b", "é", "a@b:c"])
    def test_any_file_name_means_itself(self, tmp_path: Path, name: str) -> None:
        from urllib.parse import quote

        engine = SqliteEngine(tmp_path / name)
        engine.save(b"a", value(), now_ms() + HOUR)
        engine.client.close()
        with open_store(f"sqlite:///{tmp_path}/{quote(name)}") as store:
            assert store.count(Query()) == 1

    def test_a_reader_leaves_the_file_as_it_is(self, sqlite_engine: SqliteEngine) -> None:
        sqlite_engine.save(b"a", value(), now_ms() + HOUR)
        before = sqlite_engine.path.read_bytes(), sqlite_engine.path.stat().st_mtime_ns
        with sqlite_engine.open() as store:
            list(store.scan(Query()))
        assert (sqlite_engine.path.read_bytes(), sqlite_engine.path.stat().st_mtime_ns) == before
        assert [p.name for p in sqlite_engine.path.parent.iterdir()] == [sqlite_engine.path.name]

    def test_write_ahead_logging(self, sqlite_engine: SqliteEngine) -> None:
        sqlite_engine.client.execute("PRAGMA journal_mode=wal")
        sqlite_engine.save(b"a", value(), now_ms() + HOUR)
        sqlite_engine.save(b"b", value(), now_ms() + HOUR)
        with sqlite_engine.open() as store:
            assert {s.sid for s in store.scan(Query())} == {"a", "b"}
        with sqlite_engine.open(write=True) as store:
            assert store.delete(store.get(["a"]))[0].outcome is Outcome.DELETED
        assert set(sqlite_engine.everything()) == {b"b"}


class TestTables:
    def build(self, path: Path, ddl: str) -> str:
        SqliteEngine(path, ddl).client.close()
        return f"sqlite:///{path}"

    def test_a_missing_table_names_those_there(self, tmp_path: Path) -> None:
        url = self.build(tmp_path / "x", "CREATE TABLE other (a)")
        with pytest.raises(StoreError, match="no table 'sessions'") as caught:
            open_store(url)
        assert (caught.value.hint or "").startswith("it has other;")

    def test_a_view_is_no_table(self, tmp_path: Path) -> None:
        url = self.build(
            tmp_path / "x",
            "CREATE TABLE t (sid, expired, sess); CREATE VIEW sessions AS SELECT * FROM t",
        )
        with pytest.raises(StoreError, match="'sessions' is a view"):
            open_store(url)

    def test_a_missing_column_is_named(self, tmp_path: Path) -> None:
        url = self.build(tmp_path / "x", "CREATE TABLE sessions (sid PRIMARY KEY, expires, data)")
        with pytest.raises(StoreError, match="table 'sessions' has no column 'sess'") as caught:
            open_store(url)
        assert "it has sid, expires, data" in (caught.value.hint or "")
        columns = {"data": "data", "expires": "expires"}
        with open_store(url, columns=columns) as store:
            assert store.count(Query()) == 0

    def test_an_id_that_is_not_unique_is_read_and_never_written(self, tmp_path: Path) -> None:
        url = self.build(
            tmp_path / "x",
            "CREATE TABLE sessions (sid, expired, sess); INSERT INTO sessions VALUES "
            "('a', 1e12, '{}'), ('a', 1e12, '{}')",
        )
        with open_store(url) as store:
            assert store.count(Query()) == 2
        with pytest.raises(Refused, match="column 'sid' of table 'sessions' is not unique"):
            open_store(url, "connect-sqlite3", write=True)

    @pytest.mark.parametrize(
        "ddl",
        [
            "CREATE TABLE sessions (sid TEXT UNIQUE, expired, sess)",
            "CREATE TABLE sessions (sid, expired, sess); CREATE UNIQUE INDEX u ON sessions (sid)",
            "CREATE TABLE sessions (sid TEXT PRIMARY KEY, expired, sess) WITHOUT ROWID",
        ],
    )
    def test_any_way_of_being_unique_will_do(self, tmp_path: Path, ddl: str) -> None:
        with open_store(self.build(tmp_path / "x", ddl), "connect-sqlite3", write=True) as store:
            assert store.count(Query()) == 0

    @pytest.mark.parametrize(
        "ddl",
        [
            "CREATE TABLE sessions (sid TEXT, expired, sess, UNIQUE (sid, expired))",
            "CREATE TABLE sessions (sid TEXT, expired, sess);"
            "CREATE UNIQUE INDEX u ON sessions (sid) WHERE expired > 0",
            "CREATE TABLE sessions (sid TEXT, expired, sess);"
            "CREATE UNIQUE INDEX u ON sessions (sid, lower(sess))",
        ],
    )
    def test_unique_in_part_is_not_unique(self, tmp_path: Path, ddl: str) -> None:
        with pytest.raises(Refused, match="not unique"):
            open_store(self.build(tmp_path / "x", ddl), "connect-sqlite3", write=True)

    def test_a_delete_trigger_is_told_as_a_cascade(self, sqlite_engine: SqliteEngine) -> None:
        sqlite_engine.client.execute(
            "CREATE TRIGGER audit AFTER DELETE ON sessions BEGIN SELECT 1; END"
        )
        with sqlite_engine.open(write=True) as store:
            assert store.capabilities.cascades == "trigger audit"

    def test_a_trigger_that_a_delete_does_not_fire_is_none(
        self, sqlite_engine: SqliteEngine
    ) -> None:
        sqlite_engine.client.execute(
            "CREATE TRIGGER counting AFTER INSERT ON sessions BEGIN SELECT 1; END"
        )
        with sqlite_engine.open(write=True) as store:
            assert store.capabilities.cascades == ""

    def test_another_case_of_its_name_is_the_same_trigger(
        self, sqlite_engine: SqliteEngine
    ) -> None:
        """SQLite keeps the name as the trigger's author spelled it."""
        sqlite_engine.client.execute(
            "CREATE TRIGGER audit AFTER DELETE ON Sessions BEGIN SELECT 1; END"
        )
        with sqlite_engine.open(write=True) as store:
            assert store.capabilities.cascades == "trigger audit"

    def test_a_number_or_a_blob_is_no_id(self, sqlite_engine: SqliteEngine) -> None:
        """5 and '5' are two rows, and would be two sessions of one id."""
        over = now_ms() - HOUR
        sqlite_engine.client.execute(
            "INSERT INTO sessions VALUES ('5', ?, '{}'), (5, ?, '{}'), (X'35', ?, '{}')",
            (over,) * 3,
        )
        with sqlite_engine.open(write=True) as store:
            assert store.remarks.stranger_samples == ["sessions: 2 rows (the id is not a text)"]
            assert [session.sid for session in store.scan(Query())] == ["5"]
            assert (store.count(Query()), store.count(Query(expired=True))) == (1, 1)
            for _ in Removal(store, None).purge(Query(everything=True)):
                pass
        left = sqlite_engine.client.execute(
            "SELECT typeof(sid) FROM sessions ORDER BY 1"
        ).fetchall()
        assert left == [(b"blob",), (b"integer",)]

    def test_seconds_among_milliseconds_are_neither_listed_nor_counted_as_expired(
        self, sqlite_engine: SqliteEngine
    ) -> None:
        """A row of 1 700 000 000 is no session of January 1970."""
        sqlite_engine.save(b"seconds", value(), (now_ms() + HOUR) // 1000)
        sqlite_engine.save(b"over", value(), now_ms() - HOUR)
        with sqlite_engine.open() as store:
            assert [session.sid for session in store.scan(Query(expired=True))] == ["over"]
            assert store.count(Query(expired=True)) == 1

    def test_rows_without_an_id_are_strangers(self, sqlite_engine: SqliteEngine) -> None:
        sqlite_engine.client.execute("INSERT INTO sessions VALUES (NULL, 1, '{}'), (NULL, 1, '{}')")
        with sqlite_engine.open(write=True) as store:
            assert store.remarks.stranger_samples == ["sessions: 2 rows (the id is not a text)"]
            assert list(store.scan(Query())) == []
            for _ in Removal(store, None).purge(Query(everything=True)):
                pass
        assert sqlite_engine.client.execute("SELECT count(*) FROM sessions").fetchone() == (2,)

    def test_further_columns_come_back_as_well(self, tmp_path: Path) -> None:
        ddl = (
            "CREATE TABLE sessions (sid PRIMARY KEY, expired, sess, ip TEXT, n INTEGER, b BLOB);"
            "INSERT INTO sessions VALUES ('a', 1e13, '{}', CAST(X'ff' AS TEXT), 7, X'00ff')"
        )
        engine = SqliteEngine(tmp_path / "x", ddl)
        query = "SELECT *, typeof(ip), typeof(n), typeof(b), typeof(expired) FROM sessions"
        before = engine.client.execute(query).fetchall()
        with engine.open(write=True) as store:
            found = store.get(["a"])
            frozen = {"sid": "a", **store.freeze(found[0])}
            store.delete(found)
            store.put([store.thaw(frozen)])
        assert engine.client.execute(query).fetchall() == before
        engine.client.close()

    def test_a_change_of_another_column_is_a_change(self, tmp_path: Path) -> None:
        engine = SqliteEngine(
            tmp_path / "x",
            "CREATE TABLE sessions (sid PRIMARY KEY, expired, sess, n);"
            "INSERT INTO sessions VALUES ('a', 1e13, '{}', 1)",
        )
        with engine.open(write=True) as store:
            found = store.get(["a"])
            engine.client.execute("UPDATE sessions SET n = 1.0")
            assert store.delete(found)[0].outcome is Outcome.CHANGED
        engine.client.close()

    def test_the_cell_keeps_its_type_when_its_expiry_moves(
        self, sqlite_engine: SqliteEngine
    ) -> None:
        sqlite_engine.client.execute(
            "INSERT INTO sessions VALUES ('r', 1e13, '{}'), ('i', 1, '{}')"
        )
        with sqlite_engine.open(write=True) as store:
            store.set_expiry(store.get(["r", "i"]), now_ms() + HOUR)
        assert dict(sqlite_engine.client.execute("SELECT sid, typeof(expired) FROM sessions")) == {
            b"r": b"real", b"i": b"integer",
        }  # fmt: skip


class TestLocks:
    def test_a_locked_file_is_told(self, sqlite_engine, blocker, impatient) -> None:
        blocker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnreachable, match="is locked by another process"):
            sqlite_engine.open()

    def test_a_delete_that_finds_a_lock_fails_and_deletes_nothing(
        self, sqlite_engine, blocker, impatient
    ) -> None:
        sqlite_engine.save(b"a", value(), now_ms() + HOUR)
        with sqlite_engine.open(write=True) as store:
            found = store.get(["a"])
            blocker.execute("BEGIN IMMEDIATE")
            results = store.delete(found)
            assert [r.outcome for r in results] == [Outcome.FAILED]
            assert "locked" in (results[0].reason or "")
            assert [r.outcome for r in store.put(found)] == [Outcome.FAILED]
            blocker.execute("ROLLBACK")
            assert [r.outcome for r in store.delete(found)] == [Outcome.DELETED]

    def test_a_reader_that_waits_locks_nobody_out(self, sqlite_engine: SqliteEngine) -> None:
        for i in range(1500):
            sqlite_engine.save(b"s%04d" % i, value(), now_ms() + HOUR)
        with sqlite_engine.open() as store:
            scan = store.scan(Query())
            next(scan)
            sqlite_engine.save(b"new", value(), now_ms() + HOUR)
            assert len(list(scan)) >= 1499


class TestExpired:
    def test_the_grace_is_judged_in_the_delete(self, sqlite_engine: SqliteEngine) -> None:
        now = now_ms()
        for sid, ends in ((b"old", now - HOUR), (b"fresh", now - 10_000), (b"live", now + HOUR)):
            sqlite_engine.save(sid, value(), ends)
        with sqlite_engine.open(write=True) as store:
            found = store.get(["old", "fresh", "live"])
            results = store.delete(found, grace_ms=60_000)
        assert [r.outcome for r in results] == [Outcome.DELETED, Outcome.CHANGED, Outcome.CHANGED]
        assert results[1].reason == "not expired by the store's clock"
        assert set(sqlite_engine.everything()) == {b"fresh", b"live"}

    def test_fractions_of_a_millisecond_do_not_hide_a_session(self, sqlite_engine) -> None:
        sqlite_engine.client.execute("INSERT INTO sessions VALUES ('a', 1e12 + 0.9, '{}')")
        with sqlite_engine.open() as store:
            one = store.get(["a"])[0]
            query = Query(expired=True, grace_ms=store.now_ms() - one.expires_ms - 50)
            assert [s.sid for s in store.scan(query)] == ["a"]

    def test_a_foreign_row_that_is_put_gets_its_three_columns(self, sqlite_engine) -> None:
        from sessctl.session import Expiry, Session

        ends = now_ms() + HOUR
        foreign = Session(sid="a", raw=value(), location="x", expires_ms=ends, expiry=Expiry.STORE)
        with sqlite_engine.open(write=True) as store:
            assert store.put([foreign])[0].outcome is Outcome.STORED
            assert store.get(["a"])[0].expires_ms == ends
