"""Files of cachelib's FileSystemCache: when the value ends, then its pickle. Only read.

    bb 70 29 6b  80 05 95 ...     1797877947, and a pickle of protocol 5

The first four bytes are seconds since 1970, as the C library of the machine has an unsigned int:
little-endian wherever this runs; 0 is never. Werkzeug before 1.0 and cachelib before 0.2, which
wrote the number as a pickle of its own, are read too.

Source: cachelib 0.17.0 `file.py`, `serializers.py`, the same since 0.2; werkzeug 0.16
`contrib/cache.py`. Not supported: a `serializer` of the application's own.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers import pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Value

_HEADER = struct.Struct("<I")
MOST_S = 2**32 - 1
# A pickle of one integer up to 2**31: protocol, if there is one, then its bytes, then the end; and
# what the next one begins with.
_PICKLED = re.compile(rb"(?:\x80[\x02-\x05])?(?:K(.)|M(..)|J(....))\.(?=[\x80}(c])", re.DOTALL)


class Framed(NamedTuple):
    """A file in its parts: where the number stands, what it says, where the value begins."""

    start: int
    end: int
    seconds: int
    value: int


def framed(raw: bytes) -> Framed:
    """Raises SerializerError for what is no such file. Any four bytes are a number, and of those of
    other programs' files half are a moment that has passed: so a pickle has to begin behind them.
    """
    if raw[4:5] == b"\x80" and b"\x02" <= raw[5:6] <= b"\x05":
        return Framed(0, 4, _HEADER.unpack_from(raw)[0], 4)
    old = _PICKLED.match(raw)
    if old is not None:
        group = old.lastindex or 0
        seconds = int.from_bytes(old[group], "little")
        return Framed(old.start(group), old.end(group), seconds, old.end())
    raise SerializerError("no pickle behind an expiry")


def moved(raw: bytes, seconds: int) -> bytes:
    """The same with another end; not a byte beside it changes. Raises SerializerError."""
    found = framed(raw)
    length = found.end - found.start
    if not 0 <= seconds < 256**length:
        raise SerializerError("its file has no room for such an end")
    return raw[: found.start] + seconds.to_bytes(length, "little") + raw[found.end :]


def counted(raw: bytes) -> int | None:
    """The number in the file in which cachelib counts the others; None: it is no such file."""
    try:
        found = decode(raw).data
    except SerializerError:
        return None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def as_count(number: int) -> bytes:
    """That file, with a number below 2**31."""
    code = b"K%c" % number if number < 256 else b"J" + number.to_bytes(4, "little")
    return _HEADER.pack(0) + b"\x80\x05" + code + b"."


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """What is stored, without its end. Raises SerializerError."""
    return pickle.decode(raw[framed(raw).value :], budget)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths."""
    read = pickle.peek(paths)
    return lambda raw: read(raw[framed(raw).value :])


def encode(data: Any) -> NoReturn:
    """Raises SerializerError."""
    raise SerializerError("pickle is only read, never written")


def edited(raw: bytes, data: Any) -> NoReturn:
    """Raises SerializerError."""
    encode(data)


written = encode
