"""What a store holds, in numbers: one scan, memory flat."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.admin.sketch import Sizes, TopCounts
from sessctl.errors import SerializerError
from sessctl.session import Expiry, Query, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sessctl.session import Session
    from sessctl.stores.base import Store

_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
_SPANS_MS = (_HOUR_MS, _DAY_MS, 7 * _DAY_MS, 30 * _DAY_MS)
_SPAN_NAMES = ("under_1h", "under_1d", "under_7d", "under_30d", "more")
# Bands of time with the end of each in ms, which belongs to it; None: no end.
EXPIRY_BANDS = dict(zip(("past", *_SPAN_NAMES), (0, *_SPANS_MS, None), strict=True))
AGE_BANDS = dict(zip(_SPAN_NAMES, (*_SPANS_MS, None), strict=True))
# Bands of size with the end of each in bytes, which belongs to it.
SIZE_BANDS: dict[str, int | None] = {
    "to_256b": 256, "to_1kib": 1024, "to_4kib": 4096, "to_16kib": 16_384, "to_64kib": 65_536,
    "to_1mib": 2**20, "more": None,
}  # fmt: skip
_TOLD_EVERY = 1000  # sessions
_LARGEST_EMPTY = 4096  # bytes; no library writes more of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeStats:
    """Sizes of stored values in bytes; the quantiles are within `error_ratio`, None of no session.

    `bands` counts by `SIZE_BANDS`.
    """

    sum: int
    median: int | None
    p90: int | None
    p99: int | None
    max: int | None
    error_ratio: float
    bands: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStats:
    """Who has the most sessions.

    `distinct` is None where there were more users than are kept apart; the counts of `top` are then
    too low by `error` at the most.
    """

    distinct: int | None
    top: tuple[tuple[str, int], ...]
    error: int


@dataclass(frozen=True, slots=True)
class LargeSession:
    """One of the largest sessions."""

    sid: str
    size_bytes: int
    user: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The sessions of one store in numbers, judged by its clock at `taken_ms` (since 1970 UTC).

    Attributes:
        without_expiry: active, and nothing says when they end.
        by_cookie_date: the store has no end for them; the date inside the value was taken.
        anonymous: no user is to be seen.
        empty: no user, and no data beside the library's own.
        unreadable: the value does not decode; `problems` counts these by error code.
        strangers: under the prefix or in the table, and no sessions.
        expires: by the time left, `EXPIRY_BANDS`, and beside them `never` and `unknown`.
        created: by age, `AGE_BANDS`, and `unknown`; None: the layout does not store it. `seen`, the
            last access, in the same way.
    """

    taken_ms: int
    layout: str
    sessions: int
    active: int
    expired: int
    unknown: int
    without_expiry: int
    by_cookie_date: int
    anonymous: int
    empty: int
    unreadable: int
    problems: Mapping[str, int]
    strangers: int
    sizes: SizeStats
    expires: Mapping[str, int]
    created: Mapping[str, int] | None
    seen: Mapping[str, int] | None
    users: UserStats
    largest: tuple[LargeSession, ...]


def stats(
    store: Store,
    query: Query | None = None,
    *,
    top: int = 10,
    largest: int = 3,
    progress: Callable[[int], None] = lambda _: None,
) -> Stats:
    """Count the sessions that match, all of them by default, in one scan.

        found = stats(store, Query(active=True))
        print(found.sessions, found.users.top, found.sizes.p99)

    Args:
        top: how many users to name.
        largest: how many of the largest sessions to name.
        progress: told how many more sessions have been read, every thousand.

    Raises:
        StoreError: a read failed; there are no numbers of a part of a store.
    """
    tally = _Tally(store, largest)
    for number, session in enumerate(store.scan(query or Query()), 1):
        tally.add(session)
        if number % _TOLD_EVERY == 0:
            progress(_TOLD_EVERY)
    return tally.result(top)


