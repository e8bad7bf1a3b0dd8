"""perf.md row 9: every session of PostgreSQL as JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.bench import Bench, Side, need, sessctl
from tests.bench.compare import compare
from tests.bench.databases import postgres
from tests.bench.result import CEILING_SQL_MB

if TYPE_CHECKING:
    from tests.bench.measure import Sample


def run(bench: Bench) -> None:
    need("psql")
    with postgres(bench) as server:

        def side(script: str) -> Side:
            def once(empty: bool) -> Sample:
                url = server.url_for("app", server.password, db="blank" if empty else "loaded")
                expect = str(0 if empty else bench.n)
                return bench.shell(script.format(url=url), server=server, expect=expect)

            return once

        found = bench.race(
            {
                "copy": side("psql -qX {url} -c 'COPY session TO STDOUT' | wc -l"),
                "list": side(f"{sessctl()} list --data -o jsonl -b {{url}} | wc -l"),
            }
        )
    name = "psql COPY TO STDOUT"
    compare(
        bench, "sql_export.postgres", found["list"], found["copy"], name, 0.35, 0.6,
        ceiling_mb=CEILING_SQL_MB,
    )  # fmt: skip
