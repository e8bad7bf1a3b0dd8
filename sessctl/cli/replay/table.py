"""The table of a replay: a row for each step, the runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cli.columns import aligned
from sessctl.cli.replay.words import cookie_acts, in_a_cell
from sessctl.replay.compare import Judgement
from sessctl.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.cli.streams import Line, Piece
    from sessctl.cli.theme import Role
    from sessctl.replay.reports.report import DifferenceView, RecordView, RunView, StepView

_ROLES: dict[str | None, Role] = {
    Judgement.SAME: "muted",
    Judgement.DEPENDS: "accent",
    Judgement.UNSTABLE: "warn",
    Judgement.FAILED: "danger",
}
_COMPARED = ("request", "parallel")  # an act does the same in every run
_EXCERPT = 24  # characters of each side, where nothing but the body differs
_WIDEST = 48
_HEADER = ("", "step", "stateful", "stateless", "verdict", "differs", "cookies")
_YIELDING = (5, 6)  # what a narrow terminal shows less of, before it cuts answers and verdicts
_ALWAYS = 2  # columns that are there even if they are empty


def step_table(
    steps: Sequence[StepView], shown: RunView, *, headers: bool, room: int | None
) -> Iterator[Line]:
    """A row for each step that a run came to; columns with nothing in them are left out.

    Args:
        room: columns of the terminal; None in a pipe, where nothing is cut for its sake.
    """
    rows = [
        _row(step, record)
        for step in steps
        if (record := shown.step(step.key)) is not None and _is_told(record)
    ]
    used = [
        place
        for place in range(len(_HEADER))
        if place < _ALWAYS or any(row[place][0] for row in rows)
    ]
    yield from aligned(
        [_HEADER[place] for place in used] if headers else (),
        [[row[place] for place in used] for row in rows],
        widest=_WIDEST,
        room=room,
        yielding=[used.index(place) for place in _YIELDING if place in used],
    )


def _is_told(record: RecordView) -> bool:
    """The steps of `before` only prepare; they show when they fail."""
    return not record.key.startswith("before.") or _has_failed(record)


def _has_failed(record: RecordView) -> bool:
    return bool(record.failures or record.problem)


def _row(step: StepView, record: RecordView) -> list[Piece]:
    return [
        (step.key, "muted"),
        (step.name or step.action, "plain"),
        (step.stateful, "danger" if _has_failed(record) else "plain"),
        (step.stateless if step.kind in _COMPARED else "", "plain"),
        (step.judgement or "", _ROLES.get(step.judgement, "plain")),
        (_differences(step.differences), "plain"),
        (in_a_cell(cookie_acts(record.exchanges)), "plain"),
    ]


def _differences(found: Sequence[DifferenceView]) -> str:
    """The names of what differs; of a body that alone differs, where."""
    if len(found) == 1 and found[0].what == "body":
        ours, theirs = (shorten(one, _EXCERPT) for one in (found[0].stateful, found[0].stateless))
        return f"body: {ours or 'nothing'} | {theirs or 'nothing'}"
    return ", ".join(dict.fromkeys(one.what for one in found))
