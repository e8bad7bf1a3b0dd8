"""A scenario studied: played with cookies and without, compared, and explained.

    study = Study(runner, steps=...)
    async for event in study.run(): ...      # the events of every run, one run after the other
    study.finding                            # what it all says

The stateless run comes before the control: whatever a clock did between the first two it has then
done to the third as well, and passes for the noise it is. A step that depends on state by nothing
but what stands beside noise is looked at again: both runs are played up to three times more.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sessctl.replay import evidence
from sessctl.replay.compare import Judgement
from sessctl.replay.evidence import Evidence, Kept
from sessctl.replay.judge import (
    Carrier,
    JudgedStep,
    cookies_sent,
    find_carrier,
    judge_steps,
    whole_cookies,
)
from sessctl.replay.scenario import Parallel, Request
from sessctl.replay.transcript import CONTROL, STATEFUL, STATELESS, Mode, RunEnded, Transcript

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from sessctl.replay.runner import Runner
    from sessctl.replay.scenario import Step
    from sessctl.replay.transcript import Event, Rewind

REWIND = Mode(rewinding=True)
MAX_LOOKS = 7  # runs of a kind; random noise that passed four runs for state was seen once in 80


@dataclass(frozen=True, slots=True)
class Asserted:
    """A verdict that the scenario asks for: of a step (`what` is `step 3`), or of itself."""

    what: str
    wanted: str
    found: str
    place: str = ""  # in the file

    @property
    def holds(self) -> bool:
        return self.wanted == self.found

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: expected '{self.wanted}', found '{self.found}'"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a study says.

    Attributes:
        complete: False where the stateful run failed, so that nothing was compared.
        unmet: expectations of steps and of the whole scenario that did not hold, in words, each
            behind its place: `shop.yaml:12:9: step 3 log in (stateful): status: expected ...`.
        asserted: the verdicts that the scenario asks for, those that hold too.
    """

    steps: tuple[JudgedStep, ...]
    carrier: Carrier
    kept: Kept
    evidence: tuple[Evidence, ...]
    complete: bool = True
    has_control: bool = True
    unmet: tuple[str, ...] = ()
    asserted: tuple[Asserted, ...] = ()
    store: str = ""  # what the store is called in the sentence, where a session was found

    @property
    def depending(self) -> int:
        return sum(step.depends for step in self.steps)

    @property
    def is_stateful(self) -> bool:
        return self.depending > 0

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if not self.complete:
            return "not compared: the run with cookies failed, so there is nothing to hold against"
        count, total = self.depending, len(self.steps)
        shaky = sum(step.verdict.judgement is Judgement.UNSTABLE for step in self.steps)
        aside = f" ({shaky} could not be judged)" if shaky else ""
        if not count:
            return f"stateless: no step depends on state{aside}"
        words = f"stateful: {count} of {total} steps depend{'s' if total == 1 else ''} on state"
        if self.carrier.name is None:
            return f"{words}, carried by a cookie that is not told{aside}"
        words += f" carried by {self.carrier.name}"
        if self.kept is Kept.UNKNOWN:
            return f"{words}; where it is kept is not told{aside}"
        where = "both in the cookie and at the server" if self.kept is Kept.BOTH else self.kept
        store = f" ({self.store}, session found)" if self.store else ""
        return f"{words}, kept {where}{store}{aside}"


