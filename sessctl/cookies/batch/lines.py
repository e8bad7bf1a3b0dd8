"""Lines of a stream, numbered and bounded, one by one or in chunks that end with a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from sessctl.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = DEFAULT.value_bytes  # of a line: a stored value may be as large
_CHUNK = 256 * 1024


class Readable(Protocol):
    """A stream of bytes, or what is left of one."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...


class Ahead:
    """A stream whose beginning has been looked at, and is read once more."""

    def __init__(self, begin: bytes, rest: Readable) -> None:
        self._begin, self._rest = begin, rest

    def read(self, size: int, /) -> bytes:
        found, self._begin = self._begin[:size], self._begin[size:]
        return found + self._rest.read(size - len(found)) if len(found) < size else found

    def readline(self, size: int, /) -> bytes:
        if not self._begin:
            return self._rest.readline(size)
        end = self._begin.find(b"\n", 0, size) + 1
        found = self._begin[: end or size]
        self._begin = self._begin[len(found) :]
        if end or len(found) == size:
            return found
        return found + self._rest.readline(size - len(found))


class Chunk(NamedTuple):
    """Whole lines, and the number of the first of them."""

    first: int
    data: bytes


def numbered(stream: Readable, first: int = 1) -> Iterator[tuple[int, bytes | None]]:
    """(number, line) of each line that is not blank; None for one longer than `LONGEST`."""
    number, readline = first, stream.readline
    while line := readline(LONGEST):
        if len(line) == LONGEST and line[-1:] != b"\n":
            _skip_line(stream)
            yield number, None
        elif not line.isspace():
            yield number, line
        number += 1


def chunks(stream: Readable, size: int = _CHUNK) -> Iterator[Chunk]:
    """A stream in pieces of about this size that end with a line, or within one that is too long:
    `numbered` finds the same in them as in the whole."""
    number = 1
    while data := stream.read(size):
        begun = len(data) - data.rfind(b"\n") - 1  # bytes of the last line
        if begun:
            data += stream.readline(LONGEST - begun)
            if data[-1:] != b"\n" and len(data) - data.rfind(b"\n") - 1 == LONGEST:
                _skip_line(stream)
        yield Chunk(number, data)
        number += data.count(b"\n") + (data[-1:] != b"\n")


def _skip_line(stream: Readable) -> None:
    while (part := stream.readline(_CHUNK)) and part[-1:] != b"\n":
        pass
