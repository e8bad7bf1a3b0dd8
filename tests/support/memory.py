"""A `Store` in memory, for the operations above stores: it counts, obeys and fails on request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import StoreError
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Lag, Outcome, Remarks, Result, Server
from sessctl.stores.layouts.express import CONNECT_REDIS
from sessctl.stores.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sessctl.stores.layouts.base import Layout

NOW_MS = 1_800_000_000_000
_READER = Reader(CONNECT_REDIS)


def session(sid: str, *, left_ms: int | None = 3_600_000, user: str | None = None) -> Session:
    """A session that ends `left_ms` after the store's now; None: never."""
    return Session(
        sid=sid,
        raw=b'{"cookie":{},"user":"%b"}' % (user or "").encode(),
        location=f"sess:{sid}",
        expires_ms=None if left_ms is None else NOW_MS + left_ms,
        expiry=Expiry.NEVER if left_ms is None else Expiry.STORE,
        user=user,
        reader=_READER,
    )


class MemoryStore:
    """Sessions in a dict.

    Args:
        renewed_during_delete: sid -> how many deletes find it renewed.
        fail_after: a scan raises StoreError after so many sessions.
    """

    page_size = 500

    def __init__(
        self,
        sessions: Sequence[Session] = (),
        *,
        cascades: str = "",
        recognised: bool = True,
        renewed_during_delete: dict[str, int] | None = None,
        fail_after: int | None = None,
        page_size: int = 500,
    ) -> None:
        self.sessions = {one.sid: one for one in sessions}
        self.capabilities = Capabilities(expires_by_itself=False, cascades=cascades)
        self.identity = Identity("memory", "here", "0", "sess:", "here/0")
        self.remarks = Remarks()
        self.layout: Layout = CONNECT_REDIS
        self.page_size = page_size
        self.deletes: list[list[str]] = []
        self.before_delete: Callable[[], None] = lambda: None
        self._recognised = recognised
        self._renewed = dict(renewed_during_delete or {})
        self._fail_after = fail_after

    def server(self) -> Server:
        return Server("memory", None)

    def now_ms(self) -> int:
        return NOW_MS

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        for number, one in enumerate(list(self.sessions.values())):
            if number == self._fail_after:
                raise StoreError("the store broke down")
            if query.matches(one, NOW_MS):
                yield one

    def get(self, sids: Sequence[str]) -> list[Session]:
        return [self.sessions[sid] for sid in sids if sid in self.sessions]

    def count(self, query: Query) -> int:
        return sum(1 for _ in self.scan(query))

    def estimate(self) -> int:
        return len(self.sessions)

    def lags(self) -> list[Lag]:
        return []

    def recognises(self, session: Session) -> bool:
        return self._recognised

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        self.before_delete()
        self.deletes.append([one.sid for one in sessions])
        return [Result(one.sid, self._delete(one)) for one in sessions]

    def _delete(self, one: Session) -> Outcome:
        if one.sid not in self.sessions:
            return Outcome.GONE
        if self._renewed.get(one.sid, 0) > 0:
            self._renewed[one.sid] -= 1
            return Outcome.CHANGED
        del self.sessions[one.sid]
        return Outcome.DELETED

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        results = []
        for one in sessions:
            there = self.sessions.setdefault(one.sid, one)
            word = Outcome.STORED if there is one else Outcome.PRESENT
            if there.raw != one.raw:
                word = Outcome.NEWER
            results.append(Result(one.sid, word))
        return results

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        found = [one for one in sessions if one.sid in self.sessions]
        self.sessions |= {one.sid: replace(one, expires_ms=expires_ms) for one in found}
        return [Result(one.sid, Outcome.STORED) for one in found]

    def freeze(self, session: Session) -> dict[str, Any]:
        return {"value": session.raw, "expires_ms": session.expires_ms}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        ends = frozen["expires_ms"] if expires_ms is None else expires_ms
        return Session(
            sid=frozen["sid"],
            raw=frozen["value"],
            location=frozen["location"],
            expires_ms=ends,
            expiry=Expiry.NEVER if ends is None else Expiry.STORE,
        )

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def belonging_to(self, database: str) -> Self:
        """The same store under another database's name."""
        self.identity = replace(self.identity, database=database)
        return self
