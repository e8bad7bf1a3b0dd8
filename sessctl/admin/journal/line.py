"""A line of a journal: its checksum, its shape, the chain that ties it to the line before.

`crc32 SP json LF`: eight hexadecimal digits, a blank, an ASCII object with `kind`, with `prev`
(the digest of the whole line before, `""` in the first) and the body of its kind.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sessctl.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

FORMAT = 1  # of the lines and their kinds; stands in the head
SUFFIX = ".journal"

# What a reader relies on; further keys and further kinds may come.
_SHAPES: dict[str, dict[str, type]] = {
    "head": {"format": int},
    "page": {"n": int, "count": int, "z": str},
    "done": {"n": int, "all": str, "except": dict},
    "note": {"text": str},
    "end": {"complete": bool},
}


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line and where it stands: `at` is the offset of its first byte, `end` the next
    line's."""

    number: int
    at: int
    end: int
    digest: str
    content: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.content["kind"])


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
    except (ValueError, RecursionError):
        return "not JSON"
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        return "not a journal line"
    shape = _SHAPES.get(found["kind"], {})
    if not all(isinstance(found.get(key), kind) for key, kind in shape.items()):
        return "not a journal line"
    return found


def read_lines(
    file: BinaryIO, path: Path, notes: list[str], damage: dict[int, str] | None = None
) -> Iterator[Line]:
    """Every whole line. One at the end that is torn is left out, with a note.

    Args:
        damage: collects what is wrong by line number, and reading goes on; without it, it stops.

    Raises:
        JournalError: a line is damaged or missing, and that is not to be passed over.
    """
    previous: str | None = ""  # None: unknown, after a line that was passed over
    number = at = 0
    line = file.readline()
    while line:
        number, end = number + 1, at + len(line)
        following = file.readline()
        found = decode(line)
        if isinstance(found, str):
            if not following and number > 1:
                note = f"the last line is torn and ignored ({found}): its delete never began"
                if note not in notes:
                    notes.append(note)
                return
            _passed_over(damage, path, number, found)
            previous = None
        else:
            if previous is not None and found.get("prev") != previous:
                _passed_over(damage, path, number, "the line before it is missing or was changed")
            previous = digest(line)
            yield Line(number, at, end, previous, found)
        line, at = following, end


def _passed_over(damage: dict[int, str] | None, path: Path, number: int, problem: str) -> None:
    if damage is None:
        raise damaged(path, number, problem)
    damage[number] = problem


def damaged(path: Path, number: int, problem: str) -> JournalError:
    """The error that names a line and what is wrong with it."""
    return JournalError(
        f"line {number} of {path} is damaged ({problem})",
        hint="restore from a copy of the file if there is one; "
        "else `sessctl restore JOURNAL --salvage` brings back what can be read",
    )
