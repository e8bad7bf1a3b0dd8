"""Compressed data, unpacked no further than the budget allows (zlib, RFC 1950)."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import DEFAULT

if TYPE_CHECKING:
    from sessctl.limits import Budget


def inflate(raw: bytes, budget: Budget = DEFAULT) -> bytes:
    """What a whole zlib stream holds, all of it or nothing.

    Raises:
        SerializerError: no zlib stream, a damaged one, one without its end, or bytes after it.
        LimitExceeded: it unpacks to more than `budget.unpacked_bytes`; no more than that was held.
    """
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(raw, budget.unpacked_bytes + 1)
    except zlib.error as exc:
        raise SerializerError(f"not zlib, or damaged ({_reason(exc)})") from None
    if len(found) > budget.unpacked_bytes:
        raise LimitExceeded(f"unpacks to more than {budget.unpacked_bytes} bytes (--max-unpacked)")
    if not stream.eof:
        raise SerializerError("a zlib stream that was cut off", offset=len(raw))
    if stream.unused_data:
        raise SerializerError(
            "bytes after the end of the zlib stream", offset=len(raw) - len(stream.unused_data)
        )
    return found


def _reason(exc: zlib.error) -> str:
    """`Error -3 while decompressing data: incorrect header check` without its beginning."""
    return str(exc).rpartition(": ")[2]
