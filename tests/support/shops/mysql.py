"""A shop on express-mysql-session, its MariaDB at +05:30."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest

    from tests.support.mariadb import MariaServer


class MysqlShop(Shop):
    layout = "express-mysql-session"
    granularity_ms = 1000
    server: MariaServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("maria_url")
        self.server = request.getfixturevalue("maria_server")
        self.options = {"store": "mysql", "mysqlUrl": self.url}

    def ends_ms(self, sid: str) -> float:
        query = "SELECT expires FROM shop.sessions WHERE session_id = %s"
        return float(self.server.query(query, sid)[0][0]) * 1000
