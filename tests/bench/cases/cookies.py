"""perf.md rows 12, 13 and 15: verify signed cookies, one a line, in one process; those of
express-session once more with two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.bench import HERE, Bench, Side, node_modules, python, sessctl
from tests.bench.compare import compare
from tests.bench.loaders.gen_cookies import SECRET
from tests.bench.result import BUSY, Measurement

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_BAD_EVERY = 100
_JUDGED = (0, 1)  # 1: not every cookie is valid, which is so


def run(bench: Bench) -> None:
    modules = str(node_modules())
    node = f"node {HERE / 'peers' / 'verify.js'} '{SECRET}'"
    _race(bench, "express", node, "cookie-signature", 1.5, 2.0, NODE_PATH=modules)
    flask = f"{python()} {HERE / 'peers' / 'verify_flask.py'} '{SECRET}'"
    _race(bench, "flask", flask, "URLSafeTimedSerializer", 2.5, 3.5)


def _race(
    bench: Bench, kind: str, peer: str, name: str, floor: float, goal: float, **env: str
) -> None:
    full, few = bench.work / f"{kind}.txt", bench.work / f"{kind}-few.txt"
    bad = ("--bad-every", str(_BAD_EVERY))
    bench.load("gen_cookies", str(full), "--count", str(bench.n), "--kind", kind, *bad)
    bench.load("gen_cookies", str(few), "--count", "2", "--kind", kind)

    def side(script: str) -> Side:
        def once(empty: bool) -> Sample:
            return bench.shell(
                f'{script} | grep -c \'"verdict":"valid"\'',
                stdin=few if empty else full,
                expect=str(2 if empty else bench.n - bench.n // _BAD_EVERY),
                env={**env, "SESSION_SECRET": SECRET},
                codes=_JUDGED,
            )

        return once

    ours = f"{sessctl()} verify --secret-from env:SESSION_SECRET -o jsonl"
    sides = {"verify": side(ours), "peer": side(peer)}
    if kind == "express":
        sides["two"] = side(f"{ours} --jobs 2")
    found = bench.race(sides)
    case = "cookies.verify" if kind == "express" else f"cookies.verify.{kind}"
    compare(bench, case, found["verify"], found["peer"], name, floor, goal)
    if "two" in found:
        _report_jobs(bench, found["verify"], found["two"])


def _report_jobs(bench: Bench, one: Sample, two: Sample) -> None:
    """Wall time, which says nothing where a second core is somebody else's: judged on a machine
    that was idle beside it."""
    ratio, floor = one.wall_s / two.wall_s, bench.floor(1.5)
    is_idle = max(one.others, two.others) <= BUSY
    remarks = ["two processes against one"]
    if not is_idle:
        remarks.append("not judged: the machine was busy")
    figures = {
        "wall": two.wall_s, "cpu_client": two.cpu_client_s, "rss_mb": two.rss_mb,
        "peer": "--jobs 1", "ratio": ratio, "floor": floor, "goal": 1.8, "others": two.others,
    }  # fmt: skip
    ok = ratio >= floor if is_idle and not bench.small else None
    bench.report(Measurement("cookies.jobs", bench.n, figures, ok, remarks))
