"""S5: the disk fails. Nothing is deleted after the first failed write; what was comes back."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import list_journals
from tests.faults import tinydisk_path
from tests.faults.killer import Victim
from tests.faults.stores import check_nothing_lost, journalled, journals
from tests.support.cli import Cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.stores import Contents, SqliteSubject, Subject

SESSIONS = 4000
LIMITS = 3


def page(subject: Subject) -> int:
    """How many sessions a purge writes down and deletes at a time."""
    with subject.open() as store:
        return store.page_size


@pytest.fixture
def original(subject: Subject, rng) -> Contents:
    return subject.fill(SESSIONS, rng)


def check_purge(subject: Subject, original: Contents, home: Path) -> int:
    """Whatever is gone is in the journal, and comes back; how many were gone."""
    found = journals(home)
    saved = journalled(subject, found[0]) if found and found[0].read_bytes().count(b"\n") else {}
    left = check_nothing_lost(subject, original, saved)
    if len(left) < len(original):
        command = ["restore", "--last", "--yes", *subject.lapsed, "-b", subject.url]
        done = Cli(home)(*command)
        assert done.code == 0, done.stderr
        assert subject.contents() == original
    return len(original) - len(left)


def journal_size(subject: Subject, home: Path) -> int:
    """Of a whole purge, which is undone."""
    with Victim(*subject.purge, "-b", subject.url, home=home) as run:
        assert run.wait() == 0, run.stderr
    done = Cli(home)("restore", "--last", "--yes", *subject.lapsed, "-b", subject.url)
    assert done.code == 0, done.stderr
    return journals(home)[0].stat().st_size


def purge_on(kind: str, limit: int, subject: Subject, home: Path) -> tuple[int, str]:
    program = [sys.executable, "-P", tinydisk_path(), kind, str(limit)]
    with Victim(*subject.purge, "-b", subject.url, home=home, program=program) as run:
        return run.wait(), run.stderr


def whole_pages(subject: Subject, home: Path) -> int:
    found = journals(home)
    if not found or not found[0].read_bytes().count(b"\n"):
        return 0
    return len(journalled(subject, found[0]))


@pytest.mark.quick_on("redis", "sqlite")  # it is the journal's disk
def test_a_full_disk_stops_the_purge(subject, original, tmp_path, rng) -> None:
    """Short write, then ENOSPC, at drawn sizes: gone is exactly what the journal holds whole."""
    size = journal_size(subject, tmp_path / "whole")
    gone = []
    for number, part in enumerate([0.0, *(rng.random() for _ in range(3)), 0.999]):
        home = tmp_path / f"home-{number}"
        limit = int(part * size) + rng.randrange(100)
        limit = min(limit, size - 200)  # one run's journal is some bytes shorter than another's
        code, stderr = purge_on("full", limit, subject, home)
        assert (code, "no space left" in stderr) == (6, True), stderr
        expected = whole_pages(subject, home)
        gone.append(check_purge(subject, original, home))
        assert gone[-1] == expected
    print(f"{subject.name}: ended before the disk was full: {gone} of {len(original)}")
    assert gone[0] == 0
    assert max(gone) > page(subject)


@pytest.mark.quick_on("redis", "sqlite")
@pytest.mark.parametrize(("nth", "pages"), [(1, 0), (3, 1)])
def test_a_failed_fsync_is_final(subject, original, tmp_path, nth, pages) -> None:
    """The first fsync is the head's. A page whose fsync failed stays, though its line is there."""
    code, stderr = purge_on("broken", nth, subject, tmp_path / "home")
    assert (code, "input/output error" in stderr) == (6, True), stderr
    assert check_purge(subject, original, tmp_path / "home") == pages * page(subject)


@pytest.mark.quick_on("redis", "sqlite")  # it is the journal's disk
@pytest.mark.parametrize(("kind", "limit"), [("full", 200_000), ("broken", 3)])
def test_a_purge_goes_on_when_the_disk_works_again(
    subject, original, tmp_path, kind, limit
) -> None:
    """A torn line is cut off, a page whose fsync failed is purged again; one restore undoes all."""
    home = tmp_path / "home"
    code, stderr = purge_on(kind, limit, subject, home)
    assert code == 6, stderr
    (path,) = journals(home)
    left = len(subject.contents())
    limits = ["--yes", "--max-delete", "1000000"]
    done = Cli(home)("purge", "--resume", path, *limits, "-b", subject.url)
    assert done.code == 0, done.stderr
    saved = journalled(subject, path)
    assert len(check_nothing_lost(subject, original, saved)) < left < len(original)
    assert check_purge(subject, original, home) > page(subject)


