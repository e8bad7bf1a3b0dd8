"""A shop on connect-pg-simple, its PostgreSQL in Europe/Istanbul."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest

    from tests.support.postgres import PostgresServer


class PostgresShop(Shop):
    layout = "connect-pg-simple"
    granularity_ms = 1000
    server: PostgresServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("postgres_url")
        self.server = request.getfixturevalue("postgres_server")
        self.options = {"store": "pg", "pgUrl": self.url}

    def ends_ms(self, sid: str) -> float:
        instant = "expire AT TIME ZONE 'Europe/Istanbul'"
        query = f"SELECT extract(epoch FROM {instant}) * 1000 FROM session WHERE sid = %s"
        return float(self.server.query(query, sid)[0][0])
