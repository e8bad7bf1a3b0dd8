"""Fill an empty SQL database with the table of its Express library; one of five rows is past.

    python -m tests.bench.loaders.load_sql URL --count 1000000 --index

    sqlite       connect-sqlite3: columns without types; npm's sqlite3 binds every number as REAL
    postgresql   connect-pg-simple, which indexes the expiry itself
    mysql        express-mysql-session

`--index` adds an index on the expiry where the library makes none.
"""

from __future__ import annotations

import argparse
import sqlite3
import time
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tests.bench.loaders import sessdata

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 1000  # rows of one INSERT


def rows(count: int) -> Iterator[tuple[str, float, str]]:
    """Id, end in seconds since 1970, value; in no order of either."""
    now_s = time.time()
    for index in sessdata.shuffled(count):
        yield (
            sessdata.sid(index),
            sessdata.expires_at_s(index, now_s),
            sessdata.express_json(index, now_s),
        )


def load_sqlite(path: str, count: int, *, index: bool) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)")
    cells = ((sid, float(int(ends_s * 1000)), sess) for sid, ends_s, sess in rows(count))
    connection.executemany("INSERT INTO sessions VALUES (?, ?, ?)", cells)
    if index:
        connection.execute("CREATE INDEX sessions_expired ON sessions (expired)")
    connection.commit()
    connection.close()


def load_postgres(url: str, count: int) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            'CREATE TABLE session ("sid" varchar NOT NULL COLLATE "default", '
            '"sess" json NOT NULL, "expire" timestamp(6) NOT NULL)'
        )
        with connection.cursor().copy("COPY session (sid, expire, sess) FROM STDIN") as copy:
            for sid, ends_s, sess in rows(count):
                copy.write_row((sid, _wall_clock(ends_s), sess))
        # When all rows are in: a third of the time.
        connection.execute('ALTER TABLE session ADD CONSTRAINT "session_pkey" PRIMARY KEY (sid)')
        connection.execute('CREATE INDEX "IDX_session_expire" ON session (expire)')
        connection.execute("VACUUM ANALYZE session")


def _wall_clock(seconds: float) -> str:
    """In UTC, which is the server's zone."""
    micros = int(seconds * 1_000_000) % 1_000_000
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{micros:06}"


def load_mysql(url: str, count: int, *, index: bool) -> None:
    import pymysql

    place = urlsplit(url)
    connection = pymysql.connect(
        host=place.hostname,
        port=place.port or 3306,
        user=place.username,
        password=unquote(place.password or ""),
        database=place.path.lstrip("/"),
        charset="utf8mb4",
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE sessions (session_id varchar(128) COLLATE utf8mb4_bin NOT NULL, "
            "expires int(11) unsigned NOT NULL, data mediumtext COLLATE utf8mb4_bin, "
            "PRIMARY KEY (session_id)) ENGINE=InnoDB"
        )
        cursor.execute("SET unique_checks = 0")
        for batch in _batches(count):
            places = ", ".join(["(%s, %s, %s)"] * len(batch))
            cells = [cell for sid, ends_s, sess in batch for cell in (sid, round(ends_s), sess)]
            cursor.execute(f"INSERT INTO sessions VALUES {places}", cells)
        connection.commit()
        if index:
            cursor.execute("CREATE INDEX sessions_expires ON sessions (expires)")
        cursor.execute("ANALYZE TABLE sessions")


def _batches(count: int) -> Iterator[list[tuple[str, float, str]]]:
    found = rows(count)
    while batch := list(islice(found, _BATCH)):
        yield batch


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--index", action="store_true")
    given = parser.parse_args()
    kind = given.url.partition("://")[0]
    if kind == "sqlite":
        path = given.url.removeprefix("sqlite:///")
        load_sqlite(path, given.count, index=given.index)
    elif kind == "postgresql":
        load_postgres(given.url, given.count)
    else:
        load_mysql(given.url, given.count, index=given.index)


if __name__ == "__main__":
    main()
