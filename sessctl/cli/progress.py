"""Progress on standard error: a terminal only, after half a second, off with -q."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sessctl.cli.run import Run

_QUIET_FOR_S = 0.5
_CI_EVERY_S = 30.0


@contextmanager
def progress(run: Run, label: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A function to be told how many more are done. It draws nothing for short runs."""
    shown = Progress(run, label, total)
    try:
        yield shown.advance
    finally:
        shown.close()


class Progress:
    """Done, total, rate and time left; rich draws it, and is imported only if it is needed."""

    def __init__(self, run: Run, label: str, total: int | None) -> None:
        self._run, self._total = run, total
        self._label = escape(label)  # a run is called after a cookie, whose name is a stranger's
        self._started = self._said = time.monotonic()
        self._done = 0
        self._bar: Any = None
        self._task: Any = None
        self._draws = run.streams.stderr_is_terminal and not run.options.quiet

    def advance(self, count: int, *, rate: str = "") -> None:
        """`count` more are done; `rate` says how fast, where that is not plain from the count."""
        self._done += count
        now = time.monotonic()
        if self._draws:
            if self._bar is None and now - self._started > _QUIET_FOR_S:
                self._start()
            if self._bar is not None:
                self._bar.update(self._task, completed=self._done, rate=rate)
        elif self._run.options.verbose and now - self._said > _CI_EVERY_S:
            self._said = now
            rate = rate or f"{self._done / (now - self._started):.0f}/s"
            self._run.streams.say(f"{self._label}: {self._done} done, {rate}")

    def _start(self) -> None:
        from rich.console import Console  # 31 ms, and only for runs that take a while
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True, no_color=not self._run.streams.colours_stderr),
            transient=True,
        )
        self._task = self._bar.add_task(self._label, total=self._total, rate="")
        self._bar.start()

    def close(self) -> None:
        """Take the bar away; what is said next starts on a clean line."""
        if self._bar is not None:
            self._bar.stop()
