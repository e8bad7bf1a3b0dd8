"""Reading a journal: its head, its pages with what became of them, how it ended."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.journal import line as lines
from sessctl.admin.journal.line import Line
from sessctl.admin.journal.sessions import Keep, unpack
from sessctl.errors import JournalError, UsageError
from sessctl.stores.base import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from sessctl.admin.journal.sealing import JournalKey, Segment


class _Place(NamedTuple):
    """Where a line stands, to be read once more."""

    number: int
    at: int
    segment: Segment | None

    @classmethod
    def of(cls, line: Line) -> _Place:
        return cls(line.number, line.at, line.segment)


@dataclass(frozen=True, slots=True)
class Page:
    """Sessions as they were before a delete or a change; `outcomes` is None where the run died in
    between.

    `left` tells of a page of changes what our own write left, by its digest, as far as that is
    known; None of a page of deletes.
    """

    number: int
    sessions: list[dict[str, Any]]
    outcomes: list[Outcome] | None
    left: list[str | None] | None = None


@dataclass(slots=True)
class Summary:
    """What a journal holds, without its sessions.

    `complete`: the run came to its end, and nothing was added since. `counts` are outcomes as they
    were recorded; `uncertain` sessions stand in pages without one. A session that `expire` had to
    end twice stands in two pages, and counts twice. `lost_pages` are missing at the least.
    """

    sessions: int = 0
    pages: int = 0
    complete: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    resumed: int = 0
    lost_pages: int = 0


@dataclass(slots=True)
class Journal:
    """A journal on disk. `notes` and `damage` (by line number) fill while it is read.

    With `salvage` damaged lines are passed over; else the first one ends the reading. Of an
    encrypted one without its `key` the head says when, which command and which store, and nothing
    else can be read but `line_count`.
    """

    path: Path
    head: dict[str, Any]
    salvage: bool = False
    key: JournalKey | None = None
    encrypted: bool = False
    notes: list[str] = field(default_factory=list)
    damage: dict[int, str] = field(default_factory=dict)
    _unreadable: set[int] = field(default_factory=set)  # pages whose line is whole

    @property
    def keep(self) -> Keep:
        """What is kept of a session; only `Keep.FULL` brings it back."""
        return Keep(self.head.get("keep", Keep.FULL))

    @property
    def is_closed(self) -> bool:
        """It is encrypted, and there is no key to read it with."""
        return self.encrypted and self.key is None

    def check_key(self) -> None:
        """Raise UsageError for a journal that cannot be read without a key."""
        if self.is_closed:
            raise UsageError(
                f"the journal {self.path} is encrypted",
                hint="--journal-key-file PATH names its key",
            )

    def line_count(self) -> int:
        """How many whole lines there are; the chain is checked, and nothing has to be opened."""
        with _opened(self.path) as file:
            damage = self.damage if self.salvage else None
            return sum(1 for _ in lines.read_lines(file, self.path, self.notes, damage))

    def pages(self) -> Iterator[Page]:
        """Every page with its outcomes, in order.

        Raises:
            JournalError: a line other than the last is damaged, or one is missing.
            UsageError: the journal is encrypted, and there is no key.
        """
        for page, done in self._pairs():
            if (found := self._page(page, done)) is not None:
                yield found

    def pages_newest_first(self) -> Iterator[Page]:
        """The same from the end. All lines are read and checked before the first page is given.

        A session that stands in two pages comes first as it was last: it was renewed in between.
        """
        places = [
            (_Place.of(page), _Place.of(done) if done else None) for page, done in self._pairs()
        ]
        with _opened(self.path) as file:
            for page_at, done_at in reversed(places):
                page = self._line_at(file, page_at)
                done = None if done_at is None else self._line_at(file, done_at)
                if (found := self._page(page, done)) is not None:
                    yield found

    def summary(self) -> Summary:
        """Counts, from the lines alone: no page is unpacked. Raises JournalError as `pages`."""
        found, last, waiting = Summary(), 0, 0
        for line in self._lines():
            body = line.content
            if line.kind == "page":
                found.uncertain += waiting
                found.sessions += body["count"]
                found.pages += 1
                found.complete = False
                last, waiting = max(last, body["n"]), body["count"]
            elif line.kind == "done":
                if waiting and body["n"] == last:
                    others = Counter(map(str, body["except"].values()))
                    found.counts.update(others)
                    found.counts[body["all"]] += waiting - others.total()
                    waiting = 0
                last = max(last, body["n"])
            elif line.kind == "note":
                found.resumed += bool(body.get("resumed"))
            elif line.kind == "end":
                found.complete = body["complete"]
        found.uncertain += waiting
        found.counts = +found.counts
        found.lost_pages = last - found.pages + len(self._unreadable)
        return found

    def _pairs(self) -> Iterator[tuple[Line, Line | None]]:
        """Every page line with the line that tells what became of it."""
        waiting: Line | None = None
        for line in self._lines():
            if line.kind == "page":
                if waiting is not None:
                    yield waiting, None
                waiting = line
            elif (
                line.kind == "done"
                and waiting is not None
                and line.content["n"] == waiting.content["n"]
            ):
                yield waiting, line
                waiting = None
        if waiting is not None:
            yield waiting, None

    def _lines(self) -> Iterator[Line]:
        self.check_key()
        with _opened(self.path) as file:
            damage = self.damage if self.salvage else None
            yield from lines.read_lines(file, self.path, self.notes, damage, key=self.key)

    def _line_at(self, file: BinaryIO, place: _Place) -> Line:
        file.seek(place.at)
        raw = file.readline()
        found = lines.decode(raw)
        if not isinstance(found, str) and place.segment is not None:
            found = lines.unsealed(found, place.segment)
        if isinstance(found, str):  # it was whole a moment ago
            raise lines.damaged(self.path, place.number, found)
        return Line(place.number, place.at, place.at + len(raw), "", found)

    def _page(self, line: Line, done: Line | None) -> Page | None:
        """The page unpacked; None where it is beyond reading and that is passed over."""
        body = line.content
        try:
            sessions = unpack(body["z"], page=body["n"])
            if len(sessions) != body["count"]:
                raise JournalError(f"{len(sessions)} sessions where {body['count']} should be")
            outcomes = None if done is None else _outcomes(done.content, len(sessions))
            left = None
            if body.get("changes"):
                left = _left({} if done is None else done.content, len(sessions))
            return Page(body["n"], sessions, outcomes, left)
        except JournalError as exc:
            if not self.salvage:
                raise lines.damaged(self.path, line.number, exc.message) from None
            self.damage[line.number] = exc.message
            self._unreadable.add(body["n"])
            return None


def open_journal(path: Path, *, salvage: bool = False, key: JournalKey | None = None) -> Journal:
    """Read the head of a journal.

    Args:
        salvage: pass over damaged lines; what they said stands in `damage`.
        key: of an encrypted journal; one that is not encrypted is read without it.

    Raises:
        JournalError: it cannot be read, or is no journal of this version. Without a head nobody
            knows whose sessions these are: that cannot be passed over.
        UsageError: the key is another one.
    """
    with _opened(path) as file:
        first = next(lines.read_lines(file, path, []), None)
    if first is None or first.kind != "head":
        raise JournalError(
            f"{path} is not a sessctl journal", hint="`sessctl journal list` names them"
        )
    head, encrypted = first.content, "salt" in first.content
    if head["format"] != (lines.ENCRYPTED_FORMAT if encrypted else lines.FORMAT):
        raise JournalError(
            f"{path} has journal format {head['format']}, "
            f"this version reads {lines.FORMAT} and, encrypted, {lines.ENCRYPTED_FORMAT}",
            hint="use the version of sessctl that wrote it, or a newer one",
        )
    if encrypted and key is not None:
        with _opened(path) as file:
            head = next(lines.read_lines(file, path, [], key=key)).content
    if head.get("keep", Keep.FULL) not in list(Keep) or not isinstance(head.get("store", {}), dict):
        raise lines.damaged(path, 1, "not a head of this version")
    return Journal(path, head, salvage, key, encrypted)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as exc:
        raise JournalError(
            f"cannot read {path} ({(exc.strerror or 'error').lower()})",
            hint="`sessctl journal list` names the journals",
        ) from None
    with file:
        yield file


def _outcomes(done: dict[str, Any], count: int) -> list[Outcome]:
    others = done["except"]
    try:
        usual = Outcome(done["all"])
        return [Outcome(others.get(str(i), usual)) for i in range(count)]
    except ValueError:
        raise JournalError("an outcome that this version does not know") from None


def _left(done: dict[str, Any], count: int) -> list[str | None]:
    found = done.get("left", [None] * count)
    if not isinstance(found, list) or len(found) != count:
        raise JournalError("not as many digests as sessions")
    return [one if isinstance(one, str) else None for one in found]
