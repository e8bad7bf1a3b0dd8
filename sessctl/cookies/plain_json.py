"""What the short ways through a batch share: JSON in a cookie that can be printed as it stands, and
times as JSON.

Reading it with a fast reader and writing it again has to give the same bytes. That rules out
repeated keys, blanks and odd spellings, and with ASCII whatever our own output writes otherwise.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from sessctl.limits import DEFAULT
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Callable

# Shorter than an integer that is kept as text; no wider than the budget either.
_LONGEST = DEFAULT.int_digits
_DEPTH = DEFAULT.depth
_SHALLOW = 2 * _DEPTH
_DEL = 0x7F
_ENDS = (b'"', b'==="', b'=="', b'="')  # of base64, by its length
# From the url-safe alphabet to the one that is read fastest; what is of that one only is no cookie.
STANDARD = bytes.maketrans(b"-_+/", b"+/!!")


def plain_json() -> Callable[[bytes, bytes], bytes | None]:
    """What takes base64 of JSON, and a dot where it is compressed, to that JSON.

    It is an object that can be printed as it stands; None for every other.
    """
    read = msgspec.json.Decoder(dict, float_hook=_refuse).decode
    from_base64 = msgspec.json.Decoder(bytes).decode  # in two thirds of the time of a2b_base64
    write = msgspec.json.Encoder().encode

    def plain(body: bytes, dot: bytes) -> bytes | None:
        try:
            raw = from_base64(b'"' + body + _ENDS[len(body) % 4])
            if dot:
                stream = zlib.decompressobj()
                raw = stream.decompress(raw, _LONGEST + 1)
                if not stream.eof or stream.unused_data:
                    return None
            if len(raw) > _LONGEST or not raw.isascii() or write(read(raw)) != raw:
                return None
        except (zlib.error, msgspec.DecodeError, ValueError, RecursionError):
            return None
        # What is spelled out on printing, what is perhaps too deep: a level takes two characters.
        if _DEL in raw or (len(raw) > _SHALLOW and raw.count(b"[") + raw.count(b"{") > _DEPTH):
            return None
        return raw

    return plain


def instants() -> Callable[[int], bytes]:
    """What takes seconds since 1970, up to 2100, to the instant as `iso` writes it, in quotes: a
    quarter of its time."""
    within = [b'%02d:%02d.000Z"' % divmod(second, 60) for second in range(3600)]

    @lru_cache(maxsize=1024)
    def hour(hours: int) -> bytes:
        return f'"{iso(hours * 3_600_000)[:14]}'.encode()

    return lambda seconds: hour(seconds // 3600) + within[seconds % 3600]


def _refuse(text: str) -> float:
    """A float may be written in more than one way."""
    raise ValueError(text)
