"""The cookie timeline: a lane for each cookie, a row for each request.

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
    """A request, or an act on a jar; `number` is the place of its step in the report."""

    number: int
    step: StepView
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
    moments = list(_moments(report))
    keys: dict[Key, None] = {}
    for _, _, one in moments:
        keys |= dict.fromkeys(_key(one, cookie) for cookie in _cookies(one)) if one else {}
    if not keys:
        return None
    alive: set[Key] = set()
    rows = []
    for place, (number, step, one) in enumerate(moments):
        before = set(alive)
        if one is None:
            following = (m[2] for m in moments[place + 1 :] if m[2] and m[2].client == step.client)
            _after_act(alive, next(following, None))
        else:
            _after_exchange(alive, one)
        cells = tuple(
            Cell(tuple(_events(one, key)) if one else (), key in before, key in alive)
            for key in keys
        )
        rows.append(Row(number, step, cells))
    return Timeline(tuple(Lane(c, name, f"{d}{p}") for c, name, d, p in keys), tuple(rows))


def _moments(report: Report) -> Iterator[tuple[int, StepView, ExchangeView | None]]:
    """Every request, and every act on a jar (None)."""
    for number, step in enumerate(report.steps, 1):
        record = report.stateful.step(step.key) if report.stateful else None
        if record is None:
            continue
        if step.verb not in (None, "keep"):  # keeping a copy changes nothing
            yield number, step, None
        # Those of `parallel` all go with the same jar; the first stands for them.
        shown = record.exchanges[:1] if step.kind == "parallel" else record.exchanges
        yield from ((number, step, one) for one in shown)


def _after_act(alive: set[Key], following: ExchangeView | None) -> None:
    """What an act left in the jar is seen at the client's next request."""
    if following is None:
        return
    new = {_key(following, c.cookie) for c in following.received if c.outcome == "new" and c.cookie}
    held = [each.cookie for each in following.held]
    found = {_key(following, cookie) for cookie in (*following.sent, *held)}
    found |= {_key(following, cookie) for cookie in following.jar} - new
    alive -= {key for key in alive if key[0] == following.client}
    alive |= found


def _after_exchange(alive: set[Key], one: ExchangeView) -> None:
    expired = [each.cookie for each in one.held if each.reason == "expired"]
    gone = [change.cookie for change in one.received if change.outcome == "deleted"]
    gone += [change.evicted for change in one.received]
    set_now = [c.cookie for c in one.received if c.outcome in ("new", "changed", "same")]
    held = [each.cookie for each in one.held if each.reason != "expired"]
    alive |= {_key(one, cookie) for cookie in (*set_now, *held) if cookie}
    # A cookie that could be sent here and is not in the jar came from a jar that was kept.
    alive -= {_key(one, cookie) for cookie in (*one.sent, *expired, *gone) if cookie}
    alive |= {_key(one, cookie) for cookie in one.jar}


def _events(one: ExchangeView, key: Key) -> Iterator[Event]:
    """What the request did with the cookie, and then what the answer did to it."""
    sent = [cookie for cookie in one.sent if _key(one, cookie) == key]
    held = [each for each in one.held if _key(one, each.cookie) == key]
    for cookie in sent:
        yield Event("sent", "muted", cookie.value)
    for each in held:
        word = each.reason if each.reason in ("expired", "withheld") else "not sent"
        yield Event(word, "warn", "" if word == each.reason else each.reason)
    outcomes = {c.outcome for c in one.received if c.cookie and _key(one, c.cookie) == key}
    in_jar = any(_key(one, cookie) == key for cookie in one.jar)
    if in_jar and not sent and not held and "new" not in outcomes:
        yield Event("withheld", "warn", "by the step")
    for change in one.received:
        if change.cookie is not None and _key(one, change.cookie) == key:
            word = "renewed" if change.renewed else _WORDS.get(change.outcome, change.outcome)
            detail = change.refusal or ("" if change.outcome == "deleted" else change.cookie.value)
            tone = "good" if change.renewed else _TONES.get(change.outcome, "muted")
            yield Event(word, tone, detail)


def _cookies(one: ExchangeView) -> Iterator[CookieView]:
    yield from one.sent
    yield from (each.cookie for each in one.held)
    yield from (change.cookie for change in one.received if change.cookie)


def _key(one: ExchangeView, cookie: CookieView) -> Key:
    return one.client, cookie.name, cookie.domain, cookie.path
