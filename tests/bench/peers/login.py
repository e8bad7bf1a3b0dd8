"""An application on the same PostgreSQL: a login and a renewal every few milliseconds until stdin
closes, beside a look at how long others' transactions have been running.

    python login.py URL

A line when it begins, then {"logins", "p50_ms", "p99_ms", "max_ms", "transaction_ms"} on stdout.
"""

from __future__ import annotations

import json
import select
import sys
import time

import psycopg

_EVERY_S = 0.005
_LOGIN = "INSERT INTO session VALUES (%s, '{\"cookie\":{}}', now() + interval '1 day')"
_RENEWAL = "UPDATE session SET expire = now() + interval '1 day' WHERE sid = %s"
# Sampled, so that a transaction may have been `_EVERY_S` longer than what is seen here.
_OLDEST = """
    SELECT extract(epoch FROM max(clock_timestamp() - xact_start)) * 1000 FROM pg_stat_activity
    WHERE datname = current_database() AND application_name NOT IN ('login')
      AND state <> 'idle' AND backend_type = 'client backend'
"""


def main() -> None:
    times_ms: list[float] = []
    oldest_ms = 0.0
    with psycopg.connect(sys.argv[1], autocommit=True, application_name="login") as connection:
        print("ready", flush=True)
        while not times_ms or not select.select([sys.stdin], [], [], _EVERY_S)[0]:
            sid = f"login-{len(times_ms)}"
            started = time.perf_counter()
            connection.execute(_LOGIN, (sid,))
            connection.execute(_RENEWAL, (sid,))
            times_ms.append((time.perf_counter() - started) * 1000)
            found = connection.execute(_OLDEST).fetchone()
            oldest_ms = max(oldest_ms, float(found[0] or 0) if found else 0)
    times_ms.sort()
    report = {
        "logins": len(times_ms),
        "p50_ms": times_ms[len(times_ms) // 2],
        "p99_ms": times_ms[len(times_ms) * 99 // 100],
        "max_ms": times_ms[-1],
        "transaction_ms": oldest_ms,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
