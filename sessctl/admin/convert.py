"""A session of one store as another store's library writes it; and when two of them are the same.

Between stores of one library (all those for express-session) the value goes over as it is, to the
byte: cookie, flags, `originalMaxAge`, every number as it was spelled. Only what a single store adds
is left out or added (`__lastAccess` of session-file-store), and encryption is taken off and put on.
Between libraries the data goes over and the library's own part is made anew.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.errors import SerializerError
from sessctl.session import Expiry, Session
from sessctl.stores.compose import compose
from sessctl.stores.reader import Reader
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from sessctl.stores.base import Store
    from sessctl.stores.layouts.base import Layout

# The library's own dates: they follow from a session's end and its last use, and a touch moves
# some of them in some stores and none in others.
DATES = frozenset(
    {"originalMaxAge", "expires", "maxAge", "originalExpires", "_expire", "_maxAge", "__lastAccess"}
)
_MARKS = frozenset({"__bson__", "__bytes__", "__uuid__", "__float__"})  # of `serializers.bson`
_SECOND_MS = 1000
_TOLERANCE_MS = 2  # Redis before 7.0 tells the time left, and not the end

_top_level: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
)


class Conversion:
    """Makes sessions for one target."""

    def __init__(self, target: Store) -> None:
        self._target = target
        self._reader = Reader(target.layout)

    def of(self, session: Session) -> Session:
        """The session for `Store.put` of the target, with the same id and end.

        A session without an end stays so where the target can say it, else it gets the target's
        usual lifetime from now, as its library would give it.

        Raises:
            SerializerError: its value cannot be read, or not be written there, or its end is
                unknown.
            Refused: the target's layout is read only.
        """
        if session.reader is None:
            raise SerializerError(session.problem.message if session.problem else "no value")
        ends_ms = self._end_of(session)
        reader = session.reader
        if not (isinstance(reader, Reader) and _same_library(reader.layout, self._target.layout)):
            found = session.decoded
            return compose(
                self._target, session.sid, _of_application(session, found.data),
                expires_ms=ends_ms, extra=found.extra,
            )  # fmt: skip
        raw = self._carried_over(session, reader)
        user, _, problem = self._reader.read(raw)
        return Session(
            sid=session.sid,
            raw=raw,
            location="",
            expires_ms=ends_ms,
            expiry=Expiry.NEVER if ends_ms is None else Expiry.STORE,
            user=session.user if user is None else user,
            problem=problem,
            reader=self._reader,
        )

    def _end_of(self, session: Session) -> int | None:
        if session.expiry is Expiry.UNKNOWN:
            raise SerializerError("its end cannot be read, so nobody knows how long it lives")
        if session.expiry is Expiry.STORE:
            return session.expires_ms
        layout = self._target.layout
        if layout.keeps_endless:  # a date in a cookie is a hint, and ends no session
            return None
        usual = format_duration(layout.lifetime_s)
        self._target.remarks.note(
            f"sessions without an end get {usual}: {layout.name} keeps none without"
        )
        return self._target.now_ms() + layout.lifetime_s * 1000

    def _carried_over(self, session: Session, reader: Reader) -> bytes:
        """The value itself, as the target's library encrypts it, without the source's additions."""
        source, layout = reader.layout, self._target.layout
        if _same_values(source, layout):
            return session.raw  # even what we cannot read
        if session.problem is not None:
            raise SerializerError(session.problem.message)
        decoded = reader.decode(session.raw)  # all of it: nothing half readable is passed on
        if source.serializer == layout.serializer:
            text = reader.opened(session.raw)
        else:
            text = _as_json(_sayable(reader.whole(decoded.extra, decoded.data)))
        added = set(source.envelope) - set(layout.envelope)
        return self._reader.closed(_without(text, added) if added else text)


def _same_values(one: Layout, other: Layout) -> bool:
    """What one of them stores, the other can store as it is."""
    return (one.name, one.serializer, one.store_secrets) == (
        other.name, other.serializer, other.store_secrets,
    )  # fmt: skip


def _same_library(one: Layout, other: Layout) -> bool:
    """Both keep what the same library for sessions hands them. One that puts nothing of its own
    around the data is told by how it writes it."""
    if one.cookie_format != other.cookie_format or one.data_key != other.data_key:
        return False
    if one.envelope[:1] != other.envelope[:1]:
        return False
    return bool(one.envelope) or one.serializer == other.serializer


def _of_application(session: Session, data: Any) -> Any:
    """The data without the keys in it that are the library's."""
    own = session.reader.layout.own_keys if isinstance(session.reader, Reader) else ()
    return {key: value for key, value in data.items() if key not in own} if own else data


