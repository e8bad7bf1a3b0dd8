"""Yielding between pages: to a nice factor, a rate, slow answers, lagging replicas, a pause file, a
time limit. Any one reason pauses; a pause that does not end stops the run, which can go on later.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from sessctl.errors import StoreError
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sessctl.stores.base import ConfirmingStore, Lag, Store

_REMEMBERED = 20  # answer times
_LOOK_EVERY_S = 0.25  # while paused
_LAG_EVERY_S = 0.5  # while running


@dataclass(frozen=True, slots=True)
class Limits:
    """What a long run keeps to. Spans are seconds; None switches a limit off.

    `nice` sleeps that many times as long as a page took; `rate` is sessions a second; `max_latency`
    is the slowest of the last 20 answers to a question that costs the server nothing;
    `wait_replicas` is for a store that `confirms_writes`.
    """

    nice: float = 0.0
    rate: float | None = None
    max_latency_s: float | None = 0.05
    max_lag_s: float | None = 2.0
    run_time_s: float | None = None
    pause_file: Path | None = None
    max_pause_s: float = 600.0
    wait_replicas: int | None = None


@dataclass(slots=True)
class Throttle:
    """Asked between pages; sleeps as long as it has to.

    Args:
        lags: who tells how far replicas are behind; the store itself if not given.
        say: told when a pause begins, and why.
        stop: ends a pause.
    """

    store: Store
    limits: Limits
    say: Callable[[str], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False
    lags: Callable[[], list[Lag]] | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    notes: list[str] = field(default_factory=list)
    _started: float = field(init=False)
    _done: int = field(init=False, default=0)
    _blind: bool = field(init=False, default=False)
    _latencies: deque[float] = field(init=False)
    _lag_seen: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        self._started = self.clock()
        self._lag_seen = self._started - _LAG_EVERY_S
        self._latencies = deque(maxlen=_REMEMBERED)

    def after_page(self, count: int, took_s: float) -> str | None:
        """Yield; why the run has to stop here, in words, or None."""
        self._done += count
        nice = self.limits.nice * 2 if self._blind else self.limits.nice
        self._rest(nice * took_s)
        if self.limits.rate:
            self._rest(self._started + self._done / self.limits.rate - self.clock())
        stopped = self._pause()
        if stopped is None and self._is_over():
            return f"--run-time {format_duration(self.limits.run_time_s or 0)} is over"
        return stopped

    def _is_over(self) -> bool:
        limit = self.limits.run_time_s
        return limit is not None and self.clock() - self._started >= limit

    def _pause(self) -> str | None:
        """Wait until nothing asks for a pause any more."""
        began = self.clock()
        reason = self._reason()
        said: str | None = None
        while reason is not None and not self.stop():
            if self.clock() - began >= self.limits.max_pause_s:
                return f"paused for {format_duration(self.limits.max_pause_s)} ({reason})"
            if self._is_over():
                return None  # the time limit is the reason then
            kind = reason.partition(" ")[0]
            if kind != said:
                self.say(f"paused: {reason}")
                said = kind
            self._rest(_LOOK_EVERY_S)
            self._latencies.clear()
            self._lag_seen = self.clock() - _LAG_EVERY_S
            reason = self._reason()
        return None

    def _reason(self) -> str | None:
        limits = self.limits
        if limits.pause_file is not None and limits.pause_file.exists():
            return f"{limits.pause_file} exists"
        return self._slow_answers() or self._lagging() or self._unconfirmed()

    def _slow_answers(self) -> str | None:
        limit = self.limits.max_latency_s
        if limit is None:
            return None
        before = self.clock()
        self.store.now_ms()
        self._latencies.append(self.clock() - before)
        slowest = max(self._latencies)
        if slowest <= limit:
            return None
        return f"answers take {format_duration(slowest)}"

    def _unconfirmed(self) -> str | None:
        wanted = self.limits.wait_replicas
        if wanted is None:
            return None
        store = cast("ConfirmingStore", self.store)
        confirmed = store.confirmed(wanted, round(_LOOK_EVERY_S * 1000))
        return None if confirmed >= wanted else f"{confirmed} of {wanted} replicas have the page"

    def _lagging(self) -> str | None:
        limit = self.limits.max_lag_s
        if limit is None or self._blind or self.clock() - self._lag_seen < _LAG_EVERY_S:
            return None
        self._lag_seen = self.clock()
        try:
            lags = (self.lags or self.store.lags)()
        except StoreError as exc:
            self._blind = True
            self.notes.append(f"the lag of replicas cannot be seen: {exc.message}")
            return None
        for lag in lags:
            if lag.seconds is None:
                return f"replica {lag.replica} does not tell how far it is behind"
            if lag.seconds > limit:
                return f"replica {lag.replica} lag {lag.seconds:.1f} s"
        return None

    def _rest(self, seconds: float) -> None:
        """Sleep in small steps, so that a signal is heard."""
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0 and not self.stop():
            self.sleep(min(left, _LOOK_EVERY_S))
