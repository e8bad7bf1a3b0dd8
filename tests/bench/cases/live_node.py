"""perf.md row 17: list the sessions in the memory of a live process, and what it feels of that."""

from __future__ import annotations

import json
from contextlib import ExitStack
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.bench import HERE, Bench, Side, node_modules, python, sessctl
from tests.bench.result import BUSY, limited
from tests.support.memory_app import NodeApp

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_SHARE = 10  # M100k, where the other rows take a million
_ROWS_A_SECOND, _GOAL = 50_000, 100_000
_PAGE_MS, _OPEN_MS = 15.0, 50.0


def run(bench: Bench) -> None:
    node_modules()
    count = bench.n // _SHARE
    for store in ("express-memory", "memorystore"):
        with ExitStack() as stack:
            app = stack.enter_context(NodeApp("plain.js", store, f"fill={count}"))
            bare = stack.enter_context(NodeApp("plain.js", store))
            found = bench.race({store: _side(bench, app, bare, count)})[store]
            _report_rate(bench, store, count, found)
            script = f"{python()} {HERE / 'peers' / 'pauses.py'} {_url(app)} {app.url}"
            _report_pauses(bench, store, count, [bench.shell(script) for _ in range(bench.rounds)])


def _url(app: NodeApp) -> str:
    return f"node+pid://{app.pid}"


def _side(bench: Bench, app: NodeApp, bare: NodeApp, count: int) -> Side:
    def once(empty: bool) -> Sample:
        server = bare if empty else app
        script = f"{sessctl()} list --data -o jsonl -b {_url(server)} | wc -l"
        return bench.shell(script, server=server, expect="0" if empty else str(count))

    return once


def _report_rate(bench: Bench, store: str, count: int, found: Sample) -> None:
    """Process and command take turns: on a busy machine their CPU seconds say more. Judged on an
    idle one."""
    is_idle = found.others <= BUSY
    took_s = found.wall_s if is_idle else found.cpu_s
    words = f"{count / took_s:,.0f} rows/s by {'wall' if is_idle else 'cpu'}, goal {_GOAL:,}"
    limit_us = 1e6 / bench.floor(_ROWS_A_SECOND) if is_idle else None
    bench.report(
        limited(
            f"live_node.{store}", count, words,
            limit=limit_us, value=took_s / count * 1e6, unit="us_a_row", wall=found.wall_s,
            cpu_client=found.cpu_client_s, cpu_server=found.cpu_server_s, rss_mb=found.rss_mb,
        )
    )  # fmt: skip


def _report_pauses(bench: Bench, store: str, count: int, runs: list[Sample]) -> None:
    """The medians; judged on an idle machine."""
    felt = [json.loads(run.stdout) for run in runs]
    opening, page, p99 = (
        median(each[name] for each in felt) for name in ("open_ms", "page_ms", "p99_ms")
    )
    is_idle = max(run.others for run in runs) <= BUSY
    words = f"pauses: {opening:.1f} ms to open, {page:.1f} ms a page, p99 {p99:.1f} ms"
    bench.report(
        limited(
            f"live_node.{store}.pauses", count, words,
            limit=_PAGE_MS if is_idle else None, value=page, unit="page_ms",
            also=opening <= _OPEN_MS, open_ms=opening, p99_ms=p99,
        )
    )  # fmt: skip
