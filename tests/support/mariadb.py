"""A real MariaDB and its replicas."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pymysql  # type: ignore[import-untyped]

from tests.support.daemon import START_TIMEOUT_S, Daemon
from tests.support.servers import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

# A new second shows its time, the lines after it a tab instead.
ENTRY = re.compile(
    r"^(?:\d{6} [ \d]\d:\d\d:\d\d\t|\t\t) *\d+ "
    r"(Query|Execute|Prepare|Connect|Quit|Init DB|[A-Z][A-Za-z ]+)(?:\t ?|$)",
    re.MULTILINE,
)


class MariaServer(Daemon):
    """A MariaDB with a database `shop` that belongs to the user `app`, no superuser.

    Args:
        timezone: of the server as an offset; names would need tables that nobody has loaded.
        password: of `app`.
        tls: TLS only, with a certificate from a CA of its own (`ca_file`).
        settings: further options of the server, `--name=value`.
    """

    _server_id = 1

    def __init__(
        self,
        *,
        timezone: str = "+00:00",
        password: str = "app",
        tls: bool = False,
        max_connections: int = 100,
        settings: Sequence[str] = (),
    ) -> None:
        self.password = password
        self._timezone = timezone
        self._max_connections = max_connections
        self._settings = list(settings)
        super().__init__("mariadb", ["mysql"], tls=tls)

    @property
    def url(self) -> str:
        """The address of `shop` for `app`."""
        return self.url_for("app", self.password)

    def url_for(self, user: str, password: str, *, db: str = "shop") -> str:
        """Return the address for another user or database."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"mysql://{login}@127.0.0.1:{self.port}/{db}"

    def connect(self, *, db: str | None = "shop") -> pymysql.Connection[Any]:
        """Return a connection of the superuser, each statement its own transaction, unrecorded."""
        return pymysql.connect(
            unix_socket=str(self._socket),
            user="root",
            database=db,
            autocommit=True,
            charset="utf8mb4",
            connect_timeout=5,
            init_command="SET sql_log_off = ON",
        )

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return [tuple(row) for row in cursor.fetchall()]

    def empty(self) -> None:
        with self.connect(db=None) as connection, connection.cursor() as cursor:
            # The log begins anew, so that a replica need not live through all earlier tests.
            cursor.execute("RESET MASTER")
            cursor.execute("DROP DATABASE IF EXISTS shop")
            self._found(cursor)

    def _found(self, cursor: Any) -> None:
        """The database and its users; what a replica learns first."""
        cursor.execute("CREATE DATABASE shop")
        cursor.execute("CREATE OR REPLACE USER app@'%%' IDENTIFIED BY %s", (self.password,))
        cursor.execute("GRANT ALL ON shop.* TO app@'%'")
        cursor.execute("CREATE OR REPLACE USER replica@'%' IDENTIFIED BY 'replica'")
        cursor.execute("GRANT REPLICATION SLAVE ON *.* TO replica@'%'")

    def replica(self, *, apply_delay_s: int = 0) -> MariaReplica:
        """Start a read-only replica of this server."""
        return MariaReplica(self, apply_delay_s=apply_delay_s)

    @property
    def _socket(self) -> str:
        return str(self.dir / "mariadb.sock")

    def _install(self) -> None:
        self._run(
            find_program("mariadb-install-db", "mariadb-server"),
            *("--no-defaults", f"--datadir={self.data}", "--skip-test-db"),
            # root without a password, for whoever can reach the socket in our folder
            "--auth-root-authentication-method=normal",
            f"--tmpdir={self.dir}",  # a server that starts sweeps the one they would share
            *("--skip-name-resolve", "--innodb-log-file-size=4M", "--debug-no-sync"),
        )

    def _command(self) -> list[str]:
        return [
            # Debian's folder of servers is on root's PATH only.
            find_program("mariadbd", "mariadb-server", also=[Path("/usr/sbin")]),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self._socket}",
            f"--pid-file={self.dir / 'pid'}",
            f"--tmpdir={self.dir}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            "--skip-name-resolve",
            f"--default-time-zone={self._timezone}",
            # as Debian's configuration has it; the built-in default is latin1
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_general_ci",
            f"--max-connections={self._max_connections}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-log-file-size=4M",
            # A killed process loses nothing with these, only a machine that loses power does.
            "--innodb-flush-log-at-trx-commit=2",
            "--debug-no-sync",
            "--general-log=ON",
            f"--general-log-file={self.statements}",
            f"--server-id={self._server_id}",
            f"--log-bin={self.data / 'binlog'}",
            *self._tls_options(),
            *self._settings,
        ]

    def _tls_options(self) -> list[str]:
        if not self.tls:
            return []
        return [
            f"--ssl-cert={self.dir / 'server.crt'}",
            f"--ssl-key={self.dir / 'server.key'}",
            f"--ssl-ca={self.ca_file}",
            "--require-secure-transport=ON",  # a socket counts as secure
        ]

    def _prepare(self) -> None:
        with self.connect(db=None) as connection, connection.cursor() as cursor:
            # Over TCP nobody gets in without a password.
            cursor.execute(
                "SELECT host FROM mysql.user WHERE user = 'root' AND host <> 'localhost'"
            )
            for (host,) in cursor.fetchall():
                cursor.execute("DROP USER root@%s", (host,))
            self._found(cursor)

    def _answers(self) -> bool:
        # PyMySQL forgets to close a socket that cannot be connected.
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(self._socket) != 0:
                return False
        try:
            self.connect(db=None).close()
        except pymysql.OperationalError:
            return False
        return True

    def _statements_in(self, log: str) -> list[str]:
        parts = ENTRY.split(log)[1:]
        entries = zip(parts[::2], parts[1::2], strict=True)
        return [text.removesuffix("\n") for kind, text in entries if kind in ("Query", "Execute")]


