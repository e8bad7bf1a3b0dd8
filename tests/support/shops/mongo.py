"""Shops on connect-mongo: text, objects, and what it encrypts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from tests.support.cli import HOUR_MS
from tests.support.shops.base import Shop

if TYPE_CHECKING:
    import pytest

    from tests.support.mongo import MongoServer

STORE_SECRET = "Keyboard-Cat-42-&%"  # kruptein wants two of each kind


class MongoShop(Shop):
    """connect-mongo 6 as it comes, but that nobody removes what is over."""

    layout = "connect-mongo"
    lifetime_ms = 14 * 24 * HOUR_MS
    own: ClassVar[dict[str, Any]] = {}  # options of the store
    server: MongoServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("mongo_url")
        self.server = request.getfixturevalue("mongo_server")
        self.options = {"peer": "mongo", "store": "mongo", "mongoUrl": self.url, **self.own}

    def ends_ms(self, sid: str) -> float:
        found = self.server.documents().find_one({"_id": sid})
        assert found is not None
        return int(found["expires"])


class MongoObjectShop(MongoShop):
    """Sessions as objects and not as text, by connect-mongo 5."""

    own: ClassVar[dict[str, Any]] = {"store": "mongo-5", "stringify": False}


class EncryptedMongoShop(MongoShop):
    """connect-mongo 6 with `crypto`: kruptein."""

    own: ClassVar[dict[str, Any]] = {"crypto": {"secret": STORE_SECRET}}
    settings: ClassVar[dict[str, Any]] = {"store_secrets": [STORE_SECRET]}
