"""What joins a layout with its serializer: one stored value in, what a listing needs out.

Values that the library encrypted are opened on the way in; they are kept as they are stored, so
that what is compared, journalled and written again is never encrypted anew.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.errors import SerializerError
from sessctl.serializers import serializer
from sessctl.serializers.ciphers import Seal, Unproven
from sessctl.session import Decoded, Expiry, Problem
from sessctl.timespec import MAX_MS, from_ms, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sessctl.limits import Budget
    from sessctl.stores.layouts.base import Layout

_IDENTIFIERS = ("id", "_id", "userId", "user_id", "uid", "email", "username", "name", "__uuid__")

_LONG_INTEGER = re.compile(rb"[0-9]{4301}")  # JSON, and yet many readers refuse it

# What the peek found: the user, the inner expiry as it stands there (None: there is none), and why
# the value is no session.
Reading = tuple["str | None", Any, "Problem | None"]


class Reader:
    """Reads values of one layout: `read` is the fast look of a listing, `decode` all of it."""

    def __init__(self, layout: Layout, budget: Budget | None = None) -> None:
        self.layout = layout
        self._serializer = serializer(layout.serializer)
        self.budget = budget or layout.budget
        self._seal = (
            Seal(layout.ciphers, layout.store_secrets, self.budget) if layout.ciphers else None
        )
        inner = [layout.inner_expiry] if layout.inner_expiry else []
        users = [self._path_in_data(path) for path in layout.user]
        self._peek_opened = self._serializer.peek([*inner, *users])
        self._peek = self._opening(self._peek_opened)
        self._peek_envelope = self.peek(layout.envelope or ("",))
        self._peek_dates = self.peek(layout.dates) if layout.dates else None
        self._users_from = len(inner)
        first = layout.envelope[0] if layout.envelope else ""
        self._split_at = (b'{"%b":{' % first.encode(), first.encode())
        self._split_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
            msgspec.defstruct("Own", [("own", msgspec.Raw)], rename={"own": first})
        )

    def read(self, raw: bytes) -> Reading:
        """User, the inner expiry as written (see `inner_expiry`), problem."""
        if len(raw) > self.budget.value_bytes:
            return None, None, Problem("input.limit", self.budget.too_large(len(raw)))
        problem = None
        try:
            found = self._peek(raw)
        except Unproven as exc:
            # The secrets may be out of date: whose session it is, is told all the same.
            problem = Problem(exc.code, exc.message)
            try:
                found = self._peek_opened(exc.text)
            except SerializerError:
                return None, None, problem
        except SerializerError as exc:
            return None, None, Problem(exc.code, exc.message)
        user = None
        for value in found[self._users_from :]:
            if value is not None and (user := user_text(value)) is not None:
                break
        return user, found[0] if self._users_from else None, problem

    def dates(self, raw: bytes) -> tuple[int | None, int | None]:
        """When the session began and when it was last seen, in ms, as far as its value says so."""
        if self._peek_dates is None or len(raw) > self.budget.value_bytes:
            return None, None
        try:
            created, seen = self._peek_dates(raw)
        except SerializerError:
            return None, None
        return _in_ms(created), _in_ms(seen)

    def inner_expiry(self, written: Any, problem: Problem | None) -> tuple[int | None, Expiry]:
        """What the date inside a value says when the store itself says nothing.

        Unreadable is unknown, and so is the expiry of a value that does not decode (S3).
        """
        if problem is not None:
            return None, Expiry.UNKNOWN
        if written is None:
            return None, Expiry.NEVER
        expires_ms = None
        if self.layout.inner_is_ms:
            if isinstance(written, int) and not isinstance(written, bool) and 0 < written <= MAX_MS:
                expires_ms = written
        elif isinstance(written, str):
            expires_ms = parse_iso_ms(written)
        return expires_ms, Expiry.UNKNOWN if expires_ms is None else Expiry.COOKIE_DATE

    def with_end(self, raw: bytes, ends_ms: int | None) -> bytes:
        """The value with its inner date moved, where the library goes by that; else as it is.

        A value without the date, or that does not decode, has none that could be moved.
        """
        if not (self.layout.inner_rules and self.layout.inner_expiry):
            return raw
        *path, last = self.layout.inner_expiry.split(".")
        try:
            value = self._serializer.decode(self.opened(raw), self.budget).data
            place = value
            for name in path:
                place = place[name]
            if place[last] is None:
                return raw
            place[last] = self._as_inner(ends_ms)
            return self.closed(self._serializer.encode(value), like=raw)
        except (SerializerError, KeyError, TypeError, ValueError, RecursionError):
            return raw

    def _as_inner(self, ends_ms: int | None) -> int | str | None:
        if ends_ms is None or self.layout.inner_is_ms:
            return ends_ms
        return from_ms(ends_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def decode(self, raw: bytes) -> Decoded:
        """The whole value, the library's own part set aside as `extra`. Raises SerializerError."""
        text = self.opened(raw)
        value = self._serializer.decode(text, self.budget)
        if not isinstance(value.data, dict):
            raise SerializerError("expected an object")
        notes = value.notes
        if text is raw and self._seal is not None and self._seal.has_secrets:
            notes = (*notes, "not encrypted, though the backend has store_secrets")
        data, extra = self._apart(value.data)
        return Decoded(data, extra, notes)

    def _apart(self, value: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(data, extra) of a whole value."""
        key = self.layout.data_key
        if not key:
            extra = {name: value[name] for name in self.layout.envelope if name in value}
            return {name: item for name, item in value.items() if name not in extra}, extra
        data = value.get(key, None if value else {})  # what was emptied may lack it, too
        if not isinstance(data, dict):
            raise SerializerError(f"expected an object under '{key}'")
        return data, {name: item for name, item in value.items() if name != key}

    def whole(self, own: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """A value of the library's own part and the application's data."""
        key = self.layout.data_key
        return {**own, key: data} if key else {**own, **data}

    def _path_in_data(self, path: str) -> str:
        """A path in the data as one in the whole value."""
        return f"{self.layout.data_key}.{path}" if self.layout.data_key else path

    def edited(self, raw: bytes, data: Any) -> bytes:
        """The value with other data of the application: the library's own part and whatever else
        stays the same is kept as it stands, encrypted as it was.

        Raises:
            SerializerError: it does not decode, or the data cannot be written so.
        """
        text = self.opened(raw)
        own = self.decode(raw).extra
        self.check_data(data)
        new = self._serializer.edited(text, self.whole(own, data))
        return raw if new == text else self.closed(new, like=raw)

    def written(self, value: Any) -> bytes:
        """A whole new value, not encrypted. Raises SerializerError for what cannot be written."""
        return self._serializer.written(value)

    def check_data(self, data: Any) -> None:
        """Raises SerializerError for data that is no object, or that has a key of the library."""
        if not isinstance(data, dict):
            raise SerializerError("the data of a session is an object")
        for key in () if self.layout.data_key else self.layout.envelope:
            if key in data:
                raise SerializerError(f"'{key}' belongs to {self.layout.name}, not to the data")

    def recognises(self, raw: bytes) -> bool:
        """The value has the library's own mark, not just the right syntax."""
        try:
            found = self._peek_envelope(raw)
        except SerializerError:
            return False
        mark, envelope = self.layout.mark, self.layout.envelope
        if mark is not dict:
            return any(isinstance(item, mark) for item in found)
        return not envelope or (isinstance(found[0], dict) and None not in found)

    def opened(self, raw: bytes) -> bytes:
        """The value as its serializer wrote it: decrypted, if it is encrypted; without its
        signature, if it is signed.

        Raises:
            SerializerError: encrypted or signed, and by none of the store's secrets.
        """
        return raw if self._seal is None else self._seal.open(raw)

    def is_sealed(self, raw: bytes) -> bool:
        """The value is encrypted, or signed."""
        return self._seal is not None and self._seal.is_sealed(raw)

    def closed(self, text: bytes, like: bytes | None = None) -> bytes:
        """A serialized value as it is to be stored: encrypted as `like` is; without one, as the
        library does by itself where the store has secrets. Where it signs, always signed.

        Raises:
            SerializerError: there is no secret that opens `like`, or none to sign with.
        """
        if self._seal is None:
            return text
        if like is None and self._seal.encrypts and not self._seal.has_secrets:
            return text
        return self._seal.seal(text, like)

    def peek(self, paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
        """What reads these dotted paths out of a stored value; it raises SerializerError."""
        return self._opening(self._serializer.peek(paths))

    def _opening(
        self, read: Callable[[bytes], tuple[Any, ...]]
    ) -> Callable[[bytes], tuple[Any, ...]]:
        return read if self._seal is None else lambda raw: read(self.opened(raw))

    def split(self, raw: bytes) -> tuple[bytes, bytes] | None:
        """(data, extra) as JSON texts, cut out of the value without decoding it.

        Works where the library writes its own part first, in one line of ASCII, as
        JSON.stringify does for express-session; a million of these are cut in the time that
        decoding and writing them again takes for 150 000.
        """
        start, key = self._split_at
        if len(self.layout.envelope) != 1 or self.layout.data_key:
            return None  # some of it stands elsewhere
        if not raw.startswith(start) or not raw.isascii():
            return None
        if b"\n" in raw or b"\r" in raw or b"\x7f" in raw:
            return None
        if len(raw) > self.budget.int_digits and _LONG_INTEGER.search(raw):
            return None
        depth = self.budget.depth
        if len(raw) > 2 * depth and raw.count(b"{") + raw.count(b"[") > depth:
            return None  # perhaps too deep: `decode` looks
        try:
            own = bytes(self._split_decoder.decode(raw).own)
        except (msgspec.DecodeError, RecursionError):
            return None
        end = len(start) - 1 + len(own)
        if raw[len(start) - 1 : end] != own or raw[end : end + 1] not in (b",", b"}"):
            return None
        return b"{" + raw[end:].lstrip(b","), b'{"%b":%b}' % (key, own)


def _in_ms(seconds: Any) -> int | None:
    """Seconds since 1970, with or without a fraction; None for what is no such instant."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return None
    return int(seconds * 1000) if 0 < seconds <= MAX_MS / 1000 else None


def user_text(value: Any) -> str | None:
    """A user as text: a scalar itself, an object by its id; None if there is none to see."""
    if isinstance(value, dict):
        value = next((value[key] for key in _IDENTIFIERS if value.get(key) is not None), None)
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return str(value)
