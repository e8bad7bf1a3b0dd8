"""Sessions as they appear, change and end: the store is looked at again and again.

Each look is a whole scan, and only what a whole scan has shown counts: a look that failed is told
and made again, and no session is taken for ended because it could not be read. Of each session
its id, its end and a mark of its data are kept, about 250 bytes; and of the latest that were seen
to come or change, as much as 32 MiB hold, the session itself, which tells what changed in it.
"""

from __future__ import annotations

import struct
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, cast

import msgspec

from sessctl.admin.changes import differences
from sessctl.errors import AccessDenied, Refused, SerializerError, StoreError, UsageError
from sessctl.session import Query, State
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sessctl.session import Session
    from sessctl.stores.base import HintingStore, Store

LEAST_EVERY_S = 0.5
MOST_SESSIONS = 1_000_000  # 250 MB
_KEPT_BYTES = 32 * 2**20
_SESSION_BYTES = 600  # what a session takes beside its value
_LONGEST_PAUSE_S = 30.0
_STEP_S = 0.25
_ASKED_EVERY = 1000  # sessions
_SAME_END_MS = 2  # Redis before 7.0 tells what is left, which we add to its clock
_NO_EXPIRY = -1
_MOST_PATHS = 50  # of one event
_Known = struct.Struct("<qq?")  # end in ms, mark of the data, over


class Change(StrEnum):
    """What happened to a session."""

    APPEARED = "appeared"  # it is there, or matches the query, and did not before
    CHANGED = "changed"
    RENEWED = "renewed"  # only its end has moved
    ENDED = "ended"  # it is gone before its time
    EXPIRED = "expired"  # its time is over, whether it is still there or not


@dataclass(frozen=True, slots=True)
class Event:
    """What one look found of one session.

    Attributes:
        at_ms: the store's clock at that look, in ms since 1970 UTC; it happened between the look
            before and this one.
        session: as it is; as it was, where it is gone; None, where it is gone and was not kept.
        expires_ms: when it ends, or would have.
        changed: paths (`data.cart[0].qty`), 50 at the most; None: not known, for the
            session as it was is not kept.
    """

    change: Change
    at_ms: int
    sid: str
    session: Session | None
    expires_ms: int | None
    changed: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, and how long. Seconds.

    Between two looks the store has rest for `every_s` less what the look took, and for as long as
    the look took at the least. Where it tells of changes by itself the next look comes sooner, half
    a second after the last one at the earliest.

    Attributes:
        for_s: how long in all; None: until `stop` says so.
        retries: how often a look that failed is made again, with longer and longer pauses.
        stop: asked often, in a look as well.
        clock, sleep: handed in by tests, and by whoever has something else to do meanwhile.

    Raises:
        UsageError: `every_s` is below half a second.
    """

    every_s: float = 2.0
    for_s: float | None = None
    retries: int = 5
    stop: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if self.every_s < LEAST_EVERY_S:
            raise UsageError(
                f"a look every {format_duration(self.every_s)} would not let the store rest",
                hint=f"--every {format_duration(LEAST_EVERY_S)} is the least",
            )


def watch(
    store: Store,
    query: Query | None = None,
    *,
    pace: Pace = Pace(),
    initial: bool = False,
    looked: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Event]:
    """What happens to the sessions that match, all of them by default, as it happens.

        for event in watch(store, Query(user="42"), pace=Pace(for_s=600)):
            print(event.change, event.sid, event.changed)

    Nothing is written.

    Args:
        initial: what is there at the first look `appeared`; else it is known silently.
        looked: told after each look how many sessions match.
        say: told in words what failed, and when it is tried again.

    Raises:
        Refused: more than a million sessions match.
        StoreError: a look failed, and so did all that were made again; access denied, at once.
    """
    watching = Watch(store, query or Query(), initial=initial)
    heard = cast("HintingStore", store).heard if store.capabilities.hints else lambda: False
    timing = _Timing(pace, say, heard)
    while not pace.stop():
        began = pace.clock()
        try:
            yield from watching.look(pace.stop)
        except AccessDenied:
            raise
        except StoreError as exc:
            timing.rest_after_failure(exc)
            continue
        if pace.stop():
            return
        looked(len(watching))
        if not timing.rest_after_look(pace.clock() - began):
            return


class Watch:
    """What is known of the sessions that match a query."""

    def __init__(self, store: Store, query: Query, *, initial: bool = False) -> None:
        self._store = store
        self._query = query
        self._silent = not initial  # the first look tells nothing
        self._known: dict[str, bytes] = {}
        self._kept = _Kept()

    def __len__(self) -> int:
        return len(self._known)

    def look(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
        """Scan the store once; what differs from what is known.

        Args:
            stop: asked every thousand sessions; a look that is not finished misses none.

        Raises:
            Refused: too many sessions.
            StoreError: the scan failed. What it had met until then counts, the rest stays as known.
        """
        before, met = self._known, dict[str, bytes]()
        try:
            now_ms = self._store.now_ms()
            for number, session in enumerate(self._store.scan(self._query)):
                if number % _ASKED_EVERY == 0 and stop():
                    return
                sid = session.sid
                was = before.pop(sid, None) or met.get(sid)  # a scan may come upon one twice
                found = _known(session, now_ms)
                met[sid] = found
                if len(met) + len(before) > MOST_SESSIONS:
                    raise Refused(
                        f"more than {MOST_SESSIONS:,} sessions match, which takes too much memory",
                        hint="watch some of them: --user, --active, -w",
                    )
                if was == found:
                    continue
                old = self._kept.put(session)
                event = _event(session, was, found, old, now_ms)
                if event is not None and not self._silent:
                    yield event
            yield from self._gone(before, met)
            self._silent = False
        finally:
            met.update(before)  # of a look without an end: those that it did not come to
            self._known = met

    def _gone(self, missing: dict[str, bytes], met: dict[str, bytes]) -> Iterator[Event]:
        """What became of those that the scan did not meet: `missing` is empty in the end."""
        while missing:
            sids = list(islice(missing, self._store.page_size))
            found = {session.sid: session for session in self._store.get(sids)}
            now_ms = self._store.now_ms()  # later than the look: its time may have come meanwhile
            for sid in sids:
                was = missing.pop(sid)
                session = found.get(sid)
                event = self._left(sid, was, session, now_ms)
                if session is not None and self._query.matches(session, now_ms):
                    met[sid] = _known(session, now_ms)  # it came back behind the scan
                if event is not None:
                    yield event

    def _left(self, sid: str, was: bytes, session: Session | None, now_ms: int) -> Event | None:
        """Of a session that is gone, or is there and matches no more."""
        ends, _, over = _Known.unpack(was)
        ends_ms = None if ends == _NO_EXPIRY else ends
        old = self._kept.take(sid)
        if session is not None:
            return _event(session, was, _known(session, now_ms), old, now_ms)
        if over:
            return None  # told when its time was over
        is_over = ends_ms is not None and ends_ms <= now_ms
        change = Change.EXPIRED if is_over else Change.ENDED
        return Event(change, now_ms, sid, old, ends_ms)


def _known(session: Session, now_ms: int) -> bytes:
    ends = _NO_EXPIRY if session.expires_ms is None else session.expires_ms
    parts = session.reader.split(session.raw) if session.reader else None
    data = session.raw if parts is None else parts[0]
    return _Known.pack(ends, hash(data), session.state(now_ms) is State.EXPIRED)


def _event(
    session: Session, was: bytes | None, found: bytes, old: Session | None, now_ms: int
) -> Event | None:
    """What the difference between two looks at a session means."""
    changed: tuple[str, ...] | None = ()
    if was is None:
        change = Change.APPEARED
    else:
        old_ends, old_mark, old_over = _Known.unpack(was)
        ends, mark, over = _Known.unpack(found)
        if mark != old_mark:
            changed = None if old is None else _paths(old, session)
        if changed != ():
            change = Change.CHANGED
        elif over and not old_over:
            change = Change.EXPIRED
        elif abs(ends - old_ends) > _SAME_END_MS:
            change = Change.RENEWED
        else:
            return None
    return Event(change, now_ms, session.sid, session, session.expires_ms, changed)


def _paths(old: Session, new: Session) -> tuple[str, ...] | None:
    """Where the data differs; None if one of the two cannot be read."""
    try:
        found = differences(old.data, new.data, ("data",), exactly=True)
        return tuple(one.path for one in islice(found, _MOST_PATHS))
    except SerializerError:
        return None


class _Kept:
    """Sessions as they were last seen, the latest that came or changed, in bounded memory."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._bytes = 0

    def put(self, session: Session) -> Session | None:
        """Keep this one; what was kept of it before."""
        before = self.take(session.sid)
        # What the engine would compare before a write is of no use here, and as large again.
        lean = msgspec.structs.replace(session, original=None)
        self._sessions[session.sid] = lean
        self._bytes += _cost(lean)
        while self._bytes > _KEPT_BYTES:
            _, oldest = self._sessions.popitem(last=False)
            self._bytes -= _cost(oldest)
        return before

    def take(self, sid: str) -> Session | None:
        """What is kept of this one, no longer kept."""
        found = self._sessions.pop(sid, None)
        if found is not None:
            self._bytes -= _cost(found)
        return found


