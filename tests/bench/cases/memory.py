"""perf.md section 3: peak memory of streaming commands at N and at N/100 sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.bench import Bench, need, sessctl
from tests.bench.loaders.gen_cookies import SECRET
from tests.bench.result import CEILING_MB, CEILING_SQL_MB, limited

if TYPE_CHECKING:
    from tests.bench.measure import Sample

_GROWTH_MB = 5.0
_REDIS = {
    "count": "list --count -b bench --config {config}",
    "list": "list --data -o jsonl -b bench --config {config} | wc -l",
    "purge": "purge --expired -q -b bench --config {config}",
}
_SQLITE = {
    "list": "list --data -o jsonl -b bench --config {config} | wc -l",
    "purge": "purge --expired -q -b bench --config {config} --max-delete {n}",
}


def run(bench: Bench) -> None:
    need("redis-server")
    sizes = (bench.n // 100, bench.n)
    rss: dict[str, list[float]] = {}
    for count in sizes:
        for name, sample in _all(bench, count).items():
            rss.setdefault(name, []).append(sample.rss_mb)
    for name, (small, large) in rss.items():
        ceiling = CEILING_SQL_MB if name.startswith("sqlite") else CEILING_MB
        limit = min(ceiling, small + _GROWTH_MB)
        words = f"{small:.1f} MB at {sizes[0]:,}, ceiling {ceiling:.0f}"
        bench.report(
            limited(f"memory.{name}", bench.n, words, limit=limit, value=large, unit="rss_mb")
        )


def _all(bench: Bench, count: int) -> dict[str, Sample]:
    found: dict[str, Sample] = {}
    with bench.redis(count) as server:
        config = bench.config(server.url)
        for name, command in _REDIS.items():
            found[f"redis.{name}"] = bench.shell(f"{sessctl()} {command.format(config=config)}")
    path, config = bench.work / f"memory-{count}.db", bench.work / "memory.toml"
    bench.load("load_sql", f"sqlite:///{path}", "--count", str(count))
    config.write_text(
        f'[backends.bench]\nurl = "sqlite:///{path}"\nlayout = "connect-sqlite3"\n',
        encoding="utf-8",
    )
    for name, command in _SQLITE.items():
        text = command.format(config=config, n=count)
        found[f"sqlite.{name}"] = bench.shell(f"{sessctl()} {text}")
    path.unlink()
    cookies = bench.work / "memory-cookies.txt"
    bench.load("gen_cookies", str(cookies), "--count", str(count))
    found["verify"] = bench.shell(
        f"{sessctl()} verify --secret-from env:SESSION_SECRET | wc -l",
        stdin=cookies,
        env={"SESSION_SECRET": SECRET},
    )
    return found
