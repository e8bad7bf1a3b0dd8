"""`Runner`: play a scenario's steps once, in one mode, and tell what happens as it happens.

    runner = Runner(scenario, App(target, {}, Network([target]), Options()), values)
    async for event in runner.play(STATEFUL): ...

It judges nothing but the expectations of single answers; comparison, store and reports listen.
Every run begins with empty jars (or those of `--jar`), connections of its own, and the variables as
they were.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from sessctl.errors import HttpError, Refused, SessctlError, UsageError
from sessctl.replay import expect
from sessctl.replay.extract import extract
from sessctl.replay.hooks import run_hook
from sessctl.replay.scenario import JarAct, Parallel, Repeat, Request, RunHook, Wait
from sessctl.replay.sender import Sender
from sessctl.replay.state import State
from sessctl.replay.transcript import (
    Event,
    Exchange,
    Exchanged,
    Mode,
    Rewind,
    RunBegan,
    RunEnded,
    StepBegan,
    StepEnded,
    StepRecord,
    Transcript,
)
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from sessctl.replay.extract import Answer
    from sessctl.replay.jar import Jar
    from sessctl.replay.scenario import Capture, Scenario, Step
    from sessctl.replay.sender import App
    from sessctl.replay.variables import Value

_AT_ONCE = 64  # connections of one `parallel`


class Runner:
    """Plays one scenario against one application, as often as it is asked to."""

    def __init__(self, scenario: Scenario, app: App, values: Mapping[str, Value]) -> None:
        self.scenario = scenario
        self.app = app
        self.values = values

    @property
    def numbered(self) -> list[tuple[str, Step]]:
        """Every step of a run with its key; those of `before` first."""
        before = numbered(self.scenario.before, "before.")
        return [*before, *numbered(self.scenario.steps)]

    async def play(self, mode: Mode, rewinds: Sequence[Rewind] = ()) -> AsyncIterator[Event]:
        """One run from `before` to its last step; one with cookies ends at a step that fails."""
        yield RunBegan(mode)
        records: list[StepRecord] = []
        run = _Run(self, mode, rewinds)
        complete = True
        try:
            for key, step in self.numbered:
                yield StepBegan(key, step)
                async for event in run.step(key, step):
                    if isinstance(event, StepEnded):
                        event = StepEnded(await run.rewind(event.record))
                        records.append(event.record)
                    yield event
                if records[-1].has_failed and mode.must_succeed:
                    complete = self.app.options.ignore_failures
                    if not complete:
                        break
        finally:
            await run.close()
        yield RunEnded(Transcript(mode, tuple(records), complete, run.jars))


def numbered(steps: tuple[Step, ...], prefix: str = "") -> list[tuple[str, Step]]:
    """Every step with its key; one that is repeated comes as `6.1`, then `6.1#2`, `6.1#3`."""
    times: Counter[str] = Counter()
    found: list[tuple[str, Step]] = []
    for key, step in _written_out(steps, prefix):
        times[key] += 1
        found.append((key if times[key] == 1 else f"{key}#{times[key]}", step))
    return found


def _written_out(steps: tuple[Step, ...], prefix: str) -> Iterator[tuple[str, Step]]:
    for number, step in enumerate(steps, 1):
        if isinstance(step, Repeat):
            for _ in range(step.times):
                yield from _written_out(step.steps, f"{prefix}{number}.")
        else:
            yield f"{prefix}{number}", step


class _Run:
    """One run in the making."""

    def __init__(self, runner: Runner, mode: Mode, rewinds: Sequence[Rewind]) -> None:
        self._runner = runner
        self._rewinds = rewinds
        self._presented: dict[str, dict[str, str]] = {}  # cookies that went with a step
        jars = {name: jar.copy() for name, jar in runner.app.options.jars.items()}
        self._state = State(mode, dict(runner.values), jars)
        self._sender = Sender(runner.app, self._state)

    @property
    def jars(self) -> Mapping[str, Jar]:
        return self._state.jars

    async def close(self) -> None:
        await self._sender.close()

    async def step(self, key: str, step: Step) -> AsyncIterator[Event]:
        """The step's events; the last is its `StepEnded`."""
        try:
            match step:
                case Request():
                    async for event in self._request(key, step):
                        yield event
                case Parallel():
                    async for event in self._parallel(key, step):
                        yield event
                case _:
                    yield StepEnded(StepRecord(key, step, done=await self._act(step)))
        except HttpError as exc:
            yield StepEnded(StepRecord(key, step, problem=exc.message))
        except SessctlError as exc:
            if type(exc) is UsageError and not self._state.mode.must_succeed:
                # What a page without cookies does not hold cannot be sent on.
                yield StepEnded(StepRecord(key, step, problem=f"not sent: {exc.message}"))
                return
            exc.at(step=f"{key} {step.name}".strip(), place=str(step.place))
            raise

    async def rewind(self, record: StepRecord) -> StepRecord:
        """The record with the answers to earlier cookies that this run was asked for."""
        steps, rewound = dict(self._runner.numbered), {}
        for asked in self._rewinds:
            step, then = steps.get(asked.step), self._presented.get(asked.step, {})
            values = {name: then[name] for name in (asked.name, *asked.parts) if name in then}
            if asked.after == record.key and isinstance(step, Request) and values:
                rewound[asked] = await self._sender.present(step, values)
        return replace(record, rewound=rewound) if rewound else record

    async def _act(self, step: Step) -> str:
        match step:
            case Wait():
                await asyncio.sleep(step.seconds)
                is_short = step.seconds < 10  # 1.6 s are not 2
                span = f"{step.seconds:g}s" if is_short else format_duration(step.seconds)
                return f"waited {span}"
            case RunHook():
                return await self._hook(step)
            case JarAct():
                return self._state.act(step, self._runner.app.target)
        raise AssertionError(step)

    async def _hook(self, step: RunHook) -> str:
        own = self._runner.app.options.hooks.get(step.hook)
        if own is not None:
            await own()
            return f"hook {step.hook}"
        hook = next(one for one in self._runner.scenario.hooks if one.name == step.hook)
        if not self._runner.app.options.allow_hooks:
            raise Refused(
                f"the scenario wants to run a command (hook '{hook.name}')",
                hint="--allow-hooks lets it, if you trust the file",
            )
        ready = None if hook.ready is None else self._runner.app.target.join(hook.ready)
        await run_hook(hook, ready, self._sender.client("hook"))
        return f"hook {hook.name}"

    async def _request(self, key: str, step: Request) -> AsyncIterator[Event]:
        exchanges: list[Exchange] = []
        problem = ""
        try:
            async for exchange in self._sender.send(step):
                if not exchanges:
                    self._presented[key] = {one.name: one.value for one in exchange.choice.sent}
                exchanges.append(exchange)
                yield Exchanged(key, exchange)
        except HttpError as exc:  # a redirect that is not followed; what came before it stands
            problem = exc.message
        record = self._record(key, step, exchanges)
        yield StepEnded(replace(record, problem=problem or record.problem))

    async def _parallel(self, key: str, step: Parallel) -> AsyncIterator[Event]:
        """All at once, all with the jar as it is now; the store is looked at around the whole."""
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one() -> tuple[list[Exchange], str]:
            found: list[Exchange] = []
            async with turn:
                try:
                    async for exchange in self._sender.send(step.step, is_watched=False):
                        found.append(exchange)
                except HttpError as exc:  # a redirect that is not followed
                    return found, exc.message
            return found, ""

        seen = await self._sender.look_before(step.step)
        tasks = [asyncio.create_task(one()) for _ in range(step.times)]
        exchanges: list[Exchange] = []
        problems: list[str] = []
        try:
            for done in asyncio.as_completed(tasks):
                found, problem = await done
                exchanges += found
                problems += [problem] if problem else []
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        exchanges[-1] = await self._sender.look_after(seen, exchanges[-1])
        for exchange in exchanges:
            yield Exchanged(key, exchange)
        record = self._record(key, step.step, exchanges)
        problem = next(iter(problems), record.problem)
        yield StepEnded(replace(record, step=step, problem=problem))

    def _record(self, key: str, step: Request, exchanges: list[Exchange]) -> StepRecord:
        last = exchanges[-1]
        record = StepRecord(key, step, tuple(exchanges))
        if last.problem is not None:
            record = replace(record, problem=last.problem.message)
        if last.answer is None:
            return record
        captured, shown = self._read(step.capture, last.answer), self._read(step.show, last.answer)
        found = captured | shown
        self._state.values |= {name: value for name, value in found.items() if value is not None}
        compared = (*(one.name for one in step.capture if one.is_compared), *shown)
        return replace(
            record,
            values=found,
            shown=compared,
            failures=tuple(self._failures(step, last.answer)),
        )

    def _read(self, captures: Sequence[Capture], answer: Answer) -> dict[str, str | None]:
        return {one.name: extract(one.source, answer, self._state.values) for one in captures}

    def _failures(self, step: Request, answer: Answer) -> list[expect.Failure]:
        mode, wanted = self._state.mode, step.stateless
        if mode.must_succeed:
            wanted = step.expect
        elif mode.stateful:  # a cookie is withheld: it may fail
            wanted = None
        return expect.failures(wanted, answer, self._state.values) if wanted else []
