"""When a session in a file is over, and what has to be written for another end.

One class for each way in which a library tells it; the layout says which (`FileEnd`). What stands
in the value is read out of it, and what the file itself tells comes with its `Stamp`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from sessctl.errors import SerializerError
from sessctl.session import Expiry
from sessctl.stores.layouts.files import FileEnd
from sessctl.timespec import MAX_MS, from_ms, parse_iso_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.stores.engines.files_directory import Stamp
    from sessctl.stores.layouts.files import FileLayout
    from sessctl.stores.reader import Reader

_IN_NS = 1_000_000  # a millisecond

_top_level: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
)


class Life(NamedTuple):
    """The dates of a session, in ms since 1970 UTC, and what its end rests on."""

    expires_ms: int | None
    expiry: Expiry
    seen_ms: int | None = None
    created_ms: int | None = None


class Kept(NamedTuple):
    """What a file holds, and its time of modification; 0: that of the write."""

    content: bytes
    mtime_ns: int = 0


UNKNOWN = Life(None, Expiry.UNKNOWN)


class FileExpiry(Protocol):
    """The rule of a layout, over files.

    `without_value`: the end can be told though the value does not decode. `by_mtime`: the file's
    time of modification is part of it, and has to stay where the end stays.
    """

    without_value: bool
    by_mtime: bool

    def read(self, raw: bytes, stamp: Stamp) -> Life:
        """Raises SerializerError where nothing can be told."""
        ...

    def moved(self, raw: bytes, stamp: Stamp, ends_ms: int | None) -> Kept:
        """The file with another end, and not a byte changed beside it; None: it never ends.

        Raises:
            SerializerError: it does not decode, or has no end that could be moved.
        """
        ...

    def begun(self, raw: bytes, stamp: Stamp, now_ms: int) -> Kept:
        """The file of a session that begins now, with the lifetime of its layout. Raises
        SerializerError as `moved` does."""
        ...


def file_expiry(layout: FileLayout, reader: Reader) -> FileExpiry:
    """The rule of this layout."""
    kinds: dict[FileEnd, Callable[[FileLayout, Reader], FileExpiry]] = {
        FileEnd.LAST_ACCESS: LastAccess,
        FileEnd.ACCESSED: Accessed,
        FileEnd.HEADER: Header,
        FileEnd.MTIME: Modified,
        FileEnd.DATE: Date,
    }
    return kinds[layout.end](layout, reader)


class _Rule:
    without_value = False
    by_mtime = False

    def __init__(self, layout: FileLayout, reader: Reader) -> None:
        self._layout = layout
        self._reader = reader
        self._lifetime_ms = layout.lifetime_s * 1000
        self._set_up()

    def _set_up(self) -> None:
        """What a rule needs beside this."""


class LastAccess(_Rule):
    """Its own max age, or the lifetime, after its last access: both in the value, as JavaScript
    reads them (session-file-store). A last access that is no number makes the library keep the
    session for ever; here its expiry is unknown.
    """

    def _set_up(self) -> None:
        self._peek = self._reader.peek((self._layout.seen, self._layout.max_age))

    def read(self, raw: bytes, stamp: Stamp) -> Life:
        seen, max_age = self._peek(raw)
        age_ms = self._age_ms(max_age)
        if not _is_number(seen) or age_ms is None:
            return UNKNOWN
        return _life(seen + age_ms, seen)

    def moved(self, raw: bytes, stamp: Stamp, ends_ms: int | None) -> Kept:
        """Its last access is moved, as every visit moves it. What was encrypted is encrypted
        again, in the same way."""
        if ends_ms is None:
            raise SerializerError("sessions in files always have an end")
        age_ms = self._age_ms(self._peek(raw)[1])
        if age_ms is None or abs(age_ms) > MAX_MS:
            raise SerializerError(f"{self._layout.max_age} is no number to count with")
        return self.begun(raw, stamp, int(ends_ms - age_ms))

    def begun(self, raw: bytes, stamp: Stamp, now_ms: int) -> Kept:
        text = self._reader.opened(raw)
        try:
            parts = _top_level.decode(text)
            parts[self._layout.seen] = msgspec.Raw(b"%d" % now_ms)
            text = msgspec.json.encode(parts)
        except (msgspec.DecodeError, UnicodeDecodeError):
            text = self._rewritten(text, now_ms)
        return Kept(self._reader.closed(text, like=raw))

    def _rewritten(self, text: bytes, seen_ms: int) -> bytes:
        """The same for half an emoji, which JavaScript writes and a stricter reader refuses."""
        try:
            data = json.loads(text)
            data[self._layout.seen] = seen_ms
            return json.dumps(data, separators=(",", ":"), allow_nan=False).encode()
        except (ValueError, TypeError, RecursionError) as exc:
            raise SerializerError(f"cannot be written anew ({exc})") from None

    def _age_ms(self, max_age: Any) -> float | None:
        """JavaScript's `max_age || lifetime`; None where the sum would be none."""
        if max_age in (None, False, 0, ""):
            return self._lifetime_ms
        return max_age if _is_number(max_age) else None


