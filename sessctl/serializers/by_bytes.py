"""JSON, msgpack or a pickle, perhaps in zlib, as caches hold them.

    80 05 95 ...   pickle: Django's caches by themselves, pymemcache
    78 9c ...      zlib around one of the three (django-redis' ZlibCompressor)

Which it is, `first_bytes.py` tells. What is packed, and every pickle, is read and never written.
Source: Django 5.2.19 `core/cache/backends/redis.py`, django-redis 7.0.0 `serializers/`,
`compressors/zlib.py`, pymemcache 4.0.0 `serde.py`. Not supported: lz4, lzma, zstd, gzip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers import first_bytes, serializer
from sessctl.serializers.compression import inflate
from sessctl.serializers.first_bytes import form_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Value

_ZLIB = frozenset({b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"})  # every level
_READ_ONLY = "values of a cache are only read, never written"


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Raises SerializerError for what is none of them."""
    plain = _unpacked(raw, budget)
    return serializer(form_of(plain)).decode(plain, budget)


def encode(data: Any) -> bytes:
    """Raises SerializerError: which of them the application writes, a value of its own has to
    show."""
    raise SerializerError(_READ_ONLY)


written = encode


def edited(raw: bytes, data: Any) -> bytes:
    """JSON or msgpack with other data. Raises SerializerError, for what is packed too."""
    if raw[:2] in _ZLIB:
        raise SerializerError("compressed values are only read, never written")
    return serializer(form_of(raw)).edited(raw, data)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths out of each of them."""
    read = first_bytes.peek(paths)
    return lambda raw: read(_unpacked(raw, DEFAULT))


def _unpacked(raw: bytes, budget: Budget) -> bytes:
    return inflate(raw, budget) if raw[:2] in _ZLIB else raw
