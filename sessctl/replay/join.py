"""The store beside the browser: the session of each request before and after its exchange.

Reading takes no part in the session's life: the store is opened for reading.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.replay.data_changes import DataChange, data_changes
from sessctl.replay.jar import Outcome
from sessctl.replay.look import Fate, Look
from sessctl.session import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sessctl.replay.transcript import Exchange
    from sessctl.session import Session
    from sessctl.stores.base import Store

_SETTLE_S = 0.3  # some libraries save after the answer has gone
_PAUSE_S = 0.03


@dataclass(frozen=True, slots=True)
class _Before:
    cookies: Mapping[str, str]
    sid: str
    session: Session | None
    sessions: int


class StoreWatcher:
    """Looks into a store around each exchange.

    Args:
        sid_of: the session id that cookies (name -> value) lead to, or None.
    """

    def __init__(self, store: Store, sid_of: Callable[[Mapping[str, str]], str | None]) -> None:
        self._store = store
        self._sid_of = sid_of
        self._lock = asyncio.Lock()  # one connection

    async def before(self, cookies: Mapping[str, str]) -> object:
        async with self._lock:
            return await asyncio.to_thread(self._before, cookies)

    async def after(self, seen: object, exchange: Exchange) -> Look | None:
        assert isinstance(seen, _Before)
        async with self._lock:
            return await asyncio.to_thread(self._after, seen, exchange)

    def _before(self, cookies: Mapping[str, str]) -> _Before:
        sid = self._sid_of(cookies) or ""
        return _Before(cookies, sid, self._get(sid), self._count())

    def _after(self, seen: _Before, exchange: Exchange) -> Look:
        begun = time.monotonic()
        # Not the jar: it may hold a cookie that this request was not to carry.
        kept = {
            change.cookie.name: change.cookie.value
            for change in exchange.changes
            if change.cookie and change.outcome in (Outcome.NEW, Outcome.CHANGED, Outcome.SAME)
        }
        sid = self._sid_of({**seen.cookies, **kept}) or seen.sid
        while True:
            look = self._compare(seen, sid)
            waited = time.monotonic() - begun
            if look.fate is not Fate.UNCHANGED or waited >= _SETTLE_S or not sid:
                break
            time.sleep(_PAUSE_S)
        return replace(look, waited_ms=round(waited * 1000))

    def _compare(self, seen: _Before, sid: str) -> Look:
        session, sessions = self._get(sid), (seen.sessions, self._count())
        if sid != seen.sid and seen.sid:
            old = seen.session
            fate = Fate.CREATED if session else (Fate.GONE if old else Fate.NONE)
            changes = tuple(data_changes(_data(old), _data(session))) if session else ()
            return Look(fate, sid, seen.sid, old, session, changes, None, sessions)
        old = seen.session
        if session is None:
            return Look(Fate.GONE if old else Fate.NONE, sid, "", old, None, (), None, sessions)
        changes = tuple(data_changes(_data(old), _data(session)))
        moved = None
        if old is not None and old.expires_ms is not None and session.expires_ms is not None:
            moved = session.expires_ms - old.expires_ms
        fate = _fate(old, session, changes, moved)
        return Look(fate, sid, "", old, session, changes, moved, sessions)

    def _count(self) -> int:
        return self._store.count(Query())

    def _get(self, sid: str) -> Session | None:
        found = self._store.get([sid]) if sid else []
        return found[0] if found else None


def _fate(
    old: Session | None, new: Session, changes: tuple[DataChange, ...], moved: int | None
) -> Fate:
    if old is None:
        return Fate.CREATED
    if any(not _is_expiry(change.path) for change in changes):
        return Fate.CHANGED
    if moved or changes or old.raw != new.raw:
        return Fate.RENEWED
    return Fate.UNCHANGED


def _is_expiry(path: str) -> bool:
    """express-session keeps the cookie's expiry inside the data; that it moves is a renewal."""
    return path in ("$.cookie.expires", "$.cookie.originalMaxAge")


def _data(session: Session | None) -> Any:
    if session is None:
        return {}
    try:
        return session.data
    except SerializerError:
        return {}
