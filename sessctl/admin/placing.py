"""Sessions put into a store page by page, beside those that are there: what `copy` and `import` do.

Each page is looked up in the target first; what is absent is put, what is there stays or is
replaced as the caller wants, and what was written is read back and compared before it counts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from sessctl.admin.change import Change
from sessctl.admin.convert import is_over, same_end, same_value
from sessctl.session import Expiry
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.admin.journal import JournalWriter
    from sessctl.session import Session
    from sessctl.stores.base import Store

_MEANWHILE = "written at the target meanwhile"


class Conflict(StrEnum):
    """What becomes of a session that the target has already, and otherwise."""

    SKIP = "skip"  # it stays
    NEWER = "newer"  # it stays, unless ours was used later, or else ends later
    OVERWRITE = "overwrite"


class Wanted(NamedTuple):
    """A session as it was read, and as it is to stand in the target."""

    source: Session
    session: Session

    @property
    def any_end(self) -> bool:
        """It had no end, and the target keeps none without one: whichever it has there is right."""
        return self.session.expiry is Expiry.STORE and self.source.expiry is not Expiry.STORE


class Placed(NamedTuple):
    """What became of one; `stands`: how the target has it now, if it is the wanted one."""

    source: Session
    result: Result
    stands: Session | None = None


class Placing:
    """Writes to one target.

    Args:
        journal: takes what is replaced, before it is.
        dry_run: look, and say what would become of each.
    """

    def __init__(
        self,
        target: Store,
        *,
        conflict: Conflict = Conflict.SKIP,
        journal: JournalWriter | None = None,
        dry_run: bool = False,
    ) -> None:
        self._target = target
        self._conflict = conflict
        self._journal = journal
        self._dry_run = dry_run

    def place(
        self, page: Sequence[Wanted], *, is_ours: Callable[[Session], bool] | None = None
    ) -> list[Placed]:
        """Put a page where it is absent or may be replaced; `copied`, `replaced`, `present`,
        `kept`, `lapsed`, `changed` or `failed`.

        Args:
            is_ours: what the target has is what we wrote before, and may be brought up to date.

        Raises:
            StoreError: the target was lost; run again, what was written is found to be there.
            JournalError: what could not be journalled was not replaced.
        """
        first = {one.session.sid: one for one in reversed(page)}
        if len(first) < len(page):  # a file may hold an id twice
            again = [one for one in page if first[one.session.sid] is not one]
            page = [one for one in page if first[one.session.sid] is one]
            return [*self.place(page, is_ours=is_ours), *self.place(again, is_ours=is_ours)]
        there = {s.sid: s for s in self._target.get([one.session.sid for one in page])}
        now_ms = self._target.now_ms()
        found: dict[str, Placed] = {}
        absent: list[Wanted] = []
        clashes: list[tuple[Session, Wanted]] = []
        for one in page:
            session = one.session
            known = there.get(session.sid)
            if session.expires_ms is not None and session.expires_ms <= now_ms:
                found[session.sid] = _placed(one, Outcome.LAPSED)
            elif known is None:
                absent.append(one)
            elif _is_as(known, one):
                found[session.sid] = _placed(one, Outcome.PRESENT, stands=known)
            elif (is_ours and is_ours(known)) or self._may_replace(known, one, now_ms):
                clashes.append((known, one))
            else:
                found[session.sid] = _placed(one, Outcome.KEPT, "another one is there")
        if self._dry_run:
            found |= {one.session.sid: _placed(one, Outcome.COPIED) for one in absent}
            found |= {one.session.sid: _placed(one, Outcome.REPLACED) for _, one in clashes}
        else:
            for placed in (*self._put(absent), *self._replace(clashes)):
                found[placed.source.sid] = placed
        return [found[one.session.sid] for one in page]

    def _may_replace(self, known: Session, one: Wanted, now_ms: int) -> bool:
        if (
            is_over(known, now_ms) or self._conflict is Conflict.OVERWRITE
        ):  # what is over is as good as absent
            return True
        return self._conflict is Conflict.NEWER and _is_newer(one.source, known)

    def _put(self, absent: Sequence[Wanted]) -> list[Placed]:
        if not absent:
            return []
        results = self._target.put([one.session for one in absent])
        told = {result.sid: result for result in results}
        placed: list[Placed] = []
        stored: list[Wanted] = []
        for one in absent:
            result = told[one.session.sid]
            if result.outcome is Outcome.STORED:
                stored.append(one)
            elif result.outcome in (Outcome.PRESENT, Outcome.NEWER):
                placed.append(_placed(one, Outcome.KEPT, _MEANWHILE))
            else:
                placed.append(_placed(one, result.outcome, result.reason))
        return placed + self._read_back(stored, Outcome.COPIED)

    def _replace(self, clashes: Sequence[tuple[Session, Wanted]]) -> list[Placed]:
        if not clashes:
            return []
        change = Change(self._target, self._journal)
        results = change.replace([(known, one.session) for known, one in clashes])
        if change.summary.error is not None:
            raise change.summary.error
        told = {result.sid: result for result in results}
        placed: list[Placed] = []
        stored: list[Wanted] = []
        for _, one in clashes:
            result = told[one.session.sid]
            if result.outcome is Outcome.STORED:
                stored.append(one)
            elif result.outcome in (Outcome.CHANGED, Outcome.GONE):
                placed.append(_placed(one, Outcome.KEPT, _MEANWHILE))
            else:
                placed.append(_placed(one, result.outcome, result.reason))
        return placed + self._read_back(stored, Outcome.REPLACED)

    def _read_back(self, stored: Sequence[Wanted], done: Outcome) -> list[Placed]:
        """Nothing counts as written before it was read again and compared."""
        if not stored:
            return []
        there = {s.sid: s for s in self._target.get([one.session.sid for one in stored])}
        now_ms = self._target.now_ms()
        placed: list[Placed] = []
        for one in stored:
            known, ends_ms = there.get(one.session.sid), one.session.expires_ms
            if known is not None and _is_as(known, one):
                placed.append(_placed(one, done, stands=known))
                self._note_seconds(known, one)
            elif known is None and ends_ms is not None and ends_ms <= now_ms:
                placed.append(_placed(one, Outcome.LAPSED))
            else:
                placed.append(_placed(one, Outcome.FAILED, self._misread(known, one, done)))
        return placed

    def _misread(self, known: Session | None, one: Wanted, done: Outcome) -> str:
        """Why what was read back is not what was written. A session must not outlive its end: one
        that has none any more goes again, if it was not there before."""
        if known is None:
            return "written, and not there when read back"
        if known.expiry is one.session.expiry:
            return "written, and another one when read back"
        if done is Outcome.COPIED:
            self._target.delete([known])
        return "its end cannot be kept there"

    def _note_seconds(self, known: Session, one: Wanted) -> None:
        if known.expires_ms is None or one.session.expires_ms is None:
            return
        if abs(known.expires_ms - one.session.expires_ms) > 2:
            layout = self._target.layout.name
            self._target.remarks.note(f"{layout} keeps the end of a session to the second")


def _placed(
    one: Wanted, outcome: Outcome, reason: str | None = None, *, stands: Session | None = None
) -> Placed:
    return Placed(one.source, Result(one.session.sid, outcome, reason), stands)


def _is_as(known: Session, one: Wanted) -> bool:
    return (one.any_end or same_end(known, one.session)) and same_value(known, one.session)


def _is_newer(one: Session, other: Session) -> bool:
    """Used later, where both stores keep that; else ending later."""
    if one.seen_ms is not None and other.seen_ms is not None:
        return one.seen_ms > other.seen_ms
    if one.expires_ms is None or other.expires_ms is None:
        return False
    return one.expires_ms > other.expires_ms
