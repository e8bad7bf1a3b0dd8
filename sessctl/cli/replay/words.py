"""Steps, answers and cookies in a few words, as the table, the lines and the diagram use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.replay.cookie import Held
from sessctl.replay.jar import Outcome
from sessctl.replay.judge import facts
from sessctl.replay.scenario import JarAct, Parallel, Request, RunHook, Wait
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sessctl.replay.scenario import Step
    from sessctl.replay.transcript import Exchange, StepRecord
    from sessctl.text import Masker

_MOST = 4  # cookies in a cell


def called(step: Step) -> str:
    """A step's name, else what it does."""
    if step.name:
        return step.name
    match step:
        case Request():
            return f"{step.method} {step.url}"
        case Parallel():
            return f"{step.times} x {called(step.step)}"
        case Wait():
            return f"wait {format_duration(step.seconds)}"
        case RunHook():
            return f"hook {step.hook}"
        case JarAct():
            return f"jar {step.verb} {step.kept or step.cookie}".rstrip()
    return ""


def answered(record: StepRecord | None, origin: str, masker: Masker) -> str:
    """`302 → /`, `200 items=3`; what an act did; empty where the run has not come there."""
    if record is None:
        return ""
    if not record.exchanges:
        return record.done or record.problem
    if not any(one.response for one in record.exchanges):
        return record.problem
    words = [facts(record).status]
    last = record.exchanges[-1]
    if last.location and not isinstance(record.step, Parallel):
        words.append(f"→ {last.location.removeprefix(origin) or '/'}")
    words += values(record.shown, record.values, masker)
    return " ".join([*words, *([record.problem] if record.problem else [])])


def values(names: Iterable[str], found: Mapping[str, str | None], masker: Masker) -> Iterator[str]:
    for name in names:
        value = masker.mask({name: found.get(name)})[name]
        yield f"{name}=none" if value is None else f"{name}={value}"


def cookie_acts(exchanges: Iterable[Exchange]) -> list[str]:
    """What became of cookies: `new connect.sid`, `refused theme (Secure over plain http)`."""
    words: dict[str, None] = {}
    for exchange in exchanges:
        for cookie, held in exchange.choice.held:
            if held in (Held.SECURE, Held.SAMESITE, Held.EXPIRED, Held.WITHHELD):
                words[f"not sent {cookie.name} ({held})"] = None
        for change in exchange.changes:
            name = change.cookie.name if change.cookie else "a cookie"
            if change.outcome is Outcome.REFUSED:
                words[f"refused {name} ({change.refusal})"] = None
            elif change.renewed:
                words[f"renewed {name}"] = None
            elif change.outcome is not Outcome.SAME:
                words[f"{change.outcome} {name}"] = None
    return list(words)


def in_a_cell(words: list[str]) -> str:
    more = f", {len(words) - _MOST} more" if len(words) > _MOST else ""
    return ", ".join(words[:_MOST]) + more
