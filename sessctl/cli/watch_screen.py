"""`watch` on a terminal: the latest events, drawn anew after every look."""

from __future__ import annotations

import time
from collections import Counter, deque
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from sessctl.cli.columns import aligned, cut
from sessctl.cli.keys import Keys
from sessctl.cli.pager import terminal_size
from sessctl.cli.theme import RICH_STYLES
from sessctl.cli.watch_writer import ROLES, event_cells
from sessctl.stores.leaving import undone_at_the_end
from sessctl.text import escape
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.watch import Event
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line, Piece, Streams

_HEADER = ("at", "event", "sid", "user", "left", "changed")
_YIELDING = (3, 5)
_OTHER_LINES = 10  # of the screen, beside the events
_MOST = 100
_REDRAWN_EVERY_S = 0.1  # while a long look finds events


class Screen:
    """Counts and the latest events."""

    def __init__(self, run: Run, title: str, every_s: float) -> None:
        self._run = run
        self._title = f"{title}, every {format_duration(every_s)}"
        self._events: deque[list[Piece]] = deque(maxlen=_MOST)
        self._counts: Counter[str] = Counter()
        self._sessions: int | None = None
        self._trouble = ""
        self._drawn: list[Line] = []
        self._drawn_at = 0.0
        self._keys = Keys(run.streams)
        self._masker = run.masker()
        self._has_quit = False
        self._live: Any = None
        self._leaving = undone_at_the_end(self._restore)

    @property
    def has_quit(self) -> bool:
        """Somebody has pressed q."""
        self.wait(0)
        return self._has_quit

    def __enter__(self) -> Screen:
        from rich.console import Console  # 31 ms; a watch has the time
        from rich.live import Live

        streams = self._run.streams
        console = Console(
            file=_Out(streams),  # type: ignore[arg-type] # a text file as far as rich asks
            force_terminal=True,
            color_system="standard" if streams.colours_stdout else None,
            legacy_windows=False,
            highlight=False,
        )
        self._live = Live(
            console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        )
        self._leaving.__enter__()  # a second Ctrl-C does not wait for `__exit__`
        self._keys.start()
        self._live.start()
        self._draw()
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._draw()
        finally:
            self._leaving.__exit__(None, None, None)

    def _restore(self) -> None:
        """The terminal as it was: its echo, its cursor."""
        self._keys.stop()
        self._live.stop()
        self._run.streams.flush()

    def show(self, event: Event) -> None:
        self._counts[event.change] += 1
        self._events.append(event_cells(self._run, event, self._masker))
        if time.monotonic() - self._drawn_at > _REDRAWN_EVERY_S:
            self._draw()

    def looked(self, sessions: int) -> None:
        self._sessions, self._trouble = sessions, ""
        self._draw()

    def say(self, text: str) -> None:
        self._trouble = text
        self._draw()

    def wait(self, seconds: float) -> None:
        if self._keys.pressed(seconds) in ("q", "Q"):
            self._has_quit = True

    def _draw(self) -> None:
        from rich.text import Text

        columns, rows = terminal_size()
        self._drawn_at = time.monotonic()
        lines = list(self._lines(columns - 1, rows))
        if lines == self._drawn:
            return  # nothing moves, nothing is read aloud again
        self._drawn = lines
        text = Text(no_wrap=True, overflow="crop", end="")
        for number, line in enumerate(lines):
            if number:
                text.append("\n")
            for words, role in line:
                text.append(escape(words), style=RICH_STYLES[role])
        self._live.update(text, refresh=True)

    def _lines(self, columns: int, rows: int) -> Iterator[Line]:
        yield [("watching ", "accent"), cut((escape(self._title), "plain"), columns - 9)]
        if self._sessions is None:
            state = "looking for the first time"
        else:
            state = f"{self._sessions:,} session{'' if self._sessions == 1 else 's'}"
        yield [cut((state, "plain"), columns)]
        yield [cut((_tally(self._counts), "plain"), columns)]
        if self._trouble:
            for text in wrap(escape(self._trouble), columns):
                yield [(text, "warn")]
        latest = list(self._events)[-max(rows - _OTHER_LINES, 1) :]
        if latest:
            yield []
            header = () if self._run.options.no_headers else _HEADER
            for line in aligned(header, latest, room=columns, yielding=_YIELDING):
                yield [cut(piece, columns) for piece in line]
        yield []
        yield [("q ends it" if self._keys.listening else "Ctrl-C ends it", "muted")]


def _tally(counts: Counter[str]) -> str:
    return ", ".join(f"{counts[name]:,} {name}" for name in ROLES)


class _Out:
    """Standard output as rich wants it. What it gets was escaped before it was drawn."""

    encoding = "utf-8"

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        self._streams.direct(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        self._streams.flush()

    def isatty(self) -> bool:
        return True
