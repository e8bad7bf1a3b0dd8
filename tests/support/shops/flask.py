"""Shops on Flask, with Flask-Login, their sessions kept by Flask-Session 0.8."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from redis import Redis

from tests.support.dynamodb import CREDENTIALS
from tests.support.express import Browser
from tests.support.peer import PeerApp
from tests.support.shops.base import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.dynamodb import DynamoServer
    from tests.support.mariadb import MariaServer
    from tests.support.memcached import MemcachedServer
    from tests.support.mongo import MongoServer
    from tests.support.postgres import PostgresServer


class FlaskApp(PeerApp):
    """The application of `tests/peers/flask/stored.py`; `config` as it stands there."""

    def __init__(self, **config: Any) -> None:
        super().__init__([sys.executable, "-m", "tests.peers.flask.stored", json.dumps(config)])

    def browser(self) -> Browser:
        return Browser(self.port)


class FlaskShop(Shop):
    """Every request saves its session, whether it changes it or not: SESSION_REFRESH_EACH_REQUEST.

    `app_settings` are the application's further settings.
    """

    cookie_name = "session"
    lifetime_ms = 31 * 86_400_000
    touch_revives = True
    app_settings: ClassVar[dict[str, Any]] = {}

    def start(self, *, cookie: dict[str, Any] | None = None, **options: Any) -> Any:
        given = {"settings": self.app_settings, **self.options, **(cookie or {}), **options}
        return self._running.enter_context(FlaskApp(**given))

    def sign(self, app: Any, sid: str) -> Browser:
        """The cookie is the id."""
        browser: Browser = app.browser()
        browser.cookies[self.cookie_name] = sid
        return browser


class RedisShop(FlaskShop):
    layout = "flask-redis"
    granularity_ms = 1000  # the application's lifetimes are whole seconds
    expires_by_itself = True
    redis: Any

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("redis_url")
        self.redis = self._running.enter_context(Redis.from_url(self.url))
        self.options = {"type": "redis", "url": self.url}

    def ends_ms(self, sid: str) -> float:
        return int(self.redis.pexpiretime(f"session:{sid}"))


class JsonShop(RedisShop):
    """Values in JSON under a prefix of the application's own."""

    app_settings: ClassVar = {"SESSION_SERIALIZATION_FORMAT": "json", "SESSION_KEY_PREFIX": "web/"}
    settings: ClassVar[dict[str, Any]] = {"prefix": "web/"}

    def ends_ms(self, sid: str) -> float:
        return int(self.redis.pexpiretime(f"web/{sid}"))


class MemcachedShop(FlaskShop):
    layout = "flask-memcached"
    granularity_ms = 1000
    expires_by_itself = True
    server: MemcachedServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("memcached_url")
        self.server = request.getfixturevalue("memcached_server")
        self.options = {"type": "memcached", "url": f"127.0.0.1:{self.server.port}"}

    def ends_ms(self, sid: str) -> float:
        return self.server.ends_s(f"session:{sid}") * 1000


class SqliteShop(FlaskShop):
    layout = "flask-sqlalchemy"
    path: Path

    def open(self, request: pytest.FixtureRequest) -> None:
        self.path = request.getfixturevalue("sqlite_path")
        self.url = f"sqlite:///{self.path}"
        self.options = {"type": "sqlalchemy", "url": self.url}

    def ends_ms(self, sid: str) -> float:
        with closing(sqlite3.connect(self.path)) as db:
            query = "SELECT expiry FROM sessions WHERE session_id = ?"
            (text,) = db.execute(query, [f"session:{sid}"]).fetchone()
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000


class PostgresShop(FlaskShop):
    """PostgreSQL in Europe/Istanbul."""

    layout = "flask-sqlalchemy"
    server: PostgresServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("postgres_url")
        self.server = request.getfixturevalue("postgres_server")
        url = self.url.replace("postgresql://", "postgresql+psycopg://")
        self.options = {"type": "sqlalchemy", "url": url}

    def ends_ms(self, sid: str) -> float:
        query = "SELECT extract(epoch FROM expiry) * 1000 FROM sessions WHERE session_id = %s"
        return float(self.server.query(query, f"session:{sid}")[0][0])


class MysqlShop(FlaskShop):
    """MariaDB at +05:30."""

    layout = "flask-sqlalchemy"
    granularity_ms = 1000
    server: MariaServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("maria_url")
        self.server = request.getfixturevalue("maria_server")
        self.options = {
            "type": "sqlalchemy", "url": self.url.replace("mysql://", "mysql+pymysql://"),
        }  # fmt: skip

    def ends_ms(self, sid: str) -> float:
        since = "timestampdiff(SECOND, '1970-01-01', expiry)"
        query = f"SELECT {since} FROM shop.sessions WHERE session_id = %s"
        return float(self.server.query(query, f"session:{sid}")[0][0]) * 1000


class MongoShop(FlaskShop):
    """As up to 0.6, when nobody removed what is over; a TTL index would, within a second."""

    layout = "flask-mongodb"
    server: MongoServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url = request.getfixturevalue("mongo_url")
        self.server = request.getfixturevalue("mongo_server")
        self.options = {
            "type": "mongodb", "url": self.url, "settings": {"SESSION_MONGODB_DB": "shop"},
        }  # fmt: skip

    def start(self, *, cookie: dict[str, Any] | None = None, **options: Any) -> Any:
        app = super().start(cookie=cookie, **options)
        self.server.documents().drop_index("expiration_1")
        return app

    def ends_ms(self, sid: str) -> float:
        found = self.server.documents().find_one({"id": f"session:{sid}"})
        assert found is not None
        return int(found["expiration"])


class DynamoShop(FlaskShop):
    """dynalite in place of DynamoDB."""

    layout = "flask-dynamodb"
    server: DynamoServer

    def open(self, request: pytest.FixtureRequest) -> None:
        self.server = request.getfixturevalue("dynamodb_server")
        self.server.empty()
        environment = request.getfixturevalue("monkeypatch")
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        self.url = self.server.store_url
        self.options = {
            "type": "dynamodb", "url": self.server.url,
            "settings": {"SESSION_DYNAMODB_TABLE": self.server.TABLE},
        }  # fmt: skip

    def ends_ms(self, sid: str) -> float:
        key = f"session:{sid}"
        (end,) = [item["expiration"]["N"] for item in self.server.items() if item["id"]["S"] == key]
        return float(end) * 1000
