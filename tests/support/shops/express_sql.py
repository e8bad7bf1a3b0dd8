"""Shops on the stores that go through a query builder or a mapper of SQL, on each database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest


class SqlShop(Shop):
    """`store_name` is that of the peer, `place` its table and the columns of id and expiry."""

    store_name: ClassVar[str]
    place: ClassVar[tuple[str, str, str]]
    database: ClassVar[str] = "sqlite"

    def open(self, request: pytest.FixtureRequest) -> None:
        if self.database == "sqlite":
            path = request.getfixturevalue("sqlite_path")
            self.url, where = f"sqlite:///{path}", {"sqlite": str(path)}
        elif self.database == "postgresql":
            self.url = request.getfixturevalue("postgres_url")
            where = {"pgUrl": self.url}
        else:
            self.url = request.getfixturevalue("maria_url")
            where = {"mysqlUrl": self.url}
        self._request = request
        self.options = {"peer": "express-sql", "store": self.store_name, **where}

    def query(self, sql: str, *params: Any) -> list[tuple[Any, ...]]:
        """Ask the database itself; names stand in double quotes, values as %s."""
        if self.database == "postgresql":
            server = self._request.getfixturevalue("postgres_server")
        elif self.database == "mysql":
            server = self._request.getfixturevalue("maria_server")
            sql = sql.replace('"', "`")
        else:
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as db:
                return db.execute(sql.replace("%s", "?"), params).fetchall()
        found: list[tuple[Any, ...]] = server.query(sql, *params)
        return found

    def ends_ms(self, sid: str) -> float:
        table, key, expires = self.place
        ((cell,),) = self.query(f'SELECT "{expires}" FROM "{table}" WHERE "{key}" = %s', sid)
        if isinstance(cell, str):
            cell = datetime.fromisoformat(cell.replace(" +", "+"))
        if isinstance(cell, datetime):
            aware = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
            return aware.timestamp() * 1000
        return float(cell)


class BetterSqliteShop(SqlShop):
    layout = "better-sqlite3-session-store"
    store_name = "better-sqlite3"
    place = ("sessions", "sid", "expire")


class KnexShop(SqlShop):
    layout = "connect-session-knex"
    store_name = "knex"
    place = ("sessions", "sid", "expired")


class KnexPostgresShop(KnexShop):
    database = "postgresql"


class KnexMysqlShop(KnexShop):
    database = "mysql"
    granularity_ms = 1000


class SequelizeShop(SqlShop):
    layout = "connect-session-sequelize"
    store_name = "sequelize"
    place = ("Sessions", "sid", "expires")


class SequelizePostgresShop(SequelizeShop):
    database = "postgresql"


class SequelizeMysqlShop(SequelizeShop):
    database = "mysql"
    granularity_ms = 1000


class TypeormShop(SqlShop):
    layout = "connect-typeorm"
    store_name = "typeorm"
    place = ("session", "id", "expiredAt")
    set_revives = False


class TypeormPostgresShop(TypeormShop):
    database = "postgresql"


class TypeormMysqlShop(TypeormShop):
    database = "mysql"


class PrismaShop(SqlShop):
    layout = "prisma-session-store"
    store_name = "prisma"
    place = ("Session", "sid", "expiresAt")


class PrismaPostgresShop(PrismaShop):
    database = "postgresql"


class PrismaMysqlShop(PrismaShop):
    database = "mysql"