@dataclass(slots=True)
class Study:
    """Plays the runs that are needed, and draws the conclusion.

    Args:
        control: play the stateful run twice, so that noise can be told from state.
        why: play one more run for each cookie, withheld.
        store: what the store is called, where the runner has one.
    """

    runner: Runner
    control: bool = True
    why: bool = False
    store: str = ""
    transcripts: list[Transcript] = field(default_factory=list)
    finding: Finding | None = None

    async def run(self) -> AsyncIterator[Event]:
        """The events of all runs. `finding` stands when the last has ended."""
        async for event in self.play(STATEFUL):
            yield event
        stateful = self.transcripts[-1]
        if not stateful.complete:
            self.finding = self._failed(stateful)
            return
        async for event in self.play(STATELESS):
            yield event
        if self.control:
            async for event in self.play(CONTROL):
                yield event
        steps = judge_steps(self._with_cookies, self._without_any)
        look = 1
        while self.control and look < MAX_LOOKS and any(s.verdict.is_doubtful for s in steps):
            look += 1
            for mode in (STATELESS, CONTROL):
                async for event in self.play(replace(mode, look=look)):
                    yield event
            steps = judge_steps(self._with_cookies, self._without_any)
        without: dict[str, Transcript] = {}
        if self.why and any(step.depends for step in steps):
            for name in whole_cookies(cookies_sent(stateful)):
                async for event in self.play(Mode(withheld=name)):
                    yield event
                without[name] = self.transcripts[-1]
        named = self.runner.scenario.session_cookie
        runs = self._with_cookies
        carrier = find_carrier(steps, runs, without, named=named)
        found: list[Evidence] = []
        if carrier.name is not None:
            found += evidence.seen(carrier.name, steps, runs)
            rewinds = evidence.rewinds(carrier.name, steps, runs)
            if rewinds:
                async for event in self.play(REWIND, rewinds):
                    yield event
                found += evidence.rewound(self.transcripts[-1], steps, stateful)
        self.finding = self._conclude(steps, carrier, found, self.control)

    @property
    def _with_cookies(self) -> list[Transcript]:
        """The stateful run and its controls."""
        plain = (STATEFUL, CONTROL)
        return [one for one in self.transcripts if replace(one.mode, look=1) in plain]

    @property
    def _without_any(self) -> list[Transcript]:
        return [one for one in self.transcripts if not one.mode.stateful]

    async def play(self, mode: Mode, rewinds: Sequence[Rewind] = ()) -> AsyncIterator[Event]:
        """The events of one run, which joins the transcripts."""
        async for event in self.runner.play(mode, rewinds):
            if isinstance(event, RunEnded):
                self.transcripts.append(event.transcript)
            yield event

    def _failed(self, stateful: Transcript) -> Finding:
        return Finding(
            tuple(judge_steps([stateful], [stateful])), Carrier(None, {}), Kept.UNKNOWN, (),
            complete=False, unmet=tuple(_unmet(stateful)),
        )  # fmt: skip

    def _conclude(
        self,
        steps: Sequence[JudgedStep],
        carrier: Carrier,
        found: Sequence[Evidence],
        has_control: bool,
    ) -> Finding:
        in_store = any("found in the store" in one.text and one.points_to for one in found)
        finding = Finding(
            tuple(steps), carrier, evidence.kept(found), tuple(found),
            has_control=has_control, store=self.store if in_store else "",
        )  # fmt: skip
        runs = [run for run in self.transcripts if not run.mode.withheld]
        unmet = [line for run in runs for line in _unmet(run)]
        asserted = [*_asserted_of_steps(steps), *self._asserted_of_whole(finding)]
        unmet += [str(one) for one in asserted if not one.holds]
        return replace(finding, unmet=tuple(unmet), asserted=tuple(asserted))

    def _asserted_of_whole(self, finding: Finding) -> Iterator[Asserted]:
        wanted, file = self.runner.scenario.expect, self.runner.scenario.file
        if wanted.verdict is not None:
            verdict = "stateful" if finding.is_stateful else "stateless"
            yield Asserted("verdict", wanted.verdict, verdict, file)
        if wanted.carrier is not None:
            yield Asserted("carrier", wanted.carrier, finding.carrier.name or "not told", file)
        if wanted.kept is not None:
            yield Asserted("kept", _KEPT[wanted.kept], finding.kept, file)


_KEPT = {"cookie": Kept.COOKIE, "server": Kept.SERVER, "both": Kept.BOTH}


def _unmet(transcript: Transcript) -> list[str]:
    found = []
    for record in transcript.failed:
        if not transcript.mode.stateful and not record.failures:
            continue  # without cookies anything may fail, and that is what is compared
        where = f"{_called(record.key, record.step)} ({transcript.mode.title})"
        found += [f"{one.check.place}: {where}: {one.message}" for one in record.failures]
        found += [f"{record.step.place}: {where}: {record.problem}"] if record.problem else []
    return found


def _asserted_of_steps(steps: Sequence[JudgedStep]) -> Iterator[Asserted]:
    for step in steps:
        request = step.step.step if isinstance(step.step, Parallel) else step.step
        wanted = request.expect.depends if isinstance(request, Request) else None
        if wanted is not None:
            said = Judgement.DEPENDS if wanted else Judgement.SAME
            found = step.verdict.judgement
            # Not to depend is all that is asked, and an unstable step does not.
            met = wanted == step.depends
            place = str(step.step.place)
            yield Asserted(f"step {step.key}", said, said if met else found, place)


def _called(key: str, step: Step) -> str:
    """`step 3`, or `step 3 log in` where it has a name."""
    return f"step {key} {step.name}".rstrip()
