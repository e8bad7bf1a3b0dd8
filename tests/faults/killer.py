"""Processes that are started to be killed, at moments of their own progress."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from tests.faults.stores import journals
from tests.support.run import COMMAND, clean_environment

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

_GIVE_UP_S = 60.0

# Lowers a limit of the child, then becomes the command. A `preexec_fn` warns where threads are.
_LIMITED = (
    "import os, resource, sys;"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class Victim:
    """A real `python -m sessctl …`, its output in files so that no pipe ever holds it up.

    Args:
        file_limit: no file of it may grow beyond this (RLIMIT_FSIZE), as on a full disk.
        program: instead of `-m sessctl`.
    """

    def __init__(
        self,
        *args: str | Path,
        home: Path,
        file_limit: int | None = None,
        program: Sequence[str] = (),
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._before = set(journals(home))
        limit = [] if file_limit is None else [sys.executable, "-ISc", _LIMITED, str(file_limit)]
        self._out, self._err = (home / "stdout").open("wb+"), (home / "stderr").open("wb+")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*limit, *(program or COMMAND), *map(str, args)],
            env=clean_environment(home),
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=self._err,
        )

    def journal(self) -> Path | None:
        """The journal of this run, once there is one."""
        return next((path for path in journals(self.home) if path not in self._before), None)

    def wait_for_journal(self, size: int) -> bool:
        """Wait until the journal has this many bytes; False: the run ended before."""
        deadline = time.monotonic() + _GIVE_UP_S
        path = None
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            path = path or self.journal()
            if path is not None and path.stat().st_size >= size:
                return not ended
            if ended:
                return False
            time.sleep(0.0002)
        msg = f"no journal of {size} bytes; stderr: {self.stderr}"
        raise TimeoutError(msg)

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(_GIVE_UP_S)

    def kill(self, after_s: float = 0.0) -> int:
        """SIGKILL, a moment from now; the exit code, -9 if it was still there."""
        until = time.monotonic() + after_s
        while time.monotonic() < until and self.process.poll() is None:
            pass  # moments are shorter than what a sleep takes
        self.process.kill()
        return self.process.wait()

    @property
    def stdout(self) -> str:
        return self._read(self._out.fileno())

    @property
    def stderr(self) -> str:
        return self._read(self._err.fileno())

    @staticmethod
    def _read(fd: int) -> str:
        return os.pread(fd, 1 << 26, 0).decode()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()
