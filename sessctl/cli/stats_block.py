"""`stats` for people: sentences and bars that fit the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.columns import cut
from sessctl.text import escape, short_id
from sessctl.timespec import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sessctl.cli.streams import Line, Piece
    from sessctl.cli.theme import Role

_INDENT = 13
_WIDEST_LABEL = 20
_WIDEST_BAR, _NARROWEST_BAR = 40, 6
_EIGHTHS = " ▏▎▍▌▋▊▉"
_BAND_NAMES = {
    "past": "past", "under_1h": "< 1 hour", "under_1d": "< 1 day", "under_7d": "< 7 days",
    "under_30d": "< 30 days", "more": "more", "never": "never", "unknown": "unknown",
    "to_256b": "<= 256 B", "to_1kib": "<= 1 KiB", "to_4kib": "<= 4 KiB", "to_16kib": "<= 16 KiB",
    "to_64kib": "<= 64 KiB", "to_1mib": "<= 1 MiB",
}  # fmt: skip
_ODD = {
    "without_expiry": "never end", "by_cookie_date": "end by cookie date only",
    "unreadable": "unreadable", "strangers": "no sessions at all",
}  # fmt: skip
_STATES: tuple[tuple[str, Role], ...] = (
    ("active", "ok"), ("expired", "danger"), ("unknown", "warn"),
)  # fmt: skip
_QUANTILES = {"median": "median", "p90": "90 %", "p99": "99 %", "max": "largest"}


def stats_lines(
    item: Mapping[str, Any], where: str, *, room: int, blocks: bool, full_ids: bool
) -> Iterator[Line]:
    """The lines of one backend.

    Args:
        room: columns.
        blocks: the terminal can show block characters.
    """
    yield [("stats ", "accent"), cut((escape(where), "accent"), room - 6)]
    total = item["sessions"]
    if item["active"] is None:
        yield from _said("sessions", [(f"{total:,}", "plain")], room)
        return
    yield from _summary(item, total, room)
    for title, key in (("time left", "expires"), ("age", "created"), ("last used", "seen")):
        if item[key] is not None and total:
            yield from _bars(title, _bands(item[key]), total, room, blocks=blocks)
    if total:
        yield from _bars("size", _bands(item["sizes"]["bands"]), total, room, blocks=blocks)
    if top := item["users"]["top"]:
        error = item["users"]["error"]
        title = f"top users (up to {error:,} more each)" if error else "top users"
        users = [(escape(one["user"]), one["sessions"]) for one in top]
        yield from _bars(title, users, total, room, blocks=blocks)
    if item["largest"]:
        yield []
        yield [("  largest", "key")]
    for one in item["largest"]:
        sid = escape(one["sid"]) if full_ids else short_id(one["sid"])
        user = f"  user {one['user']}" if one["user"] is not None else ""
        yield [("  ", "plain"), cut((f"{sid}  {format_size(one['size_bytes'])}{escape(user)}",
                                     "plain"), room - 2)]  # fmt: skip


def _summary(item: Mapping[str, Any], total: int, room: int) -> Iterator[Line]:
    sizes = item["sizes"]
    distinct = item["users"]["distinct"]
    known = f"{distinct:,}" if distinct is not None else "more than are counted"
    counted: list[Piece] = [(f"{total:,} in all", "accent")]
    for state, role in _STATES:
        counted.append((_share(item[state], total, state), role if item[state] else "muted"))
    yield from _said("sessions", counted, room)
    yield from _said(
        "users",
        [(known, "plain"), (_share(item["anonymous"], total, "sessions anonymous"), "plain"),
         (_share(item["empty"], total, "empty"), "plain")],
        room,
    )  # fmt: skip
    odd: list[Piece] = []
    for key, name in _ODD.items():
        if item[key]:
            odd.append((f"{item[key]:,} {name}", "warn"))
    yield from _said("of note", odd or [("nothing", "muted")], room)
    spread: list[Piece] = [(f"{format_size(sizes['sum_bytes'])} in all", "plain")]
    for key, name in _QUANTILES.items():
        if (size := sizes[f"{key}_bytes"]) is not None:
            spread.append((f"{name} {format_size(size)}", "plain"))
    yield from _said("size", spread, room)


def _share(count: int, total: int, name: str) -> str:
    return f"{count:,} {name} ({_percent(count, total)})" if count else f"{count:,} {name}"


def _percent(count: int, total: int) -> str:
    """Whole percents; what is there is never 0, and what is not all is never 100."""
    share = count / total * 100 if total else 0
    if 0 < share < 1:
        return "< 1 %"
    return "> 99 %" if 99 < share < 100 else f"{share:.0f} %"


def _said(name: str, words: list[Piece], room: int) -> Iterator[Line]:
    """`name`, and words behind it on as many lines as they need."""
    line: Line = [(f"  {name:<{_INDENT - 2}}", "key")]
    used = _INDENT
    for place, (text, role) in enumerate(words):
        tail = "," if place + 1 < len(words) else ""
        if used > _INDENT and used + len(text) + 2 > room:
            yield line
            line, used = [(" " * _INDENT, "plain")], _INDENT
        elif used > _INDENT:
            line.append((" ", "plain"))
        line += [cut((text, role), room - _INDENT - 1), (tail, "plain")]
        used += len(text) + 2
    yield line


def _bands(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Bands by their names for people, without the empty ones at either end."""
    held = [place for place, count in enumerate(counts.values()) if count]
    named = [(_BAND_NAMES[name], count) for name, count in counts.items()]
    return named[held[0] : held[-1] + 1] if held else []


def _bars(
    title: str, counts: Sequence[tuple[str, int]], total: int, room: int, *, blocks: bool
) -> Iterator[Line]:
    """One bar for each count; the longest belongs to the largest."""
    from rich.cells import cell_len  # wide characters take two columns; 8 ms

    if not counts:
        return
    labels = [cut((name, "plain"), _WIDEST_LABEL)[0] for name, _ in counts]
    label_width = max(max(map(cell_len, labels)), _INDENT - 3)
    number_width = max(len(f"{count:,}") for _, count in counts)
    most = max(count for _, count in counts)
    width = room - 2 - label_width - 1 - 2 - number_width - 2 - len("> 99 %")
    width = max(min(width, _WIDEST_BAR), _NARROWEST_BAR)
    yield []
    yield [(f"  {title}", "key")]
    for label, (_, count) in zip(labels, counts, strict=True):
        gap = " " * (label_width - cell_len(label) + 1)
        drawn = _bar(count / most if most else 0, width, blocks=blocks)
        yield [
            (f"  {label}{gap}", "plain"),
            (f"{drawn:<{width}}", "accent" if count else "muted"),
            (f"  {count:>{number_width},}", "plain"),
            (f"  {_percent(count, total):>6}" if count else "", "muted"),
        ]


def _bar(share: float, width: int, *, blocks: bool) -> str:
    """A bar of that share of the width; whatever is there is seen."""
    if not share:
        return ""
    if not blocks:
        return "#" * max(round(share * width), 1)
    full, part = divmod(max(round(share * width * 8), 1), 8)
    return "█" * full + (_EIGHTHS[part] if part else "")
