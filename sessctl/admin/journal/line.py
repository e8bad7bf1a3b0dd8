"""A line of a journal: its checksum, its shape, the chain that ties it to the line before.

`crc32 SP json LF`: eight hexadecimal digits, a blank, an ASCII object with `kind`, with `prev`
(the digest of the whole line before, `""` in the first) and the body of its kind. In an encrypted
journal that body is in a box: `sealing`.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sessctl.admin.journal.sealing import SEALED, WrongKey, salt_of
from sessctl.errors import JournalError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from sessctl.admin.journal.sealing import JournalKey, Segment

FORMAT = 1  # of the lines and their kinds; stands in the head
ENCRYPTED_FORMAT = 2  # the same, sealed
SUFFIX = ".journal"

# What a reader relies on; further keys and further kinds may come.
_SHAPES: dict[str, dict[str, type]] = {
    "head": {"format": int},
    "page": {"n": int, "count": int, "z": str},
    "done": {"n": int, "all": str, "except": dict},
    "note": {"text": str},
    "end": {"complete": bool},
    SEALED: {"line": int, "box": str},
    "segment": {"salt": str},
}


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line and where it stands: `at` is the offset of its first byte, `end` the next
    line's. `segment` opens it, where it was sealed and there is a key."""

    number: int
    at: int
    end: int
    digest: str
    content: dict[str, Any]
    segment: Segment | None = None

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
    return found if _is_whole(found) else "not a journal line"


def _is_whole(content: dict[str, Any]) -> bool:
    shape = _SHAPES.get(str(content["kind"]), {})
    return all(isinstance(content.get(key), kind) for key, kind in shape.items())


def unsealed(content: dict[str, Any], segment: Segment | None) -> dict[str, Any] | str:
    """What a sealed line stands for, or why it cannot be read."""
    if segment is None:
        return "the line that opens its segment is damaged"
    try:
        found = segment.open(content["line"], content["box"])
    except WrongKey:
        return "it does not open here: it was changed, or belongs elsewhere"
    return found if _is_whole(found) else "not a journal line"


class _Opener:
    """Opens the lines of an encrypted journal one after the other; others it leaves alone."""

    def __init__(self, path: Path, key: JournalKey | None) -> None:
        self.segment: Segment | None = None
        self._path, self._key = path, key
        self._run, self._is_sealed = "", False
        self._number = 0  # of the line
        self._last = 0  # the last number that a sealed line had

    def content(self, found: dict[str, Any], *, salvage: bool) -> dict[str, Any] | str:
        """What a line says, or what is wrong with it; without a key what can be seen of it."""
        self._number += 1
        if found["kind"] == "head":
            return self._head(found)
        if not self._is_sealed:
            return found
        if found["kind"] == "segment":
            self.segment = self._opened(found)
            return found
        if found["kind"] != SEALED:
            return "it is not encrypted, as the others are"
        # Nobody without the key can number lines: one that was taken out leaves a gap.
        if found["line"] != self._number and not (salvage and found["line"] > self._last):
            return "a line before it is missing, or it belongs elsewhere"
        self._last = self._number = found["line"]
        return found if self._key is None else unsealed(found, self.segment)

    def passed_over(self) -> None:
        """A line is damaged, and reading goes on."""
        self._number += 1

    def _head(self, found: dict[str, Any]) -> dict[str, Any] | str:
        self._is_sealed = "salt" in found
        if not self._is_sealed or self._key is None:
            return found
        self._run = str(found.get("run"))
        self.segment = self._opened(found)
        try:
            if self.segment is None:
                raise WrongKey
            return self.segment.open(1, str(found.get("box")))
        except WrongKey:
            raise UsageError(
                f"this key does not open {self._path}",
                hint="it was written with another key, or its first line was changed since",
            ) from None

    def _opened(self, found: dict[str, Any]) -> Segment | None:
        salt = salt_of(found)
        return None if salt is None or self._key is None else self._key.segment(self._run, salt)


def read_lines(
    file: BinaryIO,
    path: Path,
    notes: list[str],
    damage: dict[int, str] | None = None,
    *,
    key: JournalKey | None = None,
) -> Iterator[Line]:
    """Every whole line. One at the end that is torn is left out, with a note.

    Args:
        damage: collects what is wrong by line number, and reading goes on; without it, it stops.
        key: of an encrypted journal; without it only the outside of its lines is seen.

    Raises:
        JournalError: a line is damaged or missing, and that is not to be passed over.
        UsageError: the key is another one.
    """
    opener = _Opener(path, key)
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
            opener.passed_over()
            previous = None
        else:
            if previous is not None and found.get("prev") != previous:
                _passed_over(damage, path, number, "the line before it is missing or was changed")
            previous = digest(line)
            content = opener.content(found, salvage=damage is not None)
            if isinstance(content, str):
                _passed_over(damage, path, number, content)
            else:
                yield Line(number, at, end, previous, content, opener.segment)
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