@pytest.mark.quick_on("redis")
def test_a_file_limit_stops_the_purge(served: Subject, tmp_path, rng) -> None:
    """The kernel's own refusal, RLIMIT_FSIZE, at drawn sizes."""
    original = served.fill(SESSIONS, rng)
    size = journal_size(served, tmp_path / "whole")
    gone = []
    for number in range(LIMITS):
        home = tmp_path / f"home-{number}"
        limit = int((number + rng.random()) / LIMITS * (size - 300))
        with Victim(*served.purge, "-b", served.url, home=home, file_limit=limit) as run:
            assert run.wait() == 6, run.stderr
        expected = whole_pages(served, home)
        gone.append(check_purge(served, original, home))
        assert gone[-1] == expected
    print(f"{served.name}: ended before the limit was reached: {gone} of {len(original)}")
    assert gone == sorted(gone)


def test_a_file_limit_of_database_and_journal(sqlite_subject: SqliteSubject, tmp_path, rng) -> None:
    """Here it may strike the journal, the database or SQLite's own journal."""
    original = sqlite_subject.fill(SESSIONS, rng)
    size = sqlite_subject.path.stat().st_size
    codes = []
    for number in range(LIMITS):
        home = tmp_path / f"home-{number}"
        limit = int((number + rng.random()) / LIMITS * size)
        with Victim(
            *sqlite_subject.purge, "-b", sqlite_subject.url, home=home, file_limit=limit
        ) as run:
            codes.append(run.wait())
            assert codes[-1] in (0, 3, 5, 6), run.stderr
        gone = check_purge(sqlite_subject, original, home)
        assert codes[-1] != 3 or not gone  # 3 says that nothing was done
    print(f"exit codes {codes}")
    assert set(codes) != {0}


@pytest.mark.quick_on("redis", "sqlite")
@pytest.mark.parametrize("limit", [0, 60, 200])
def test_a_log_on_a_full_disk_is_no_bad_signature(subject, original, tmp_path, limit) -> None:
    """Standard error and the journal fail alike: exit 6, and not Python's own 1 or 120."""
    home = tmp_path / "home"
    with Victim(*subject.purge, "-b", subject.url, home=home, file_limit=limit) as run:
        assert run.wait() == 6, run.stderr
    assert subject.contents() == original


@pytest.mark.quick_on("redis", "sqlite")  # it is the journal's disk
def test_a_full_log_alone_stops_nothing(subject, original, tmp_path) -> None:
    """The journal fits, the log does not: all is done, and the exit code tells."""
    home = tmp_path / "home"
    program = [sys.executable, "-c", _FULL_LOG]
    with Victim(*subject.purge, "-b", subject.url, home=home, program=program) as run:
        assert run.wait() == 6
    assert check_purge(subject, original, home) > page(subject)


# Standard error is /dev/full, which takes nothing.
_FULL_LOG = (
    "import os, sys;"
    "os.dup2(os.open('/dev/full', os.O_WRONLY), 2);"
    "os.execv(sys.executable, [sys.executable, '-m', 'sessctl', *sys.argv[1:]])"
)


def _is_a_file(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.write_text("x", encoding="ascii")


def _is_below_a_file(folder: Path) -> None:
    folder.parent.parent.mkdir(parents=True)
    folder.parent.write_text("x", encoding="ascii")


def _may_be_written_by_all(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)


def _leads_nowhere(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    folder.symlink_to("/proc/nowhere/at/all")


def _may_not_be_written(folder: Path) -> None:
    folder.parent.mkdir(parents=True)
    if os.getuid():
        folder.mkdir(mode=0o500)
    else:
        folder.symlink_to("/proc/self")  # where not even root can create a file


@pytest.mark.parametrize(
    "spoil",
    [_is_a_file, _is_below_a_file, _may_be_written_by_all, _leads_nowhere, _may_not_be_written],
)
def test_without_a_journal_folder_nothing_is_deleted(subject, original, tmp_path, spoil) -> None:
    home = tmp_path / "home"
    folder = home / "state" / "sessctl" / "journals"
    spoil(folder)
    done = Cli(home)(*subject.purge, "-b", subject.url)
    assert done.code == 6, done.stderr
    assert done.stderr.count("error:") == 1
    assert subject.contents() == original
    if spoil is _may_be_written_by_all:
        assert list_journals(folder) == []
