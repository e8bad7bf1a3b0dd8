"""SQLite: somebody else holds a lock for longer than we wait. Each session is reported once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import JournalWriter, list_journals, open_journal
from sessctl.admin.removal import Removal
from sessctl.admin.restore import Restore
from sessctl.session import Query

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.stores import SqliteSubject

EXPIRED = Query(expired=True)


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
