"""JSON, msgpack or a pickle, perhaps in zlib: told apart by the first byte, as caches hold them.

    80 05 95 ...   pickle, protocol 2 to 5 (Django's caches by themselves, pymemcache)
    7b 22 ...      JSON, an object
    83 a5 ...      msgpack, a map
    78 9c ...      zlib around one of these (django-redis' ZlibCompressor)

A dictionary begins in no two of them alike: 80 alone is msgpack's empty map, and no pickle is one
byte long. What is packed, and every pickle, is read and never written.
Source: Django 5.2.19 `core/cache/backends/redis.py`, django-redis 7.0.0 `serializers/`,
`compressors/zlib.py`, pymemcache 4.0.0 `serde.py`. Not supported: lz4, lzma, zstd, gzip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers import serializer
from sessctl.serializers.compression import inflate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Value

_ZLIB = frozenset({b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"})  # every level
_READ_ONLY = "values of a cache are only read, never written"


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Raises SerializerError for what is none of them."""
    plain = _unpacked(raw, budget)
    return serializer(_name_of(plain)).decode(plain, budget)


def encode(data: Any) -> bytes:
    """Raises SerializerError: which of them the application writes, a value of its own has to
    show."""
    raise SerializerError(_READ_ONLY)


written = encode


def edited(raw: bytes, data: Any) -> bytes:
    """JSON or msgpack with other data. Raises SerializerError, for what is packed too."""
    if raw[:2] in _ZLIB:
        raise SerializerError("compressed values are only read, never written")
    return serializer(_name_of(raw)).edited(raw, data)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths out of each of them."""
    readers: dict[str, Callable[[bytes], tuple[Any, ...]]] = {}

    def read(raw: bytes) -> tuple[Any, ...]:
        plain = _unpacked(raw, DEFAULT)
        name = _name_of(plain)
        if name not in readers:
            readers[name] = serializer(name).peek(paths)
        return readers[name](plain)

    return read


def _unpacked(raw: bytes, budget: Budget) -> bytes:
    return inflate(raw, budget) if raw[:2] in _ZLIB else raw


def _name_of(raw: bytes) -> str:
    first = raw[:1]
    if first == b"\x80" and len(raw) > 1:
        return "pickle"
    if b"\x80" <= first <= b"\x8f" or first in (b"\xde", b"\xdf"):
        return "msgpack"
    if first == b"{":
        return "json"
    raise SerializerError("neither JSON nor msgpack nor a pickle of a dictionary", offset=0)
