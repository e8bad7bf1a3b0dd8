"""A line of a journal: its checksum, and the chain that ties it to the line before.

`crc32 SP json LF`: eight hexadecimal digits, a blank, an ASCII object with `kind`, with `prev`
(the digest of the whole line before, `""` in the first) and the body of its kind.
"""

from __future__ import annotations

import json
import zlib
from hashlib import sha256
from typing import Any

FORMAT = 1  # of the lines and their kinds; stands in the head


def encode(kind: str, body: dict[str, Any], previous: str) -> bytes:
    """The line with its checksum; `previous` is the digest of the line before."""
    text = json.dumps({"kind": kind, "prev": previous, **body}, separators=(",", ":"))
    payload = text.encode()
    return b"%08x %b\n" % (zlib.crc32(payload), payload)


def digest(line: bytes) -> str:
    """What the next line calls this one: 128 bits of SHA-256 in hexadecimal."""
    return sha256(line).hexdigest()[:32]


def decode(line: bytes) -> dict[str, Any] | str:
    """The line's content, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "no end of line"
    checksum, _, payload = line[:-1].partition(b" ")
    if checksum != b"%08x" % zlib.crc32(payload):
        return "wrong checksum"
    try:
        found = json.loads(payload)
    except ValueError:
        return "not JSON"
    if not isinstance(found, dict) or "kind" not in found:
        return "not a journal line"
    return found


def break_in_chain(found: dict[str, Any], previous: str) -> str | None:
    """What is wrong between a line and the one before it, if anything."""
    if found.get("prev") != previous:
        return "the line before it is missing or was changed"
    return None