def _cost(session: Session) -> int:
    return len(session.raw) + _SESSION_BYTES


class _Timing:
    """Rests between looks."""

    def __init__(self, pace: Pace, say: Callable[[str], None], heard: Callable[[], bool]) -> None:
        self._pace, self._say, self._heard = pace, say, heard
        self._ends = None if pace.for_s is None else pace.clock() + pace.for_s
        self._failed = 0

    def rest_after_look(self, took_s: float) -> bool:
        """Rest after a look that took so long; False: it was the last one."""
        self._failed = 0
        least_s = max(LEAST_EVERY_S - took_s, took_s)
        return self._rest(max(self._pace.every_s - took_s, took_s), least_s)

    def rest_after_failure(self, problem: StoreError) -> None:
        """Rest before the look is made again. Raises the problem where it is not."""
        pace = self._pace
        self._failed += 1
        if self._failed > pace.retries:
            raise problem
        pause_s = min(pace.every_s * 2 ** (self._failed - 1), _LONGEST_PAUSE_S)
        self._say(
            f"{problem.message}; looking again in {format_duration(pause_s)} "
            f"({self._failed} of {pace.retries})"
        )
        if not self._rest(pause_s) and not pace.stop():
            raise problem  # the time is over, and what has happened could not be found out

    def _rest(self, seconds: float, at_least: float | None = None) -> bool:
        """Sleep in small steps, so that a signal is heard; False: it is to end.

        Args:
            at_least: from then on a hint ends it.
        """
        pace, began, hinted = self._pace, self._pace.clock(), False
        until = began + seconds
        while not pace.stop():
            now = pace.clock()
            if self._ends is not None and now >= self._ends:
                return False
            if now >= until:
                return True
            if at_least is not None:
                hinted = hinted or self._heard()
                if hinted and now >= began + at_least:
                    return True
            left = until - now if self._ends is None else min(until, self._ends) - now
            pace.sleep(min(left, _STEP_S))
        return False
