"""Keys as they are pressed, without Enter, while something else goes on."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessctl.cli.streams import Streams


class Keys:
    """Standard input key by key, where it is a terminal that listens to us; else nobody presses
    anything. Ctrl-C stays what it is."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._descriptor: int | None = None
        self._before: Any = None

    def start(self) -> None:
        """Take the keys, and their echo off the screen."""
        if not self._streams.stdin_is_terminal or sys.platform == "win32":
            return
        import termios
        import tty

        with suppress(OSError, ValueError, termios.error):
            descriptor = self._streams.stdin.fileno()
            # In the background the terminal is somebody else's, and to change it would stop us.
            if os.tcgetpgrp(descriptor) == os.getpgrp():
                self._before = termios.tcgetattr(descriptor)
                tty.setcbreak(descriptor)
                self._descriptor = descriptor

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._descriptor is not None:
            import termios

            with suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)
            self._descriptor = None

    @property
    def listening(self) -> bool:
        """Somebody can press a key."""
        return self._descriptor is not None

    def pressed(self, seconds: float) -> str:
        """The next key, or nothing when that time is over."""
        if self._descriptor is None:
            if seconds:
                time.sleep(seconds)
            return ""
        import select

        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        typed = os.read(self._descriptor, 1) if ready else b""
        if ready and not typed:  # the terminal has gone; it would be ready for ever
            self._descriptor = None
        return typed.decode("ascii", "replace")
