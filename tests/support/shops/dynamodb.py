"""A shop on connect-dynamodb, dynalite in place of DynamoDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.dynamodb import CREDENTIALS
from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest

    from tests.support.dynamodb import DynamoServer


class DynamoShop(Shop):
    layout = "connect-dynamodb"
    touch_revives = True  # as an item with an end and no session
    server: DynamoServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.server = request.getfixturevalue("dynamodb_server")
        self.server.empty()
        environment = request.getfixturevalue("monkeypatch")
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        self.url = self.server.store_url
        self.options = {"peer": "dynamodb", "store": "dynamodb", "endpoint": self.server.url}

    def ends_ms(self, sid: str) -> float:
        (end,) = [
            item["expires"]["N"] for item in self.server.items() if item["id"]["S"] == f"sess:{sid}"
        ]
        return float(end) * 1000
