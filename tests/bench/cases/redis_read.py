"""perf.md rows 1 to 5: count, ids, data, data with TTLs, the sessions of one user."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.bench.bench import FULL, HERE, Bench, Side, need, node, node_modules, python, sessctl
from tests.bench.compare import compare

if TYPE_CHECKING:
    from tests.bench.measure import Sample
    from tests.support.servers import RedisServer

USER = 42
_USERS = 50_000
_SHARE = 10  # the redis-py script looks at a tenth, its time counts tenfold
_SCAN = "redis-cli -p {port} -n {db} --scan --pattern 'sess:*' | wc -l"
_NODE = node("list {url} | wc -l")
_FIELDS = "sid,user,size_bytes,data,extra"  # nothing that a TTL decides
ROWS = {
    "count": ("list --count", "scan", 3.0, 5.0),
    "ids": ("list -o name | wc -l", "scan", 2.5, 4.0),
    "data": (f"list -o jsonl --data --fields {_FIELDS} | wc -l", "node", 1.8, 2.6),
    "data_ttl": ("list -o jsonl --data | wc -l", "node", 1.4, 1.9),
    "user": (f"list --user {USER} --count", "script", 12.0, 20.0),
}
_NAMES = {
    "scan": "redis-cli --scan",
    "node": "connect-redis all()",
    "script": "redis-py scan_iter, get, json.loads",
}
_LESS_MEMORY = 15  # row 3: in a fifteenth of the peer's


def run(bench: Bench) -> None:
    need("redis-cli")
    modules = str(node_modules())
    users = len(range(USER, bench.n, _USERS))

    with bench.redis() as server:

        def pipeline(script: str, found: int, **env: str) -> Side:
            def side(empty: bool) -> Sample:
                url, db = _database(server, empty=empty)
                text = script.format(port=server.port, db=db, url=url)
                expect = str(0 if empty else found)
                return bench.shell(text, server=server, expect=expect, env=env)

            return side

        def script(empty: bool) -> Sample:
            return _find_user(bench, server, empty=empty)

        sides = {
            "scan": pipeline(_SCAN, bench.n),
            "node": pipeline(_NODE, bench.n, NODE_PATH=modules),
            "script": script,
        }
        for name, (command, *_) in ROWS.items():
            words, *rest = command.split(" | ")
            text = " | ".join([f"{sessctl()} {words} -b {{url}}", *rest])
            sides[name] = pipeline(text, users if name == "user" else bench.n)
        found = bench.race(sides)
    for name, (_, peer, floor, goal) in ROWS.items():
        further = [_memory(bench, found[name], found[peer])] if name == "data" else []
        compare(
            bench, f"redis_read.{name}", found[name], found[peer], _NAMES[peer], floor, goal,
            further=further,
        )  # fmt: skip


def _memory(bench: Bench, ours: Sample, peer: Sample) -> tuple[str, bool | None]:
    """Row 3's other half; the peer's memory grows with the count, so that it takes all of R1M."""
    share = peer.rss_mb / ours.rss_mb
    good = share >= _LESS_MEMORY if bench.n >= FULL else None
    return f"1/{share:.0f} of its memory", good


def _database(server: RedisServer, *, empty: bool) -> tuple[str, int]:
    """(URL, number) of the database with the sessions, or of the one without any."""
    db = 1 if empty else 0
    return server.url_for(None, None, db=db), db


def _find_user(bench: Bench, server: RedisServer, *, empty: bool) -> Sample:
    """The redis-py script over a tenth of the sessions, by its own clock, times ten."""
    url, _ = _database(server, empty=empty)
    peer = HERE / "peers" / "find_user.py"
    sample = bench.shell(f"{python()} {peer} {url} {USER} {bench.n // _SHARE}", server=server)
    used = json.loads(sample.stderr.splitlines()[-1])
    own = replace(sample, wall_s=used["wall"], cpu_client_s=used["cpu"])
    return own.times(_SHARE)
