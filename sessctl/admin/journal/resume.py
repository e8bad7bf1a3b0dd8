"""Going on with a purge that did not come to its end, in its own journal.

The same query is asked again: deletes are conditional, and what is gone is not found. Nothing
that the journal holds is changed; only a last line that is torn is cut off.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl import __version__
from sessctl.admin.journal.head import check_same_store, thaw_query
from sessctl.admin.journal.line import Line, read_lines
from sessctl.admin.journal.lock import lock
from sessctl.admin.journal.writer import JournalWriter, disk_error
from sessctl.errors import JournalError, Refused
from sessctl.timespec import iso

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.admin.journal.reader import Journal
    from sessctl.session import Query
    from sessctl.stores.base import Store


def query_to_resume(journal: Journal, store: Store) -> Query:
    """The query of an interrupted purge of this store.

    Raises:
        Refused: the journal is of another command, store or layout, or has come to its end.
        JournalError: it is damaged.
        UsageError: it is encrypted, and there is no key.
    """
    journal.check_key()
    head = journal.head
    select = head.get("select")
    if head.get("command") != "purge" or not isinstance(select, dict):
        raise Refused(
            f"{journal.path} is of a run that cannot be resumed: {head.get('command')}",
            hint="--resume goes on with a purge; give other commands once more",
        )
    another = "a journal takes one store only; name its backend with -b"
    check_same_store(head, store, hint=another)
    if head.get("layout") != store.layout.name:
        raise Refused(
            f"the journal is of layout {head.get('layout')}, the store is {store.layout.name}",
            hint=another,
        )
    if journal.summary().complete:
        raise _ended(journal.path)
    return thaw_query(select)


def reopen(journal: Journal, store: Store) -> JournalWriter:
    """Append to the journal of an interrupted run.

    Raises:
        Refused: another run is writing it, or it has come to its end; or there is a key, and the
            journal is not encrypted.
        JournalError: it is damaged, others may read it, it cannot be written.
    """
    path = journal.path
    if journal.key is not None and not journal.encrypted:
        raise Refused(
            f"the journal {path} is not encrypted, and what is added to it would not be either",
            hint="leave --journal-key-file out, or begin a new run",
        )
    try:
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(path, flags)
    except OSError as exc:
        raise disk_error(path, exc) from None
    try:
        _check_file(fd, path)
        tail = _tail(fd, journal)
        try:
            os.ftruncate(fd, tail.end)
            _write_again(fd, tail)
        except OSError as exc:
            raise disk_error(path, exc) from None
        writer = JournalWriter(path.parent, journal.head, keep=journal.keep, key=journal.key)
        run = str(journal.head.get("run"))
        writer.go_on(fd, path, run=run, pages=tail.pages, lines=tail.lines, previous=tail.digest)
        writer.note(
            "resumed", resumed=iso(store.now_ms()), tool=f"sessctl {__version__}", torn=tail.torn
        )
    except BaseException:
        os.close(fd)
        raise
    return writer


def _check_file(fd: int, path: Path) -> None:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise JournalError(f"{path} is not a file", hint="`sessctl journal list` names them")
    if found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise JournalError(f"others may read the journal {path}", hint=f"chmod 600 {path}")
    if not lock(fd):
        raise Refused(f"another run is writing the journal {path}", hint="wait until it has ended")


@dataclass(frozen=True, slots=True)
class _Tail:
    """Where the last whole line ends, and what the next one has to know."""

    end: int
    digest: str
    pages: int
    lines: int
    torn: bool
    doubtful: int  # from this offset on, an fsync that failed may have lost bytes


def _tail(fd: int, journal: Journal) -> _Tail:
    """Read all of it once more: nobody else can write it now."""
    last: Line | None = None
    pages, complete, page_before, page = 0, False, 0, 0
    with os.fdopen(os.dup(fd), "rb") as file:
        for last in read_lines(file, journal.path, journal.notes, key=journal.key):
            if last.kind == "page":
                pages, complete = max(pages, last.content["n"]), False
                page_before, page = page, last.at
            elif last.kind == "end":
                complete = last.content["complete"]
        size = file.seek(0, os.SEEK_END)
    if complete:
        raise _ended(journal.path)
    if last is None:
        raise JournalError(f"{journal.path} is not a sessctl journal")
    return _Tail(
        last.end, last.digest, pages, last.number, torn=size > last.end, doubtful=page_before
    )


def _write_again(fd: int, tail: _Tail) -> None:
    """Write the end of the journal over itself.

    If that run died of a failed fsync, the kernel may show bytes that the disk never got, and a
    later fsync does not send them again. Each page was synced before the next one was written, so
    only what follows the last page but one is in doubt.
    """
    at = tail.doubtful
    while at < tail.end:
        at += os.pwrite(fd, os.pread(fd, min(tail.end - at, 2**20), at), at)
    os.lseek(fd, tail.end, os.SEEK_SET)


def _ended(path: Path) -> Refused:
    return Refused(
        f"the run of {path} has come to its end: there is nothing to go on with",
        hint="`sessctl purge` with a query begins a new one",
    )
