"""The face of `engines` over PostgreSQL and MariaDB with their Express libraries' tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.stores.opening import open_store
from sessctl.timespec import iso
from tests.support.engines import SqliteEngine, now_ms, with_layout

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer

TTL_MS = 86_400_000  # what both libraries give a session whose cookie has no end


class PostgresEngine:
    """connect-pg-simple's table, made by itself so that no app has to be started."""

    name = "postgres"
    layout = "connect-pg-simple"
    DDL = """
        CREATE TABLE "session" (
          "sid" varchar NOT NULL COLLATE "default",
          "sess" json NOT NULL,
          "expire" timestamp(6) NOT NULL
        );
        ALTER TABLE "session" ADD CONSTRAINT "session_pkey" PRIMARY KEY ("sid");
        CREATE INDEX "IDX_session_expire" ON "session" ("expire");
    """

    def __init__(self, server: PostgresServer, ddl: str = DDL) -> None:
        self.server = server
        self.url = with_layout(server.url, self.layout)
        self.client = server.connect()
        self.client.execute("SET ROLE app")  # the tables are the application's
        if ddl:
            self.client.execute(ddl)

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        ends = now_ms() + TTL_MS if expires_ms is None else expires_ms
        self.client.execute(
            "INSERT INTO session (sess, expire, sid)"
            " SELECT %(sess)s, to_timestamp(%(ends)s), %(sid)s"
            " ON CONFLICT (sid) DO UPDATE SET sess = %(sess)s, expire = to_timestamp(%(ends)s)",
            {"sess": raw.decode(), "ends": -(-ends // 1000), "sid": sid.decode()},
        )

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.client.execute(
            "UPDATE session SET expire = to_timestamp(%s) WHERE sid = %s",
            (-(-expires_ms // 1000), sid.decode()),
        )

    def drop(self, sid: bytes) -> None:
        self.client.execute("DELETE FROM session WHERE sid = %s", (sid.decode(),))

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        return sid != beside and _is_utf8(sid) and b"\0" not in sid

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        rows = self.client.execute("SELECT sid, sess::text, expire::text FROM session").fetchall()
        return {sid.encode(): (sess.encode(), expire) for sid, sess, expire in rows}


class KnexEngine(SqliteEngine):
    """connect-session-knex's table in a SQLite file: dates are texts."""

    layout = "connect-session-knex"
    DDL = """
        CREATE TABLE sessions (sid varchar(255), expired datetime, sess json, primary key (sid));
        CREATE INDEX sessions_expired_index on sessions (expired);
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, self.DDL)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        super().save(sid, raw, None)
        if expires_ms is not None:
            self.touch(sid, expires_ms)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.client.execute(
            "UPDATE sessions SET expired = ? WHERE sid = CAST(? AS TEXT)", (iso(expires_ms), sid)
        )


class MariaEngine:
    """express-mysql-session's table, made by itself so that no app has to be started."""

    name = "mysql"
    layout = "express-mysql-session"
    DDL = """
        CREATE TABLE IF NOT EXISTS `sessions` (
          `session_id` varchar(128) COLLATE utf8mb4_bin NOT NULL,
          `expires` int(11) unsigned NOT NULL,
          `data` mediumtext COLLATE utf8mb4_bin,
          PRIMARY KEY (`session_id`)
        ) ENGINE=InnoDB
    """

    def __init__(self, server: MariaServer, ddl: str = DDL) -> None:
        self.server = server
        self.url = with_layout(server.url, self.layout)
        self.client = server.connect()
        if ddl:
            self._execute(ddl)

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        ends = now_ms() + TTL_MS if expires_ms is None else expires_ms
        self._execute(
            "INSERT INTO `sessions` (`session_id`, `expires`, `data`) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE `expires` = VALUES(`expires`), `data` = VALUES(`data`)",
            sid.decode(),
            _rounded_s(ends),
            raw.decode(),
        )

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self._execute(
            "UPDATE `sessions` SET `expires` = %s WHERE `session_id` = %s",
            _rounded_s(expires_ms),
            sid.decode(),
        )

    def drop(self, sid: bytes) -> None:
        self._execute("DELETE FROM `sessions` WHERE `session_id` = %s", sid.decode())

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        padded = sid.rstrip(b" ") == beside.rstrip(b" ")  # to its collations the same
        return not padded and _is_utf8(sid) and len(sid.decode()) <= 128

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        rows = self._execute("SELECT session_id, data, expires FROM sessions")
        return {
            sid.encode(): (None if data is None else data.encode(), expires)
            for sid, data, expires in rows
        }

    def _execute(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        with self.client.cursor() as cursor:
            cursor.execute(sql, params or None)
            return list(cursor.fetchall())


def _rounded_s(ms: int) -> int:
    return (ms + 500) // 1000  # as Math.round does


def _is_utf8(sid: bytes) -> bool:
    try:
        sid.decode()
    except UnicodeDecodeError:
        return False
    return True
