"""When a session in a file is over, and what has to be written for another end.

It ends its own max age, or the lifetime, after its last access: both stand in the value, as
JavaScript reads them. A last access that is no number makes the library keep the session for ever;
here its expiry is unknown.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.errors import SerializerError
from sessctl.session import Expiry
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from sessctl.stores.layouts.base import FileLayout
    from sessctl.stores.reader import Reader

Ends = tuple[
    "int | None", Expiry, "int | None"
]  # expiry in ms, what it rests on, last access in ms

_top_level: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
)


class FileExpiry:
    """The rule of a layout, over stored values."""

    def __init__(self, layout: FileLayout, reader: Reader) -> None:
        self._layout = layout
        self._reader = reader
        self._peek = reader.peek((layout.seen, layout.max_age))

    def read(self, raw: bytes) -> Ends:
        """When a value says that it is over. Raises SerializerError if it does not decode."""
        seen, max_age = self._peek(raw)
        age_ms = self._age_ms(max_age)
        if not _is_number(seen) or age_ms is None:
            return None, Expiry.UNKNOWN, None
        ends = seen + age_ms
        if not 0 < ends <= MAX_MS:
            return None, Expiry.NEVER if ends > MAX_MS else Expiry.UNKNOWN, None
        return int(ends), Expiry.STORE, int(seen) if 0 < seen <= MAX_MS else None

    def moved(self, raw: bytes, ends_ms: int) -> bytes:
        """The value with another end: its last access is moved, as every visit moves it, and not a
        byte beside it. What was encrypted is encrypted again, in the same way.

        Raises:
            SerializerError: it does not decode, or has a max age that is no number.
        """
        age_ms = self._age_ms(self._peek(raw)[1])
        if age_ms is None:
            raise SerializerError(f"{self._layout.max_age} is no number")
        return self.begun(raw, int(ends_ms - age_ms))

    def begun(self, raw: bytes, seen_ms: int) -> bytes:
        """The value with another last access. Raises SerializerError as `moved` does."""
        text = self._reader.opened(raw)
        try:
            parts = _top_level.decode(text)
            parts[self._layout.seen] = msgspec.Raw(b"%d" % seen_ms)
            text = msgspec.json.encode(parts)
        except (msgspec.DecodeError, UnicodeDecodeError):
            text = self._rewritten(text, seen_ms)
        return self._reader.closed(text, like=raw)

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
            return self._layout.lifetime_s * 1000
        return max_age if _is_number(max_age) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
