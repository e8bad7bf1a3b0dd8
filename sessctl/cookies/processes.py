"""Processes of our own that work through a task in pieces: they are told it, then asked.

`python -m MODULE` is one of them. Its input begins with a line of JSON, the task; nothing of it
stands in arguments or in the environment, where others could read it. They end with us, however we
end, as then their input does.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import IO

from sessctl.errors import ExitCode, SessctlError

_PIPE_BYTES = 1024 * 1024  # what Linux gives to everybody


class ProcessEnded(SessctlError):
    """A process of ours has ended before its time: killed, or out of memory."""

    code = "process.ended"
    exit_code = ExitCode.PARTIAL


class Worker:
    """One process. `answers` is what it writes.

    Args:
        module: what `python -m` runs.
        task: a line of JSON, without the line feed.
        what: it does, for the error.
    """

    def __init__(self, module: str, task: bytes, what: str) -> None:
        self._what = what
        self._process = subprocess.Popen(  # noqa: S603 - a module of ours
            # -P: what lies in the folder where we stand is not ours to import.
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback must not quote a secret
            start_new_session=True,  # Ctrl-C is for us, who end them
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._questions: IO[bytes] = self._process.stdin
        self.answers: IO[bytes] = self._process.stdout
        for pipe in (self._questions, self.answers):
            _widen(pipe)
        self.ask(task + b"\n")

    def ask(self, question: bytes) -> None:
        """Raises ProcessEnded."""
        try:
            self._questions.write(question)
            self._questions.flush()
        except BrokenPipeError:
            raise self.ended() from None

    def ended(self) -> ProcessEnded:
        """The error for an answer that does not come."""
        return ProcessEnded(
            f"a process that {self._what} has ended before its time: was there memory for it?",
            hint="--jobs 1 starts none",
        )

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self.answers.close()
        with suppress(BrokenPipeError):
            self._questions.close()


def _widen(pipe: IO[bytes]) -> None:
    """Room for whole pieces of work, on Linux: else either side waits for the other's turn, in
    64 KiB each time."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def cores() -> int:
    """How many processes can work at a time: what a container gives us."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