class _Tally:
    """Counts as the sessions come; it keeps none of them."""

    def __init__(self, store: Store, largest: int) -> None:
        self._store = store
        self._now_ms = store.now_ms()
        self._largest = largest
        self._count = 0
        self._by_cookie_date = 0
        self._anonymous = 0
        self._empty = 0
        self._never = 0
        self._problems: Counter[str] = Counter()
        self._expires = _Bands(EXPIRY_BANDS)
        self._created = _Bands(AGE_BANDS) if store.capabilities.stores_created else None
        self._seen = _Bands(AGE_BANDS) if store.capabilities.stores_seen else None
        self._sizes = Sizes()
        self._size_bands = _Bands(SIZE_BANDS)
        self._users = TopCounts()
        # (size, minus the place in the scan, sid, user): of equals the first one is kept
        self._heap: list[tuple[int, int, str, str | None]] = []

    def add(self, session: Session) -> None:
        """Count one more."""
        now_ms, ends_ms = self._now_ms, session.expires_ms
        self._count += 1
        if ends_ms is not None:
            self._expires.add(ends_ms - now_ms)
            if session.expiry is Expiry.COOKIE_DATE:
                self._by_cookie_date += 1
        elif session.state(now_ms) is State.ACTIVE:
            self._never += 1
        if self._created is not None and session.created_ms is not None:
            self._created.add(now_ms - session.created_ms)
        if self._seen is not None and session.seen_ms is not None:
            self._seen.add(now_ms - session.seen_ms)
        if session.problem is not None:
            self._problems[session.problem.code] += 1
        if session.user is not None:
            self._users.add(session.user)
        else:
            self._anonymous += 1
            if session.problem is None and _is_empty(session):
                self._empty += 1
        size = len(session.raw)
        self._sizes.add(size)
        self._size_bands.add(size)
        self._rank(size, session)

    def _rank(self, size: int, session: Session) -> None:
        heap = self._heap
        if len(heap) < self._largest:
            heapq.heappush(heap, (size, -self._count, session.sid, session.user))
        elif heap and size > heap[0][0]:
            heapq.heapreplace(heap, (size, -self._count, session.sid, session.user))

    def result(self, top: int) -> Stats:
        """What was counted."""
        ended = self._expires.counts
        past = ended["past"]
        known = sum(ended.values())
        sizes, some = self._sizes, self._count > 0
        return Stats(
            taken_ms=self._now_ms,
            layout=self._store.layout.name,
            sessions=self._count,
            active=known - past + self._never,
            expired=past,
            unknown=self._count - known - self._never,
            without_expiry=self._never,
            by_cookie_date=self._by_cookie_date,
            anonymous=self._anonymous,
            empty=self._empty,
            unreadable=self._problems.total(),
            problems=dict(self._problems),
            strangers=self._store.remarks.strangers,
            sizes=SizeStats(
                sum=sizes.sum,
                median=sizes.quantile(0.5),
                p90=sizes.quantile(0.9),
                p99=sizes.quantile(0.99),
                max=sizes.max if some else None,
                error_ratio=sizes.error_ratio,
                bands=self._size_bands.counts,
            ),
            expires={
                **ended,
                "never": self._never,
                "unknown": self._count - known - self._never,
            },
            created=self._aged(self._created),
            seen=self._aged(self._seen),
            users=UserStats(
                distinct=self._users.distinct,
                top=tuple(self._users.top(top)),
                error=self._users.error,
            ),
            largest=tuple(
                LargeSession(sid, size, user) for size, _, sid, user in sorted(self._heap)[::-1]
            ),
        )

    def _aged(self, bands: _Bands | None) -> dict[str, int] | None:
        if bands is None:
            return None
        return {**bands.counts, "unknown": self._count - sum(bands.counts.values())}


class _Bands:
    """Counts by bands, each with its end, the last without."""

    def __init__(self, bands: Mapping[str, int | None]) -> None:
        self._names = tuple(bands)
        self._ends = [end for end in bands.values() if end is not None]
        self._counts = [0] * len(bands)

    def add(self, number: int) -> None:
        self._counts[bisect_left(self._ends, number)] += 1

    @property
    def counts(self) -> dict[str, int]:
        return dict(zip(self._names, self._counts, strict=True))


def _is_empty(session: Session) -> bool:
    """There is nothing in the value but what the library puts there itself."""
    parts = session.reader.split(session.raw) if session.reader else None
    if parts is not None:
        return parts[0] == b"{}"
    if len(session.raw) > _LARGEST_EMPTY:
        return False
    try:
        return not session.data
    except SerializerError:
        return False