class Accessed(_Rule):
    """The lifetime after its last access, in seconds in a value that is only read (Beaker). Without
    a lifetime the library never ends one."""

    def _set_up(self) -> None:
        self._peek = self._reader.peek((self._layout.seen, self._layout.created))

    def read(self, raw: bytes, stamp: Stamp) -> Life:
        seen, created = (_in_ms(value) for value in self._peek(raw))
        if seen is None:
            return UNKNOWN
        life = _life(seen + self._lifetime_ms, seen)
        if not self._lifetime_ms:
            life = life._replace(expires_ms=None, expiry=Expiry.NEVER)
        return life._replace(created_ms=created)

    def moved(self, raw: bytes, stamp: Stamp, ends_ms: int | None) -> Kept:
        raise SerializerError("its end stands in a pickle, which is only read, never written")

    def begun(self, raw: bytes, stamp: Stamp, now_ms: int) -> Kept:
        return self.moved(raw, stamp, now_ms)


class Header(_Rule):
    """Seconds in front of the value; 0 is never (cachelib)."""

    without_value = True

    def _set_up(self) -> None:
        from sessctl.serializers import cachelib

        self._format = cachelib

    def read(self, raw: bytes, stamp: Stamp) -> Life:
        seconds = self._format.framed(raw).seconds
        return _life(seconds * 1000) if seconds else Life(None, Expiry.NEVER)

    def moved(self, raw: bytes, stamp: Stamp, ends_ms: int | None) -> Kept:
        """It ends with a whole second, and not before its time: the next one."""
        return Kept(self._format.moved(raw, 0 if ends_ms is None else -(-ends_ms // 1000)))

    def begun(self, raw: bytes, stamp: Stamp, now_ms: int) -> Kept:
        return self.moved(raw, stamp, now_ms + self._lifetime_ms)


class Modified(_Rule):
    """The lifetime after the file was written, or what the data says at `max_age`: so many seconds
    after it, or a date (Django).

    Django itself ends none that has seconds there, whose cookie is gone by then; see
    `SessionBase.get_expiry_age`, which gives the seconds back whatever the time.
    """

    by_mtime = True

    def _set_up(self) -> None:
        self._peek = self._reader.peek((self._layout.max_age,))

    def read(self, raw: bytes, stamp: Stamp) -> Life:
        age = self._age(raw)
        written = stamp.mtime_ns // _IN_NS
        if not age:  # nothing, 0, "": until the browser is closed, and the lifetime at the longest
            return _life(written + self._lifetime_ms)
        if _is_number(age):
            return _life(written + age * 1000)
        ends = parse_iso_ms(_iso(age))
        return UNKNOWN if ends is None else _life(ends)

    def moved(self, raw: bytes, stamp: Stamp, ends_ms: int | None) -> Kept:
        """The file is as if written at another time, as every visit writes it."""
        if ends_ms is None:
            raise SerializerError("sessions in files always have an end")
        age = self._age(raw)
        if age and not _is_number(age):
            raise SerializerError("its end is a date that the application has set in the data")
        written = ends_ms - (age * 1000 if age else self._lifetime_ms)
        if not 0 < written <= MAX_MS:
            raise SerializerError("no file can be of such a time")
        return Kept(raw, int(written) * _IN_NS)

    def begun(self, raw: bytes, stamp: Stamp, now_ms: int) -> Kept:
        return Kept(raw, now_ms * _IN_NS)

    def _age(self, raw: bytes) -> Any:
        return self._peek(raw)[0] if raw else None  # empty: about to be written for the first time


class Date(_Rule):
    """A date beside the data; none is never (Litestar)."""

    without_value = True

    def _set_up(self) -> None:
        from sessctl.serializers import litestar

        self._format = litestar

    def read(self, raw: bytes, stamp: Stamp) -> Life:
        ends = self._format.stored(raw).expires_at
        return Life(None, Expiry.NEVER) if ends is None else _life(to_ms(ends))

    def moved(self, raw: bytes, stamp: Stamp, ends_ms: int | None) -> Kept:
        return Kept(self._format.moved(raw, None if ends_ms is None else from_ms(ends_ms)))

    def begun(self, raw: bytes, stamp: Stamp, now_ms: int) -> Kept:
        return self.moved(raw, stamp, now_ms + self._lifetime_ms)


def _life(ends_ms: float, seen_ms: float | None = None) -> Life:
    """Beyond the calendar is never, before 1970 is unknown."""
    if not 0 < ends_ms <= MAX_MS:
        return Life(None, Expiry.NEVER if ends_ms > MAX_MS else Expiry.UNKNOWN)
    seen = int(seen_ms) if seen_ms is not None and 0 < seen_ms <= MAX_MS else None
    return Life(int(ends_ms), Expiry.STORE, seen)


def _is_number(value: Any) -> bool:
    """A number that can be reckoned with: JSON knows larger ones than a float can be."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max


def _in_ms(seconds: Any) -> int | None:
    """Seconds since 1970 as ms, where they are a moment of our calendar."""
    if not _is_number(seconds) or not 0 < seconds * 1000 <= MAX_MS:
        return None
    return int(seconds * 1000)


def _iso(value: Any) -> str:
    """A date as text: as JSON holds it, or a pickle."""
    if isinstance(value, dict):
        value = value.get("__datetime__")
    return value if isinstance(value, str) else ""
