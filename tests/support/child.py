"""Run a function in a child process: its answer, its memory, its time, what it reached for.

A fork of this process, so that a case costs milliseconds and not a start of Python.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# What data might make a reader do. `open` and `import` carry what was opened or imported.
_ACTS = frozenset(
    (
        "compile", "ctypes.dlopen", "exec", "import", "marshal.load", "marshal.loads", "open",
        "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.system",
        "pickle.find_class", "shutil.rmtree", "socket.connect", "socket.getaddrinfo",
        "subprocess.Popen", "urllib.Request",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a call: by how much memory grew at its peak; `acts` are audit events with
    their first argument."""

    answer: Any
    rss_mib: float
    seconds: float
    acts: frozenset[str]


def in_child(call: Callable[[], Any], *, limit_s: float = 60) -> Ran:
    """Call it in a child process. Raises AssertionError if that dies, raises or takes too long."""
    reader, writer = os.pipe()
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(call, writer)
    os.close(writer)
    timer = threading.Timer(limit_s, os.kill, (pid, signal.SIGKILL))
    timer.start()
    with os.fdopen(reader, "rb") as pipe:
        sent = pipe.read()
    _, status, _ = os.wait4(pid, 0)
    timer.cancel()
    seconds = time.monotonic() - begun
    assert status == 0, f"the child ended with status {status} after {seconds:.1f} s"
    answer, rss_kib, acts = pickle.loads(sent)
    assert not isinstance(answer, str) or not answer.startswith("Traceback"), answer
    return Ran(answer, rss_kib / 1024, seconds, acts)


def _child(call: Callable[[], Any], writer: int) -> None:
    acts: set[str] = set()
    listening = True
    # This process begins with all that the test run has in memory.
    begun_with = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if listening and event in _ACTS:
            acts.add(f"{event} {args[0]!s:.200}" if event in ("open", "import") else event)

    sys.addaudithook(hook)
    try:
        answer = call()
    except BaseException:
        answer = traceback.format_exc()
    listening = False
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun_with
    with os.fdopen(writer, "wb") as pipe:
        pickle.dump((answer, used, frozenset(acts)), pipe)
    os._exit(0)
