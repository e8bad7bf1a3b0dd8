"""Scenarios played against real applications: what a study of one found."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.replay.http import Network
from sessctl.replay.load import load_scenario
from sessctl.replay.runner import Runner
from sessctl.replay.sender import App, Options
from sessctl.replay.study import Finding, Study
from sessctl.replay.transcript import STATEFUL, RunEnded, Transcript
from sessctl.replay.url import parse_url
from tests.support.scenarios import scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sessctl.replay.scenario import Scenario
    from sessctl.replay.sender import Watcher
    from sessctl.replay.transcript import Mode

SCENARIOS = Path(__file__).parents[1] / "scenarios"


def runner(
    steps: str | Path,
    target: str,
    *,
    options: Options | None = None,
    instances: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    watcher: Watcher | None = None,
) -> Runner:
    """A runner of a scenario file, or of steps as YAML text."""
    url = parse_url(target)
    others = {name: parse_url(text) for name, text in (instances or {}).items()}
    read = read_scenario(steps, tuple(others))
    network = Network([url, *others.values()])
    app = App(url, others, network, options or Options(), watcher)
    texts = {one.name: one.text for one in read.variables if one.text is not None}
    return Runner(read, app, {**texts, **(values or {})})


def read_scenario(steps: str | Path, instances: Sequence[str] = ()) -> Scenario:
    if isinstance(steps, Path):
        return load_scenario(steps)
    named = "".join(f"\n  {name}: http://127.0.0.1:1" for name in instances)
    head = f"instances:{named}\n" if named else ""
    body = steps if "\nsteps:" in steps else f"steps:{steps}"
    return scenario(f"sessctl: 1\n{head}{body}\n")


def play(runner: Runner, mode: Mode = STATEFUL) -> Transcript:
    """One run."""

    async def run() -> Transcript:
        found = None
        async for event in runner.play(mode):
            if isinstance(event, RunEnded):
                found = event.transcript
        assert found is not None
        return found

    return asyncio.run(run())


def study(runner: Runner, *, why: bool = False, control: bool = True, store: str = "") -> Study:
    """All runs that a study takes."""
    whole = Study(runner, why=why, control=control, store=store)

    async def run() -> None:
        async for _ in whole.run():
            pass

    asyncio.run(run())
    return whole


def finding(runner: Runner, *, why: bool = False, control: bool = True) -> Finding:
    found = study(runner, why=why, control=control).finding
    assert found is not None
    return found


def verdicts(found: Finding) -> dict[str, str]:
    """The judgement on each step, by its name or key."""
    return {one.step.name or one.key: str(one.verdict.judgement) for one in found.steps}
