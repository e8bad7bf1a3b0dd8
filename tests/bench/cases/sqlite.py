"""perf.md rows 10 and 11 for a connect-sqlite3 file: export everything, purge what is past."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from tests.bench.bench import Bench, Side, expired, need, sessctl
from tests.bench.compare import compare
from tests.bench.result import BUSY, CEILING_SQL_MB

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_GRACE_S = 60
_DELETE = "DELETE FROM sessions WHERE expired <= {cutoff}; SELECT changes();"
_ROWS_PER_S = 20_000  # row 11's other floor, journal on


def run(bench: Bench) -> None:
    need("sqlite3")
    full, empty_file = bench.work / "sessions.db", bench.work / "empty.db"
    bench.load("load_sql", f"sqlite:///{full}", "--count", str(bench.n))
    bench.load("load_sql", f"sqlite:///{empty_file}", "--count", "0")
    config = bench.work / "sqlite.toml"

    def reading(script: str) -> Side:
        def once(empty: bool) -> Sample:
            path = empty_file if empty else full
            return bench.shell(script.format(path=path), expect=str(0 if empty else bench.n))

        return once

    def purging(script: str) -> Side:
        """Every run has a fresh copy of the file."""

        def once(empty: bool) -> Sample:
            copy = bench.work / "copy.db"
            shutil.copyfile(empty_file if empty else full, copy)
            config.write_text(
                f'[backends.bench]\nurl = "sqlite:///{copy}"\nlayout = "connect-sqlite3"\n',
                encoding="utf-8",
            )
            delete = _DELETE.format(cutoff=int((time.time() - _GRACE_S) * 1000))
            sample = bench.shell(script.format(path=copy, config=config, delete=delete))
            left = bench.shell(f"sqlite3 {copy} 'SELECT count(*) FROM sessions'").stdout.strip()
            if not empty and int(left) != bench.n - expired(bench.n):
                msg = f"{left} sessions are left of {bench.n}"
                raise RuntimeError(msg)
            return sample

        return once

    purge = f"{sessctl()} purge --expired -b bench --config {{config}} -q --max-delete {bench.n}"
    found = bench.race(
        {
            "select": reading("sqlite3 {path} 'SELECT sid, expired, sess FROM sessions' | wc -l"),
            "list": reading(f"{sessctl()} list --data -o jsonl -b sqlite:///{{path}} | wc -l"),
            "delete": purging('sqlite3 {path} "{delete}"'),
            "purge": purging(purge),
            "purge_no_journal": purging(f"{purge} --no-journal --yes"),
        }
    )
    select, delete = found["select"], found["delete"]
    ceiling = {"ceiling_mb": CEILING_SQL_MB}
    compare(bench, "sqlite.list", found["list"], select, "sqlite3 select", 0.25, 0.4, **ceiling)
    name = "one DELETE in sqlite3"
    rate, floor = expired(bench.n) / found["purge"].wall_s, bench.floor(_ROWS_PER_S)
    idle = found["purge"].others <= BUSY
    compare(
        bench, "sqlite.purge", found["purge"], delete, name, 1 / 10, 1 / 6,
        further=[(f"{rate:,.0f} rows/s of {floor:,.0f}", rate >= floor if idle else None)],
        **ceiling,
    )  # fmt: skip
    compare(
        bench, "sqlite.purge_no_journal", found["purge_no_journal"], delete, name, 1 / 4, 1 / 2.5,
        **ceiling,
    )  # fmt: skip
