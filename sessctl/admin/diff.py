"""What differs: between two values, and between the sessions of two stores."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.convert import DATES, is_over, same_end, same_value
from sessctl.errors import SerializerError
from sessctl.session import Need, Query
from sessctl.stores.base import in_pages
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.session import Session
    from sessctl.stores.base import Store

_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_ENDS = "expires_at"


class Kind(StrEnum):
    """How the second differs from the first."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Change(NamedTuple):
    """One place; `keys` leads there from the top, `path` is the same in words."""

    keys: tuple[str | int, ...]
    kind: Kind
    before: Any = None
    after: Any = None

    @property
    def path(self) -> str:
        """`data.cart[0].name`; a key that is no plain word is quoted."""
        text = ""
        for key in self.keys:
            if isinstance(key, int):
                text += f"[{key}]"
            elif _PLAIN_KEY.fullmatch(key):
                text += f".{key}" if text else key
            else:
                text += f'["{key}"]'
        return text


def differences(before: Any, after: Any, keys: tuple[str | int, ...] = ()) -> Iterator[Change]:
    """Every place where two decoded values differ, in the order of the first, then of the second.

    Lists are compared place by place; 1 and 1.0 are the same number, 1 and true are not.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *(key for key in after if key not in before)]:
            here = (*keys, str(key))
            if key not in after:
                yield Change(here, Kind.REMOVED, before[key])
            elif key not in before:
                yield Change(here, Kind.ADDED, None, after[key])
            else:
                yield from differences(before[key], after[key], here)
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            there = (*keys, place)
            if place >= len(after):
                yield Change(there, Kind.REMOVED, before[place])
            elif place >= len(before):
                yield Change(there, Kind.ADDED, None, after[place])
            else:
                yield from differences(before[place], after[place], there)
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield Change(keys, Kind.CHANGED, before, after)


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
