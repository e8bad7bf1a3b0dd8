"""S12: a dry run and a reading command write nothing; the server itself says so."""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from tests.faults.recorder import asked, reading, writing
from tests.faults.stores import sid, stored
from tests.support.cli import Cli
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.stores import SqliteSubject, Subject

DAY_MS = 86_400_000
SECRET = "keyboard cat"


def commands(subject: Subject, one: str, cookie: str) -> dict[str, list[str]]:
    """Every way to look, and every destructive command with --dry-run."""
    limits = ["--max-delete", "100000"]
    return {
        "purge all": ["purge", "--all", "--dry-run", *limits],
        "purge expired": ["purge", "--expired", "--dry-run"],
        "purge no-ttl": ["purge", "--expired", "--dry-run", "--force", "no-ttl"],
        "purge refused": ["purge", "--all", "--yes", "--expect", "1", *limits],
        "expire": ["expire", "--dry-run", "--", one],
        "expire user": ["expire", "--user", "7", "--dry-run", *limits],
        "restore": ["restore", "--last", "--dry-run", *subject.lapsed],
        "list": ["list"],
        "list json": ["list", "-o", "json"],
        "list count": ["list", "--count"],
        "list of a user": ["list", "--user", "7"],
        "list expired": ["list", "--expired"],
        "show": ["show", "--", one],
        "decode": ["decode", cookie],
        "verify": ["verify", cookie, "--secret", "env:SECRET"],
        "journal": ["journal", "list"],
    }


def prepare(subject: Subject, home: Path, rng) -> dict[str, list[str]]:
    """A store with a little of everything, and a journal of sessions to restore."""
    subject.fill(600, rng)
    one = sid(rng)
    subject.engine.save(one.encode(), stored(rng), now_ms() + DAY_MS)
    gone = sid(rng)
    subject.engine.save(gone.encode(), stored(rng), now_ms() + DAY_MS)
    done = Cli(home)("-b", subject.url, "expire", "--yes", "--", gone)
    assert done.code == 0, done.stderr
    return commands(subject, one, f"connect.sid=s%3A{one}.x")


def run(cli: Cli, words: list[str], url: str) -> int:
    where = [] if words[0] == "journal" else ["-b", url]
    done = cli(*where, *words, env={"SECRET": SECRET})
    assert done.code in (0, 1, 4), done.stderr
    return done.code


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder: its bytes and when it was last written."""
    found = {}
    for path in sorted(folder.rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (content, path.stat().st_mtime_ns)
    return found


def test_a_server_sees_no_writing_command(served: Subject, home, rng) -> None:
    ways = prepare(served, home, rng)
    before, files = served.contents(), tree(home)
    for name, words in ways.items():
        with asked(served) as seen:
            code = run(Cli(home), words, served.url)
        assert (code == 4) == (name == "purge refused"), name
        if words[0] not in ("journal", "verify") and code != 4:
            assert seen, name
        assert writing(seen, reading(served)) == [], name
        if "--dry-run" in words and served.name != "redis":
            # The server itself would have refused more.
            said = " ".join(chain.from_iterable(seen)).lower()
            assert "read only" in said or "default_transaction_read_only = 'on'" in said, name
    assert served.contents() == before
    assert tree(home) == files


def test_the_recorder_sees_a_real_purge(served: Subject, home, rng) -> None:
    """The counter-proof: the same recorder, without --dry-run."""
    prepare(served, home, rng)
    with asked(served) as seen:
        done = Cli(home)(*served.purge, "-b", served.url)
        assert done.code == 0
    words = {one[0].upper() for one in writing(seen, reading(served))}
    if served.name == "redis":
        assert words >= {"EVALSHA", "UNLINK"}
    else:
        assert words == {"SELECT", "DELETE"}  # the locking one


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_sqlite_file_stays_as_it_is(sqlite_subject: SqliteSubject, home, rng, mode) -> None:
    """Its bytes, the moment of its last change, and no file beside it."""
    sqlite_subject.client.execute(f"PRAGMA journal_mode = {mode}")
    ways = prepare(sqlite_subject, home, rng)
    if mode == "wal":
        sqlite_subject.client.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows = sqlite_subject.contents()
    folder = sqlite_subject.path.parent
    before, files = tree(folder), tree(home)
    assert len(before) == (1 if mode == "delete" else 3)
    shared = f"{sqlite_subject.path.name}-shm"  # every reader of a WAL notes itself there
    for name, words in ways.items():
        code = run(Cli(home), words, sqlite_subject.url)
        assert (code == 4) == (name == "purge refused"), name
        after = tree(folder)
        assert set(after) == set(before), name
        assert {k: v for k, v in after.items() if k != shared} == {
            k: v for k, v in before.items() if k != shared
        }, name
    assert tree(home) == files
    assert sqlite_subject.contents() == rows


@pytest.mark.parametrize("way", ["purge", "expire", "list", "show", "decode"])
def test_no_journal_folder_comes_into_being(subject: Subject, home, rng, way) -> None:
    subject.fill(300, rng)
    one = sid(rng)
    subject.engine.save(one.encode(), stored(rng), now_ms() + DAY_MS)
    words = {
        "purge": [*subject.purge, "--dry-run"],
        "expire": ["expire", "--yes", "--dry-run", "--", one],
        "list": ["list"],
        "show": ["show", "--", one],
        "decode": ["decode", f"connect.sid=s%3A{one}.x"],
    }[way]
    assert Cli(home)("-b", subject.url, *words).code in (0, 1)
    assert list(home.iterdir()) == []


def test_a_read_only_file_can_be_looked_at(sqlite_subject: SqliteSubject, home, rng) -> None:
    """A dry run needs no right to write, not even in the folder."""
    sqlite_subject.fill(300, rng)
    folder = sqlite_subject.path.parent
    before = tree(folder)
    sqlite_subject.path.chmod(0o400)
    os.chmod(folder, 0o500)
    try:
        done = Cli(home)("purge", "--expired", "--dry-run", "-b", sqlite_subject.url)
        assert done.code == 0, done.stderr
        assert tree(folder) == before
    finally:
        os.chmod(folder, 0o700)
