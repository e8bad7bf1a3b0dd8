"""Standard input, output and error, and the one place where text leaves the process.

Every line passes `escape` here and colour is added after it (S22). Standard output carries the
answer and nothing else; what is said beside it goes to standard error.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO, TextIO

from sessctl.cli.pager import Pager
from sessctl.cli.theme import Role, paint, wants_colour
from sessctl.errors import ExitCode, SessctlError, UsageError
from sessctl.text import escape, redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# A line is a list of pieces, each with its role.
Piece = tuple[str, Role]
Line = list[Piece]

_BUFFER = 256 * 1024
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Streams:
    """What a command talks through. Tests hand in buffers and say what is a terminal."""

    def __init__(
        self,
        stdin: BinaryIO,
        stdout: BinaryIO,
        stderr: BinaryIO,
        environ: dict[str, str],
        *,
        terminals: tuple[bool, bool, bool] = (False, False, False),
    ) -> None:
        self.stdin = stdin
        self.environ = environ
        self.stdin_is_terminal, self.stdout_is_terminal, self.stderr_is_terminal = terminals
        self._out = stdout
        self._err = stderr
        self.is_log_full = False  # what was said on standard error did not get out
        self._colour = {"out": False, "err": False}
        self._pager: Pager | None = None
        self._target: Path | None = None
        self._partial: Path | None = None
        self.outlives_reader = False  # a store is being changed: finish the page, then stop
        self.reader_gone = False
        self.configure()

    @classmethod
    def of_process(cls) -> Streams:
        """The real ones."""
        _fill_closed()
        return cls(
            sys.stdin.buffer if sys.stdin else io.BytesIO(),
            _buffered(1),
            sys.stderr.buffer if sys.stderr else _buffered(2),
            dict(os.environ),
            terminals=(
                _is_terminal(sys.stdin),
                _is_terminal(sys.stdout),
                _is_terminal(sys.stderr),
            ),
        )

    def configure(self, colour: str = "auto", *, pager: bool = True) -> None:
        """Apply --color and --no-pager."""
        for name, terminal in (("out", self.stdout_is_terminal), ("err", self.stderr_is_terminal)):
            self._colour[name] = wants_colour(colour, is_terminal=terminal, environ=self.environ)
        self._pages = pager

    def stop_paging(self) -> None:
        """What follows is to be read as it comes, and not screen by screen."""
        self._pages = False

    @property
    def colours_stdout(self) -> bool:
        """Colour is on for standard output."""
        return self._colour["out"]

    @property
    def colours_stderr(self) -> bool:
        """Colour is on for standard error."""
        return self._colour["err"]

    # -- output -----------------------------------------------------------------------------------

    def line(self, *pieces: Piece | str) -> None:
        """One line of the answer, escaped, coloured where colour is on."""
        self._write_out(_rendered(pieces, self._colour["out"]))

    def raw(self, data: bytes) -> None:
        """Bytes of a machine format, which is ASCII by construction."""
        self._out.write(data)

    def lines(self, lines: Iterable[Line]) -> None:
        """Lines for a person: through a pager if they do not fit the terminal."""
        if not (self.stdout_is_terminal and self._pages):
            for line in lines:
                self.line(*line)
            return
        pager = Pager(self.environ, direct=self.direct, flush=self.flush, warn=self._warn)
        with pager as self._pager:
            for line in lines:
                self.line(*line)
        self._pager = None

    def _warn(self, message: str) -> None:
        self.say(("warning: ", "warn"), message)

    def _write_out(self, data: bytes) -> None:
        if self._pager is not None:
            self._pager.write(data)
        else:
            self._out.write(data)

    def direct(self, data: bytes) -> None:
        """To standard output itself, past the pager."""
        self._out.write(data)

    def flush(self) -> None:
        """Push the answer out before anything is said beside it."""
        try:
            if not self._out.closed:
                self._out.flush()
        except BrokenPipeError:
            if not self.outlives_reader:
                raise
            self.discard_output()

    def check_reader(self) -> None:
        """Whoever waits long for something to write asks here whether anybody reads it still.

        Raises:
            BrokenPipeError: the reader has gone.
        """
        import select

        if not hasattr(select, "poll"):  # Windows
            return
        waiting, happened = select.poll(), list[tuple[int, int]]()
        with suppress(OSError, ValueError):  # no real stream
            waiting.register(self._out.fileno(), 0)
            happened = waiting.poll(0)
        if any(what & (select.POLLERR | select.POLLHUP) for _, what in happened):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    # -- beside the answer ------------------------------------------------------------------------

    def say(self, *pieces: Piece | str) -> None:
        """One line on standard error, escaped; no secret this process knows gets out."""
        self.flush()
        hidden = [redact(p) if isinstance(p, str) else (redact(p[0]), p[1]) for p in pieces]
        self._say(_rendered(hidden, self._colour["err"]))

    def say_raw(self, data: bytes) -> None:
        """Bytes on standard error: a JSON error, or progress."""
        self.flush()
        self._say(data)

    def _say(self, data: bytes) -> None:
        """A log on a full disk takes nothing more: the work goes on, the exit code will tell."""
        try:
            self._err.write(data)
            self._err.flush()
        except OSError as exc:
            if exc.errno not in DISK_ERRORS:
                raise
            with suppress(OSError, ValueError):  # Python's own last flush would make it exit 120
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._err.fileno())
            self._err = io.BytesIO()
            self.is_log_full = True

    def to_file(self, path: Path) -> None:
        """The answer goes to a new file, 0600, which takes its place only when all is written."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            partial = path.with_name(f".{path.name}.{os.getpid()}.part")
            self._out = os.fdopen(os.open(partial, flags, 0o600), "wb", buffering=_BUFFER)
        except OSError as exc:
            reason = (exc.strerror or "error").lower()
            raise UsageError(
                f"cannot write {path} ({reason})",
                hint="--out-file takes a path in a folder of yours",
            ) from None
        self._target, self._partial = path, partial
        self.stdout_is_terminal = False

    def finish(self) -> None:
        """Everything is out; a partial file takes the name that was asked for."""
        self._out.flush()
        if self._target is not None and self._partial is not None:
            self._out.close()
            self._partial.replace(self._target)
            self._target = None

    def abandon(self) -> None:
        """A file asked for with --out-file that was not finished goes away again."""
        if self._target is not None and self._partial is not None:
            with suppress(OSError):
                self._partial.unlink()

    def discard_output(self) -> None:
        """The reader has gone; whatever is still written goes nowhere."""
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
        self._out = io.BytesIO()
        self.reader_gone = True


class PipeClosed(Exception):
    """The reader of standard output went away. Not an OSError, which typer turns into exit 1."""


class OutputFailed(SessctlError):
    """Standard output cannot be written: the disk is full."""

    code = "output.failed"
    exit_code = ExitCode.JOURNAL

    @classmethod
    def of(cls, exc: OSError) -> OutputFailed:
        """Our error for the system's."""
        reason = (exc.strerror or "error").lower()
        return cls(f"cannot write the output ({reason})", hint="free the disk and run it again")


def _rendered(pieces: Iterable[Piece | str], colour: bool) -> bytes:
    out = []
    for piece in pieces:
        if isinstance(piece, str):
            out.append(escape(piece))
        else:
            shown = escape(piece[0])
            out.append(paint(shown, piece[1]) if colour else shown)
    return ("".join(out) + "\n").encode("utf-8", "backslashreplace")


def _fill_closed() -> None:
    """A standard stream that came closed must not become the number of the next file opened."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def _buffered(descriptor: int) -> BinaryIO:
    """Large writes: a million JSON lines are 300 MB."""
    return open(descriptor, "wb", buffering=_BUFFER, closefd=False)
