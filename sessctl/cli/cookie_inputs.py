"""The cookies that `decode`, `verify` and `detect` are given: one, or a batch."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sessctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from sessctl.cli.run import Run
    from sessctl.cookies.batch.given import Given
    from sessctl.cookies.batch.source import Source

    Texts = Source | list[Given]


class Inputs(NamedTuple):
    """Where the cookies come from, as it was typed."""

    cookie: str | None
    file: str | None = None
    form: str | None = None
    jobs: int | None = None

    @property
    def is_stdin(self) -> bool:
        """They come from standard input."""
        return self.cookie in (None, "-") if self.file is None else self.file == "-"

    @property
    def place(self) -> str:
        """Where to look for the only one, in an error."""
        if self.is_stdin:
            return "standard input"
        return "the argument" if self.file is None else self.file

    def check(self, command: str) -> None:
        """Raises UsageError for what does not go together."""
        is_argument = self.cookie is not None and self.cookie != "-"
        if self.file == "":
            raise UsageError("--file is empty", hint="--file FILE")
        if self.file is not None and self.cookie is not None:
            raise UsageError("a cookie and a file are both given", hint="leave one of the two out")
        if is_argument and (self.form is not None or self.jobs is not None):
            option = "--jobs" if self.form is None else "--input-format"
            hint = "with --wordlist or " if command == "verify" and self.form is None else ""
            raise UsageError(
                f"{option} is for many cookies", hint=f"{hint}sessctl {command} -f FILE"
            )


@contextmanager
def texts_of(run: Run, inputs: Inputs, *, command: str, name: str | None = None) -> Iterator[Texts]:
    """The texts with cookies: the one on the command line, or those of a file or standard input.

    Args:
        name: of a HAR and of a cookies.txt, only what has a cookie of this name.

    Raises:
        UsageError: there is nothing to read, or no such form.
    """
    from sessctl.cookies.batch.given import Given

    inputs.check(command)
    if inputs.cookie is not None and inputs.cookie != "-":
        yield [Given(None, inputs.cookie)]
        return
    from sessctl.cookies.batch.source import Form, read_cookies

    if inputs.form is not None and inputs.form not in list(Form):
        raise UsageError(
            f"no input format '{inputs.form}'", hint=f"--input-format takes {', '.join(Form)}"
        )
    if inputs.cookie is None and inputs.file is None and run.streams.stdin_is_terminal:
        raise UsageError("no cookie to read", hint=f"sessctl {command} COOKIE, or pipe one in")
    with nullcontext(run.streams.stdin) if inputs.is_stdin else _opened(inputs.file) as stream:
        yield read_cookies(stream, inputs.form, name=name)


def _opened(path: str | None) -> BinaryIO:
    try:
        return Path(path or "").expanduser().open("rb")
    except OSError as exc:
        raise UsageError(
            f"cannot read {path} ({(exc.strerror or 'error').lower()})",
            hint="--file takes lines, JSON Lines, a HAR or a cookies.txt",
        ) from None