def _without(text: bytes, keys: set[str]) -> bytes:
    """A JSON object without some of its keys, and no other byte changed if that can be."""
    try:
        parts = _top_level.decode(text)
        if keys.isdisjoint(parts):
            return text
        return msgspec.json.encode({k: v for k, v in parts.items() if k not in keys})
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass  # half an emoji, which JavaScript writes and a stricter reader refuses
    try:
        data = json.loads(text)
        return _as_json({key: value for key, value in data.items() if key not in keys})
    except (ValueError, TypeError, AttributeError, RecursionError) as exc:
        raise SerializerError(f"cannot be written anew ({exc})") from None


def _sayable(value: Any) -> Any:
    """A value of BSON that JSON can hold. Raises SerializerError for one that it can only mark."""
    if isinstance(value, dict):
        if mark := next((key for key in value if key in _MARKS), None):
            kind = str(value.get("__bson__", mark.strip("_")))
            raise SerializerError(f"JSON has no word for its {kind}")
        return {key: _sayable(item) for key, item in value.items()}
    return [_sayable(item) for item in value] if isinstance(value, list) else value


def _as_json(value: Any) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError) as exc:
        raise SerializerError(f"JSON cannot hold it ({exc})") from None


# -- the same session ------------------------------------------------------------------------------


def is_over(session: Session, now_ms: int) -> bool:
    """By what the store enforces; a date in a cookie is a hint, and leaves nobody behind."""
    ends = session.expires_ms
    return session.expiry is Expiry.STORE and ends is not None and ends <= now_ms


def same_value(one: Session, other: Session) -> bool:
    """The same data and cookie flags, however two stores write them; dates aside. Where one of
    their libraries keeps no flags, the data decides.

    What does not decode is the same only to the byte.
    """
    if one.raw == other.raw:
        return True
    try:
        (data, flags), (others_data, others_flags) = _content(one), _content(other)
    except SerializerError:
        return False
    return data == others_data and (not flags or not others_flags or flags == others_flags)


def _content(session: Session) -> tuple[bytes, bytes]:
    """Data and flags in one spelling: keys sorted, 1.0 as 1. Raises SerializerError."""
    found = session.decoded
    own = [_flags(value) for value in found.extra.values() if isinstance(value, dict)]
    data = _as_json_sorted(_of_application(session, found.data))
    return data, _as_json_sorted(own[0]) if own else b""


def _flags(cookie: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in cookie.items() if key not in DATES}


def _as_json_sorted(value: Any) -> bytes:
    try:
        return json.dumps(_plain(value), sort_keys=True, default=repr).encode()
    except (ValueError, TypeError, RecursionError) as exc:
        raise SerializerError(f"cannot be compared ({exc})") from None


def _plain(value: Any) -> Any:
    """JavaScript has one kind of number: 1.0 and 1 are the same there, true and 1 are not."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def same_end(found: Session, wanted: Session) -> bool:
    """The same end, to what the store of `found` can keep: ms, or whole seconds.

    A date in a cookie ends no session: a key without TTL has no end.
    """
    if Expiry.UNKNOWN in (found.expiry, wanted.expiry):
        return found.expiry is wanted.expiry
    if Expiry.STORE not in (found.expiry, wanted.expiry):
        return True
    if found.expiry is not wanted.expiry:
        return False
    assert found.expires_ms is not None
    assert wanted.expires_ms is not None
    apart = abs(found.expires_ms - wanted.expires_ms)
    if apart <= _TOLERANCE_MS:
        return True
    return found.expires_ms % _SECOND_MS == 0 and apart < _SECOND_MS


def fingerprint(session: Session) -> bytes:
    """24 bytes that tell a session's value and end from others; compare them by `same_print`."""
    value = blake2b(f"{session.expiry}\0".encode() + session.raw, digest_size=16).digest()
    ends_ms = -1 if session.expires_ms is None else session.expires_ms
    return value + ends_ms.to_bytes(8, "big", signed=True)


def same_print(one: bytes, other: bytes) -> bool:
    """Two fingerprints are of one state of a session: Redis before 7.0 tells an end to 2 ms."""
    ends = [int.from_bytes(each[16:], "big", signed=True) for each in (one, other)]
    return one[:16] == other[:16] and abs(ends[0] - ends[1]) <= _TOLERANCE_MS
