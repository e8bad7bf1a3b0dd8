"""The cookie timeline: a lane for each cookie, a row for each request, what happened where they meet.

    step          connect.sid       theme
    1 first       set               .
    2 basket      sent, renewed     set
    3 log out     sent, deleted     sent
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.reports.report import CookieView, ExchangeView, Report, StepView

_WORDS = {"new": "set", "same": "set again"}
_TONES = {"new": "good", "changed": "good", "deleted": "danger", "refused": "danger"}

Key = tuple[str, str, str, str]  # client, name, domain, path


@dataclass(frozen=True, slots=True)
class Event:
    """A word with its tone (good, muted, warn, danger), and the value or the reason."""

    word: str
    tone: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cookie at a request; `above` and `below` say whether the jar holds it before and after."""

    events: tuple[Event, ...]
    above: bool
    below: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A request; `number` is the place of its step among the report's steps."""

    number: int
    step: StepView
    action: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    client: str
    name: str
    place: str  # where it goes to: domain and path


@dataclass(frozen=True, slots=True)
class Timeline:
    lanes: tuple[Lane, ...]
    rows: tuple[Row, ...]


def timeline(report: Report) -> Timeline | None:
    """Of the run with cookies; None where no cookie was ever seen."""
    exchanges = list(_exchanges(report))
    keys: dict[Key, None] = {}
    for _, _, one in exchanges:
        keys |= dict.fromkeys(_key(one, cookie) for cookie in _cookies(one))
    if not keys:
        return None
    alive: set[Key] = set()
    rows = []
    for number, step, one in exchanges:
        cells = []
        for key in keys:
            above = key in alive
            events = tuple(_events(one, key, above))
            alive = alive - {key} if _ends(one, key) else alive | _begins(one, key)
            cells.append(Cell(events, above, key in alive))
        action = f"{one.request.method} {one.instance or ''}".strip()
        rows.append(Row(number, step, action, tuple(cells)))
    return Timeline(tuple(Lane(c, name, f"{d}{p}") for c, name, d, p in keys), tuple(rows))


def _exchanges(report: Report) -> Iterator[tuple[int, StepView, ExchangeView]]:
    for number, step in enumerate(report.steps, 1):
        record = report.stateful.step(step.key) if report.stateful else None
        found = record.exchanges if record else ()
        # Those of `parallel` all go with the same jar; the first stands for them.
        for one in found[:1] if step.kind == "parallel" else found:
            yield number, step, one


def _events(one: ExchangeView, key: Key, above: bool) -> Iterator[Event]:
    """What the request did with the cookie, and then what the answer did to it."""
    sent = [cookie for cookie in one.sent if _key(one, cookie) == key]
    held = [each for each in one.held if _key(one, each.cookie) == key]
    for cookie in sent:
        yield Event("sent", "muted", cookie.value)
    for each in held:
        word = each.reason if each.reason in ("expired", "withheld") else "not sent"
        yield Event(word, "warn", "" if word == each.reason else each.reason)
    if above and not sent and not held and key[0] == one.client:
        yield Event("withheld", "warn", "by the step")
    for change in one.received:
        if change.cookie is not None and _key(one, change.cookie) == key:
            word = "renewed" if change.renewed else _WORDS.get(change.outcome, change.outcome)
            detail = change.refusal or ("" if change.outcome == "deleted" else change.cookie.value)
            tone = "good" if change.renewed else _TONES.get(change.outcome, "muted")
            yield Event(word, tone, detail)


def _begins(one: ExchangeView, key: Key) -> set[Key]:
    """The key, if the jar holds the cookie now."""
    return {key} if any(_key(one, cookie) == key for cookie in (*one.sent, *one.jar)) else set()


def _ends(one: ExchangeView, key: Key) -> bool:
    gone = [change.cookie for change in one.received if change.outcome == "deleted"]
    gone += [change.evicted for change in one.received]
    gone += [each.cookie for each in one.held if each.reason == "expired"]
    return any(cookie is not None and _key(one, cookie) == key for cookie in gone) and not any(
        _key(one, cookie) == key for cookie in one.jar
    )


def _cookies(one: ExchangeView) -> Iterator[CookieView]:
    yield from one.sent
    yield from (each.cookie for each in one.held)
    yield from (change.cookie for change in one.received if change.cookie)


def _key(one: ExchangeView, cookie: CookieView) -> Key:
    return one.client, cookie.name, cookie.domain, cookie.path
