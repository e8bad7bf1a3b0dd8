"""MessagePack: Flask-Session from 0.7 on, Litestar's file store, django-redis with its serializer.

Example: `81 a7 user_id 07`, which is `{"user_id": 7}`. Written as msgspec writes it: the shortest
form of each value, aware datetimes as the timestamp extension (-1), naive ones, UUIDs and Decimals
as text. Bytes are shown as `{"__bytes__": base64}`, timestamps as `{"__datetime__": ISO}`, other
extensions as an `__object__`, and a map whose keys are not all text as pairs: `{"__map__": [[key,
value]]}`.

Source: the MessagePack specification (github.com/msgpack/msgpack, spec.md of 2017); msgspec 0.19
`_core.c`; Flask-Session 0.8 `base.py`.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import DEFAULT, Budget
from sessctl.serializers import MARKS, Value, same
from sessctl.serializers.paths import Field, key_of, steps_in, struct_for, through_dicts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_TIMESTAMP = -1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTES = 10  # no more than a person reads


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Decode a whole value; repeated keys and texts that are not UTF-8 are reported in the notes.

    Raises:
        SerializerError: not MessagePack, or more than one value; `offset` is the byte.
        LimitExceeded: larger, deeper or wider than the budget.
    """
    budget.check_value(len(raw))
    reader = _Reader(raw, budget)
    data = reader.whole()
    return Value(data, tuple(reader.notes))


def encode(data: Any) -> bytes:
    """The bytes that msgspec would write. Raises SerializerError for what it could not."""
    try:
        return msgspec.msgpack.encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        reason = str(exc) if isinstance(exc, OverflowError) else type(exc).__name__
        raise SerializerError(f"cannot be written as MessagePack ({reason})") from None


def written(data: Any) -> bytes:
    """A new value; what is marked is written as what it stands for.

    Raises:
        SerializerError: an object, a mark that makes no sense, an integer of more than 64 bits.
    """
    return encode(_new(data))


def edited(raw: bytes, data: Any) -> bytes:
    """A value with other data: keys keep their order, and what is the same keeps its bytes.

    Raises:
        SerializerError: it does not decode, or the data holds what MessagePack has no place for.
    """
    return encode(_edited(raw, data))


def _edited(raw: bytes, data: Any) -> Any:
    was = decode(raw).data
    if same(was, data):
        return msgspec.Raw(raw)
    if isinstance(was, dict) and isinstance(data, dict) and MARKS.isdisjoint({*was, *data}):
        parts = dict(_Reader(raw, DEFAULT).parts())
        keys = [key for key in parts if key in data] + [key for key in data if key not in parts]
        return {
            key: _edited(parts[key], data[key]) if key in parts else _new(data[key]) for key in keys
        }
    if isinstance(was, list) and isinstance(data, list):
        items = [item for _, item in _Reader(raw, DEFAULT).parts()]
        kept = [_edited(item, new) for item, new in zip(items, data, strict=False)]
        return kept + [_new(item) for item in data[len(kept) :]]
    return _new(data)


def _new(data: Any) -> Any:
    """JSON as what msgspec is given; what is marked as what it stands for."""
    if isinstance(data, list):
        return [_new(item) for item in data]
    if not isinstance(data, dict):
        return data
    if MARKS.isdisjoint(data):
        return {key: _new(item) for key, item in data.items()}
    try:
        return _unmarked(data)
    except (ValueError, TypeError) as exc:
        raise SerializerError(f"a mark that makes no sense ({type(exc).__name__})") from None


def _unmarked(data: dict[str, Any]) -> Any:
    match data:
        case {"__bytes__": str(text)}:
            return b64decode(text, validate=True)
        case {"__datetime__": str(text)}:
            return datetime.fromisoformat(text)
        case {"__uuid__": str(text)}:
            from uuid import UUID

            return str(UUID(text))
        case {"__markup__": str(text)}:
            return text
        case {"__float__": str(text)}:
            return float(text)
        case {"__tuple__": list(items)} | {"__set__": list(items)}:
            return [_new(item) for item in items]
        case {"__map__": list(pairs)}:
            return {_new_key(key): _new(item) for key, item in pairs}
    mark = next(key for key in data if key in MARKS)
    raise SerializerError(f"{mark} cannot be written anew")


