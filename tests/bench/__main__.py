"""`python -m tests.bench`, which `tests/bench/run` calls: options, cases, table, exit code."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from tests.bench.bench import FULL, QUICK, Bench, Missing
from tests.bench.result import Measurement, print_table, skipped

CASES = (
    "startup", "cookies", "django_cookies", "wordlist", "wordlist_flask", "sqlite", "sql_first",
    "sql_export",
    "sql_purge", "redis_read", "redis_purge", "live_node", "memory",
)  # fmt: skip
FAILED, SKIPPED = 1, 77


def main() -> int:
    given = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers are stopped on the way out
    results: list[Measurement] = []

    def report(found: Measurement) -> None:
        results.append(found)
        print(found.as_json(), flush=True)

    with tempfile.TemporaryDirectory(prefix="sessctl-bench-") as folder:
        count = given.count or (QUICK if given.quick else FULL)
        bench = Bench(Path(folder), count, given.quick, report)
        for name in given.case or CASES:
            bench.say(f"case {name}")
            try:
                import_module(f"tests.bench.cases.{name}").run(bench)
            except Missing as exc:
                report(skipped(name, str(exc)))
    print_table(results)
    if any(result.ok is False for result in results):
        return FAILED
    return SKIPPED if any("skipped" in result.figures for result in results) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests/bench/run", description="Speed and memory as ratios to named peers."
    )
    parser.add_argument("--quick", action="store_true", help="1/50 of the counts, floors x 0.7")
    parser.add_argument("--case", action="append", choices=CASES, help="only this; repeatable")
    parser.add_argument("--count", type=int, metavar="N", help="sessions or cookies")
    given = parser.parse_args()
    if given.count is not None and given.count < 1000:
        parser.error("--count: at least 1000, or there is nothing to measure")
    return given


if __name__ == "__main__":
    sys.exit(main())
