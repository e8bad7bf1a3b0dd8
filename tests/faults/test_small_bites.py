"""S15: a purge of a big table without an index on its expiry does not keep the application waiting.

Meanwhile a client logs in, renews and reads at a steady rate. The contrast is what everybody runs
at night: one DELETE for all that is over, which holds its locks until its end.
"""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager
from hashlib import md5
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.killer import Victim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Times = dict[str, list[float]]  # what was done -> how long each took, in ms

EVERY_S = 0.01
# Nobody in S15 waits longer for a lock.
WAIT_MS = 1000.0
LOGIN_P99_MS = 50.0

# What a store holds: `{count}` sessions, every fifth over for an hour. No index on the expiry.
FILL = {
    "postgres": [
        'DROP INDEX IF EXISTS "IDX_session_expire"',
        "TRUNCATE session",
        "INSERT INTO session SELECT md5(n::text), ('{{\"cookie\":{{}},\"n\":\"' "
        "|| repeat('x', 200) || '\"}}')::json, "
        "now() + CASE WHEN n % 5 = 0 THEN -1 ELSE 1 END * interval '1 hour' "
        "FROM generate_series(1, {count}) AS n ORDER BY 1",
        "ANALYZE session",
    ],
    "mysql": [
        "TRUNCATE sessions",
        "INSERT INTO sessions SELECT md5(seq), unix_timestamp() + if(seq % 5 = 0, -3600, 3600), "
        "concat('{{\"cookie\":{{}},\"n\":\"', repeat('x', 200), '\"}}') FROM seq_1_to_{count} "
        "ORDER BY 1",  # in the order of the key: a third of the time
        "ANALYZE TABLE sessions",
    ],
}  # fmt: skip
SPOKEN = {
    "postgres": {
        "login": "INSERT INTO session VALUES (%s, '{}', now() + interval '1 day')",
        "renewal": "UPDATE session SET expire = now() + interval '1 day' WHERE sid = %s",
        "read": "SELECT sess FROM session WHERE sid = %s",
    },
    "mysql": {
        "login": "INSERT INTO sessions VALUES (%s, unix_timestamp() + 86400, '{}')",
        "renewal": "UPDATE sessions SET expires = unix_timestamp() + 86400 WHERE session_id = %s",
        "read": "SELECT data FROM sessions WHERE session_id = %s",
    },
}
# As many are over again.
AGAIN = {
    "postgres": "UPDATE session SET expire = now() - interval '1 hour' WHERE sid < '4'",
    "mysql": "UPDATE sessions SET expires = unix_timestamp() - 3600 WHERE session_id < '4'",
}
OLD_WAY = {
    "postgres": "DELETE FROM session WHERE expire < now()",
    "mysql": "DELETE FROM sessions WHERE expires < unix_timestamp()",
}


def prepare(rows: Any, count: int) -> None:
    with closing(rows.server.connect()) as connection, connection.cursor() as cursor:
        for statement in FILL[rows.name]:
            cursor.execute(statement.format(count=count))


@contextmanager
def busy(rows: Any, rng: Random, count: int) -> Iterator[Times]:
    """An application at work on connections of its own, one for each thing that it does."""
    times: Times = {what: [] for what in SPOKEN[rows.name]}
    over = threading.Event()

    def act(what: str, words: str, chance: Random) -> None:
        with closing(rows.server.connect()) as connection, connection.cursor() as cursor:
            while not over.wait(EVERY_S):
                # Renewed and read are those that are over, too: a person has come back.
                name = md5(str(chance.randrange(count)).encode()).hexdigest()
                if what == "login":
                    name = f"login-{chance.randrange(2**64):x}"
                before = time.perf_counter()
                cursor.execute(words, (name,))
                times[what].append((time.perf_counter() - before) * 1000)

    threads = [
        threading.Thread(target=act, args=(what, words, Random(rng.random())))
        for what, words in SPOKEN[rows.name].items()
    ]
    for thread in threads:
        thread.start()
    try:
        yield times
    finally:
        over.set()
        for thread in threads:
            thread.join()


def percentile(times: list[float], part: float) -> float:
    return sorted(times)[min(int(len(times) * part), len(times) - 1)]


def tell(name: str, times: Times, took_s: float) -> None:
    for what, each in times.items():
        p50, p99, most = (percentile(each, part) for part in (0.5, 0.99, 1.0))
        print(
            f"{name} ({took_s:.1f} s) {what}: {len(each)} times, "
            f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {most:.1f} ms"
        )


def run_beside(rows: Any, home: Path, rng: Random, *, count: int) -> dict[str, Times]:
    """Idle, during a purge of ours, during the old way: how long each thing took."""
    prepare(rows, count)
    found: dict[str, Times] = {}
    started = time.monotonic()
    with busy(rows, rng, count) as found["idle"]:
        time.sleep(3)
    tell(f"{rows.name} idle", found["idle"], time.monotonic() - started)

    started = time.monotonic()
    command = ["purge", "--expired", "--yes", "-b", rows.url]
    with busy(rows, rng, count) as found["purge"], Victim(*command, home=home) as run:
        assert run.process.wait(900) == 0, run.stderr
    tell(f"{rows.name} purge", found["purge"], time.monotonic() - started)

    with closing(rows.server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(AGAIN[rows.name])
    started = time.monotonic()
    with (
        busy(rows, rng, count) as found["old way"],
        closing(rows.server.connect()) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(OLD_WAY[rows.name])
    tell(f"{rows.name} one DELETE", found["old way"], time.monotonic() - started)
    return found


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_nobody_waits_for_a_purge_of_a_million(rows, home, rng) -> None:
    found = run_beside(rows, home, rng, count=1_000_000)
    for what, times in found["purge"].items():
        assert max(times) < WAIT_MS, what
    assert percentile(found["purge"]["login"], 0.99) < LOGIN_P99_MS


def test_nobody_waits_for_a_purge(rows, home, rng) -> None:
    """As above with a small table; only the bound that a slow machine keeps, too."""
    prepare(rows, 20_000)
    with (
        busy(rows, rng, 20_000) as times,
        Victim("purge", "--expired", "--yes", "-b", rows.url, home=home) as run,
    ):
        assert run.wait() == 0, run.stderr
    tell(rows.name, times, 0)
    assert max(map(max, times.values())) < WAIT_MS
