"""Servers with loaded SQL databases: `loaded` holds the sessions, `blank` the same table empty."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from tests.bench.bench import Bench, Missing
from tests.support.mariadb import MariaServer
from tests.support.postgres import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Server = TypeVar("_Server", PostgresServer, MariaServer)
# The tests' servers write every statement down and have small caches.
_POSTGRES = (
    "log_statement = none",
    "shared_buffers = 256MB",
    "max_wal_size = 4GB",
    "autovacuum = off",  # it would run in some rounds and not in others
)
_MARIA = ("--general-log=OFF", "--skip-log-bin", "--innodb-buffer-pool-size=512M")


@contextmanager
def postgres(bench: Bench) -> Iterator[PostgresServer]:
    with _started(lambda: PostgresServer(settings=_POSTGRES)) as server:
        for name, count in (("blank", 0), ("loaded", bench.n)):
            bench.say(f"loading {count:,} sessions into PostgreSQL")
            bench.load("load_sql", server.url, "--count", str(count))
            with server.connect(db="postgres") as connection:
                connection.execute(f"ALTER DATABASE shop RENAME TO {name}")
                connection.execute("CREATE DATABASE shop OWNER app")
        yield server


def fresh_postgres(server: PostgresServer, *, empty: bool) -> str:
    """The address of a new copy of `loaded` or `blank`, which replaces the one before."""
    with server.connect(db="postgres") as connection:
        connection.execute("DROP DATABASE shop WITH (FORCE)")
        connection.execute(
            f"CREATE DATABASE shop OWNER app TEMPLATE {'blank' if empty else 'loaded'} "
            "STRATEGY FILE_COPY"
        )
        connection.execute("CHECKPOINT")  # not in the run's time
    return server.url


@contextmanager
def mariadb(bench: Bench) -> Iterator[MariaServer]:
    """Its database `shop` holds the sessions; an index on the expiry is there."""
    with _started(lambda: MariaServer(settings=_MARIA)) as server:
        bench.say(f"loading {bench.n:,} sessions into MariaDB")
        bench.load("load_sql", server.url, "--count", str(bench.n), "--index")
        yield server


@contextmanager
def _started(start: Callable[[], _Server]) -> Iterator[_Server]:
    try:
        server = start()
    except FileNotFoundError as exc:
        raise Missing(str(exc)) from None
    with server:
        yield server
