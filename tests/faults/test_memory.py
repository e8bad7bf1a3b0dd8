"""S18: ten times the sessions take the same memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.footprint import peak_mib
from tests.faults.stores import HOUR_MS, sid, stored
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.faults.stores import Subject

FEW, MANY = 6_000, 60_000
CEILING_MIB = 150.0
# Both are beyond what is bounded: pages of 1 000, a plan that counts 10 001.
GROWTH_MIB = 4.0


def fill(subject: Subject, count: int, rng: Random) -> None:
    """So many sessions, and no time wasted: one value for all, which is 300 bytes."""
    raw = stored(rng, size=150)
    now = now_ms()
    live = 1 if subject.name == "redis" else 20  # a table in which all are over is refused
    subject.replace(
        [(sid(rng), raw, now + (-HOUR_MS if number % live else HOUR_MS)) for number in range(count)]
    )


def numbers(subject: Subject, home: Path) -> dict[str, float]:
    """A scan is a scan; what is counted beside it is the same for all engines."""
    if subject.name != "sqlite":
        return {}
    return {"stats": peak_mib("stats", "-o", "jsonl", "-b", subject.url, home=home)}


def peaks(
    subject: Subject, home: Path, rng: Random, count: int, *, restore: bool
) -> dict[str, float]:
    fill(subject, count, rng)
    url = ["-b", subject.url]
    found = {
        "list": peak_mib("list", "-o", "jsonl", *url, home=home),
        **numbers(subject, home),
        "purge": peak_mib(*subject.purge, "-o", "jsonl", *url, home=home),
    }
    if restore:
        command = ["restore", "--last", "--yes", *subject.lapsed, *url]
        found["restore"] = peak_mib(*command, home=home)
    return found


@pytest.mark.quick_on("redis")
@pytest.mark.parametrize("scale", [1, pytest.param(5, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_store(subject, home, rng, scale) -> None:
    few = peaks(subject, home, rng, FEW, restore=scale > 1)
    # It is the filling that takes its time on a server.
    most = MANY if subject.name in ("redis", "sqlite") else MANY // 2
    if subject.name == "files":
        most = MANY // 6  # each of which is a file to make
    many = peaks(subject, home, rng, most * scale, restore=scale > 1)
    for command, peak in many.items():
        grown = peak - few[command]
        print(f"{subject.name} {command}: {few[command]:.1f} -> {peak:.1f} MiB ({grown:+.1f})")
    for command, peak in many.items():
        assert peak < CEILING_MIB, command
        assert peak - few[command] < GROWTH_MIB, command
