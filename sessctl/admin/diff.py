"""What differs between two sessions, and between the sessions of two stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.changes import Kind, differences
from sessctl.admin.convert import DATES, is_over, same_end, same_value
from sessctl.errors import SerializerError
from sessctl.session import Need, Query
from sessctl.stores.base import in_pages
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.session import Session
    from sessctl.stores.base import Store

_ENDS = "expires_at"


def contents(session: Session) -> dict[str, Any]:
    """A session as a value to be compared: its data, its end, what belongs to the library.

    Raises:
        SerializerError: it does not decode.
    """
    found = session.decoded
    ends = None if session.expires_ms is None else iso(session.expires_ms)
    return {"data": found.data, _ENDS: ends, "extra": dict(found.extra)}


class SessionChange(NamedTuple):
    """A session that one store has and the other has not (`removed`, `added`), or otherwise."""

    sid: str
    kind: Kind
    paths: tuple[str, ...] = ()


@dataclass(slots=True)
class StoreDiff:
    """Compares two stores, holding a page of each at a time.

    Each page of the first is looked up in the second by its ids; then the ids of the second are
    looked up in the first. A session that is over counts as absent, for some stores keep those and
    others do not. Dates inside values are left aside: a touch moves them in some stores only.
    """

    first: Store
    second: Store
    same: int = 0
    counts: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))

    def run(self) -> Iterator[SessionChange]:
        """Every session that differs. Raises StoreError: a failed read is no difference."""
        for change in self._found():
            self.counts[change.kind] += 1
            yield change

    def _found(self) -> Iterator[SessionChange]:
        size = min(self.first.page_size, self.second.page_size)
        for page in in_pages(self.first.scan(Query()), size):
            yield from self._of_first(page)
        for ids in in_pages(self.second.scan(Query(), Need.ID), size):
            known = {session.sid for session in self._living(self.first, ids)}
            missing = [session for session in ids if session.sid not in known]
            for session in self._living(self.second, missing):
                yield SessionChange(session.sid, Kind.ADDED)

    def _of_first(self, page: list[Session]) -> Iterator[SessionChange]:
        now_ms = self.first.now_ms()
        page = [session for session in page if not is_over(session, now_ms)]
        theirs = {session.sid: session for session in self._living(self.second, page)}
        for session in page:
            other = theirs.get(session.sid)
            if other is None:
                yield SessionChange(session.sid, Kind.REMOVED)
                continue
            paths = tuple(_paths(session, other))
            if paths:
                yield SessionChange(session.sid, Kind.CHANGED, paths)
            else:
                self.same += 1

    @staticmethod
    def _living(store: Store, page: list[Session]) -> list[Session]:
        """Those of a page that this store has and that are not over."""
        if not page:
            return []
        now_ms = store.now_ms()
        found = store.get([session.sid for session in page])
        return [session for session in found if not is_over(session, now_ms)]


def _paths(one: Session, other: Session) -> Iterator[str]:
    """Where two sessions of one id differ."""
    if not (same_end(one, other) or same_end(other, one)):
        yield _ENDS
    if same_value(one, other):
        return
    try:
        found = [
            change.path
            for change in differences(contents(one), contents(other))
            if change.keys[0] != _ENDS
            and not (change.keys[0] == "extra" and change.keys[-1] in DATES)
        ]
    except SerializerError:
        found = []
    yield from found or ["value"]
