"""The options of a run's pace, as the throttle of a removal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.admin.throttle import Limits, Throttle
from sessctl.errors import UsageError
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.stores.base import Store

_PROTECTED_NICE = 0.5


def throttle_for(run: Run, backend: Backend, store: Store) -> Throttle:
    """What `--nice`, `--rate`, `--max-lag` and so on ask for. Raises UsageError."""
    options, usual = run.options, Limits()

    def seconds(text: str | None, default: float | None) -> float | None:
        return default if text is None else parse_duration(text).total_seconds()

    nice = _PROTECTED_NICE if backend.protected else usual.nice
    limits = Limits(
        nice=nice if options.nice is None else options.nice,
        rate=options.rate,
        max_latency_s=seconds(options.max_latency, usual.max_latency_s),
        max_lag_s=seconds(options.max_lag, usual.max_lag_s),
        run_time_s=seconds(options.run_time, None),
        pause_file=Path(options.pause_file) if options.pause_file is not None else None,
        max_pause_s=seconds(options.max_pause, None) or usual.max_pause_s,
        wait_replicas=options.wait_replicas,
    )
    if limits.wait_replicas is not None and not store.capabilities.confirms_writes:
        raise UsageError(
            "--wait-replicas needs replicas that confirm what they have, as those of Redis do",
            hint="--max-lag pauses while replicas are behind",
        )
    throttle = Throttle(store, limits, say=run.note)
    if options.lag_from:
        asked = [run.replica_status(name) for name in options.lag_from]
        throttle.lags = lambda: [ask() for ask in asked]
    return throttle


def recheck_s(run: Run) -> float | None:
    """How long to wait before looking again, if that was asked for."""
    text = run.options.recheck
    return None if text is None else parse_duration(text).total_seconds()
