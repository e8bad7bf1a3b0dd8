"""From transcripts to verdicts: which steps depend on state, which cookie carries it.

The runs of one scenario are aligned by the keys of their steps.
"""

from __future__ import annotations

import json as stdlib_json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sessctl.errors import SerializerError
from sessctl.replay.body import Body
from sessctl.replay.compare import Difference, Facts, Judgement, StepVerdict, judge
from sessctl.replay.scenario import Parallel, Request
from sessctl.serializers import json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sessctl.replay.extract import Answer
    from sessctl.replay.scenario import Step
    from sessctl.replay.transcript import Exchange, StepRecord, Transcript

# What frameworks answer to a form without its CSRF cookie; 419 is Laravel's, 422 Rails'.
_CSRF_REFUSALS = frozenset(("400", "403", "419", "422"))
_JSON = re.compile(r"(?i)\s*application/([\w.-]+\+)?json\b")
# What carries one value in several cookies: a signature of its own (cookies, cookie-session), or
# pieces of a value that is too long for one.
_PART = re.compile(r"(?P<whole>.+)\.(sig|\d|C\d)")


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """One request step with its answers side by side; `place` counts the judged steps from 0."""

    stateful: StepRecord
    stateless: StepRecord | None
    verdict: StepVerdict
    place: int = 0

    @property
    def key(self) -> str:
        return self.stateful.key

    @property
    def step(self) -> Step:
        return self.stateful.step

    @property
    def depends(self) -> bool:
        return self.verdict.judgement is Judgement.DEPENDS


@dataclass(frozen=True, slots=True)
class Carrier:
    """The cookie that carries the state.

    Attributes:
        name: None where it was not told.
        steps: keys of the steps that change without it, by cookie.
        csrf: cookies whose loss only turns forms away.
        why: how it was found out.
    """

    name: str | None
    steps: Mapping[str, tuple[str, ...]]
    csrf: tuple[str, ...] = ()
    why: str = ""


def facts(record: StepRecord) -> Facts:
    """What is compared of a step: the statuses of its hops, and its last answer."""
    if not record.exchanges:
        return Facts(error=record.problem or "no answer")
    statuses = [one.response.status if one.response else 0 for one in record.exchanges]
    shown = {name: record.values.get(name) for name in record.shown}
    if isinstance(record.step, Parallel):
        counts = ", ".join(f"{statuses.count(one)} x {one}" for one in sorted(set(statuses)))
        return Facts(status=counts, shown=shown, error=record.problem)
    whole = facts_of(record.exchanges[-1])
    status = " → ".join(map(str, statuses))
    return replace(whole, status=status, shown=shown, error=record.problem)


def facts_of(exchange: Exchange) -> Facts:
    """What is compared of one exchange."""
    answer = exchange.answer
    if answer is None:
        return Facts(error=str(exchange.error))
    kind = answer.header("content-type") or ""
    body = exchange.response.body if exchange.response else Body()
    digest = "" if body.is_whole else body.sha256
    return Facts(str(answer.status), exchange.location, kind, {}, _text(answer, kind), digest)


def _text(answer: Answer, kind: str) -> str:
    """The body; of JSON its values, a line each: blanks and the order of keys say nothing."""
    if not _JSON.match(kind):
        return answer.text
    try:
        data = json.decode(answer.body.removeprefix(b"\xef\xbb\xbf")).data
    except SerializerError:
        return answer.text
    return stdlib_json.dumps(data, ensure_ascii=False, indent=0, sort_keys=True)


def judge_steps(
    stateful: Sequence[Transcript], stateless: Sequence[Transcript]
) -> list[JudgedStep]:
    """Every request step of the first stateful run with its verdict.

    Args:
        stateful: the run itself, then its controls.
        stateless: runs to compare it with.
    """
    found: list[JudgedStep] = []
    for record in stateful[0].steps:
        if not isinstance(record.step, Request | Parallel) or record.key.startswith("before."):
            continue
        controls = [run.step(record.key) for run in stateful[1:]]
        others = [run.step(record.key) for run in stateless]
        found.append(JudgedStep(record, others[0], _judge(record, controls, others), len(found)))
    return found


def _judge(
    record: StepRecord,
    controls: Sequence[StepRecord | None],
    others: Sequence[StepRecord | None],
) -> StepVerdict:
    if record.has_failed or others[0] is None:
        return StepVerdict(Judgement.FAILED)
    if None in controls:
        ended = Difference("error", "", "the control run ended before this step")
        return StepVerdict(Judgement.UNSTABLE, (ended,))
    again = [facts(one) for one in controls if one is not None]
    return judge([facts(record), *again], [facts(one) for one in others if one is not None])


