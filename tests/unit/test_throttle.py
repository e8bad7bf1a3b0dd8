"""A run yields: to a rate, to slow answers, to replicas, to a file, to a time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.admin.throttle import Limits, Throttle
from sessctl.errors import AccessDenied
from sessctl.stores.base import Lag
from tests.support.memory import NOW_MS, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path


class Clock:
    """Time that passes when somebody sleeps, or when the store is slow to answer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


class SlowStore(MemoryStore):
    """Answers take as long as it is told to."""

    def __init__(self, clock: Clock, answers_s: list[float]) -> None:
        super().__init__()
        self._clock, self._answers_s = clock, answers_s

    def now_ms(self) -> int:
        self._clock.now += self._answers_s.pop(0) if self._answers_s else 0.0
        return NOW_MS


def throttle(clock: Clock, limits: Limits, store: MemoryStore | None = None, **more) -> Throttle:
    return Throttle(store or MemoryStore(), limits, clock=clock, sleep=clock.sleep, **more)


def test_without_limits_nothing_waits() -> None:
    clock = Clock()
    assert throttle(clock, Limits()).after_page(500, 0.1) is None
    assert clock.slept == 0


def test_nice_rests_as_many_times_as_long() -> None:
    clock = Clock()
    throttle(clock, Limits(nice=2)).after_page(500, 0.1)
    assert clock.slept == pytest.approx(0.2)


def test_a_rate_is_kept_over_the_whole_run() -> None:
    clock = Clock()
    run = throttle(clock, Limits(rate=1000))
    for _ in range(4):
        clock.now += 0.1  # the page itself
        run.after_page(500, 0.1)
    assert clock.now - 100 == pytest.approx(2.0)


def test_slow_answers_pause_until_they_are_quick_again() -> None:
    clock, said = Clock(), []
    store = SlowStore(clock, [0.01, 0.2, 0.3, 0.01])
    run = throttle(clock, Limits(), store, say=said.append)
    run.after_page(1, 0)
    assert said == []
    assert run.after_page(1, 0) is None
    assert said == ["paused: answers take 200ms"]
    assert clock.slept == pytest.approx(0.5)


@pytest.mark.parametrize("seconds", [3.1, None])
def test_a_lagging_replica_pauses(seconds: float | None) -> None:
    clock, said = Clock(), []
    lags = [[Lag("10.0.0.7", seconds)]] * 3 + [[Lag("10.0.0.7", 0.5)]]
    run = throttle(clock, Limits(), say=said.append, lags=lambda: lags.pop(0))
    assert run.after_page(1, 0) is None
    assert len(said) == 1
    assert said[0].startswith("paused: replica 10.0.0.7 ")
    assert ("lag 3.1 s" in said[0]) == (seconds is not None)
    assert clock.slept == pytest.approx(0.75)


def test_not_allowed_to_look_is_said_once_and_doubles_nice() -> None:
    def lags():
        raise AccessDenied("no right to see replicas")

    clock = Clock()
    run = throttle(clock, Limits(nice=1), lags=lags)
    for _ in range(3):
        run.after_page(1, 0.1)
    assert run.notes == ["the lag of replicas cannot be seen: no right to see replicas"]
    assert clock.slept == pytest.approx(0.1 + 0.2 + 0.2)


def test_a_file_pauses_while_it_is_there(tmp_path: Path) -> None:
    clock, file, said = Clock(), tmp_path / "pause", []
    file.touch()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.slept > 5:
            file.unlink(missing_ok=True)

    limits = Limits(pause_file=file)
    run = Throttle(MemoryStore(), limits, clock=clock, sleep=sleep, say=said.append)
    assert run.after_page(1, 0) is None
    assert said == [f"paused: {file} exists"]
    assert 5 < clock.slept < 6


def test_a_pause_without_end_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "pause").touch()
    clock = Clock()
    run = throttle(clock, Limits(pause_file=tmp_path / "pause", max_pause_s=60))
    assert run.after_page(1, 0) == f"paused for 1m ({tmp_path}/pause exists)"
    assert clock.slept == pytest.approx(60, abs=1)


def test_the_time_limit_stops_the_run() -> None:
    clock = Clock()
    run = throttle(clock, Limits(run_time_s=10))
    assert run.after_page(1, 0) is None
    clock.now += 10
    assert run.after_page(1, 0) == "--run-time 10s is over"


def test_a_signal_ends_a_pause(tmp_path: Path) -> None:
    (tmp_path / "pause").touch()
    clock = Clock()
    limits = Limits(pause_file=tmp_path / "pause", nice=1000)
    run = throttle(clock, limits, stop=lambda: clock.slept > 1)
    run.after_page(1, 0.1)
    assert clock.slept < 2
