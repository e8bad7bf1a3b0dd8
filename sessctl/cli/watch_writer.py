"""`watch` for programs, and for terminals that only print: a line for each event, at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sessctl.cli.watch_items import EVENT_KEYS, ROW_KEYS, event_item, event_row, shown_paths
from sessctl.text import short_id
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from sessctl.admin.watch import Event
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line, Piece
    from sessctl.cli.theme import Role
    from sessctl.config.model import Backend
    from sessctl.stores.base import Store
    from sessctl.text import Masker

ROLES: dict[str, Role] = {
    "appeared": "ok", "changed": "accent", "renewed": "muted", "ended": "danger",
    "expired": "warn",
}  # fmt: skip
_PATHS = 6  # of one event; the others are counted

# Writes one event.
Write = Callable[["Event"], None]


class Printed:
    """Each event goes out as soon as it is found; there is nothing to press."""

    has_quit = False

    def __init__(self, run: Run, write: Write, end: Callable[[], None]) -> None:
        self._run, self._write, self._end = run, write, end
        self._looked = False

    def __enter__(self) -> Printed:
        return self

    def __exit__(self, kind: object, *exc: object) -> None:
        if kind is None:
            self._end()

    def show(self, event: Event) -> None:
        self._write(event)
        self._run.streams.flush()

    def looked(self, sessions: int) -> None:
        """The first look is worth telling: from here on something can happen."""
        if not self._looked:
            self._run.note(f"watching {sessions:,} session{'' if sessions == 1 else 's'}")
        self._looked = True

    def say(self, text: str) -> None:
        self._run.warn(text)

    def wait(self, seconds: float) -> None:
        self._run.streams.check_reader()
        time.sleep(seconds)


def printed(run: Run, backend: Backend, store: Store, output: str, *, with_data: bool) -> Printed:
    """What writes events in a machine format, or as lines for people."""
    if output in ("table", "wide"):
        hide = run.masker()
        return Printed(
            run, lambda event: run.streams.line(*event_line(run, event, hide)), lambda: None
        )
    from sessctl.cli.output import Writer

    name, layout = backend.name or store.identity.label, store.layout.name
    masker = run.masker() if run.redacting else None
    flat = output in ("csv", "tsv", "name")
    writer = Writer(run, output, "EventList", ROW_KEYS if flat else EVENT_KEYS)

    def write(event: Event) -> None:
        item = event_item(event, backend=name, layout=layout, with_data=with_data, masker=masker)
        writer.item(event_row(item) if flat else item)

    return Printed(run, write, writer.end)


def event_line(run: Run, event: Event, masker: Masker) -> Line:
    """`18:03:11  changed   ZpXqWY~1f09ac  42  23h 59m left  data.cart`."""
    at, change, sid, user, left, changed = event_cells(run, event, masker)
    line: Line = []
    left = (f"{left[0]} left" if left[0] else "", left[1])
    for cell in (at, (f"{change[0]:<8}", change[1]), sid, user, left, changed):
        if cell[0]:
            line += [cell, ("  ", "plain")]
    return line[:-1]


def event_cells(run: Run, event: Event, masker: Masker) -> list[Piece]:
    """When, what, which session, whose, how long it has, what changed in it."""
    from sessctl.cli.blocks import when

    full = run.options.show_ids and not run.redacting
    left = None if event.expires_ms is None else (event.expires_ms - event.at_ms) / 1000
    paths = None if event.changed is None else shown_paths(event.changed, masker)
    more = f" and {len(paths) - _PATHS} more" if paths is not None and len(paths) > _PATHS else ""
    return [
        (when(event.at_ms, utc=run.options.utc)[11:], "muted"),
        (str(event.change), ROLES[event.change]),
        (event.sid if full else short_id(event.sid), "plain"),
        ((event.session and event.session.user) or "-", "plain"),
        ("" if left is None or left <= 0 else format_duration(left), "plain"),
        ("its data" if paths is None else ", ".join(paths[:_PATHS]) + more, "plain"),
    ]
