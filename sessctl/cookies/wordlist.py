"""Trying a list of secrets on one cookie: is the app's secret one that anybody can guess?

The list is read once, in pieces that end with a line, and never held as a whole: it may have
gigabytes, or be a pipe. A line is a secret as it stands there, in bytes; CR LF ends a line too, an
empty one is no secret, and one longer than 64 KiB is tried in parts.

Several jobs are processes of their own: a piece goes in, the place of the line that fits comes out,
and nothing else: no word of the list leaves them. They end with us, however we end, as then their
input does. `python -m sessctl.cookies.wordlist` is one of them: a line of JSON that tells the
cookie, then each piece behind a line with its size; the answer is a line `INDEX TRIED`.
"""

from __future__ import annotations

import json
import selectors
import sys
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

from sessctl.cookies.api import find
from sessctl.cookies.base import CookieContext
from sessctl.cookies.guessing import guesser
from sessctl.cookies.processes import Worker, cores
from sessctl.cookies.registry import cookie_format
from sessctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path
    from typing import BinaryIO

    from sessctl.cookies.base import CookieFormat
    from sessctl.cookies.guessing import Guess

_PIECE_S = 0.2  # of work at a time: as long as it may take until a stop is noticed
_MAX_PIECE, _LONGEST_LINE = 256 * 1024, 64 * 1024
_WORD_BYTES = 10  # of a usual list, the line feed with it
_PROBE_S = 0.02
_MARK = b"\xef\xbb\xbf"  # UTF-8's, at the beginning of a file of Windows


class _Piece(NamedTuple):
    first: int  # the number of its first line
    data: bytes


class WordlistSearch:
    """One search. `line` is the number of the line that fits, once it is found; `tried` counts
    words; `rate` is about how many a core tries in a second; a short list takes one job.

    Raises:
        CookieError, UsageError, MissingExtra: as `guessing.guesser`.
    """

    def __init__(
        self,
        format: CookieFormat,
        value: str,
        context: CookieContext,
        words: BinaryIO,
        *,
        jobs: int | None = None,
    ) -> None:
        self.line: int | None = None
        self.tried = 0
        self.jobs = jobs or cores()
        self._guess = guesser(format, value, context)
        self.rate = _rate_of(self._guess)
        self._task = json.dumps(
            {
                "format": format.name,
                "value": value,
                "name": context.name,
                "companion": context.companion,
                "parameters": dict(context.parameters),
            }
        ).encode()
        size = int(self.rate * _PIECE_S) * _WORD_BYTES
        self._pieces = _pieces(words, max(1, min(size, _MAX_PIECE)))

    def run(self) -> Generator[int, None, None]:
        """Try the list, yielding how many bytes of it are done, until a line fits or it ends.

        A generator that is closed, or an exception in it, ends every process that it has started.
        """
        first = next(self._pieces, None)
        second = next(self._pieces, None)
        ahead = [piece for piece in (first, second) if piece is not None]
        if self.jobs == 1 or second is None:  # not worth a process
            self.jobs = 1
            for piece in _chain(ahead, self._pieces):
                if self._judge(piece, *search(self._guess, piece.data)):
                    return
                yield len(piece.data)
        else:
            yield from self._in_processes(_chain(ahead, self._pieces))

    def _judge(self, piece: _Piece, index: int | None, tried: int) -> bool:
        """Take an answer over; True: the search is over."""
        self.tried += tried
        if index is not None:
            self.line = piece.first + index
        return index is not None

    def _in_processes(self, pieces: Iterator[_Piece]) -> Generator[int, None, None]:
        workers: list[_Searcher] = []
        try:
            with selectors.DefaultSelector() as waiting:
                for _ in range(self.jobs):
                    piece = next(pieces, None)
                    if piece is None:
                        break
                    worker = _Searcher(self._task)
                    workers.append(worker)
                    worker.ask(piece)
                    waiting.register(worker.answers, selectors.EVENT_READ, worker)
                while waiting.get_map():
                    for key, _ in waiting.select():
                        worker = key.data
                        piece = worker.piece
                        if self._judge(piece, *worker.answer()):
                            return
                        following = next(pieces, None)
                        if following is None:
                            waiting.unregister(worker.answers)
                        else:
                            worker.ask(following)
                        yield len(piece.data)
        finally:
            for worker in workers:
                worker.end()


