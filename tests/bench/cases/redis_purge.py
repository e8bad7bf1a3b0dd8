"""perf.md rows 6 and 7: purge all, purge what is past; and what another client feels meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.bench.bench import HERE, Bench, Side, expired, need, node, node_modules, sessctl
from tests.bench.compare import compare
from tests.bench.result import BUSY, limited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.measure import Sample
    from tests.support.servers import RedisServer

_ALL = "purge --all -b bench --config {config} -q --confirm bench --yes --max-delete {n}"
_UNLINK = (
    "redis-cli -p {port} -n {db} --scan --pattern 'sess:*'"
    " | xargs -r -L 1000 redis-cli -p {port} -n {db} unlink >/dev/null"
)
_DESTROY = node("purge {url}")
# Latency that the other client may see while rows 3, 4, 6, 7 run, on an idle machine.
_P99_MS, _MAX_MS = 10.0, 30.0


def run(bench: Bench) -> None:
    need("redis-cli", "xargs", "node")
    modules = str(node_modules())
    pings: dict[str, list[dict[str, Any]]] = {}

    def side(name: str, script: str, left: int, **env: str) -> Side:
        """Every run has a fresh server with all sessions."""

        def once(empty: bool) -> Sample:
            with bench.redis(0 if empty else None) as server:
                url = server.url
                text = script.format(
                    config=bench.config(url), n=bench.n, url=url, port=server.port, db=0
                )
                with pinging(server) as latency:
                    sample = bench.shell(text, server=server, env=env)
                if not empty:
                    _check(bench, server, left)
                    pings.setdefault(name, []).append({**latency, "others": sample.others})
                return sample

        return once

    kept = bench.n - expired(bench.n)
    found = bench.race(
        {
            "unlink": side("unlink", _UNLINK, 0),
            "all": side("all", f"{sessctl()} {_ALL} --no-journal --force=journal", 0),
            "all_journal": side("all_journal", f"{sessctl()} {_ALL}", 0),
            "destroy": side("destroy", _DESTROY, kept, NODE_PATH=modules),
            "expired": side(
                "expired", f"{sessctl()} purge --expired -b bench --config {{config}} -q", kept
            ),
        }
    )
    name = "redis-cli --scan | xargs unlink"
    compare(bench, "redis_purge.all", found["all"], found["unlink"], name, 2.0, 3.5)
    compare(bench, "redis_purge.all_journal", found["all_journal"], found["unlink"], name, 0.3, 0.6)
    name = "connect-redis all(), destroy()"
    compare(bench, "redis_purge.expired", found["expired"], found["destroy"], name, 2.5, 4.0)
    for name, runs in pings.items():
        _report(bench, name, runs)


def _check(bench: Bench, server: RedisServer, left: int) -> None:
    # Counted outside of this process: its memory would show in the peaks of the runs to come.
    bench.shell(f"redis-cli -p {server.port} --scan --pattern 'sess:*' | wc -l", expect=str(left))


@contextmanager
def pinging(server: RedisServer) -> Iterator[dict[str, Any]]:
    """Another client at work; the dict is filled when it ends."""
    latency: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, str(HERE / "peers" / "ping.py"), str(server.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield latency
        finally:
            out, _ = process.communicate(b"stop\n")
            latency.update(json.loads(out) if out else {})


def _report(bench: Bench, name: str, runs: list[dict[str, Any]]) -> None:
    """The medians of p99 and maximum; judged for sessctl on an idle machine."""
    runs.sort(key=lambda run: run["max_ms"])
    middle = runs[len(runs) // 2]
    p99 = sorted(run["p99_ms"] for run in runs)[len(runs) // 2]
    judged = name not in ("unlink", "destroy") and max(run["others"] for run in runs) <= BUSY
    limit = _MAX_MS if judged else None
    value = middle["max_ms"]
    words = f"ping p50 {middle['p50_ms']:.2f}, p99 {p99:.2f}, max {value:.1f} ms"
    found = limited(
        f"redis_purge.{name}.ping", bench.n, words, limit=limit, value=value, unit="max_ms",
        also=p99 <= _P99_MS,
        p99_ms=p99, p99_limit=_P99_MS if judged else None,
    )  # fmt: skip
    bench.report(found)
