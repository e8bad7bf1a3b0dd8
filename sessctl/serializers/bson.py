"""BSON: an embedded document of MongoDB, as `stringify: false` of connect-mongo leaves it.

Example: `{cookie: {originalMaxAge: 1500, expires: ISODate(...), ...}, passport: {user: 1}}`.
Read by the `bson` package of pymongo (extra `mongo`), one level at a time and counted: nothing is
built of a value that is too deep or too wide, and nothing in it is ever executed or looked up.

It reads as the application's own JSON of it would: dates are ISO texts, whole doubles integers
(JavaScript knows one kind of number, and its driver writes those of more than 32 bits as doubles).
Other types that JSON has no word for are marked: `{"__bytes__": base64}`, `{"__uuid__": text}`,
`{"__float__": "NAN"}`, and what is MongoDB's own as `{"__bson__": type, ...}`.

Source: bsonspec.org 1.1; npm bson 6.10 `src/parser/serializer.ts` for the numbers.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any

from sessctl.errors import LimitExceeded, MissingExtra, SerializerError
from sessctl.limits import DEFAULT, Budget
from sessctl.serializers import MARKS, Value, same
from sessctl.timespec import MAX_MS, MIN_MS, iso, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

try:
    import bson
    from bson.codec_options import CodecOptions, DatetimeConversion
    from bson.datetime_ms import DatetimeMS
    from bson.errors import BSONError
    from bson.raw_bson import RawBSONDocument
except ImportError:
    raise MissingExtra("a mongodb store", "mongo") from None

__all__ = [
    "OPTIONS", "READ_ERRORS", "DatetimeMS", "RawBSONDocument",
    "decode", "edited", "encode", "peek",
]  # fmt: skip

# Documents stay bytes until they are looked into; dates are numbers, so that none is out of range;
# text that is not UTF-8 keeps its bytes, as everywhere (PEP 383).
OPTIONS: CodecOptions[RawBSONDocument] = CodecOptions(
    document_class=RawBSONDocument,
    datetime_conversion=DatetimeConversion.DATETIME_MS,
    unicode_decode_error_handler="surrogateescape",
)
# The package lets some of Python's own errors through when a document is damaged.
READ_ERRORS = (BSONError, ValueError, IndexError, TypeError, OverflowError, RecursionError)
_EXACT = 2**53  # up to here every whole number has a double of its own


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Decode a whole document.

    Raises:
        SerializerError: not BSON.
        LimitExceeded: larger, deeper or wider than the budget.
    """
    budget.check_value(len(raw))
    notes: dict[str, None] = {}
    return Value(_Plain(budget, notes).of(_document(raw), 1), tuple(notes))


def encode(data: Any) -> bytes:
    """The bytes of a document, numbers as the npm package writes them."""
    try:
        return bson.encode(data)
    except READ_ERRORS as exc:
        raise SerializerError(f"cannot be written as BSON ({type(exc).__name__})") from None


def written(data: Any) -> bytes:
    """A new document. Raises SerializerError for what cannot be written."""
    return edited(bson.encode({}), data)


def edited(raw: bytes, data: Any) -> bytes:
    """A document with other data: fields keep their order, what is the same its type and its bytes.
    A date stays one if what is written there is a date.

    Raises:
        SerializerError: the data holds what BSON, or this reader, has no place for.
    """
    return encode(_edited(_document(raw), data))


def _edited(was: Any, data: Any) -> Any:
    plain = _Plain(DEFAULT, {}).of(was, 1)
    if same(plain, data):
        return was
    if isinstance(was, RawBSONDocument) and isinstance(data, dict) and MARKS.isdisjoint(data):
        keys = [key for key in was if key in data] + [key for key in data if key not in was]
        return {
            key: _edited(was[key], data[key]) if key in was else _new(data[key]) for key in keys
        }
    if isinstance(was, list) and isinstance(data, list):
        kept = [_edited(item, new) for item, new in zip(was, data, strict=False)]
        return kept + [_new(item) for item in data[len(kept) :]]
    if isinstance(was, DatetimeMS) and isinstance(data, str):
        ms = parse_iso_ms(data)
        return data if ms is None else DatetimeMS(ms)
    return _new(data)


def _new(data: Any) -> Any:
    """JSON as BSON; what is marked as what it stands for."""
    if isinstance(data, list):
        return [_new(item) for item in data]
    if not isinstance(data, dict):
        return data
    if MARKS.isdisjoint(data):
        return {key: _new(item) for key, item in data.items()}
    try:
        return _unmarked(data)
    except READ_ERRORS as exc:
        raise SerializerError(f"a mark that makes no sense ({type(exc).__name__})") from None