class _Searcher:
    """A process that tries one piece after the other."""

    def __init__(self, task: bytes) -> None:
        self.piece = _Piece(0, b"")
        self._worker = Worker("sessctl.cookies.wordlist", task, "tried words")
        self.answers = self._worker.answers

    def ask(self, piece: _Piece) -> None:
        self.piece = piece
        self._worker.ask(b"%d\n" % len(piece.data) + piece.data)

    def answer(self) -> tuple[int | None, int]:
        """(index of the line that fits or None, words tried)."""
        line = self.answers.readline()
        if not line:
            raise self._worker.ended()
        index, tried = map(int, line.split())
        return (None if index < 0 else index), tried

    def end(self) -> None:
        self._worker.end()


def search_wordlist(
    text: str,
    words: Path,
    format: str | None = None,
    *,
    name: str | None = None,
    companion: str | None = None,
    parameters: Mapping[str, str] | None = None,
    jobs: int | None = None,
) -> int | None:
    """The number of the first line found that made a cookie's signature; None: no line did.

        >>> search_wordlist(cookie, Path("rockyou.txt"))

    For your own apps: a secret that stands in a list is none. The line itself is not given.

    Args:
        text, format, name, companion, parameters: as for `verify_cookie`.
        words: one secret a line.
        jobs: processes; as many as there are cores, if not given.

    Raises:
        CookieError: no known format, or no secret can have made this signature.
        UsageError: the cookie has no signature that a secret makes, or the list cannot be read.
    """
    found = find(text, format, name=name, companion=companion, parameters=parameters)
    with open_words(words) as file:
        done = WordlistSearch(found.format, found.pasted.value, found.context, file, jobs=jobs)
        for _ in done.run():
            pass
    return done.line


def open_words(path: Path) -> BinaryIO:
    """Open a list. Raises UsageError."""
    try:
        return path.expanduser().open("rb")
    except OSError as exc:
        raise UsageError(
            f"cannot read the list {path} ({(exc.strerror or 'error').lower()})",
            hint="--wordlist takes a file with a secret a line, or - for standard input",
        ) from None


def search(guess: Guess, data: bytes) -> tuple[int | None, int]:
    """(index of the line that fits or None, words tried) of a piece."""
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    words = data.split(b"\n")
    for index, word in enumerate(words):
        if word and guess(word):
            return index, index + 1 - words[:index].count(b"")
    return None, len(words) - words.count(b"")


def _pieces(file: BinaryIO, size: int) -> Iterator[_Piece]:
    """The list in pieces of about this size that end with a line."""
    number, is_first = 1, True
    while data := file.read(size):
        if not data.endswith(b"\n"):
            data += file.readline(_LONGEST_LINE)
        if not data.endswith(b"\n"):  # the last line of all
            data = data.removesuffix(b"\r")
        if is_first:
            data, is_first = data.removeprefix(_MARK), False
        yield _Piece(number, data)
        number += data.count(b"\n")


def _chain(ahead: list[_Piece], rest: Iterator[_Piece]) -> Iterator[_Piece]:
    yield from ahead
    yield from rest


def _rate_of(guess: Guess) -> float:
    """About how many secrets it tries in a second."""
    count, started = 0, time.perf_counter()
    while (took_s := time.perf_counter() - started) < _PROBE_S:
        guess(b"a word of the length of a passphrase, %d" % count)
        count += 1
    return count / took_s


def _work(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the questions end."""
    task = json.loads(questions.readline())
    context = CookieContext(
        name=task["name"], companion=task["companion"], parameters=task["parameters"]
    )
    guess = guesser(cookie_format(task["format"]), task["value"], context)
    while line := questions.readline():
        index, tried = search(guess, questions.read(int(line)))
        answers.write(b"%d %d\n" % (-1 if index is None else index, tried))
        answers.flush()


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        _work(sys.stdin.buffer, sys.stdout.buffer)
