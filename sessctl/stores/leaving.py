"""What has to be undone even when this process is told to end at once.

An inspector that we opened in somebody's process must not stay open. `finally` does that, but a
SIGTERM ends Python without it, and a second Ctrl-C does not wait for it.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = [each for each in signal.Signals if each.name in ("SIGTERM", "SIGHUP")]
_pending: list[Callable[[], None]] = []


@contextmanager
def undone_at_the_end(undo: Callable[[], None]) -> Iterator[None]:
    """Call `undo` when the block ends, or before that when a signal ends the process.

    A signal that somebody else handles is left to them; they call `undo_all` if they leave.
    """
    _pending.append(undo)
    ours = [number for number in _SIGNALS if _ends_us(number)]
    for number in ours:
        signal.signal(number, _leave)
    try:
        yield
    finally:
        _pending.remove(undo)
        for number in ours:
            if signal.getsignal(number) is _leave and not _pending:
                signal.signal(number, signal.SIG_DFL)
        undo()


def undo_all() -> None:
    """Undo what is pending, whatever fails; for those who leave without `finally`."""
    for undo in list(_pending):
        with suppress(Exception):
            undo()


def _ends_us(number: signal.Signals) -> bool:
    import threading  # 2 ms, which only those need who opened something

    in_main = threading.current_thread() is threading.main_thread()
    return in_main and signal.getsignal(number) is signal.SIG_DFL


def _leave(number: int, frame: FrameType | None) -> None:
    undo_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
