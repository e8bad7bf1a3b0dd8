"""A real PostgreSQL and its streaming replicas."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg

from tests.support.daemon import START_TIMEOUT_S, Daemon
from tests.support.servers import find_program

if TYPE_CHECKING:
    from collections.abc import Sequence

ENTRY = re.compile(r"^\[\d+\] (\w+):  ", re.MULTILINE)
SPOKEN = re.compile(r"(?:statement|execute [^:]*|fastpath function call): ")


class PostgresServer(Daemon):
    """A PostgreSQL with a database `shop` that belongs to the user `app`, no superuser.

    Args:
        timezone: of the server, which is what a connection has that sets none.
        password: of `app`; over TCP nobody gets in without.
        tls: TLS only, with a certificate from a CA of its own (`ca_file`).
        max_connections: of which three are kept for superusers.
        settings: further lines of postgresql.conf.
    """

    def __init__(
        self,
        *,
        timezone: str = "UTC",
        password: str = "app",
        tls: bool = False,
        max_connections: int = 100,
        settings: Sequence[str] = (),
    ) -> None:
        self.password = password
        self._timezone = timezone
        self._max_connections = max_connections
        self._settings = list(settings)
        super().__init__("postgres", ["postgres"], tls=tls)

    @property
    def url(self) -> str:
        """The address of `shop` for `app`."""
        return self.url_for("app", self.password)

    def url_for(self, user: str, password: str, *, db: str = "shop") -> str:
        """Return the address for another user or database."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{db}"

    def connect(self, *, db: str = "shop") -> psycopg.Connection[tuple[Any, ...]]:
        """Return a connection of the superuser, each statement its own transaction, unrecorded."""
        return psycopg.connect(
            host=str(self.dir),
            port=self.port,
            user="postgres",
            dbname=db,
            autocommit=True,
            connect_timeout=5,
            options="-c log_statement=none",
        )

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            found = connection.execute(sql, params or None)
            return found.fetchall() if found.description else []

    def empty(self) -> None:
        with self.connect(db="postgres") as connection:
            connection.execute("DROP DATABASE IF EXISTS shop WITH (FORCE)")
            connection.execute("CREATE DATABASE shop OWNER app")

    def replica(self, *, apply_delay_s: float = 0) -> PostgresReplica:
        """Start a hot standby of this server; end it before this one."""
        return PostgresReplica(self, apply_delay_s=apply_delay_s)

    _statements = "log"  # it writes them to its standard error
    # SIGTERM would wait until every client has gone.
    _shutdown_signal = signal.SIGINT

    def _install(self) -> None:
        (self.dir / "pg_hba.conf").write_text(
            "local all,replication all trust\n"
            f"{'hostssl' if self.tls else 'host'} all all 127.0.0.1/32 scram-sha-256\n",
            encoding="ascii",
        )
        self._create()

    def _create(self) -> None:
        self._run(
            _program("initdb"),
            *("--pgdata", str(self.data), "--username=postgres", "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-sync"),
        )

    def _command(self) -> list[str]:
        # Written anew at each start: the port may be another.
        config = self.dir / "postgresql.conf"
        config.write_text("\n".join(self._config()) + "\n", encoding="utf-8")
        return [_program("postgres"), "-D", str(self.data), "-c", f"config_file={config}"]

    def _config(self) -> list[str]:
        lines = [
            "listen_addresses = '127.0.0.1'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self.dir}'",
            f"hba_file = '{self.dir / 'pg_hba.conf'}'",
            f"timezone = '{self._timezone}'",
            f"max_connections = {self._max_connections}",
            "shared_buffers = 16MB",
            # A killed process loses nothing without these, only a machine that loses power does.
            "fsync = off",
            "full_page_writes = off",
            "log_statement = all",
            "log_line_prefix = '[%p] '",
            "wal_keep_size = 1GB",
            "wal_receiver_status_interval = 1s",
            "wal_retrieve_retry_interval = 200ms",
        ]
        if self.tls:
            lines += [
                "ssl = on",
                f"ssl_cert_file = '{self.dir / 'server.crt'}'",
                f"ssl_key_file = '{self.dir / 'server.key'}'",
            ]
        return lines + self._settings

    def _prepare(self) -> None:
        password = self.password.replace("'", "''")
        with self.connect(db="postgres") as connection:
            connection.execute(f"CREATE ROLE app LOGIN PASSWORD '{password}'")
            connection.execute("CREATE DATABASE shop OWNER app")

    def _answers(self) -> bool:
        try:
            self.connect(db="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _statements_in(self, log: str) -> list[str]:
        parts = ENTRY.split(log)[1:]
        entries = zip(parts[::2], parts[1::2], strict=True)
        spoken = [(text, SPOKEN.match(text)) for level, text in entries if level == "LOG"]
        # The server indents the further lines of an entry by a tab.
        return [
            text[head.end() :].removesuffix("\n").replace("\n\t", "\n")
            for text, head in spoken
            if head
        ]


class PostgresReplica(PostgresServer):
    """A hot standby: it takes reads only and follows its primary, later or not at all if told so.

    Args:
        apply_delay_s: how long a commit of the primary stays invisible here.
    """

    def __init__(self, primary: PostgresServer, *, apply_delay_s: float = 0) -> None:
        self.primary = primary
        self._delay_ms = round(apply_delay_s * 1000)
        super().__init__(
            timezone=primary._timezone,
            password=primary.password,
            tls=primary.tls,
            max_connections=primary._max_connections,
            settings=primary._settings,
        )

    def pause(self) -> None:
        """Stop following until `resume`."""
        self.query("SELECT pg_wal_replay_pause()")
        while self.query("SELECT pg_get_wal_replay_pause_state()") != [("paused",)]:
            # It notices between two records; with nothing to replay that takes a nudge.
            self.primary.query("SELECT pg_logical_emit_message(false, 'sessctl', '')")
            time.sleep(0.02)

    def resume(self) -> None:
        self.query("SELECT pg_wal_replay_resume()")

    def catch_up(self) -> None:
        """Wait until everything that the primary has committed by now can be read here."""
        ((target,),) = self.primary.query("SELECT pg_current_wal_flush_lsn()::text")
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.query("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", target)[0][0]:
            if time.monotonic() > deadline:
                msg = f"the replica has not reached {target}"
                raise RuntimeError(msg)
            time.sleep(0.02)

    def _create(self) -> None:
        self._run(
            _program("pg_basebackup"),
            *("--pgdata", str(self.data), "--host", str(self.primary.dir)),
            *("--port", str(self.primary.port), "--username=postgres"),
            *("--wal-method=stream", "--checkpoint=fast", "--no-sync", "--write-recovery-conf"),
        )

    def _config(self) -> list[str]:
        return [*super()._config(), f"recovery_min_apply_delay = {self._delay_ms}ms"]

    def _prepare(self) -> None:
        """The primary has made everything."""


def _program(name: str) -> str:
    # Debian keeps each version's programs in a folder of its own, outside PATH.
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name)
    )
    return find_program(name, "postgresql", also=folders[::-1])