def _unmarked(data: dict[str, Any]) -> Any:
    match data:
        case {"__bytes__": str(text), **rest}:
            return bson.Binary(b64decode(text, validate=True), int(rest.get("subtype", 0)))
        case {"__uuid__": str(text)}:
            from uuid import UUID

            return bson.Binary(UUID(text).bytes, bson.binary.UUID_SUBTYPE)
        case {"__float__": str(text)}:
            return float(text)
        case {"__datetime__": str(text)} if (ms := parse_iso_ms(text)) is not None:
            return DatetimeMS(ms)
        case {"__bson__": "ObjectId", "value": str(text)}:
            return bson.ObjectId(text)
        case {"__bson__": "Date", "value": int(ms)}:
            return DatetimeMS(ms)
    mark = next(key for key in data if key in MARKS)
    raise SerializerError(f"{mark} cannot be written anew")


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths, as `json.peek`; an ObjectId is its hexadecimal text."""
    split = [path.split(".") for path in paths]

    def read(raw: bytes) -> tuple[Any, ...]:
        top = _document(raw)
        plain = _Plain(DEFAULT, {}, ids_as_text=True)
        return tuple([_at(top, path, plain) for path in split])

    return read


def _document(raw: bytes) -> RawBSONDocument:
    try:
        document = RawBSONDocument(raw, OPTIONS)
        len(document)  # looks into it
    except READ_ERRORS as exc:
        raise _unreadable(exc) from None
    return document


def _unreadable(exc: Exception) -> SerializerError:
    if isinstance(exc, RecursionError) or "recursion" in str(exc):
        return LimitExceeded("nested too deep")
    return SerializerError("not BSON")


def _at(node: Any, path: list[str], plain: _Plain) -> Any:
    try:
        for key in path:
            if not isinstance(node, RawBSONDocument):
                return None
            node = node.get(key)
    except READ_ERRORS as exc:
        raise _unreadable(exc) from None
    return None if node is None else plain.of(node, len(path))


class _Plain:
    """BSON's values as JSON's, counted on the way."""

    def __init__(
        self, budget: Budget, notes: dict[str, None], *, ids_as_text: bool = False
    ) -> None:
        self._budget = budget
        self._notes = notes
        self._ids_as_text = ids_as_text
        self._nodes = 0

    def of(self, value: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > self._budget.nodes:
            raise LimitExceeded(f"more than {self._budget.nodes} values")
        if isinstance(value, RawBSONDocument):
            self._check_depth(depth)
            try:
                items = list(value.items())
            except READ_ERRORS as exc:
                raise _unreadable(exc) from None
            return {key: self.of(item, depth + 1) for key, item in items}
        if isinstance(value, list):
            self._check_depth(depth)
            return [self.of(item, depth + 1) for item in value]
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, float):
            return self._number(value)
        if isinstance(value, int):
            return int(value)
        if type(value) is str:  # code is a text, too
            return value
        return self._marked(value, depth)

    def _check_depth(self, depth: int) -> None:
        if depth > self._budget.depth:
            raise LimitExceeded(f"nested deeper than {self._budget.depth} levels")

    def _number(self, value: float) -> Any:
        if value.is_integer() and abs(value) <= _EXACT:
            return int(value)
        if value - value != 0:  # NaN and the infinities
            word = "NAN" if value != value else "INF" if value > 0 else "-INF"
            self._notes[f"{word} is not JSON"] = None
            return {"__float__": word}
        return value

    def _marked(self, value: Any, depth: int) -> Any:
        if isinstance(value, DatetimeMS):
            ms = int(value)
            if MIN_MS <= ms <= MAX_MS:
                return iso(ms)
            return {"__bson__": "Date", "value": ms}
        if isinstance(value, bson.ObjectId):
            text = str(value)
            return text if self._ids_as_text else {"__bson__": "ObjectId", "value": text}
        if isinstance(value, bytes):  # Binary is one; subtype 0 comes as bytes
            return self._binary(value)
        if isinstance(value, bson.Code):
            scope = {} if value.scope is None else {"scope": self.of(value.scope, depth + 1)}
            return {"__bson__": "Code", "value": str(value), **scope}
        if isinstance(value, bson.Regex):
            return {"__bson__": "RegExp", "value": str(value.pattern), "flags": value.flags}
        if isinstance(value, bson.DBRef):  # the old DBPointer; a DBRef is a document like others
            parts = {"collection": value.collection, "id": str(value.id)}
            return {"__bson__": "DBPointer", **parts}
        kind = type(value).__name__
        if kind == "Timestamp":
            return {"__bson__": kind, "value": [value.time, value.inc]}
        return {"__bson__": kind, "value": str(value)}  # Decimal128, MinKey, MaxKey

    @staticmethod
    def _binary(value: bytes) -> dict[str, Any]:
        subtype = getattr(value, "subtype", 0)
        if subtype == bson.binary.UUID_SUBTYPE and len(value) == 16:
            from uuid import UUID

            return {"__uuid__": str(UUID(bytes=bytes(value)))}
        mark: dict[str, Any] = {"__bytes__": b64encode(value).decode()}
        return mark if subtype == 0 else {**mark, "__bson__": "Binary", "subtype": subtype}
