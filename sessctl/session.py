"""`Session`, one record of server-side state, and `Query`, which sessions are meant. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntFlag, StrEnum
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from sessctl.errors import SerializerError
from sessctl.text import short_id
from sessctl.timespec import format_duration, format_size, from_ms

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from sessctl.query.condition import Condition


class State(StrEnum):
    """Whether a session is over, judged at one instant."""

    ACTIVE = "active"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # its expiry could not be read; never taken for expired


class Expiry(StrEnum):
    """What `Session.expires_ms` rests on."""

    STORE = "store"  # the TTL or the column: what the store itself enforces
    COOKIE_DATE = "cookie-date"  # nothing in the store; the date inside the data is a hint
    NEVER = "never"
    UNKNOWN = "unknown"


class Problem(msgspec.Struct, frozen=True):
    """Why a session could not be read whole."""

    code: str
    message: str


class Decoded(msgspec.Struct, frozen=True):
    """A stored value, read whole: the application's data, what belongs to the library, remarks."""

    data: Any
    extra: dict[str, Any]
    notes: tuple[str, ...] = ()


class ValueReader(Protocol):
    """Reads stored values whole; a store hands it to the sessions it makes."""

    def decode(self, raw: bytes) -> Decoded:
        """The value. Raises SerializerError, and nothing else."""
        ...

    def edited(self, raw: bytes, data: Any) -> bytes:
        """The value with other data, all else as it stands. Raises SerializerError."""
        ...

    def split(self, raw: bytes) -> tuple[bytes, bytes] | None:
        """(data, extra) as one-line ASCII JSON texts, where that takes no decoding; else None."""
        ...


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One session as it was read.

    A msgspec Struct and not a dataclass: a listing makes a million of them, at a quarter of the
    cost; the garbage collector leaves them alone, for nothing in one leads back to it. Instants
    are milliseconds since 1970 UTC; `expires_at` and friends are the same as aware datetimes.
    """

    sid: str
    raw: bytes  # the value exactly as stored
    location: str  # what a person would type into the engine's own client
    expires_ms: int | None = None
    expiry: Expiry = Expiry.UNKNOWN
    user: str | None = None
    created_ms: int | None = None
    seen_ms: int | None = None
    problem: Problem | None = None
    # What the engine compares before it writes: a TTL, the cells of a row. Its own business.
    original: Any = None
    reader: ValueReader | None = None

    @property
    def decoded(self) -> Decoded:
        """The whole value.

        Raises:
            SerializerError: it does not decode; names the session and the cause.
        """
        if self.reader is None:
            raise SerializerError(f"session {short_id(self.sid)} was read without its value")
        try:
            return self.reader.decode(self.raw)
        except SerializerError as exc:
            raise exc.at(session=short_id(self.sid)) from None

    @property
    def data(self) -> Any:
        """The application's data, decoded. Raises SerializerError as `decoded` does."""
        return self.decoded.data

    @property
    def size_bytes(self) -> int:
        return len(self.raw)

    @property
    def expires_at(self) -> datetime | None:
        """Aware, UTC; None = never by itself, or unknown (see `expiry`)."""
        return None if self.expires_ms is None else from_ms(self.expires_ms)

    @property
    def created_at(self) -> datetime | None:
        return None if self.created_ms is None else from_ms(self.created_ms)

    @property
    def seen_at(self) -> datetime | None:
        return None if self.seen_ms is None else from_ms(self.seen_ms)

    def state(self, now_ms: int) -> State:
        """Judge the session by a clock, which should be the store's."""
        if self.expires_ms is not None:
            return State.EXPIRED if self.expires_ms <= now_ms else State.ACTIVE
        return State.ACTIVE if self.expiry is Expiry.NEVER else State.UNKNOWN


class Need(IntFlag):
    """What a scan must read beside the ids; less is faster."""

    ID = 0
    EXPIRY = 1
    VALUE = 2
    ALL = 3


