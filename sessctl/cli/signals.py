"""SIGINT and SIGTERM in a long command: finish what has begun and stop; twice: now."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sessctl.errors import ExitCode
from sessctl.stores.leaving import undo_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from sessctl.cli.streams import Streams


class Flag:
    """Asked between pages: has somebody asked us to stop, and how."""

    def __init__(self) -> None:
        self.code: ExitCode | None = None

    def __call__(self) -> bool:
        return self.code is not None


@contextmanager
def stoppable(streams: Streams, *, saying: str = "stopping after this page") -> Iterator[Flag]:
    """A handler that only sets a flag: no exception may enter a driver's call (S8).

    Args:
        saying: what it says at once; empty: nothing, the screen is somebody else's.
    """
    flag = Flag()
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}

    def handle(number: int, frame: FrameType | None) -> None:
        code = codes[signal.Signals(number)]
        if flag.code is not None:
            undo_all()  # what must not outlive us in somebody else's process
            os._exit(int(code))  # the journal is true at every moment
        flag.code = code
        if saying:
            os.write(2, f"{saying}; once more stops now\n".encode())

    if not _main_thread():
        yield flag
        return
    before = {number: signal.signal(number, handle) for number in codes}
    try:
        yield flag
    finally:
        streams.flush()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def left_to_child() -> Iterator[None]:
    """Ctrl-C is for the program that we have started: a terminal sends it to both."""
    if not _main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: None)  # SIG_IGN would be inherited
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _main_thread() -> bool:
    import threading

    return threading.current_thread() is threading.main_thread()