class MariaReplica(MariaServer):
    """A read-only copy that follows its primary, later or not at all if told so.

    Args:
        apply_delay_s: how long a commit of the primary stays invisible here.
    """

    _server_id = 2

    def __init__(self, primary: MariaServer, *, apply_delay_s: int = 0) -> None:
        self.primary = primary
        self._delay_s = apply_delay_s
        super().__init__(
            timezone=primary._timezone,
            password=primary.password,
            tls=primary.tls,
            max_connections=primary._max_connections,
            settings=primary._settings,
        )

    def pause(self) -> None:
        """Stop following until `resume`."""
        self._execute("STOP SLAVE SQL_THREAD")

    def resume(self) -> None:
        self._execute("START SLAVE SQL_THREAD")

    def catch_up(self) -> None:
        """Wait until everything that the primary has committed by now can be read here."""
        ((target,),) = self.primary.query("SELECT @@gtid_binlog_pos")
        if self._execute("SELECT MASTER_GTID_WAIT(%s, %s)", target, START_TIMEOUT_S) != [(0,)]:
            msg = f"the replica has not reached {target}: {self._execute('SHOW SLAVE STATUS')}"
            raise RuntimeError(msg)

    def _execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """As `query`, but without a database: `shop` may not have come over yet."""
        with self.connect(db=None) as connection, connection.cursor() as cursor:
            cursor.execute(sql, params or None)
            return [tuple(row) for row in cursor.fetchall()]

    def _command(self) -> list[str]:
        return [*super()._command(), "--read-only=ON", "--log-slave-updates=ON"]

    def _prepare(self) -> None:
        # The primary's log goes back to its first statement, so an empty server can follow it.
        self._execute(
            "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%s, MASTER_USER='replica',"
            " MASTER_PASSWORD='replica', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1,"
            " MASTER_SSL=%s, MASTER_SSL_VERIFY_SERVER_CERT=0, MASTER_DELAY=%s",
            *(self.primary.port, int(self.tls), self._delay_s),
        )
        self._execute("START SLAVE")
        if not self._delay_s:
            self.catch_up()