def _new_key(key: Any) -> Any:
    found = _new(key)
    return tuple(found) if isinstance(found, list) else found


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths, as `json.peek`. Skipped parts are checked for structure only."""
    split = [path.split(".") for path in paths]
    # What a path leads to stays bytes until our own reader has looked at it.
    kind = struct_for(split, "Top", msgspec.Raw)
    decoder = msgspec.msgpack.Decoder(kind)
    steps = [steps_in(kind, path) for path in split]

    def read(raw: bytes) -> tuple[Any, ...]:
        try:
            top = decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = decode(raw).data  # keys that are no text, a value where a map was expected
            if not isinstance(found, dict):
                raise SerializerError("expected a map") from None
            return tuple([through_dicts(_by_text(found), path) for path in split])
        return tuple([_walked(getattr(top, head), rest) for head, rest in steps])

    return read


def _by_text(found: dict[str, Any]) -> dict[str, Any]:
    """What a map has under keys that are text, whatever its other keys are."""
    match found:
        case {"__map__": list(pairs)}:
            return {pair[0]: pair[1] for pair in pairs if _is_pair(pair)}
    return found


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)


def _walked(node: Any, steps: list[str]) -> Any:
    for step in steps:
        if node is None:
            return None
        if step.__class__ is Field:
            node = getattr(node, step, None)
        else:
            node = key_of(decode(bytes(node)).data if isinstance(node, msgspec.Raw) else node, step)
    return decode(bytes(node)).data if isinstance(node, msgspec.Raw) else node


class _Reader:
    """One value, byte by byte: nothing is made of a length before the bytes are there."""

    def __init__(self, raw: bytes, budget: Budget) -> None:
        self.notes: dict[str, None] = {}
        self._raw = raw
        self._at = 0
        self._budget = budget
        self._nodes = 0

    def whole(self) -> Any:
        try:
            found = self._value(1)
        except RecursionError:
            raise LimitExceeded("nested too deep") from None
        if self._at < len(self._raw):
            raise SerializerError("more than one MessagePack value", offset=self._at)
        return found

    def parts(self) -> list[tuple[Any, bytes]]:
        """The members of a map or an array that decodes, each as it stands; an array's without
        keys."""
        code = self._number(1)
        size = self._size(code)
        keyed = code <= 0x8F or code >= 0xDE
        found: list[tuple[Any, bytes]] = []
        for _ in range(size):
            key = self._value(2) if keyed else None
            start = self._at
            self._value(2)
            found.append((key, self._raw[start : self._at]))
        return found

    def _value(self, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > self._budget.nodes:
            raise LimitExceeded(f"more than {self._budget.nodes} values", offset=self._at)
        if self._at >= len(self._raw):
            raise self._cut_off()
        code = self._raw[self._at]
        self._at += 1
        if code <= 0x7F:
            return code
        if code >= 0xE0:
            return code - 0x100
        if 0xA0 <= code <= 0xBF:
            return self._text(self._take(code & 0x1F))
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _NUMBERS:
            form = _NUMBERS[code]
            (number,) = form.unpack(self._take(form.size))
            return self._float(number) if isinstance(number, float) else number
        if code <= 0x8F or code in (0xDE, 0xDF):
            return self._map(self._size(code), depth + 1)
        if code <= 0x9F or code in (0xDC, 0xDD):
            self._check_depth(depth)
            return [self._value(depth + 1) for _ in range(self._size(code))]
        if code in (0xD9, 0xDA, 0xDB):
            return self._text(self._take(self._size(code)))
        if code in (0xC4, 0xC5, 0xC6):
            return {"__bytes__": b64encode(self._take(self._size(code))).decode()}
        if code == 0xC1:
            raise SerializerError("not MessagePack", offset=self._at - 1)
        size = 1 << (code - 0xD4) if code >= 0xD4 else self._number(1 << (code - 0xC7))
        return self._extension(self._number(1, signed=True), size)

    def _size(self, code: int) -> int:
        """How many members or bytes follow, no more than there are bytes left."""
        size = code & 0x0F if code <= 0x9F else self._number(_SIZES[code])
        if size > len(self._raw) - self._at:
            raise self._cut_off()
        return size

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._raw):
            raise self._cut_off()
        found = self._raw[self._at : end]
        self._at = end
        return found

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), signed=signed)

    def _cut_off(self) -> SerializerError:
        return SerializerError("not MessagePack, or cut off", offset=self._at)

    def _check_depth(self, depth: int) -> None:
        if depth > self._budget.depth:
            raise LimitExceeded(
                f"nested deeper than {self._budget.depth} levels", offset=self._at - 1
            )

    def _map(self, size: int, depth: int) -> dict[str, Any]:
        self._check_depth(depth - 1)
        pairs = [(self._value(depth), self._value(depth)) for _ in range(size)]
        if not all(isinstance(key, str) for key, _ in pairs):
            return {"__map__": [[key, item] for key, item in pairs]}
        found = dict(pairs)
        if len(found) < size:
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self._note(f"key '{key[:40]}' repeats, the last one counts")
                seen.add(key)
        return found

    def _text(self, raw: bytes) -> Any:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self._note("a text that is not UTF-8 is shown as bytes")
            return {"__bytes__": b64encode(raw).decode()}

    def _float(self, number: float) -> Any:
        if number - number == 0:
            return number
        word = "NAN" if number != number else "INF" if number > 0 else "-INF"
        self._note(f"{word} is not JSON")
        return {"__float__": word}

    def _extension(self, code: int, size: int) -> Any:
        raw = self._take(size)
        at = _instant(raw) if code == _TIMESTAMP else None
        if at is not None:
            return {"__datetime__": at}
        state = {"__bytes__": b64encode(raw).decode()}
        return {"__object__": "msgpack.ExtType", "args": [code], "state": state}

    def _note(self, remark: str) -> None:
        if len(self.notes) < _NOTES:
            self.notes[remark] = None


def _instant(raw: bytes) -> str | None:
    """A timestamp as ISO text, to the nanosecond where it has some; None if it is none, or in no
    year that has a date."""
    match len(raw):
        case 4:
            seconds, nanoseconds = int.from_bytes(raw), 0
        case 8:
            both = int.from_bytes(raw)
            seconds, nanoseconds = both & 0x3FFFFFFFF, both >> 34
        case 12:
            seconds, nanoseconds = int.from_bytes(raw[4:], signed=True), int.from_bytes(raw[:4])
        case _:
            return None
    micros, rest = divmod(nanoseconds, 1000)
    try:
        at = _EPOCH + timedelta(seconds=seconds, microseconds=micros)
    except OverflowError:
        return None
    if nanoseconds >= 1_000_000_000:
        return None
    if rest:
        return f"{at:%Y-%m-%dT%H:%M:%S}.{nanoseconds:09}+00:00"
    return at.isoformat()


_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
_NUMBERS = {
    code: struct.Struct(f">{form}")
    for code, form in zip((*range(0xCA, 0xD4),), "fdBHIQbhiq", strict=True)
}
# How many bytes the size of a longer value takes: bin, str, array, map.
_SIZES = {
    **dict.fromkeys((0xC4, 0xD9), 1),
    **dict.fromkeys((0xC5, 0xDA, 0xDC, 0xDE), 2),
    **dict.fromkeys((0xC6, 0xDB, 0xDD, 0xDF), 4),
}
