"""How much memory a command takes at its peak.

The child of a large process counts its parent's size as its own (`vfork`): so a small Python
starts the command and asks.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.support.run import COMMAND, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

_STARTER = (
    "import os, subprocess, sys;"
    "child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL);"
    "_, status, used = os.wait4(child.pid, 0);"
    "print(os.waitstatus_to_exitcode(status), used.ru_maxrss)"
)


def peak_mib(*args: str, home: Path) -> float:
    """Run `sessctl` to its good end; its largest resident size."""
    done = subprocess.run(
        [sys.executable, "-ISc", _STARTER, *COMMAND, *args],
        env=clean_environment(home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    code, size_kib = map(int, done.stdout.split())
    assert code == 0, done.stderr.decode()
    return size_kib / 1024
