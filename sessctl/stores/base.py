"""The `Store` protocol: what the rest of sessctl may ask of a place where sessions live.

A store is an engine with a layout. Everything that can fail raises a `SessctlError`; no driver's
exception leaves an engine. A store is used by one thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from sessctl.session import Need

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.session import Query, Session
    from sessctl.stores.layouts.base import Layout


_STRANGERS_KNOWN = 100_000  # 6 MB; beyond it they are counted each time they are met


class Outcome(StrEnum):
    """What became of one session in a write."""

    DELETED = "deleted"
    GONE = "gone"  # was not there any more
    CHANGED = "changed"  # renewed since it was read: left alone
    FAILED = "failed"
    UNCONFIRMED = "unconfirmed"  # the reply was lost; read again: absent
    STORED = "stored"  # written by `put`, `replace` or `set_expiry`
    PRESENT = "present"  # already there, the same
    NEWER = "newer"  # something else is there: left alone
    RECREATED = "re-created"  # ended, and written back by a request that was in flight
    LAPSED = "lapsed"  # its expiry has passed on the server
    COPIED = "copied"  # stands in the target, read back and compared
    REPLACED = "replaced"  # so does this one, over another that was there
    MOVED = "moved"  # copied or there already, and gone from the source
    KEPT = "kept"  # the target has another one of this id, which stays
    ENDED = "ended"  # it ended at the source, and so did its copy


class Result(tuple[str, Outcome, str | None]):
    """`(sid, outcome, reason)`."""

    __slots__ = ()

    def __new__(cls, sid: str, outcome: Outcome, reason: str | None = None) -> Result:
        return super().__new__(cls, (sid, outcome, reason))

    @property
    def sid(self) -> str:
        return self[0]

    @property
    def outcome(self) -> Outcome:
        return self[1]

    @property
    def reason(self) -> str | None:
        return self[2]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine with its layout can do; a command asks before it promises."""

    expires_by_itself: bool  # the engine removes expired sessions without help
    stores_created: bool = False
    stores_seen: bool = False
    orders_by_expiry: bool = False  # has `Store.by_expiry`
    confirms_writes: bool = False  # has `ConfirmingStore.confirmed`
    hints: bool = False  # has `HintingStore.heard`
    counts_fast: bool = False  # an exact count costs little beside a purge
    tells_room: bool = False  # has `RoomyStore.room`
    ends_within_ms: int = 0  # how far off the end of a session may be, as it is read
    answers: tuple[str, ...] = ()  # parts of a query, beside ids, that the server itself sifts by
    zone_doubt: str = ""  # why dates without a zone may be read wrongly, in words; guarded
    cascades: str = ""  # what else a delete would set off, in words; guarded


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a replica is behind, in seconds; None: it does not tell."""

    replica: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Room:
    """What a store still takes in without pushing anything out (S13).

    `free_bytes` counts up to 90 % of a limit on memory, or to the last free block of a disk; None:
    there is no limit. `overhead_bytes` is what a session costs beside its value.
    """

    free_bytes: int | None
    overhead_bytes: int
    evicted: int = 0  # keys thrown out for others since the server began
    limit: str = ""  # in words


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a store is, without credentials: for plans, journals and the names of ad-hoc URLs."""

    engine: str
    address: str  # host:port, socket or file
    database: str
    scope: str  # prefix or table
    label: str  # typed to confirm when the store has no name in a config: `host/database`

    def as_dict(self) -> dict[str, str]:
        return {
            "engine": self.engine,
            "address": self.address,
            "database": self.database,
            "scope": self.scope,
        }


class Tls(StrEnum):
    """How what travels to a server and back is protected."""

    VERIFIED = "verified"  # encrypted, and the certificate names the host
    UNVERIFIED = "unverified"  # encrypted, by whoever answered
    NONE = "none"

    @classmethod
    def of(cls, *, encrypted: bool, verifies: bool) -> Tls:
        if not encrypted:
            return cls.NONE
        return cls.VERIFIED if verifies else cls.UNVERIFIED


@dataclass(frozen=True, slots=True)
class Server:
    """Who answers, as it says itself. `version`: None where it does not tell; `tls`: None where
    nothing travels: files, sockets, processes of this machine."""

    name: str
    version: str | None
    tls: Tls | None = None


@dataclass(slots=True)
class Remarks:
    """What a person should be told about a run: fallbacks (S30) and things that are no sessions."""

    notes: dict[str, None] = field(default_factory=dict)
    strangers: int = 0
    stranger_samples: list[str] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)  # a plan and a run meet the same ones

    def note(self, text: str) -> None:
        """Say it once, however often it happens."""
        self.notes[text] = None

    def stranger(self, location: str, kind: str) -> None:
        """Something under our prefix or in our table that cannot be a session."""
        if hash(location) in self._known:
            return
        if len(self._known) < _STRANGERS_KNOWN:
            self._known.add(hash(location))
        self.strangers += 1
        if len(self.stranger_samples) < 3:
            self.stranger_samples.append(f"{location} ({kind})")


