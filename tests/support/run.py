"""Run `sessctl` as its users do: a process of its own, with pipes or with a terminal."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import selectors
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COMMAND = [sys.executable, "-m", "sessctl"]

# Gives the child its terminal, so that Ctrl-C and /dev/tty work, then becomes the command.
# A `preexec_fn` could do it too, but it warns when the test process has threads.
_OWN_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one run left: the text decoded strictly as UTF-8, the bytes, the exit code."""

    stdout_bytes: bytes
    stderr_bytes: bytes
    code: int

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode()

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode()

    def json(self) -> Any:
        """Return stdout as one JSON document."""
        return json.loads(self.stdout_bytes)

    @property
    def counts(self) -> dict[str, int]:
        """The counts that `purge` and `restore` print into a pipe; zeros left out."""
        header, *rows = [line.split("\t") for line in self.stdout.splitlines()]
        assert header == ["outcome", "count"], header
        return {word: int(count) for word, count in rows if count != "0"}

    def json_lines(self) -> list[Any]:
        """Return stdout as JSON lines."""
        return [json.loads(line) for line in self.stdout_bytes.splitlines()]


@dataclass(frozen=True, slots=True)
class TtyResult:
    """`screen` is every byte sent to the terminal; `stdout_bytes` only what a piped stdout got."""

    screen: bytes
    stdout_bytes: bytes
    code: int

    @property
    def text(self) -> str:
        """The screen's bytes as text; escape sequences and `\\r\\n` are left in."""
        return self.screen.decode("utf-8", "replace")


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which nothing of this machine's user is seen."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        **(extra or {}),
    }


def sessctl(
    *args: str | Path,
    home: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes | str | None = None,
    cwd: Path | None = None,
    timeout: float = 60,
) -> Result:
    """Run the command with pipes; `cwd` is `home` unless given, stdin is empty unless given."""
    done = subprocess.run(
        [*COMMAND, *map(str, args)],
        env=clean_environment(home, env),
        cwd=cwd or home,
        input=stdin.encode() if isinstance(stdin, str) else stdin or b"",
        capture_output=True,
        timeout=timeout,
    )
    return Result(done.stdout, done.stderr, done.returncode)


def sessctl_tty(
    *args: str | Path,
    home: Path,
    say: bytes | Sequence[tuple[bytes, bytes]] = (),
    rows: int = 24,
    cols: int = 80,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pipe_stdout: bool = False,
    timeout: float = 60,
) -> TtyResult:
    """Run the command in a terminal of its own; see `in_terminal`."""
    return in_terminal(
        [*COMMAND, *map(str, args)],
        home=home, say=say, rows=rows, cols=cols, env=env, cwd=cwd, pipe_stdout=pipe_stdout,
        timeout=timeout,
    )  # fmt: skip


def in_terminal(
    command: Sequence[str],
    *,
    home: Path,
    say: bytes | Sequence[tuple[bytes, bytes]] = (),
    rows: int = 24,
    cols: int = 80,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    pipe_stdout: bool = False,
    timeout: float = 60,
) -> TtyResult:
    """Run a program in a terminal of its own.

    Args:
        say: pairs of (wait until the screen shows this, then type that); plain bytes are typed
            at once. Prompts that hide what is typed throw away what came too early: use pairs.
            `b"\\x03"` is Ctrl-C, `b"\\x04"` the end of input, `b"\\r"` Enter.
        pipe_stdout: only stdin and stderr are the terminal, as in `sessctl … | cat`.

    Raises:
        TimeoutError: with the screen so far; the command has been killed.
    """
    master, slave = pty.openpty()
    try:
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        process = subprocess.Popen(
            [sys.executable, "-ISc", _OWN_TERMINAL, *command],
            env=clean_environment(home, {"TERM": "xterm-256color", **(env or {})}),
            cwd=cwd or home,
            stdin=slave,
            stdout=subprocess.PIPE if pipe_stdout else slave,
            stderr=slave,
            start_new_session=True,
        )
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    pairs = [(b"", say)] if isinstance(say, bytes) else list(say)
    with process:
        try:
            screen, out = _converse(master, process, pairs, time.monotonic() + timeout)
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(master)
    return TtyResult(screen, out, process.returncode)


def _converse(
    master: int,
    process: subprocess.Popen[bytes],
    pairs: list[tuple[bytes, bytes]],
    deadline: float,
) -> tuple[bytes, bytes]:
    """Read both streams to their ends and type each answer once its question has appeared."""
    seen = {master: bytearray()}
    answered = 0  # how much of the screen earlier answers have used up
    with selectors.DefaultSelector() as waiting:
        waiting.register(master, selectors.EVENT_READ)
        if process.stdout is not None:
            seen[process.stdout.fileno()] = bytearray()
            waiting.register(process.stdout.fileno(), selectors.EVENT_READ)
        while waiting.get_map():
            while pairs and (at := seen[master].find(pairs[0][0], answered)) >= 0:
                question, answer = pairs.pop(0)
                answered = at + len(question)
                os.write(master, answer)
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready or time.monotonic() > deadline:
                msg = f"no end; waiting for {pairs[:1]}; screen: {bytes(seen[master])!r}"
                raise TimeoutError(msg)
            for key, _ in ready:
                chunk = _read(key.fd)
                seen[key.fd] += chunk
                if not chunk:
                    waiting.unregister(key.fd)
    if pairs:
        msg = f"never asked {pairs[0][0]!r}; screen: {bytes(seen[master])!r}"
        raise AssertionError(msg)
    screen = bytes(seen.pop(master))
    return screen, b"".join(bytes(part) for part in seen.values())


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError as exc:
        if exc.errno == errno.EIO:  # how Linux says that the terminal's other side is closed
            return b""
        raise