def cookies_sent(transcript: Transcript) -> list[str]:
    """Names of the cookies that a run sent, in the order of their first use."""
    names = (
        cookie.name
        for record in transcript.steps
        for exchange in record.exchanges
        for cookie in exchange.choice.sent
    )
    return list(dict.fromkeys(names))


def find_carrier(
    steps: Sequence[JudgedStep],
    stateful: Sequence[Transcript],
    without: Mapping[str, Transcript],
    *,
    named: str | None = None,
) -> Carrier:
    """Which cookie carries the state.

    Args:
        stateful: the run itself, then its controls.
        without: runs that withheld one cookie, by its name.
        named: the cookie that the scenario says it is.
    """
    names = whole_cookies(cookies_sent(stateful[0]))
    if not any(step.depends for step in steps):
        return Carrier(None, {})
    changed = {name: _changed(stateful, run) for name, run in without.items()}
    keys = {name: tuple(one.key for one in found) for name, found in changed.items()}
    csrf = _csrf_cookies(changed)
    candidates = [name for name in keys if keys[name] and name not in csrf]
    if candidates:
        login = _first_form(steps)
        best = max(candidates, key=lambda name: (name == named, *_weight(changed[name], login)))
        count = len(keys[best])
        told = "1 step changes" if count == 1 else f"{count} steps change"
        return Carrier(best, keys, csrf, f"{told} when it is withheld")
    if named is not None and named in names:
        return Carrier(named, keys, csrf, "named by the scenario")
    if len(names) == 1:
        return Carrier(names[0], keys, csrf, "no other cookie was sent")
    return Carrier(None, keys, csrf, f"{len(names)} cookies were sent; --why tells which it is")


def whole_cookies(names: Sequence[str]) -> list[str]:
    """Names without those of mere parts, such as `session.sig` beside `session`."""
    return [name for name in names if not _is_part(name, names)]


def parts_of(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """The cookies that belong to one: its signature, its pieces."""
    return tuple(one for one in names if _is_part(one, (name,)))


def _is_part(name: str, names: Sequence[str]) -> bool:
    found = _PART.fullmatch(name)
    return found is not None and found["whole"] in names


def _changed(stateful: Sequence[Transcript], run: Transcript) -> list[JudgedStep]:
    return [one for one in judge_steps(stateful, [run]) if one.depends]


def _csrf_cookies(changed: Mapping[str, Sequence[JudgedStep]]) -> tuple[str, ...]:
    """Cookies whose loss turns forms away, and what comes of that, but no more than another's.

    The other one carries the session: a session that holds the CSRF token turns forms away too,
    and must not be taken for its own guard.
    """
    guards = [name for name, found in changed.items() if _turns_forms_away(found)]
    pages = {
        name: {one.key for one in found if _is_firm(one) and not _is_form(one.step)}
        for name, found in changed.items()
    }
    return tuple(
        name
        for name in guards
        if any(pages[name] <= pages[other] for other in changed if other not in guards)
    )


def _weight(changed: Sequence[JudgedStep], login: int) -> tuple[int, int, int]:
    """How much a cookie carries: what is refused or shown otherwise after the login counts first.
    A theme is on every page, and changes nothing but their looks."""
    later = [one for one in changed if one.place >= login]
    return sum(map(_is_firm, later)), len(later), len(changed)


def _is_firm(step: JudgedStep) -> bool:
    """More than the text of a page differs."""
    return any(one.what != "body" for one in step.verdict.differences)


def _first_form(steps: Sequence[JudgedStep]) -> int:
    return next((one.place for one in steps if _is_form(one.step)), 0)


def _turns_forms_away(changed: Sequence[JudgedStep]) -> bool:
    """Pages look as before until a form is refused."""
    first = next(iter(changed), None)
    return (
        first is not None
        and _is_form(first.step)
        and _last_status(first.stateless) in _CSRF_REFUSALS
    )


def _is_form(step: Step) -> bool:
    request = step.step if isinstance(step, Parallel) else step
    return isinstance(request, Request) and request.method not in ("GET", "HEAD", "OPTIONS")


def _last_status(record: StepRecord | None) -> str:
    if record is None or not record.exchanges or record.exchanges[-1].response is None:
        return ""
    return str(record.exchanges[-1].response.status)
