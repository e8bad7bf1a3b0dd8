"""How much memory of its own a command takes at its peak.

The pages of programs and libraries are left out: how many of those are resident depends on what the
machine has read before, and it may be 5 MiB more in the second of two runs.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.run import clean_environment

if TYPE_CHECKING:
    from pathlib import Path

# The peak as the kernel keeps it, less what belongs to files, which only grows. It is asked from
# within: the child of a large process counts its parent's size as its own (`vfork`).
_MEASURED = """
import atexit, runpy, sys

def say(path):
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    with open(path, "w") as out:
        out.write(str(int(lines["VmHWM"].split()[0]) - int(lines["RssFile"].split()[0])))

atexit.register(say, sys.argv.pop(1))
sys.argv[0] = "sessctl"
runpy.run_module("sessctl", run_name="__main__", alter_sys=True)
"""


def peak_mib(*args: str, home: Path) -> float:
    """Run `sessctl` to its good end; the most memory that it had."""
    answer = home / "peak"
    answer.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(answer), *args],
        env=clean_environment(home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert done.returncode == 0, done.stderr.decode()
    return int(answer.read_text(encoding="ascii")) / 1024
