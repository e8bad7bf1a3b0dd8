"""perf.md row 8: the first 50 by expiry, from an index, on all three databases."""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.bench.bench import HERE, Bench, need, python, sessctl
from tests.bench.databases import mariadb, postgres
from tests.bench.measure import interleaved
from tests.bench.result import BUSY, limited

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_FIRST = 50
_QUERY_MS = 5.0
_CPU_S, _CPU_GOAL_S = 0.5, 0.35  # of the command, above the database's own client
_SELECT = "SELECT * FROM {table} ORDER BY {expires} LIMIT " + str(_FIRST)


def run(bench: Bench) -> None:
    need("psql", "sqlite3", "mysql")
    with ExitStack() as stack:
        path = bench.work / "first.db"
        bench.load("load_sql", f"sqlite:///{path}", "--count", str(bench.n), "--index")
        server = stack.enter_context(postgres(bench))
        maria = stack.enter_context(mariadb(bench))
        loaded = server.url_for("app", server.password, db="loaded")
        select = _SELECT.format
        _measure(
            bench, "sqlite", f"sqlite:///{path}", f"sqlite3 {path}",
            select(table="sessions", expires="expired"),
        )  # fmt: skip
        _measure(
            bench, "postgres", loaded, f"psql -qXAt {loaded} -c",
            select(table="session", expires="expire"),
        )  # fmt: skip
        _measure(
            bench, "mariadb", maria.url,
            f"mysql -h 127.0.0.1 -P {maria.port} -u app -p{maria.password} -BN shop -e",
            select(table="sessions", expires="expires"),
        )  # fmt: skip
        path.unlink()


def _measure(bench: Bench, name: str, url: str, client: str, select: str) -> None:
    expect = str(_FIRST)
    ours = f"{sessctl()} list --sort expires --limit {_FIRST} --data -o jsonl -b {url} | wc -l"
    theirs = f"{client} {shlex.quote(select)} | wc -l"
    first = f"{python()} {HERE / 'peers' / 'first.py'} {url} {_FIRST}"
    runs: dict[str, Sample] = interleaved(
        {
            "list": lambda: bench.shell(ours, expect=expect),
            "peer": lambda: bench.shell(theirs, expect=expect),
            "query": lambda: bench.shell(first),
        },
        5,
    )
    more_s = runs["list"].cpu_client_s - runs["peer"].cpu_client_s
    idle = runs["query"].others <= BUSY
    bench.report(
        limited(
            f"sql_first.{name}.query", bench.n, f"first {_FIRST} of an open store",
            limit=_QUERY_MS if idle else None, value=float(runs["query"].stdout), unit="ms",
        )
    )  # fmt: skip
    words = f"{more_s:.2f} s CPU more than {client.split()[0]}, goal {_CPU_GOAL_S}"
    bench.report(
        limited(
            f"sql_first.{name}.command", bench.n, words, limit=_CPU_S, value=more_s,
            unit="cpu_s_more", wall=runs["list"].wall_s, cpu_client=runs["list"].cpu_client_s,
            rss_mb=runs["list"].rss_mb,
        )
    )  # fmt: skip
