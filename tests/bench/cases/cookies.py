"""perf.md row 12: verify signed express-session cookies, one a line, in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.bench import HERE, Bench, Side, node_modules, sessctl
from tests.bench.compare import compare
from tests.bench.loaders.gen_cookies import SECRET

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_BAD_EVERY = 100
_JUDGED = (0, 1)  # 1: not every cookie is valid, which is so


def run(bench: Bench) -> None:
    modules = str(node_modules())
    full, few = bench.work / "cookies.txt", bench.work / "cookies-few.txt"
    bench.load("gen_cookies", str(full), "--count", str(bench.n), "--bad-every", str(_BAD_EVERY))
    bench.load("gen_cookies", str(few), "--count", "2")

    def side(script: str) -> Side:
        def once(empty: bool) -> Sample:
            return bench.shell(
                f'{script} | grep -c \'"verdict":"valid"\'',
                stdin=few if empty else full,
                expect=str(2 if empty else bench.n - bench.n // _BAD_EVERY),
                env={"NODE_PATH": modules, "SESSION_SECRET": SECRET},
                codes=_JUDGED,
            )

        return once

    found = bench.race(
        {
            "verify": side(f"{sessctl()} verify --secret-from env:SESSION_SECRET -o jsonl"),
            "node": side(f"node {HERE / 'peers' / 'verify.js'} '{SECRET}'"),
        }
    )
    compare(bench, "cookies.verify", found["verify"], found["node"], "cookie-signature", 1.5, 2.0)
