"""What a program prints, for `cmd:PROGRAM ARGS`: a password manager's way to give out a secret.

No shell: the words are split as a shell would, and nothing in them is expanded. The program gets
the environment and no standard input; it may ask on the terminal, as `pass` does through its agent.
"""

from __future__ import annotations

import os
import selectors
import shlex
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from sessctl.errors import UsageError
from sessctl.text import Secret, escape, redact, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import IO

TIMEOUT_S = 60.0  # somebody may have to type a passphrase, or to touch a key
MAX_BYTES = 64 * 1024  # of a secret; more is no secret but a mistake
_SAID = 200  # characters of its standard error in ours


class _Answer(NamedTuple):
    out: bytes
    err: bytes
    code: int


def split_command(text: str) -> list[str]:
    """The words of a command, at least one. Raises UsageError."""
    try:
        words = shlex.split(text)
    except ValueError as exc:
        raise UsageError(
            f"the words of a cmd: reference cannot be told apart ({str(exc).lower()})",
            hint="quote as for a shell: cmd:pass show 'my shop/key'",
        ) from None
    if not words:
        raise UsageError("'cmd:' names nothing", hint="cmd:PROGRAM ARGS")
    return words


def is_there(text: str, environ: Mapping[str, str]) -> bool:
    """Whether the program of a command can be found; it is not run."""
    from shutil import which

    return which(split_command(text)[0], path=environ.get("PATH", os.defpath)) is not None


def output_of(text: str, environ: Mapping[str, str], *, timeout_s: float = TIMEOUT_S) -> bytes:
    """What the program prints on standard output.

    Raises:
        UsageError: it cannot be started, fails, prints more than 64 KiB, or takes longer.
            What it said on standard error is quoted, and never what it printed.
    """
    words = split_command(text)
    program = escape(shorten(words[0], 80))
    try:
        answer = _run(words, environ, timeout_s)
    except TimeoutError:
        raise UsageError(
            f"the program '{program}' gave no secret within {timeout_s:g} s",
            hint="run it by itself: does it wait for somebody?",
        ) from None
    except OSError as exc:
        raise UsageError(
            f"cannot run the program '{program}' ({(exc.strerror or 'error').lower()})",
            hint="cmd: takes a program on PATH or its whole path, and no shell syntax",
        ) from None
    if len(answer.out) > MAX_BYTES:
        raise UsageError(
            f"the program '{program}' printed more than {MAX_BYTES} bytes, which is no secret",
            hint="it has to print the secret and nothing else",
        )
    if answer.code != 0:
        Secret(answer.out[:4096])  # a part of the secret, perhaps: hidden from here on
        said = _last_line(answer.err)
        how = f"signal {-answer.code}" if answer.code < 0 else f"exit {answer.code}"
        raise UsageError(
            f"the program '{program}' failed ({how})" + (f": {said}" if said else ""),
            hint="run it by itself to see why",
        )
    return answer.out


def _run(words: list[str], environ: Mapping[str, str], timeout_s: float) -> _Answer:
    """Raises OSError where it cannot be started, TimeoutError where it does not end."""
    # In our own process group: in another one it could not ask on the terminal.
    with subprocess.Popen(  # noqa: S603 - the user's own words, and no shell
        words,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        try:
            out, err = _read(child.stdout, child.stderr, time.monotonic() + timeout_s)
            if len(out) > MAX_BYTES:
                child.kill()
            code = child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            child.kill()
            raise TimeoutError from None
        except BaseException:
            child.kill()
            raise
    return _Answer(out, err, code)


def _read(out: IO[bytes], err: IO[bytes], deadline: float) -> tuple[bytes, bytes]:
    """All of both, a little more than the limit at the most. Raises TimeoutError."""
    found = {out: b"", err: b""}
    with selectors.DefaultSelector() as waiting:
        for pipe in found:
            waiting.register(pipe, selectors.EVENT_READ)
        while waiting.get_map() and len(found[out]) <= MAX_BYTES:
            ready = waiting.select(deadline - time.monotonic())
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                pipe = out if key.fileobj is out else err
                if data := os.read(pipe.fileno(), MAX_BYTES):
                    # Of what it says the end counts; of what it prints all, or it is an error.
                    found[pipe] = found[pipe] + data if pipe is out else (found[err] + data)[-4096:]
                else:
                    waiting.unregister(pipe)
    return found[out], found[err]


def _last_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return escape(shorten(redact(lines[-1]), _SAID)) if lines else ""
