"""perf.md row 18 and cli-ux.md section 15: CPU time to start, against Python and against typer."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tests.bench.bench import HERE, Bench, python, sessctl
from tests.bench.loaders.sessdata import express_cookie
from tests.bench.measure import interleaved, weigh
from tests.bench.result import limited

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.measure import Sample

_ROUNDS, _QUICK_ROUNDS = 41, 15


def run(bench: Bench) -> None:
    store = bench.work / "startup.db"
    bench.load("load_sql", f"sqlite:///{store}", "--count", "10")
    commands = {
        "python": f"{python()} -c pass",
        "sqlalchemy": f"{python()} -c 'import sqlalchemy'",
        "typer": f"{python()} {HERE / 'peers' / 'typer_two.py'} one x",
        "version": f"{sessctl()} --version",
        "help": f"{sessctl()} --help",
        "usage": f"{sessctl()} lst",
        "decode": f"{sessctl()} decode {express_cookie(1, 'x')}",
        "list": f"{sessctl()} list -b sqlite:///{store}",
    }
    environment = bench.environment()

    def side(command: str) -> Callable[[], Sample]:
        words = shlex.split(command)
        return lambda: weigh(words, env=environment, cwd=bench.work, codes=(0, 2))

    found = interleaved(
        {name: side(command) for name, command in commands.items()},
        _QUICK_ROUNDS if bench.quick else _ROUNDS,
    )
    ms = {name: sample.cpu_client_s * 1000 for name, sample in found.items()}
    driver = ms["sqlalchemy"] - ms["python"]
    bench.report(
        limited("startup.python", 1, f"typer program {ms['typer']:.0f} ms, sqlalchemy "
                f"+{driver:.0f} ms", limit=None, value=ms["python"], unit="cpu_ms")
    )  # fmt: skip
    # Row 18 is a floor; section 15's budgets are reported, and proved by what is not imported.
    for name in ("help", "usage"):
        _report(bench, name, ms[name], ms["python"] + 120, floor=ms["python"] + 250)
    _report(bench, "version", ms["version"], 0.3 * ms["typer"])
    _report(bench, "decode", ms["decode"], 1.25 * ms["typer"])
    _report(bench, "list", ms["list"], 1.5 * ms["typer"] + driver)


def _report(
    bench: Bench, name: str, cpu_ms: float, budget: float, *, floor: float | None = None
) -> None:
    words = f"{cpu_ms:.0f} ms CPU, budget {budget:.0f}"
    words += "" if cpu_ms <= budget else ", over budget"
    bench.report(
        limited(f"startup.{name}", 1, words, limit=floor, value=cpu_ms, unit="cpu_ms", goal=budget)
    )
