"""perf.md row 11: purge what is past in PostgreSQL, while an application goes on logging in."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.bench.bench import HERE, Bench, Side, expired, need, sessctl
from tests.bench.compare import compare
from tests.bench.databases import fresh_postgres, postgres
from tests.bench.result import BUSY, CEILING_SQL_MB, limited

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.measure import Sample
    from tests.support.postgres import PostgresServer

# What connect-pg-simple's own pruning does, and Django's `clearsessions`.
_DELETE = "psql -qX {url} -c 'DELETE FROM session WHERE expire < now()'"
_ROWS_PER_S = 20_000  # with the journal
_TRANSACTION_MS = 100.0


def run(bench: Bench) -> None:
    need("psql")
    felt: dict[str, list[dict[str, Any]]] = {}
    journals = bench.work / "journals"
    with postgres(bench) as server:

        def side(name: str, script: str) -> Side:
            """Every run has a fresh copy of the database."""

            def once(empty: bool) -> Sample:
                url = fresh_postgres(server, empty=empty)
                config = _config(bench, url)
                with logging_in(url) as other:
                    sample = bench.shell(script.format(url=url, config=config), server=server)
                if not empty:
                    _check(bench, server)
                    felt.setdefault(name, []).append(
                        {
                            **other,
                            "others": sample.others,
                            "wall": sample.wall_s,
                            "journal": sum(path.stat().st_size for path in journals.glob("*")),
                        }
                    )
                for path in journals.glob("*"):
                    path.unlink()
                return sample

            return once

        allowed = f"--max-delete {bench.n}"
        purge = f"{sessctl()} purge --expired -b bench --config {{config}} -q {allowed}"
        found = bench.race(
            {
                "delete": side("delete", _DELETE),
                "purge": side("purge", purge),
                "purge_no_journal": side("purge_no_journal", f"{purge} --no-journal --yes"),
            }
        )
    name = "one DELETE in psql"
    rate, floor = expired(bench.n) / found["purge"].wall_s, bench.floor(_ROWS_PER_S)
    idle = found["purge"].others <= BUSY
    journal_mb = felt["purge"][-1]["journal"] / 2**20
    compare(
        bench, "sql_purge.postgres", found["purge"], found["delete"], name, 1 / 10, 1 / 6,
        ceiling_mb=CEILING_SQL_MB,
        further=[
            (f"{rate:,.0f} rows/s of {floor:,.0f}", rate >= floor if idle else None),
            (f"journal {journal_mb:.1f} MiB", None),
        ],
    )  # fmt: skip
    compare(
        bench, "sql_purge.postgres_no_journal", found["purge_no_journal"], found["delete"], name,
        1 / 4, 1 / 2.5, ceiling_mb=CEILING_SQL_MB,
    )  # fmt: skip
    for name, runs in felt.items():
        _report(bench, name, runs)


def _config(bench: Bench, url: str) -> str:
    """A configuration with the database and a folder of its own for journals."""
    path = bench.work / "postgres.toml"
    path.write_text(
        f'[backends.bench]\nurl = "{url}"\nlayout = "connect-pg-simple"\n'
        f'[journal]\ndirectory = "{bench.work / "journals"}"\n',
        encoding="utf-8",
    )
    path.chmod(0o600)  # it holds a password
    return str(path)


def _check(bench: Bench, server: PostgresServer) -> None:
    ((left,),) = server.query("SELECT count(*) FROM session WHERE sid NOT LIKE 'login-%%'")
    if left != bench.n - expired(bench.n):
        msg = f"{left} sessions are left of {bench.n}"
        raise RuntimeError(msg)


@contextmanager
def logging_in(url: str) -> Iterator[dict[str, Any]]:
    """An application at work; the dict is filled when it ends."""
    felt: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, str(HERE / "peers" / "login.py"), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is connected
        try:
            yield felt
        finally:
            out, _ = process.communicate(b"stop\n")
            felt.update(json.loads(out) if out else {})


def _report(bench: Bench, name: str, runs: list[dict[str, Any]]) -> None:
    """Of the runs the median of the longest transaction; judged for sessctl on an idle machine."""
    runs.sort(key=lambda run: run["transaction_ms"])
    middle = runs[len(runs) // 2]
    judged = name != "delete" and max(run["others"] for run in runs) <= BUSY
    words = (
        f"longest transaction; a login took p50 {middle['p50_ms']:.2f}, p99 {middle['p99_ms']:.2f},"
        f" max {middle['max_ms']:.1f} ms"
    )
    bench.report(
        limited(
            f"sql_purge.{name}.transaction", bench.n, words, unit="max_ms",
            limit=_TRANSACTION_MS if judged else None, value=middle["transaction_ms"],
            login_p99_ms=middle["p99_ms"], login_max_ms=middle["max_ms"],
        )
    )  # fmt: skip
