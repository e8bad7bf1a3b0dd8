"""From a PostgreSQL URL to a connection: psycopg, the words of TLS, the limits of a session.

A `timestamp` without zone holds the wall clock of the connection that wrote it. node-postgres sets
no zone, so that it is the server's own (or the database's); ours must be the same, whatever PGTZ
says.

Source: PostgreSQL 15, psycopg 3.3.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import MissingExtra, UsageError
from sessctl.stores.engines.sql_connection import LOCK_TIMEOUT_S, STATEMENT_TIMEOUT_S
from sessctl.stores.engines.sql_target import SqlTarget
from sessctl.stores.engines.sql_tls import check_wanted
from sessctl.stores.url import known_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl

try:
    import psycopg
except ImportError:
    raise MissingExtra("a postgresql store", "postgres") from None

DRIVER_ERRORS = (psycopg.Error,)
OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "host")


@dataclass(frozen=True, slots=True)
class PostgresTarget(SqlTarget):
    """How to get to a PostgreSQL database; `tls` is what libpq is told."""

    default_port = 5432

    tls: dict[str, str]

    @classmethod
    def of(cls, url: StoreUrl, access: Access) -> Self:
        """Read a URL.

        Raises:
            UsageError: an option that is not known, or no database.
            Refused: TLS is required, and less is asked for.
        """
        options = known_options(url, OPTIONS, "postgresql")
        database = url.path.strip("/")
        if not database:
            raise UsageError(
                "the PostgreSQL URL names no database", hint="write postgresql://host/database"
            )
        tls = {
            "sslmode": options.get("sslmode") or ("verify-full" if access.ca_file else None),
            "sslrootcert": options.get("sslrootcert") or access.ca_file,
            "sslcert": options.get("sslcert"),
            "sslkey": options.get("sslkey"),
        }
        given = {name: word for name, word in tls.items() if word is not None}
        target = cls(url, access, database, options.get("host"), given)
        check_wanted(url, access, verifies=target.verifies, write="?sslmode=verify-full")
        return target

    @property
    def verifies(self) -> bool:
        """The server's host name has to be the certificate's."""
        return self.tls.get("sslmode") == "verify-full"

    def connect(self) -> psycopg.Connection[Any]:
        """A connection in autocommit, its limits and its zone set. Raises `psycopg.Error`."""
        options: dict[str, Any] = dict(self.tls)
        with _without_pgtz():
            connection = psycopg.connect(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=self.username,
                password=self.password.reveal_text() if self.password else None,
                application_name="sessctl",
                connect_timeout=max(round(self.access.timeout_s), 2),
                autocommit=True,
                prepare_threshold=None,  # behind a pooler each transaction may have another server
                **options,
            )
        settings = {
            "lock_timeout": f"{LOCK_TIMEOUT_S}s",
            "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
            "idle_in_transaction_session_timeout": "10s",
            "bytea_output": "hex",
            "default_transaction_read_only": "on" if self.access.read_only else "off",
        }
        # In one message, and none of them at the connecting itself: poolers refuse options there.
        connection.execute("; ".join(f"SET {name} = '{it}'" for name, it in settings.items()))
        return connection


@contextmanager
def _without_pgtz() -> Iterator[None]:
    """libpq sends PGTZ as the connection's zone; that of the server has to stand."""
    kept = os.environ.pop("PGTZ", None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ["PGTZ"] = kept
