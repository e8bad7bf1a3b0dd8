"""From transcripts to verdicts: which steps depend on state, which cookie carries it.

The runs of one scenario are aligned by the keys of their steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sessctl.replay.compare import Facts, Judgement, StepVerdict, judge
from sessctl.replay.scenario import Parallel, Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sessctl.replay.scenario import Step
    from sessctl.replay.transcript import Exchange, StepRecord, Transcript

# What frameworks answer to a form without its CSRF cookie; 419 is Laravel's.
_CSRF_REFUSALS = frozenset(("400", "403", "419"))


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """One request step with its answers side by side."""

    stateful: StepRecord
    stateless: StepRecord | None
    verdict: StepVerdict

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
    return Facts(str(answer.status), exchange.location, kind, {}, answer.text)


def judge_steps(
    stateful: Transcript, stateless: Transcript, control: Transcript | None
) -> list[JudgedStep]:
    """Every request step of the stateful run with its verdict."""
    found: list[JudgedStep] = []
    for record in stateful.steps:
        if not isinstance(record.step, Request | Parallel) or record.key.startswith("before."):
            continue
        other = stateless.step(record.key)
        if record.has_failed or other is None:
            verdict = StepVerdict(Judgement.FAILED)
        else:
            again = control.step(record.key) if control else None
            verdict = judge(facts(record), facts(other), facts(again) if again else None)
        found.append(JudgedStep(record, other, verdict))
    return found


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
    stateful: Transcript,
    control: Transcript | None,
    without: Mapping[str, Transcript],
    *,
    named: str | None = None,
) -> Carrier:
    """Which cookie carries the state.

    Args:
        without: runs that withheld one cookie, by its name.
        named: the cookie that the scenario says it is.
    """
    names = cookies_sent(stateful)
    if not any(step.depends for step in steps):
        return Carrier(None, {})
    changed = {name: tuple(_changed_keys(stateful, run, control)) for name, run in without.items()}
    csrf = tuple(
        name for name, run in without.items() if _only_refuses_forms(stateful, run, control)
    )
    candidates = [name for name in changed if changed[name] and name not in csrf]
    if candidates:
        best = max(candidates, key=lambda name: len(changed[name]))
        count = len(changed[best])
        told = "1 step changes" if count == 1 else f"{count} steps change"
        return Carrier(best, changed, csrf, f"{told} when it is withheld")
    if named is not None and named in names:
        return Carrier(named, changed, csrf, "named by the scenario")
    if len(names) == 1:
        return Carrier(names[0], changed, csrf, "no other cookie was sent")
    return Carrier(None, changed, csrf, f"{len(names)} cookies were sent; --why tells which it is")


def _changed_keys(
    stateful: Transcript, run: Transcript, control: Transcript | None
) -> Iterable[str]:
    return (one.key for one in judge_steps(stateful, run, control) if one.depends)


def _only_refuses_forms(stateful: Transcript, run: Transcript, control: Transcript | None) -> bool:
    """Without a CSRF cookie pages look as before, and forms are turned away."""
    depending = [one for one in judge_steps(stateful, run, control) if one.depends]
    forms = [one for one in depending if _is_form(one.step)]
    first = depending[0] if depending else None
    return (
        first is not None
        and bool(forms)
        and first is forms[0]
        and _last_status(first.stateless) in _CSRF_REFUSALS
    )


def _is_form(step: Step) -> bool:
    request = step.step if isinstance(step, Parallel) else step
    return isinstance(request, Request) and request.method not in ("GET", "HEAD", "OPTIONS")


def _last_status(record: StepRecord | None) -> str:
    if record is None or not record.exchanges or record.exchanges[-1].response is None:
        return ""
    return str(record.exchanges[-1].response.status)