class Store(Protocol):
    """An opened store. Close it when done; it is a context manager."""

    @property
    def layout(self) -> Layout: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def identity(self) -> Identity: ...

    @property
    def remarks(self) -> Remarks: ...

    @property
    def page_size(self) -> int:
        """How many sessions one `delete` should be given."""
        ...

    def server(self) -> Server:
        """Who answers; one round trip, and nothing more. Raises StoreError."""
        ...

    def now_ms(self) -> int:
        """The clock that judges: the server's, in ms since 1970 UTC."""
        ...

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        """Every session that matches, in pages, memory flat. A failed read raises; an error is
        never the end of the sessions."""
        ...

    def by_expiry(
        self, query: Query, *, descending: bool = False, first: int = 1000
    ) -> Iterator[Session]:
        """As `scan`, the first to end (or the last) first, those of unknown expiry after all; asked
        only of a store whose `capabilities` say that it `orders_by_expiry`.

        `first` are enough at first: more are read when they are asked for.
        """
        ...

    def get(self, sids: Sequence[str]) -> list[Session]:
        """The sessions of these ids that exist, in the order asked for."""
        ...

    def count(self, query: Query) -> int:
        """How many match, exactly."""
        ...

    def estimate(self) -> int:
        """About how many sessions the store holds; cheap, and an upper bound at the best."""
        ...

    def lags(self) -> list[Lag]:
        """How far the replicas are behind, as this server sees them.

        Raises:
            StoreError: this user may not ask.
        """
        ...

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        """Write sessions that are absent: stored, present (the same), newer, lapsed or failed."""
        ...

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """Write the second session of each pair over the first, which was read from this store, if
        that is still exactly as it was read: stored, gone, changed, lapsed, failed; or unconfirmed,
        where the reply was lost and nothing is there now. A session stands in one pair only.

        Value and expiry of the second count, and what else it brings along: `thaw` gives it all
        that was frozen, `with_value` and `with_end` what the first had; one of `compose` leaves
        what it does not know as it is.
        """
        ...

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        """Move the expiry of sessions that are as they were read: as `replace`."""
        ...

    def with_value(self, session: Session, raw: bytes) -> Session:
        """The session with another value, for `replace`; its expiry is kept to the last digit."""
        ...

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        """The session with another end, for `replace`; None: it never ends by itself.

        Raises:
            SerializerError: the end stands in the value, which cannot be written anew.
        """
        ...

    def recognises(self, session: Session) -> bool:
        """The value carries the library's own mark; for the guard against a wrong store."""
        ...

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        """Remove sessions that are still exactly as they were read.

        With `grace_ms` only those whose expiry lies that far behind the *server's* clock at the
        moment of the delete, judged in the statement that deletes.
        """
        ...

    def freeze(self, session: Session) -> dict[str, Any]:
        """Everything that `thaw` needs to write the session again; JSON types and bytes."""
        ...

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        """The session that `freeze` was given, with another expiry if one is named.

        Raises:
            JournalError: it was not frozen by a store of this kind.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Store: ...

    def __exit__(self, *exc: object) -> None: ...


Pair = tuple["Session", "Session"]  # as it was read, what shall stand there


class ConfirmingStore(Store, Protocol):
    """A store that can be asked how many replicas have what it has written: one whose
    `capabilities` say that it `confirms_writes`."""

    def confirmed(self, replicas: int, within_ms: int) -> int:
        """How many replicas have all that was written so far; waits for so many, so long.

        Raises:
            StoreError: this user may not ask.
        """
        ...


class RoomyStore(Store, Protocol):
    """A store that tells what it has room for: one whose `capabilities` say `tells_room`."""

    def room(self) -> Room:
        """Room at this moment.

        Raises:
            StoreError: this user may not ask.
        """
        ...


class HintingStore(Store, Protocol):
    """A store that may tell of changes by itself: one whose `capabilities` say that it `hints`."""

    def heard(self) -> bool:
        """Something may have changed since this was last asked, or nothing: a hint, and never a
        proof. It does not wait, and does not fail."""
        ...


PAGE_BYTES = 32 * 2**20  # far below what a journal's reader takes of one page


def in_pages(sessions: Iterator[Session], size: int) -> Iterator[list[Session]]:
    """Group a stream into lists of at most `size` sessions and, but for one giant, `PAGE_BYTES`."""
    page: list[Session] = []
    held = 0
    for session in sessions:
        if page and (len(page) == size or held + session.size_bytes > PAGE_BYTES):
            yield page
            page, held = [], 0
        page.append(session)
        held += session.size_bytes
    if page:
        yield page
