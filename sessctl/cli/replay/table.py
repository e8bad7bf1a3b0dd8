"""The table of a replay: a row for each step, the runs side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cli.columns import aligned
from sessctl.cli.replay.words import answered, called, cookie_acts, in_a_cell
from sessctl.replay.compare import Judgement
from sessctl.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.credentials import Credentials
    from sessctl.cli.streams import Line, Piece
    from sessctl.cli.theme import Role
    from sessctl.replay.judge import JudgedStep
    from sessctl.replay.transcript import StepRecord, Transcript
    from sessctl.text import Masker

_ROLES: dict[Judgement, Role] = {
    Judgement.SAME: "muted",
    Judgement.DEPENDS: "accent",
    Judgement.UNSTABLE: "warn",
    Judgement.FAILED: "danger",
}
_EXCERPT = 24  # characters of each side, where nothing but the body differs
_WIDEST = 48


def step_table(
    shown: Transcript,
    stateless: Transcript | None,
    judged: dict[str, JudgedStep],
    credentials: Credentials,
    masker: Masker,
    *,
    origin: str,
    headers: bool,
    room: int | None,
) -> Iterator[Line]:
    """A row for each step of a run, with the run without cookies beside it.

    Args:
        judged: the verdicts by the steps' keys; none where nothing was compared.
        origin: the target's; what stays there is shown without it.
        room: columns of the terminal; None in a pipe, where nothing is cut for its sake.
    """
    header = ["", "step", shown.mode.title, "stateless", "verdict", "differs", "cookies"]
    rows = [
        _row(record, stateless, judged.get(record.key), credentials, masker, origin)
        for record in shown.steps
        if not record.key.startswith("before.") or record.has_failed
    ]
    used = [
        place for place in range(len(header)) if place < 3 or any(row[place][0] for row in rows)
    ]
    yield from aligned(
        [header[place] for place in used] if headers else (),
        [[row[place] for place in used] for row in rows],
        widest=_WIDEST,
        room=room,
    )


def _row(
    record: StepRecord,
    stateless: Transcript | None,
    judged: JudgedStep | None,
    credentials: Credentials,
    masker: Masker,
    origin: str,
) -> list[Piece]:
    other = stateless.step(record.key) if stateless and record.exchanges else None
    judgement = judged.verdict.judgement if judged else None
    cells: list[Piece] = [
        (record.key, "muted"),
        (called(record.step), "plain"),
        (answered(record, origin, masker), "danger" if record.has_failed else "plain"),
        (answered(other, origin, masker), "plain"),
        (judgement or "", _ROLES[judgement] if judgement else "plain"),
        (_differences(judged, masker), "plain"),
        (in_a_cell(cookie_acts(record.exchanges)), "plain"),
    ]
    return [(credentials.hide(text), role) for text, role in cells]


def _differences(judged: JudgedStep | None, masker: Masker) -> str:
    """The names of what differs; of a body that alone differs, where."""
    found = judged.verdict.differences if judged else ()
    if len(found) == 1 and found[0].what == "body":
        sides = masker.mask([found[0].stateful, found[0].stateless])
        ours, theirs = (shorten(side, _EXCERPT) for side in sides)
        return f"body: {ours or 'nothing'} | {theirs or 'nothing'}"
    return ", ".join(dict.fromkeys(one.what for one in found))
