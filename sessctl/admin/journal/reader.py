"""Reading a journal: its head, its pages with what became of them, how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sessctl.admin.journal import line as lines
from sessctl.admin.journal.sessions import Keep, unpack
from sessctl.admin.journal.writer import SUFFIX
from sessctl.errors import JournalError
from sessctl.stores.base import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions as they were before a delete; `outcomes` is None where the run died in between."""

    number: int
    sessions: list[dict[str, Any]]
    outcomes: list[Outcome] | None


@dataclass(slots=True)
class Journal:
    """A journal on disk. `notes` fills while it is read."""

    path: Path
    head: dict[str, Any]
    notes: list[str] = field(default_factory=list)

    @property
    def keep(self) -> Keep:
        """What is kept of a session; only `Keep.FULL` brings it back."""
        return Keep(self.head.get("keep", Keep.FULL))

    def pages(self) -> Iterator[Page]:
        """Every page with its outcomes, in order.

        Raises:
            JournalError: a line other than the last is damaged, or one is missing.
        """
        waiting: dict[str, Any] | None = None
        for line in _lines(self.path, self.notes):
            if line["kind"] == "page":
                if waiting is not None:
                    yield _page(waiting, None)
                waiting = line
            elif line["kind"] == "done" and waiting is not None and line["n"] == waiting["n"]:
                yield _page(waiting, line)
                waiting = None
        if waiting is not None:
            yield _page(waiting, None)

    def summary(self) -> tuple[int, bool, dict[str, int]]:
        """(sessions, the run came to its end, counts by outcome)."""
        total, ended, counts = 0, False, dict[str, int]()
        for line in _lines(self.path, self.notes):
            if line["kind"] == "page":
                total += line["count"]
            elif line["kind"] == "end":
                ended, counts = bool(line["complete"]), dict(line["counts"])
        return total, ended, counts


def open_journal(path: Path) -> Journal:
    """Read the head of a journal. Raises JournalError if it is none."""
    first = next(_lines(path, []), None)
    if first is None or first["kind"] != "head":
        raise JournalError(
            f"{path} is not a sessctl journal", hint="`sessctl journal list` names them"
        )
    if first.get("format") != lines.FORMAT:
        raise JournalError(
            f"{path} has journal format {first.get('format')}, this version reads {lines.FORMAT}",
            hint="use the version of sessctl that wrote it, or a newer one",
        )
    return Journal(path, first)


def list_journals(directory: Path) -> list[Path]:
    """The journals of a folder, newest first; a file without a head yet is none."""
    if not directory.is_dir():
        return []
    return sorted(
        (p for p in directory.iterdir() if p.name.endswith(SUFFIX) and p.stat().st_size),
        reverse=True,
    )


def _lines(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    previous = ""
    try:
        file = path.open("rb")
    except OSError as exc:
        raise JournalError(
            f"cannot read {path} ({(exc.strerror or 'error').lower()})",
            hint="`sessctl journal list` names the journals",
        ) from None
    with file:
        number = 0
        line = file.readline()
        while line:
            number += 1
            following = file.readline()
            found = lines.decode(line)
            problem = found if isinstance(found, str) else lines.break_in_chain(found, previous)
            if problem is not None or isinstance(found, str):
                if following or number == 1:
                    raise JournalError(
                        f"line {number} of {path} is damaged ({problem})",
                        hint="restore from a copy of the file if there is one",
                    )
                notes.append(
                    f"the last line is torn and ignored ({problem}): its delete never began"
                )
                return
            yield found
            previous = lines.digest(line)
            line = following


def _page(line: dict[str, Any], done: dict[str, Any] | None) -> Page:
    sessions = unpack(line["z"], page=line["n"])
    if done is None:
        return Page(line["n"], sessions, None)
    usual, others = Outcome(done["all"]), done["except"]
    outcomes = [Outcome(others.get(str(i), usual)) for i in range(len(sessions))]
    return Page(line["n"], sessions, outcomes)
