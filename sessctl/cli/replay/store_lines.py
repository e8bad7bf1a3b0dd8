"""What the store held: a line for each request that did something to its session."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sessctl.cli.columns import aligned
from sessctl.cli.replay.words import called
from sessctl.replay.join import Fate
from sessctl.text import MASK, shorten
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.streams import Line, Piece
    from sessctl.replay.credentials import Credentials
    from sessctl.replay.join import DataChange, Look
    from sessctl.replay.transcript import Exchange, Transcript
    from sessctl.text import Masker

_VALUE = 40  # characters
_CHANGES = 6  # of one request
_LATE_MS = 50  # saved so long after the answer is worth a word
_NAMES = re.compile(r"\.([^.\[\]]+)|\['((?:[^'\\]|\\.)*)'\]")


def store_lines(
    transcripts: list[Transcript],
    credentials: Credentials,
    masker: Masker,
    *,
    where: str,
    room: int | None,
) -> Iterator[Line]:
    """The sessions of the first run step by step, and what the one without cookies left behind.

    Args:
        where: what the store is called.
    """
    rows: list[list[Piece]] = []
    for record in transcripts[0].steps:
        for exchange in record.exchanges:
            if exchange.look is not None and (told := _told(exchange, exchange.look, credentials)):
                rows.append([(f"  {record.key}", "muted"), (called(record.step), "plain"), told])
                rows += _changes(exchange.look, credentials, masker)
    yield []
    yield [("store ", "accent"), (where, "accent")]
    if rows:
        yield from aligned((), rows, widest=200, room=room)
    else:
        yield [("  no session of these requests was found", "warn")]
    yield from _left_behind(transcripts)


def _told(exchange: Exchange, look: Look, credentials: Credentials) -> Piece | None:
    sid = credentials.value(look.sid) if look.sid else ""
    late = f", {look.waited_ms}ms after the answer" if look.waited_ms >= _LATE_MS else ""
    match look.fate:
        case Fate.CREATED if look.replaced:
            return f"{credentials.value(look.replaced)} replaced by {sid}{late}", "ok"
        case Fate.CREATED:
            return f"created {sid}{_ends(exchange, look)}{late}", "ok"
        case Fate.CHANGED:
            return f"changed {sid}{_moved(look)}{late}", "plain"
        case Fate.RENEWED:
            return f"renewed {sid}{_moved(look)}{late}", "muted"
        case Fate.GONE:
            return f"gone {credentials.value(look.replaced or look.sid)}{late}", "warn"
    return None


def _ends(exchange: Exchange, look: Look) -> str:
    if look.after is None or look.after.expires_ms is None:
        return ""
    return f", ends in {format_duration((look.after.expires_ms - exchange.started_ms) / 1000)}"


def _moved(look: Look) -> str:
    if not look.expiry_moved_ms:
        return ""
    way = "later" if look.expiry_moved_ms > 0 else "earlier"
    return f", ends {format_duration(abs(look.expiry_moved_ms) / 1000)} {way}"


def _changes(look: Look, credentials: Credentials, masker: Masker) -> Iterator[list[Piece]]:
    if look.fate is Fate.RENEWED:
        return
    for change in look.changes[:_CHANGES]:
        old, new = (_value(change, one, masker) for one in (change.old, change.new))
        text = f"  {change.path}: {old} → {new}" if old else f"  {change.path}: {new}"
        yield [("", "plain"), ("", "plain"), (credentials.hide(text), "plain")]
    if len(look.changes) > _CHANGES:
        text = f"  {len(look.changes) - _CHANGES} more"
        yield [("", "plain"), ("", "plain"), (text, "muted")]


def _value(change: DataChange, value: Any, masker: Masker) -> str:
    """A value as people may see it: masked by any name of its path, and by its shape."""
    if value is None:
        return "" if change.new is not None else "none"
    names = [a or b for a, b in _NAMES.findall(change.path)] or [""]
    masked = [masker.mask({name: value})[name] for name in names]
    value = MASK if MASK in masked else masked[-1]
    return shorten(json.dumps(value, ensure_ascii=False, default=str), _VALUE)


def _left_behind(transcripts: list[Transcript]) -> Iterator[Line]:
    """Sessions of requests without a cookie: each is one that nobody will ever come back for."""
    run = next((one for one in transcripts if not one.mode.stateful), None)
    looks = [
        exchange.look
        for record in (run.steps if run else ())
        for exchange in record.exchanges
        if exchange.look is not None
    ]
    if not looks:
        return
    left = looks[-1].sessions[1] - looks[0].sessions[0]
    text = f"  {len(looks)} requests without a cookie left {max(left, 0)} more sessions"
    yield [(text, "warn" if left > 0 else "muted")]
