"""Somebody else holds a lock for longer than we wait: rows, a table, a file.

Each session is reported once, what the application holds is left to it, and nobody waits for long.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalWriter, list_journals, open_journal
from sessctl.admin.removal import Removal
from sessctl.admin.restore import Restore
from sessctl.session import Query
from sessctl.stores.engines.sql_connection import LOCK_TIMEOUT_S
from tests.faults.stores import stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.stores import SqliteSubject, Subject

    Say = Callable[..., None]

EXPIRED = Query(expired=True)
# Beside the lock's own time; a machine with much to do is slow.
SPARE_S = 1.5


@pytest.fixture(params=["reader", "writer"])
def other(request, sqlite_subject: SqliteSubject):
    """Takes and releases a lock: a reader's stops our commit, a writer's our beginning."""
    with closing(sqlite3.connect(sqlite_subject.path, isolation_level=None)) as connection:

        def lock() -> None:
            connection.execute("BEGIN" if request.param == "reader" else "BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sessions").fetchall()

        yield lock, lambda: connection.execute("ROLLBACK")


def test_a_purge_that_is_locked_out_fails_as_a_whole(sqlite_subject, other, tmp_path, rng) -> None:
    lock, release = other
    original = sqlite_subject.fill(300, rng)
    with sqlite_subject.open() as store:
        lock()
        run = Removal(store, JournalWriter(tmp_path, {"command": "purge"}), grace_ms=0)
        results = [result for page in run.purge(EXPIRED) for result in page]
        release()
    assert {result.outcome.value for result in results} == {"failed"}
    assert len({result.sid for result in results}) == len(results) == run.summary.counts["failed"]
    assert sqlite_subject.contents() == original


def test_a_restore_that_is_locked_out_fails_as_a_whole(
    sqlite_subject, other, tmp_path: Path, rng
) -> None:
    lock, release = other
    original = sqlite_subject.fill(300, rng)
    with sqlite_subject.open() as store:
        run = Removal(store, JournalWriter(tmp_path, {"command": "purge"}), grace_ms=0)
        ended = [result.sid for page in run.purge(EXPIRED) for result in page]
        left = sqlite_subject.contents()
        undo = Restore(store, open_journal(list_journals(tmp_path)[0]), lapsed=True)
        lock()
        results = [result for page in undo.run() for result in page]
        release()
        assert Counter(result.outcome.value for result in results) == {"failed": len(ended)}
        assert sqlite_subject.contents() == left
        again = Restore(store, open_journal(list_journals(tmp_path)[0]), lapsed=True)
        list(again.run())
    assert again.counts == {"restored": len(ended)}
    assert sqlite_subject.contents() == original


# -- PostgreSQL and MariaDB --------------------------------------------------------------------


TABLE = {"postgres": ("session", "sid"), "mysql": ("sessions", "session_id")}


@pytest.fixture
def application(rows: Any) -> Iterator[Say]:
    """A connection of the application's, in a transaction of its own."""
    with closing(rows.server.connect()) as connection:

        def say(words: str, *values: Any) -> None:
            table, sid = TABLE[rows.name]
            with connection.cursor() as cursor:
                cursor.execute(words.format(table=table, sid=sid), values or None)

        yield say


def purge(subject: Subject, folder: Path) -> tuple[Removal, Counter[str], float]:
    """A purge of what has expired: the run, how often each outcome, how many seconds it took."""
    with subject.open() as store:
        run = Removal(store, JournalWriter(folder, {"command": "purge"}), grace_ms=0)
        started = time.monotonic()
        results = [result for page in run.purge(EXPIRED) for result in page]
        took_s = time.monotonic() - started
    assert len({result.sid for result in results}) == len(results)
    return run, Counter(result.outcome.value for result in results), took_s


def restore(subject: Subject, folder: Path) -> tuple[Counter[str], float]:
    with subject.open() as store:
        undo = Restore(store, open_journal(list_journals(folder)[0]), lapsed=True)
        started = time.monotonic()
        list(undo.run())
        return undo.counts, time.monotonic() - started


