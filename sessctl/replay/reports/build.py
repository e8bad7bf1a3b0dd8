"""From a study that has run to its `Report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.replay.compare import Judgement
from sessctl.replay.judge import facts
from sessctl.replay.reports.exchanges import Exchanges
from sessctl.replay.reports.report import (
    SCHEMA_VERSION,
    AssertedView,
    DifferenceView,
    EvidenceView,
    Pair,
    PresentedView,
    RecordView,
    Report,
    RunView,
    ScenarioView,
    StepView,
    VerdictView,
    WithheldView,
)
from sessctl.replay.reports.veil import ReportOptions, Veil
from sessctl.replay.scenario import JarAct, Parallel, Request, RunHook, Wait
from sessctl.text import readable
from sessctl.timespec import format_duration, iso

if TYPE_CHECKING:
    from sessctl.replay.judge import JudgedStep
    from sessctl.replay.scenario import Step
    from sessctl.replay.study import Finding, Study
    from sessctl.replay.transcript import StepRecord, Transcript

_KINDS = {Request: "request", Parallel: "parallel", Wait: "wait", JarAct: "jar", RunHook: "hook"}


def build_report(study: Study, options: ReportOptions) -> Report:
    """A study as its reports show it. The study must have run: `finding` stands."""
    assert study.finding is not None, "a report is of a study that has run"
    veil = Veil(options, study.transcripts)
    finding = study.finding
    started, elapsed_s = _time(study)
    return Report(
        schema_version=SCHEMA_VERSION,
        started_at=started,
        elapsed_s=elapsed_s,
        masked=not options.show_ids,
        scenario=_scenario(study, finding, veil),
        verdict=verdict_view(study, finding, veil),
        steps=step_views(study, veil),
        runs=tuple(run_view(transcript, veil) for transcript in study.transcripts),
    )


def step_views(study: Study, veil: Veil) -> tuple[StepView, ...]:
    """The steps of a study, judged where it has a finding."""
    judged = {step.key: step for step in study.finding.steps} if study.finding else {}
    return tuple(
        _step(key, step, judged.get(key), study, veil) for key, step in study.runner.numbered
    )


def _time(study: Study) -> tuple[str | None, float]:
    """When the first request went out, and the seconds until the last answer was there."""
    exchanges = [
        one for run in study.transcripts for record in run.steps for one in record.exchanges
    ]
    if not exchanges:
        return None, 0.0
    first = min(one.started_ms for one in exchanges)
    last = max(
        one.started_ms + (one.response.timing.total_s * 1000 if one.response else 0)
        for one in exchanges
    )
    return iso(first), round((last - first) / 1000, 3)


def _scenario(study: Study, finding: Finding, veil: Veil) -> ScenarioView:
    scenario, app = study.runner.scenario, study.runner.app
    return ScenarioView(
        name=scenario.name,
        about=scenario.about,
        file=readable(scenario.file),
        target=veil.url(str(app.target)),
        instances=tuple(Pair(name, veil.url(str(url))) for name, url in app.instances.items()),
        backend=scenario.backend,
        store=finding.store or study.store or None,
    )


def verdict_view(study: Study, finding: Finding, veil: Veil) -> VerdictView:
    """What a study found, in words."""
    carrier = finding.carrier
    told = "stateful" if finding.is_stateful else "stateless"
    # The assertions come at the end of `unmet` in words of their own.
    return VerdictView(
        sentence=readable(finding.sentence),
        verdict=told if finding.complete else "not compared",
        depending=finding.depending,
        judged=len(finding.steps),
        carrier=None if carrier.name is None else readable(carrier.name),
        carrier_why=readable(carrier.why),
        kept=finding.kept.value,
        evidence=tuple(
            EvidenceView(readable(one.text), one.points_to and one.points_to.value)
            for one in finding.evidence
        ),
        withheld=tuple(
            WithheldView(readable(name), steps, name in carrier.csrf)
            for name, steps in carrier.steps.items()
        ),
        has_control=finding.has_control,
        asserted=tuple(
            AssertedView(one.what, readable(one.wanted), readable(one.found), one.holds)
            for one in finding.asserted
        ),
        unmet=tuple(veil.text(line) for line in finding.unmet),
    )


def _step(
    key: str, step: Step, judged: JudgedStep | None, study: Study, veil: Veil
) -> StepView:  # fmt: skip
    request = step.step if isinstance(step, Parallel) else step
    records = {run.mode.title: run.step(key) for run in study.transcripts}
    return StepView(
        key=key,
        name=step.name,
        about=step.about,
        kind=_KINDS[type(step)],
        verb=step.verb.value if isinstance(step, JarAct) else None,
        action=action(step),
        client=request.client if isinstance(request, Request | JarAct) else None,
        judgement=_judgement(judged, study),
        differences=tuple(
            DifferenceView(
                one.what,
                veil.value(one.what, one.stateful) or "",
                veil.value(one.what, one.stateless) or "",
            )
            for one in (judged.verdict.differences if judged else ())
        ),
        stateful=_summary(records.get("stateful"), veil),
        stateless=_summary(records.get("stateless"), veil),
    )


def _judgement(judged: JudgedStep | None, study: Study) -> str | None:
    """Where the first run failed nothing was compared; what failed is known all the same."""
    if judged is None or (study.finding and not study.finding.complete
                          and judged.verdict.judgement is not Judgement.FAILED):  # fmt: skip
        return None
    return judged.verdict.judgement.value


def action(step: Step) -> str:
    """What a step does, in a few words: `GET /cart`, `40 x POST /count`, `wait 3s`."""
    match step:
        case Request():
            return f"{step.method} {step.url}"
        case Parallel():
            return f"{step.times} x {action(step.step)}"
        case Wait():
            return f"wait {format_duration(step.seconds)}"
        case RunHook():
            return f"hook {step.hook}"
        case JarAct():
            of = step.kept or step.cookie or ", ".join(name for name, _ in step.cookies)
            return f"jar: {step.verb.value} {of}".rstrip()
    raise AssertionError(step)


def _summary(record: StepRecord | None, veil: Veil) -> str:
    """`302 → /, items=3`: what a run answered, on one line."""
    if record is None:
        return ""
    if not isinstance(record.step, Request | Parallel):
        return veil.text(record.problem or record.done)
    found = facts(record)
    words = [found.status or found.error]
    if found.location:
        words[0] += f" → {veil.url(found.location)}"
    words += [f"{name}={veil.value(name, value)}" for name, value in found.shown.items()
              if value is not None]  # fmt: skip
    if record.problem and record.problem not in words:
        words.append(record.problem)
    return veil.text(", ".join(words))


def run_view(transcript: Transcript, veil: Veil) -> RunView:
    """One run as reports show it."""
    mode, views = transcript.mode, Exchanges(veil)
    return RunView(
        title=readable(mode.title),
        stateful=mode.stateful,
        withheld=readable(mode.withheld) or None,
        complete=transcript.complete,
        steps=tuple(record_view(record, views, veil) for record in transcript.steps),
    )


def record_view(record: StepRecord, views: Exchanges, veil: Veil) -> RecordView:
    """One step of a run as reports show it."""
    return RecordView(
        key=record.key,
        exchanges=tuple(views.exchange(one) for one in record.exchanges),
        values=tuple(Pair(name, veil.value(name, text)) for name, text in record.values.items()),
        failures=tuple(veil.text(failure.message) for failure in record.failures),
        problem=veil.text(record.problem) or None,
        done=veil.text(record.done) or None,
        presented=tuple(
            PresentedView(rewind.step, readable(rewind.name), views.exchange(one))
            for rewind, one in record.rewound.items()
        ),
    )
