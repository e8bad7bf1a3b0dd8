"""What the store held: a line for each request that did something to its session."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sessctl.cli.columns import aligned
from sessctl.replay.look import Fate
from sessctl.text import shorten
from sessctl.timespec import format_duration, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sessctl.cli.streams import Line, Piece
    from sessctl.replay.reports.report import DataChangeView, ExchangeView, RunView, StoreView

_VALUE = 40  # characters
_CHANGES = 6  # of one request
_LATE_MS = 50  # saved so long after the answer is worth a word


def store_lines(
    runs: Sequence[RunView], names: Mapping[str, str], *, where: str, room: int | None
) -> Iterator[Line]:
    """The sessions of the first run step by step, and what the one without cookies left behind.

    Args:
        names: of the steps, by their keys.
        where: what the store is called.
    """
    rows: list[list[Piece]] = []
    for record in runs[0].steps:
        for exchange in record.exchanges:
            if exchange.store is not None and (told := _told(exchange, exchange.store)):
                rows.append([(f"  {record.key}", "muted"), (names[record.key], "plain"), told])
                rows += _changes(exchange.store)
    yield []
    yield [("store ", "accent"), (where, "accent")]
    if rows:
        yield from aligned((), rows, widest=200, room=room)
    else:
        yield [("  no session of these requests was found", "warn")]
    yield from _left_behind(runs)


def _told(exchange: ExchangeView, store: StoreView) -> Piece | None:
    late = f", {store.read_after_ms}ms after the answer" if store.read_after_ms >= _LATE_MS else ""
    match store.fate:
        case Fate.CREATED if store.replaced_sid:
            return f"{store.replaced_sid} replaced by {store.sid}{late}", "ok"
        case Fate.CREATED:
            return f"created {store.sid}{_ends(exchange, store)}{late}", "ok"
        case Fate.CHANGED:
            return f"changed {store.sid}{_moved(store)}{late}", "plain"
        case Fate.RENEWED:
            return f"renewed {store.sid}{_moved(store)}{late}", "muted"
        case Fate.GONE:
            return f"gone {store.replaced_sid or store.sid}{late}", "warn"
    return None


def _ends(exchange: ExchangeView, store: StoreView) -> str:
    ends_ms, begun_ms = (parse_iso_ms(at or "") for at in (store.expires_at, exchange.started_at))
    if ends_ms is None or begun_ms is None:
        return ""
    return f", ends in {format_duration((ends_ms - begun_ms) / 1000)}"


def _moved(store: StoreView) -> str:
    moved = store.expiry_moved_s
    if not moved or (store.fate == Fate.CHANGED and abs(moved) < 1):
        return ""
    return f", ends {format_duration(abs(moved))} {'later' if moved > 0 else 'earlier'}"


def _changes(store: StoreView) -> Iterator[list[Piece]]:
    if store.fate == Fate.RENEWED:
        return
    for change in store.changes[:_CHANGES]:
        yield [("", "plain"), ("", "plain"), (f"  {change.path}: {_change(change)}", "plain")]
    if len(store.changes) > _CHANGES:
        more = f"  {len(store.changes) - _CHANGES} more"
        yield [("", "plain"), ("", "plain"), (more, "muted")]


def _change(change: DataChangeView) -> str:
    if change.old is None:
        return _value(change.new)
    return f"{_value(change.old)} → {'gone' if change.new is None else _value(change.new)}"


def _value(value: Any) -> str:
    return shorten(json.dumps(value, ensure_ascii=False), _VALUE)


def _left_behind(runs: Sequence[RunView]) -> Iterator[Line]:
    """Sessions of requests without a cookie: nobody will ever come back for them."""
    run = next((one for one in runs if not one.stateful), None)
    stores = [
        exchange.store
        for record in (run.steps if run else ())
        for exchange in record.exchanges
        if exchange.store is not None
    ]
    if stores:
        left = max(stores[-1].sessions_after - stores[0].sessions_before, 0)
        text = f"  {len(stores)} requests without a cookie left {left} more sessions"
        yield [(text, "warn" if left else "muted")]