@pytest.mark.parametrize(
    "words",
    [
        "SELECT * FROM {table} WHERE {sid} IN (%s, %s, %s) FOR UPDATE",
        "UPDATE {table} SET {sid} = {sid} WHERE {sid} IN (%s, %s, %s)",
        "DELETE FROM {table} WHERE {sid} IN (%s, %s, %s)",
    ],
    ids=["select", "update", "delete"],
)
def test_rows_of_the_application_are_left_to_it(rows, application: Say, tmp_path, rng, words):
    """A request that renews or ends a session, and has not committed yet."""
    original = rows.fill(1200, rng)
    with rows.open() as store:
        held = [session.sid for session in store.scan(EXPIRED)][5::400]
    application("BEGIN")
    application(words, *held)
    run, counts, took_s = purge(rows, tmp_path)
    assert run.summary.complete
    assert counts["changed"] == len(held) == 3
    assert set(counts) == {"changed", "deleted"}
    assert took_s < LOCK_TIMEOUT_S, "somebody waited"
    application("ROLLBACK")
    now = rows.contents()
    assert {rows.key(name) for name in held} <= set(now)
    assert len(now) == len(original) - counts["deleted"]


@pytest.mark.parametrize(
    "sid", ["VARCHAR(128) CHARACTER SET latin1", "VARCHAR(128) COLLATE utf8mb4_unicode_ci",
            "VARBINARY(128)"],
)  # fmt: skip
def test_whatever_the_collation_of_an_id_nobody_is_waited_for(
    mysql_subject, tmp_path, rng, sid
) -> None:
    """A list of ids of another collation than the column's would be looked up by a scan."""
    server = mysql_subject.server
    mysql_subject.replace([(f"Sid-{number}", stored(rng), 1000) for number in range(400)])
    server.query(f"ALTER TABLE sessions MODIFY session_id {sid} NOT NULL")
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE sessions SET expires = 4000000000 WHERE session_id = 'Sid-7'")
        run, counts, took_s = purge(mysql_subject, tmp_path)
        cursor.execute("COMMIT")
    assert (counts, run.summary.complete) == ({"deleted": 399, "changed": 1}, True)
    assert took_s < LOCK_TIMEOUT_S
    assert len(server.query("SELECT 1 FROM sessions")) == 1


@pytest.mark.parametrize("way", ["writes", "everything"])
def test_a_locked_table_is_not_waited_for(rows, application: Say, tmp_path, rng, way) -> None:
    """`LOCK TABLE`, or a change of the schema that takes its time."""
    original = rows.fill(300, rng)
    postgres = {"writes": "EXCLUSIVE", "everything": "ACCESS EXCLUSIVE"}
    mysql = {"writes": "READ", "everything": "WRITE"}
    with rows.open() as store:
        if rows.name == "postgres":
            application("BEGIN")
            application(f"LOCK TABLE {{table}} IN {postgres[way]} MODE")
        else:
            application(f"LOCK TABLES {{table}} {mysql[way]}")
        run = Removal(store, JournalWriter(tmp_path, {"command": "purge"}), grace_ms=0)
        started = time.monotonic()
        counts = Counter(r.outcome.value for page in run.purge(EXPIRED) for r in page)
        took_s = time.monotonic() - started
        application("ROLLBACK" if rows.name == "postgres" else "UNLOCK TABLES")
    assert LOCK_TIMEOUT_S - 0.5 < took_s < LOCK_TIMEOUT_S + SPARE_S
    if way == "writes":
        assert set(counts) == {"failed"}
    else:
        assert (counts, run.summary.complete) == ({}, False)
        assert f"for {LOCK_TIMEOUT_S} s" in str(run.summary.error)
    assert rows.contents() == original


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_a_login_is_not_waited_for_by_a_restore(rows, application: Say, tmp_path, rng, end) -> None:
    """The application makes a session of one of the ids anew, and has not committed yet."""
    original = rows.fill(300, rng)
    purge(rows, tmp_path)
    gone = sorted(set(original) - set(rows.contents()))
    name = gone[len(gone) // 2].decode()
    application("BEGIN")
    if rows.name == "postgres":
        application("INSERT INTO {table} VALUES (%s, '{{}}', now())", name)
    else:
        application("INSERT INTO {table} VALUES (%s, 1, '{{}}')", name)
    counts, took_s = restore(rows, tmp_path)
    assert took_s < LOCK_TIMEOUT_S + SPARE_S
    assert counts["failed"]
    assert counts.total() == len(gone)
    application(end)
    again, _ = restore(rows, tmp_path)
    newer = int(end == "COMMIT")
    assert (again["restored"], again["newer"]) == (counts["failed"] - newer, newer)
    now = rows.contents()
    assert {key for key in original if now[key] != original[key]} == (
        {gone[len(gone) // 2]} if newer else set()
    )
