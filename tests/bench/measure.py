"""Run a command and weigh it: wall time, CPU of client and server, peak memory, who else was busy.

This process stays small on purpose: Linux counts the memory of the process that forks in the peak
of the child, until that has become its own program.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. `others`: the part of the machine, 0 to 1, that somebody else used meanwhile."""

    wall_s: float
    cpu_client_s: float
    cpu_server_s: float
    rss_mb: float
    others: float
    stdout: str = ""
    stderr: str = ""

    @property
    def cpu_s(self) -> float:
        return self.cpu_client_s + self.cpu_server_s

    def times(self, factor: float) -> Sample:
        """The same for `factor` times the work."""
        return replace(
            self,
            wall_s=self.wall_s * factor,
            cpu_client_s=self.cpu_client_s * factor,
            cpu_server_s=self.cpu_server_s * factor,
        )

    def without(self, start: Sample) -> Sample:
        """What is left when the time to start is taken off; never less than a millisecond."""
        return replace(
            self,
            wall_s=max(self.wall_s - start.wall_s, 0.001),
            cpu_client_s=max(self.cpu_client_s - start.cpu_client_s, 0.001),
            cpu_server_s=max(self.cpu_server_s - start.cpu_server_s, 0.0),
        )


def weigh(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    stdin: Path | None = None,
    server_cpu_s: Callable[[], float] = lambda: 0.0,
    codes: tuple[int, ...] = (0,),
) -> Sample:
    """Run a command to its end. Its output has to be small: pipe the rest through `wc -l`.

    Raises:
        RuntimeError: an exit code that is not in `codes`; with what it said.
    """
    idle, served, started = _idle_s(), server_cpu_s(), time.monotonic()
    own = time.process_time()
    with (
        Path(stdin or os.devnull).open("rb") as source,
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=source, stdout=subprocess.PIPE, stderr=said, env=dict(env), cwd=cwd
        ) as process,
    ):
        assert process.stdout is not None
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # with what its own children used
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        err = said.read()
    wall = time.monotonic() - started
    client, served = usage.ru_utime + usage.ru_stime, server_cpu_s() - served
    machine = wall * (os.cpu_count() or 1)
    ours = client + served + time.process_time() - own
    others = max(machine - (_idle_s() - idle) - ours, 0.0) / machine
    if process.returncode not in codes:
        msg = f"exit {process.returncode} of {' '.join(command)}:\n{err.decode()[-2000:]}"
        raise RuntimeError(msg)
    return Sample(wall, client, served, usage.ru_maxrss / 1024, others, out.decode(), err.decode())


def cpu_of_process(pid: int) -> float:
    """CPU seconds of a server and of its children, those that have ended included."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return sum(_cpu_s(each) for each in (str(pid), *children))


def _cpu_s(pid: str) -> float:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):  # it ended just now
        return 0.0
    times = text.rpartition(")")[2].split()[11:15]  # own and waited-for children's, user and system
    return sum(map(int, times)) / _TICKS


def _idle_s() -> float:
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    return (int(words[4]) + int(words[5])) / _TICKS


def interleaved(sides: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, Sample]:
    """The median of each side; a round runs every side once, every other round backwards."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides)
        for name in names if number % 2 == 0 else reversed(names):
            samples[name].append(sides[name]())
    return {name: medians(found) for name, found in samples.items()}


def medians(samples: Sequence[Sample]) -> Sample:
    """The median of every figure by itself; texts are those of the last run."""
    figures = {
        field.name: median(getattr(sample, field.name) for sample in samples)
        for field in fields(Sample)
        if field.name not in ("stdout", "stderr")
    }
    return replace(samples[-1], **figures)
