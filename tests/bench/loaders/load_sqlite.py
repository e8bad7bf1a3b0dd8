"""Write a SQLite file as connect-sqlite3 leaves it behind; one of five rows is past.

    python -m tests.bench.loaders.load_sqlite FILE --count 1000000

The table is connect-sqlite3's own, columns without types and no index on the expiry. npm's sqlite3
binds every JavaScript number as REAL.
"""

from __future__ import annotations

import argparse
import sqlite3
import time

from tests.bench.loaders import sessdata


def load(path: str, count: int) -> None:
    now_s = time.time()
    rows = (
        (
            sessdata.sid(index),
            float(int(sessdata.expires_at_s(index, now_s) * 1000)),
            sessdata.express_json(index, now_s),
        )
        for index in sessdata.shuffled(count)
    )
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)")
    connection.executemany("INSERT INTO sessions VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--count", type=int, required=True)
    given = parser.parse_args()
    load(given.path, given.count)


if __name__ == "__main__":
    main()
