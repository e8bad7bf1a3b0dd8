"""What an engine inherits that knows no more than its sessions: for plug-ins above all.

An engine has five things to say: `now_ms`, `scan`, `put`, `replace` and `delete`. All the rest of
`Store` follows from them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import JournalError, Refused
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Remarks
from sessctl.stores.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.base import Lag, Result
    from sessctl.stores.layouts.base import Layout


class PlainStore(ABC):
    """A `Store` that keeps a value and an expiry for each id, and nothing else.

    `original` of its sessions is whatever `delete` and `replace` compare; without one they have
    `raw` and `expires_ms`.
    """

    page_size = 500

    def __init__(self, layout: Layout, identity: Identity, *, read_only: bool) -> None:
        self.layout = layout
        self.identity = identity
        self.remarks = Remarks()
        self.capabilities = Capabilities(expires_by_itself=False)
        self._read_only = read_only
        self._reader = Reader(layout)

    def session(
        self, sid: str, raw: bytes, expires_ms: int | None, *, location: str, original: Any = None
    ) -> Session:
        """A session of this store; None for the expiry: it never ends by itself."""
        user, _, problem = self._reader.read(raw)
        return Session(
            sid=sid,
            raw=raw,
            location=location,
            expires_ms=expires_ms,
            expiry=Expiry.NEVER if expires_ms is None else Expiry.STORE,
            user=user,
            problem=problem,
            original=original,
            reader=self._reader,
        )

    def require_writable(self) -> None:
        """Raise Refused unless the store was opened to be written."""
        if self._read_only:
            raise Refused("this store was opened for reading only")

    # -- what an engine says ----------------------------------------------------------------------

    @abstractmethod
    def now_ms(self) -> int:
        """The clock that judges, in ms since 1970 UTC: the server's, where there is one."""

    @abstractmethod
    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        """Every session for which `query.matches(session, now_ms)`, a few at a time; all of them
        where the query has no `filters`. A failed read raises."""

    @abstractmethod
    def put(self, sessions: Sequence[Session]) -> list[Result]:
        """Write those that are absent: stored, present, newer, lapsed or failed."""

    @abstractmethod
    def replace(self, pairs: Sequence[tuple[Session, Session]]) -> list[Result]:
        """Write the second of each pair over the first, if that is as it was read: stored, gone,
        changed, lapsed, failed."""

    @abstractmethod
    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        """Remove those that are as they were read; with `grace_ms` only what ended that long ago:
        deleted, gone, changed, failed."""

    # -- what follows from it ---------------------------------------------------------------------

    def get(self, sids: Sequence[str]) -> list[Session]:
        if not sids:
            return []
        found = {one.sid: one for one in self.scan(Query(sids=tuple(sids)))}
        return [found[sid] for sid in sids if sid in found]

    def count(self, query: Query) -> int:
        return sum(1 for _ in self.scan(query, query.need if query.filters else Need.ID))

    def estimate(self) -> int:
        return self.count(Query())

    def lags(self) -> list[Lag]:
        return []

    def recognises(self, session: Session) -> bool:
        return self._reader.recognises(session.raw)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self.replace([(one, self.with_end(one, expires_ms)) for one in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self.session(session.sid, raw, session.expires_ms, location=session.location)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        raw = self._reader.with_end(session.raw, expires_ms)
        return self.session(session.sid, raw, expires_ms, location=session.location)

    def freeze(self, session: Session) -> dict[str, Any]:
        kind = self.identity.engine
        return {"kind": kind, "value": session.raw, "expires_ms": session.expires_ms}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        sid, raw, ends = frozen.get("sid"), frozen.get("value"), frozen.get("expires_ms")
        if frozen.get("kind") != self.identity.engine or not isinstance(raw, bytes):
            raise JournalError(f"the journal does not hold sessions of {self.identity.engine}")
        session = self.session(str(sid), raw, ends, location=str(frozen.get("location", "")))
        return session if expires_ms is None else self.with_end(session, expires_ms)

    def close(self) -> None:  # noqa: B027 - most have nothing to let go of
        """Let go of what the engine holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