@dataclass(frozen=True, slots=True)
class Query:
    """Which sessions. Conditions combine with AND; an engine answers what it can at the server
    and `matches` decides the rest.

    `everything` selects all of a store and has to be said: an empty query is not "all".
    """

    sids: tuple[str, ...] = ()
    user: str | None = None
    expired: bool = False
    active: bool = False
    expires_within: timedelta | None = None
    older_than: timedelta | None = None
    idle: timedelta | None = None
    larger_than: int | None = None
    everything: bool = False
    grace_ms: int = 0  # how long past its expiry a session must be to count as expired
    where: Condition | None = None  # an expression: `sessctl.query.parse_condition`

    @property
    def is_empty(self) -> bool:
        """Nothing was asked for: a listing shows all, a purge refuses."""
        return not (self.everything or self.filters)

    @property
    def filters(self) -> bool:
        """At least one condition narrows the store."""
        return bool(self.sids or self.expired or self.active or self.user is not None) or any(
            x is not None
            for x in (
                self.expires_within, self.older_than, self.idle, self.larger_than, self.where,
            )
        )  # fmt: skip

    @property
    def plain_user(self) -> str | None:
        """The user asked for, if it stands in a stored value as it is: letters and digits. Only
        an escape (`\\u`) can spell it in another way."""
        user = self.user
        return user if user is not None and user.isascii() and user.isalnum() else None

    @property
    def need(self) -> Need:
        """What `matches` looks at."""
        need = Need.ID
        if self.expired or self.active or self.expires_within is not None:
            need |= Need.ALL  # a key without TTL is judged by the date in its value
        if self.user is not None or self.larger_than is not None:
            need |= Need.VALUE
        if self.older_than is not None or self.idle is not None:
            need |= Need.VALUE
        if self.where is not None:
            need |= Need.VALUE
            if not self.where.fields.isdisjoint(("expires", "ttl")):
                need |= Need.ALL
        return need

    @property
    def pushed_down(self) -> Query:
        """The same query with what its expression asks of every match as plain conditions: those a
        store can answer. The expression is still checked."""
        if self.where is None:
            return self
        found: dict[str, Any] = {}
        for one in self.where.all_of:
            if one.function or any(not isinstance(value, str | int) for value in one.values):
                continue
            if one.field.name == "user" and one.operator == "==" and self.user is None:
                found["user"] = one.values[0]
            elif one.field.name == "sid" and one.operator in ("==", "in") and not self.sids:
                found["sids"] = tuple(dict.fromkeys(one.values))  # each is looked up once
            elif one.field.name == "size" and one.operator == ">" and self.larger_than is None:
                found["larger_than"] = one.values[0]
        return replace(self, **found)

    def matches(self, session: Session, now_ms: int) -> bool:
        """The one evaluator. A missing value is null, and null is on no side of any limit."""
        if self.user is not None and session.user != self.user:
            return False
        if self.expired and session.state(now_ms - self.grace_ms) is not State.EXPIRED:
            return False
        if self.active and session.state(now_ms) is not State.ACTIVE:
            return False
        if self.sids and session.sid not in self.sids:
            return False
        if self.larger_than is not None and len(session.raw) <= self.larger_than:
            return False
        if self.expires_within is not None:
            ends = session.expires_ms
            if ends is None or not now_ms < ends <= now_ms + _ms(self.expires_within):
                return False
        if self.where is not None and not self.where.matches(session, now_ms):
            return False
        return _before(session.created_ms, self.older_than, now_ms) and _before(
            session.seen_ms, self.idle, now_ms
        )

    def describe(self) -> str:
        """The query in words, for a plan: `expired, user 42`."""
        words: list[str] = []
        if self.expired:
            grace = (
                f" (for more than {format_duration(self.grace_ms / 1000)})" if self.grace_ms else ""
            )
            words.append(f"expired{grace}")
        if self.active:
            words.append("active")
        if self.user is not None:
            words.append(f"user {self.user}")
        if self.sids:
            words.append(
                "1 named session" if len(self.sids) == 1 else f"{len(self.sids)} named sessions"
            )
        for label, span in (
            ("expires within", self.expires_within),
            ("older than", self.older_than),
            ("idle for", self.idle),
        ):
            if span is not None:
                words.append(f"{label} {format_duration(span.total_seconds())}")
        if self.larger_than is not None:
            words.append(f"larger than {format_size(self.larger_than)}")
        if self.where is not None:
            words.append(self.where.text)
        return ", ".join(words) or "all sessions"


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


def _before(instant_ms: int | None, span: timedelta | None, now_ms: int) -> bool:
    return span is None or (instant_ms is not None and instant_ms < now_ms - _ms(span))


__all__ = ["Decoded", "Expiry", "Need", "Problem", "Query", "Session", "State", "ValueReader"]
