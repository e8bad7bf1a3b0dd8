"""A run as a sequence diagram in text: clients, the app's instances, the store.

main                    app               store
 │─ 1 GET /views ───────►│                  │
 │                       │─ created ZpXqWY~1f09ac ─►│
 │◄─ 200, new connect.sid ─│                │
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sessctl.cli.columns import cut
from sessctl.cli.replay.words import cookie_acts, in_a_cell
from sessctl.replay.look import Fate
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.streams import Line
    from sessctl.cli.theme import Role
    from sessctl.replay.reports.report import ExchangeView, RecordView, RunView

_LINE, _RULE, _RIGHT, _LEFT = "│", "─", "►", "◄"
_NARROW, _WIDE = 16, 44  # columns between two lifelines
_AROUND = 6  # what an arrow has beside its text
_MANY = 8  # requests of one `parallel` that are drawn


@dataclass(frozen=True, slots=True)
class _Arrow:
    """From one column to another, or, where both are the same, a word beside it."""

    start: int
    end: int
    text: str
    is_bad: bool = False


def diagram(run: RunView, *, store: str, room: int | None) -> Iterator[Line]:
    """The lines of it.

    Args:
        store: what the store is called; empty where there is none.
        room: columns of the terminal; texts are cut before a lifeline is lost.
    """
    names, arrows = _arrows(run, store)
    names = [escape(name) for name in names]
    arrows = [replace(arrow, text=escape(arrow.text)) for arrow in arrows]
    gaps = _gaps(names, arrows, room)
    yield [("  " + _names(names, gaps), "accent")]
    for arrow in arrows:
        role: Role = "danger" if arrow.is_bad else "muted" if arrow.start == arrow.end else "plain"
        yield [("   " + _drawn(arrow, gaps), role)]


def _arrows(run: RunView, store: str) -> tuple[list[str], list[_Arrow]]:
    """(names of the columns, what happens between them)."""
    exchanges = [one for record in run.steps for one in record.exchanges]
    clients = list(dict.fromkeys(one.client for one in exchanges)) or ["main"]
    instances = list(dict.fromkeys(one.instance or "app" for one in exchanges)) or ["app"]
    names = [*clients, *instances, *([store] if store else [])]
    found: list[_Arrow] = []
    for record in run.steps:
        if not record.exchanges:
            found.append(_Arrow(0, 0, f"{record.key} {record.done or record.problem}"))
        for number, exchange in enumerate(record.exchanges[:_MANY]):
            client = clients.index(exchange.client)
            app = len(clients) + instances.index(exchange.instance or "app")
            # `→` before a request that follows from the one above it.
            key = "→" if number else record.key
            found += _exchange(record, exchange, key, (client, app, len(names) - 1))
        if len(record.exchanges) > _MANY:
            found.append(_Arrow(0, 0, f"{len(record.exchanges) - _MANY} more of step {record.key}"))
    return names, found


def _exchange(
    record: RecordView, exchange: ExchangeView, key: str, columns: tuple[int, int, int]
) -> Iterator[_Arrow]:
    client, app, store = columns
    sent = [cookie.name for cookie in exchange.sent] + list(exchange.given)
    cookies = f" ({in_a_cell(sent)})" if sent else ""
    target = exchange.request.url.partition("://")[2].partition("/")[2]
    yield _Arrow(client, app, f"{key} {exchange.request.method} /{target}{cookies}")
    if exchange.store is not None and exchange.store.fate not in (Fate.NONE, Fate.UNCHANGED):
        yield _Arrow(app, store, f"{exchange.store.fate} {exchange.store.sid or 'session'}")
    if exchange.response is None:
        yield _Arrow(app, client, exchange.error or "no answer", is_bad=True)
        return
    words = [str(exchange.response.status), *cookie_acts([exchange])]
    words += [exchange.response.problem] if exchange.response.problem else []
    is_last = exchange is record.exchanges[-1]
    is_bad = is_last and bool(record.failures or record.problem)
    yield _Arrow(app, client, ", ".join(words), is_bad=is_bad)


def _gaps(names: list[str], arrows: list[_Arrow], room: int | None) -> list[int]:
    """Columns between neighbouring lifelines, as wide as their texts ask for."""
    from rich.cells import cell_len

    gaps = [max(_NARROW, cell_len(name) + 2) for name in names[:-1]]
    for arrow in arrows:
        left, right = sorted((arrow.start, arrow.end))
        if right == left + 1:
            gaps[left] = max(gaps[left], min(cell_len(arrow.text) + _AROUND, _WIDE))
    if room is not None:
        space = room - 4 - cell_len(names[-1])
        while sum(gaps) > space and max(gaps) > _NARROW:
            gaps[gaps.index(max(gaps))] -= 1
    return gaps


def _names(names: list[str], gaps: list[int]) -> str:
    from rich.cells import set_cell_size

    cells = [
        set_cell_size(cut((name, "plain"), gap)[0], gap + 1)
        for name, gap in zip(names, gaps, strict=False)
    ]
    return "".join([*cells, names[-1]])


def _drawn(arrow: _Arrow, gaps: list[int]) -> str:
    """One line: the lifelines, and the arrow over those that it crosses."""
    from rich.cells import cell_len

    left, right = sorted((arrow.start, arrow.end))
    out = _LINE
    for place in range(left):
        out += " " * gaps[place] + _LINE
    if left == right:
        return f"{out} {arrow.text}"
    space = sum(gaps[left:right]) + right - left - 1
    text = cut((arrow.text, "plain"), max(space - _AROUND + 1, 3))[0]
    rest = _RULE * max(space - cell_len(text) - 4, 0)
    rightwards = arrow.end > arrow.start
    out += f"{_RULE} {text} {rest}{_RIGHT}" if rightwards else f"{_LEFT}{_RULE} {text} {rest}"
    out += _LINE
    for place in range(right, len(gaps)):
        out += " " * gaps[place] + _LINE
    return out
