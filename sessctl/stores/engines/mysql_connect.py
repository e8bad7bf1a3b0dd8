"""From a MySQL URL to a connection: PyMySQL, the words of TLS, the limits of a session.

Source: MariaDB 10.11, PyMySQL 1.2; MySQL 8 speaks the same where it is used.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import MissingExtra, UsageError
from sessctl.stores.engines.mysql_errors import store_error
from sessctl.stores.engines.sql_connection import (
    LOCK_TIMEOUT_S,
    STATEMENT_TIMEOUT_S,
    SqlConnection,
)
from sessctl.stores.engines.sql_target import SqlTarget
from sessctl.stores.engines.sql_tls import check_wanted
from sessctl.stores.url import known_options

if TYPE_CHECKING:
    from sessctl.errors import StoreError
    from sessctl.stores.access import Access
    from sessctl.stores.url import StoreUrl

try:
    import pymysql  # type: ignore[import-untyped,unused-ignore]
    from pymysql.converters import encoders  # type: ignore[import-untyped,unused-ignore]
except ImportError:
    raise MissingExtra("a mysql store", "mysql") from None

DRIVER_ERRORS = (pymysql.MySQLError, OSError)
# What is too long is refused and not cut off, whatever the server's own mode.
_STRICT = "CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')"
_MODES = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
OPTIONS = ("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "unix_socket")


@dataclass(frozen=True, slots=True)
class MysqlTarget(SqlTarget):
    """How to get to a MySQL database; `mode` is one of MySQL's words for TLS."""

    default_port = 3306

    mode: str
    ca_file: str | None
    cert_file: str | None
    key_file: str | None

    @classmethod
    def of(cls, url: StoreUrl, access: Access) -> Self:
        """Read a URL.

        Raises:
            UsageError: an option or a mode that is not known, or no database.
            Refused: TLS is required, and less is asked for.
        """
        options = known_options(url, OPTIONS, "mysql")
        database = url.path.strip("/")
        if not database:
            raise UsageError("the MySQL URL names no database", hint="write mysql://host/database")
        ca_file = options.get("ssl-ca") or access.ca_file
        asked = options.get("ssl-mode") or ("VERIFY_IDENTITY" if ca_file else "PREFERRED")
        mode = asked.upper().replace("-", "_")
        if mode not in _MODES:
            raise UsageError(f"no ssl-mode '{asked}'", hint=f"ssl-mode is {', '.join(_MODES)}")
        target = cls(
            url,
            access,
            database,
            options.get("unix_socket"),
            mode,
            ca_file,
            cert_file=options.get("ssl-cert"),
            key_file=options.get("ssl-key"),
        )
        check_wanted(url, access, verifies=target.verifies, write="?ssl-mode=VERIFY_IDENTITY")
        return target

    @property
    def verifies(self) -> bool:
        """The server's host name has to be the certificate's."""
        return self.mode == "VERIFY_IDENTITY"

    def connect(self) -> Any:
        """A connection in autocommit, its limits and its zone set. Raises `DRIVER_ERRORS`."""
        where = {"unix_socket": self.socket} if self.socket else {}
        connection = pymysql.connect(
            host=self.url.host or "localhost",
            port=self.port,
            user=self.username,
            password=self.password.reveal_text() if self.password else "",
            database=self.database,
            charset="utf8mb4",
            autocommit=True,
            program_name="sessctl",
            connect_timeout=max(self.access.timeout_s, 1),
            read_timeout=STATEMENT_TIMEOUT_S + 10,
            write_timeout=STATEMENT_TIMEOUT_S,
            conv=dict(encoders),  # nothing is decoded: cells stay what the server sent
            **self._tls(),
            **where,
        )
        with connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            mariadb = "mariadb" in str(cursor.fetchone()[0]).lower()
            limit = (
                f"max_statement_time = {STATEMENT_TIMEOUT_S}"
                if mariadb
                else f"max_execution_time = {STATEMENT_TIMEOUT_S * 1000}"
            )
            cursor.execute(
                "SET SESSION time_zone = '+00:00', "
                f"innodb_lock_wait_timeout = {LOCK_TIMEOUT_S}, lock_wait_timeout = "
                f"{LOCK_TIMEOUT_S}, {limit}, sql_mode = {_STRICT}"
            )
            mode = "READ ONLY" if self.access.read_only else "READ WRITE"
            cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, {mode}")
        return connection

    def _tls(self) -> dict[str, Any]:
        """PyMySQL prefers TLS where nothing is said, and requires it where a context is given."""
        if self.mode in ("DISABLED", "PREFERRED"):
            return {"ssl_disabled": True} if self.mode == "DISABLED" else {}
        context = ssl.create_default_context(cafile=self.ca_file)
        context.check_hostname = self.verifies
        if not self.mode.startswith("VERIFY"):
            context.verify_mode = ssl.CERT_NONE
        if self.cert_file:
            context.load_cert_chain(self.cert_file, self.key_file)
        return {"ssl": context}


class MysqlConnection(SqlConnection):
    """A connection to a MySQL or MariaDB server, whatever tables it has."""

    driver = "mysql+pymysql"
    begin = "START TRANSACTION"

    def __init__(self, url: StoreUrl, access: Access) -> None:
        self.target = MysqlTarget.of(url, access)
        self.database = self.target.database
        self.address, self.label = self.target.address, self.target.label
        super().__init__()

    def _connect(self) -> Any:
        return self.target.connect()

    @staticmethod
    def _driver_errors() -> tuple[type[Exception], ...]:
        return DRIVER_ERRORS

    def _error(self, exc: BaseException) -> StoreError:
        return store_error(exc, self.address, self.database, in_statement=self._open is not None)
