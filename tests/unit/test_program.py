"""`cmd:PROGRAM ARGS`: what a program prints is the secret, and a program that fails gives none."""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import TYPE_CHECKING

import pytest

from sessctl.config.program import MAX_BYTES, output_of, split_command
from sessctl.config.secrets import describe, resolve
from sessctl.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ENVIRON = {"PATH": os.environ["PATH"]}


class Nobody:
    """Nobody to ask; what programs printed is kept."""

    def __init__(self) -> None:
        self.printed: dict[str, bytes] = {}

    def prompt(self, label: str) -> str:
        raise AssertionError(label)

    def stdin(self) -> bytes:
        raise AssertionError


def python(code: str, *words: str) -> str:
    """A command that runs a few lines of Python."""
    return shlex.join([sys.executable, "-c", code, *words])


def get(command: str, asker: Nobody | None = None) -> bytes:
    return resolve(f"cmd:{command}", environ=ENVIRON, asker=asker or Nobody()).reveal()


@pytest.mark.parametrize(
    ("printed", "secret"),
    [
        (b"correct horse\n", b"correct horse"),
        (b" blanks stay ", b" blanks stay "),
        (b"two\n\n", b"two\n"),
        (b"\xff\x00\n", b"\xff\x00\n"),
    ],
)
def test_one_line_feed_is_dropped(printed: bytes, secret: bytes) -> None:
    assert get(python(f"import sys; sys.stdout.buffer.write({printed!r})")) == secret


def test_words_are_split_and_nothing_is_expanded(tmp_path: Path) -> None:
    show = "import sys; print('|'.join(sys.argv[1:]))"
    words = """'two words' $HOME `id` * ; echo "it's" > out"""
    found = get(f"{python(show)} {words}")
    assert found == b"two words|$HOME|`id`|*|;|echo|it's|>|out"


def test_standard_input_is_empty_and_the_environment_is_given() -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.environ['PATH'] != '')"
    assert get(python(code)) == b"'' True"


def test_a_program_runs_once_in_a_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print('s')"
    asker = Nobody()
    assert [get(python(code), asker) for _ in range(3)] == [b"s"] * 3
    assert (tmp_path / "runs").read_text() == "x"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; print('canary-71'); sys.exit('no such entry')",
         r"failed \(exit 1\): no such entry"),
        ("import os; os.kill(os.getpid(), 9)", r"failed \(signal 9\)$"),
        ("import sys; sys.stderr.write('\\x1b[31mred\\n'); sys.exit(3)",
         r"failed \(exit 3\): \\x1b\[31mred"),
        ("import sys; print('canary-71', file=sys.stderr); print('canary-71'); sys.exit(1)",
         r"failed \(exit 1\): \*\*\*"),
    ],
)  # fmt: skip
def test_a_failure_says_what_the_program_said_and_not_what_it_printed(code, message) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        output_of(python(code), ENVIRON)
    assert "canary" not in caught.value.message


def test_endless_output_is_cut_off() -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 4096)"
    with pytest.raises(UsageError, match=f"printed more than {MAX_BYTES} bytes"):
        output_of(python(code), ENVIRON)


def test_endless_complaints_are_no_memory() -> None:
    code = "import sys\nfor n in range(3000): sys.stderr.write('x' * 999 + '\\n')\nsys.exit(1)"
    with pytest.raises(UsageError, match=r"failed \(exit 1\): x{100,}\.\.\.$"):
        output_of(python(code), ENVIRON)


@pytest.mark.parametrize("before", ["", "os.close(1); os.close(2); "])
def test_a_program_that_does_not_end_is_ended(before: str) -> None:
    code = f"import os, time; {before}time.sleep(60)"
    started = time.monotonic()
    with pytest.raises(UsageError, match=r"gave no secret within 0\.5 s"):
        output_of(python(code), ENVIRON, timeout_s=0.5)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("/nowhere/pass show", "cannot run the program '/nowhere/pass' "),
        ("no-such-program-71", "cannot run the program 'no-such-program-71' "),
        ("pass 'show", "cannot be told apart"),
        ("   ", "names nothing"),
        ("", "names nothing"),
    ],
)
def test_a_command_that_cannot_be(command: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        get(command)


def test_an_empty_secret_is_none() -> None:
    with pytest.raises(UsageError, match=r"the secret from cmd:.* is empty"):
        get(python("print()"))


def test_it_is_described_without_being_run(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'ran')!r}, 'w')"
    there, not_there = f"cmd:{python(code)}", "cmd:no-such-program-71 show x"
    assert describe(there, environ=ENVIRON) == f"{there} (program found)"
    assert describe(not_there, environ=ENVIRON) == f"{not_there} (missing)"
    assert not (tmp_path / "ran").exists()


def test_words_are_a_shell_s() -> None:
    assert split_command("op read 'op://a b/c'") == ["op", "read", "op://a b/c"]
