"""The sequence diagram of a run, laid out: who stands where, and what goes between them.

Time runs downwards, a column for each client, each instance of the app, and the store. Lengths are
those of the SVG's own coordinates, a pixel each at full size.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessctl.replay.reports.report import ExchangeView, RecordView, Report, RunView, StepView

COLUMN = 360  # between two participants: 46 characters of a label
MARGIN = 90
STORE = "store"
_TITLE, _ARROW, _NOTE, _ACT, _GAP = 34, 24, 16, 30, 14
# Characters that fit between two neighbours, in the sizes that the style gives them.
_LABEL_FITS, _NOTE_FITS = 46, 50
# A fate that is no news is not drawn.
_QUIET = ("none", "unchanged")


@dataclass(frozen=True, slots=True)
class Participant:
    label: str
    kind: str  # client, app or store
    x: int


@dataclass(frozen=True, slots=True)
class Title:
    """A step begins; `number` is its place among the report's steps."""

    y: int
    number: int
    text: str
    judgement: str | None


@dataclass(frozen=True, slots=True)
class Arrow:
    """From `x1` to `x2`; `notes` stand under it, each with its tone."""

    y: int
    x1: int
    x2: int
    label: str
    kind: str  # request, answer, store or failed
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def middle(self) -> float:
        return (self.x1 + self.x2) / 2

    @property
    def head(self) -> str:
        """The path of the arrow's head."""
        back = -8 if self.x2 > self.x1 else 8
        return f"M{self.x2} {self.y}l{back} -4v8z"


@dataclass(slots=True)
class Diagram:
    participants: tuple[Participant, ...]
    titles: list[Title] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    height: int = _GAP

    @property
    def width(self) -> int:
        return MARGIN * 2 + COLUMN * (len(self.participants) - 1)


def lay_out(report: Report) -> Diagram | None:
    """The diagram of the run with cookies; None where nothing was sent."""
    run = report.stateful
    exchanges = [one for record in run.steps for one in record.exchanges] if run else []
    if run is None or not exchanges:
        return None
    clients = list(dict.fromkeys(one.client for one in exchanges))
    apps = list(dict.fromkeys(one.instance or "" for one in exchanges))
    named = [(f"client {name}" if len(clients) > 1 else "client", "client") for name in clients]
    named += [(f"app {name}".strip(), "app") for name in apps]
    if any(one.store for one in exchanges):
        named.append((STORE, "store"))
    places = (MARGIN + COLUMN * n for n in range(len(named)))
    diagram = Diagram(tuple(Participant(*one, x) for one, x in zip(named, places, strict=True)))
    at = {name: MARGIN + COLUMN * n for n, name in enumerate(clients)}
    at |= {f"app {name}": MARGIN + COLUMN * (len(clients) + n) for n, name in enumerate(apps)}
    for number, step in enumerate(report.steps, 1):
        _add_step(diagram, number, step, run, at)
    return diagram


def _add_step(
    diagram: Diagram, number: int, step: StepView, run: RunView, at: dict[str, int]
) -> None:
    record = run.step(step.key)
    if record is None:
        return
    text = f"{step.key}  {step.name or step.action}"
    diagram.height += _GAP + 10
    diagram.titles.append(Title(diagram.height, number, text, step.judgement))
    diagram.height += _TITLE - 14 if record.exchanges else 0
    shown = record.exchanges[:1] if step.kind == "parallel" else record.exchanges
    for exchange in shown:
        prefix = f"{len(record.exchanges)} x " if step.kind == "parallel" else ""
        _add_exchange(diagram, exchange, record, at, prefix)


def _add_exchange(
    diagram: Diagram, one: ExchangeView, record: RecordView, at: dict[str, int], prefix: str
) -> None:
    client, app = at[one.client], at[f"app {one.instance or ''}"]
    path = re.sub(r"^[a-z+]+://[^/]*", "", one.request.url)
    _add(diagram, client, app, f"{prefix}{one.request.method} {path}", "request", _sent(one))
    store = one.store
    if store is not None and store.fate not in _QUIET:
        notes = [
            ("muted", f"{c.path}: {_brief(c.old)} → {_brief(c.new)}") for c in store.changes[:2]
        ]
        _add(diagram, app, diagram.participants[-1].x, f"session {store.fate}", "store", notes)
    if one.response is None:
        _add(diagram, app, client, one.error or "no answer", "failed", [])
        return
    statuses = {each.response.status for each in record.exchanges if each.response}
    label = f"{one.response.status} {one.response.reason}"
    if prefix:
        label = ", ".join(map(str, sorted(statuses)))
    _add(diagram, app, client, label, "answer", _received(one))


def _add(
    diagram: Diagram, x1: int, x2: int, label: str, kind: str, notes: list[tuple[str, str]]
) -> None:
    diagram.height += _ARROW
    cut = tuple((tone, fit(text, _NOTE_FITS)) for tone, text in notes)
    diagram.arrows.append(Arrow(diagram.height, x1, x2, fit(label, _LABEL_FITS), kind, cut))
    diagram.height += _NOTE * len(cut) + _GAP // 2


def _sent(one: ExchangeView) -> list[tuple[str, str]]:
    names = [cookie.name or "(no name)" for cookie in one.sent] + list(one.given)
    notes = [("cookie", f"sends {', '.join(names)}")] if names else []
    held = [f"{each.cookie.name} ({each.reason})" for each in one.held]
    return [*notes, *([("warn", f"keeps back {', '.join(held)}")] if held else [])]


def _received(one: ExchangeView) -> list[tuple[str, str]]:
    notes = []
    for change in one.received:
        name = change.cookie.name if change.cookie else change.line
        word = "renewed" if change.renewed else _WORDS.get(change.outcome, change.outcome)
        notes.append((_TONES.get(change.outcome, "cookie"), f"{name}: {word}"))
    return notes


_WORDS = {"new": "set", "same": "set again"}
_TONES = {"refused": "danger", "deleted": "danger", "same": "muted"}


def _brief(value: object) -> str:
    return "none" if value is None else fit(json.dumps(value, ensure_ascii=False), 18)


def fit(text: str, width: int) -> str:
    """Text for one line; its whole stands in the step's details."""
    return text if len(text) <= width else text[: width - 1] + "…"
