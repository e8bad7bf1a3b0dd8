"""Shops that are Django's admin, on each store of its sessions."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from tests.support.engines import with_layout
from tests.support.express import Browser
from tests.support.peer import PythonApp
from tests.support.shops.base import ENV, Shop

if TYPE_CHECKING:
    import pytest

    from sessctl.session import Session
    from tests.support.mariadb import MariaServer
    from tests.support.memcached import MemcachedServer
    from tests.support.postgres import PostgresServer
    from tests.support.servers import RedisServer

KEY = "keyboard cat keyboard cat keyboard cat keyboard cat"
ENV["SECRET_KEY"] = KEY
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
_ENGINES = "django.contrib.sessions.backends"


class DjangoApp(PythonApp):
    """`tests/peers/django/app.py`; `settings` are Django's."""

    def __init__(self, path: str, settings: dict[str, Any]) -> None:
        super().__init__("django", path, json.dumps(settings))

    def browser(self) -> Browser:
        return Browser(self.port)


class DjangoShop(Shop):
    """Django's admin, whose database is a file unless a shop says otherwise."""

    cookie_name = "sessionid"
    lifetime_ms = 14 * 86_400_000
    engine: ClassVar[str]
    cache_key: ClassVar[str] = "cache"
    path: str  # of the database file

    def open(self, request: pytest.FixtureRequest) -> None:
        self.path = str(self._cli.home / "django.sqlite3")
        self.options = {"SESSION_ENGINE": f"{_ENGINES}.{self.engine}"}
        self.open_store(request)

    def open_store(self, request: pytest.FixtureRequest) -> None:
        """Take an empty store: sets `url`, adds to `options`."""
        self.url = f"sqlite:///{self.path}"

    def start(self, **settings: Any) -> Any:
        return self._running.enter_context(DjangoApp(self.path, self.options | settings))

    @property
    def keyless(self) -> str:
        """The store as `-b` takes it, without the secret that a configuration may name."""
        return with_layout(self.url, self.layout)

    def session(self, sid: str) -> Session:
        """A session as the library reads it."""
        (found,) = self.store().get([sid])
        return found

    def ends_ms(self, sid: str) -> float:
        return float(self.session(sid).expires_ms or 0)

    def take_redis(self, request: pytest.FixtureRequest) -> RedisServer:
        server: RedisServer = request.getfixturevalue("redis_server")
        server.cli("FLUSHALL")
        self.options["CACHES"] = {
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": server.url,
            }
        }
        return server

    def take_memcached(self, request: pytest.FixtureRequest) -> MemcachedServer:
        server: MemcachedServer = request.getfixturevalue("memcached_server")
        server.empty()
        self.options["CACHES"] = {
            "default": {
                "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
                "LOCATION": f"127.0.0.1:{server.port}",
            }
        }
        return server

    def take_postgres(self, request: pytest.FixtureRequest) -> None:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.empty()
        self.url = server.url
        self._database("postgresql", server.port, server.password)

    def _database(self, engine: str, port: int, password: str) -> None:
        self.options["DATABASES"] = {
            "default": {
                "ENGINE": f"django.db.backends.{engine}", "NAME": "shop", "USER": "app",
                "PASSWORD": password, "HOST": "127.0.0.1", "PORT": port,
            }
        }  # fmt: skip


def logged_in(app: DjangoApp, user: str = "admin") -> Browser:
    """A browser that has filled in the form of the admin, with the token that the page gave it."""
    browser = app.browser()
    page = browser.get("/admin/login/").json
    token = _TOKEN.search(page)
    assert token is not None, page[:500]
    fields = {"username": user, "password": "pears and plums", "csrfmiddlewaretoken": token[1]}
    assert browser.submit("/admin/login/?next=/admin/", fields).status == 302
    assert user_of(browser) == user
    return browser


def user_of(browser: Browser) -> str | None:
    """Who the application says this is; the admin itself agrees."""
    answer = browser.get("/me")
    assert answer.status == 200, answer.json
    user: str | None = answer.json["user"]
    assert (browser.get("/admin/").status == 200) == (user is not None)
    return user


def with_cookie(app: DjangoApp, sid: str) -> Browser:
    """Another browser that has the cookie."""
    browser = app.browser()
    browser.cookies["sessionid"] = sid
    return browser


class DatabaseShop(DjangoShop):
    layout = "django-db"
    engine = "db"


class PostgresShop(DatabaseShop):
    def open_store(self, request: pytest.FixtureRequest) -> None:
        self.take_postgres(request)


class MysqlShop(DatabaseShop):
    def open_store(self, request: pytest.FixtureRequest) -> None:
        server: MariaServer = request.getfixturevalue("maria_server")
        server.empty()
        self.url = server.url
        self._database("mysql", server.port, server.password)


class CacheShop(DjangoShop):
    layout = "django-cache"
    engine = "cache"
    expires_by_itself = True

    def open_store(self, request: pytest.FixtureRequest) -> None:
        self.url = self.take_redis(request).url


class MemcachedShop(CacheShop):
    def open_store(self, request: pytest.FixtureRequest) -> None:
        self.url = self.take_memcached(request).url


class DjangoRedisShop(CacheShop):
    """django-redis, with a prefix; pickles, unless a shop says otherwise."""

    further: ClassVar[dict[str, str]] = {}
    settings: ClassVar[dict[str, Any]] = {"prefix": "shop:1:django.contrib.sessions.cache"}

    def open_store(self, request: pytest.FixtureRequest) -> None:
        super().open_store(request)
        self.options["CACHES"]["default"] |= {
            "BACKEND": "django_redis.cache.RedisCache", "KEY_PREFIX": "shop",
            "OPTIONS": self.further,
        }  # fmt: skip


class ZlibShop(DjangoRedisShop):
    further: ClassVar[dict[str, str]] = {
        "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
        "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
    }


class MsgpackShop(DjangoRedisShop):
    further: ClassVar[dict[str, str]] = {
        "SERIALIZER": "django_redis.serializers.msgpack.MSGPackSerializer",
    }


class CachedShop(DjangoShop):
    """A row and a copy; `cache` is the store of the copies."""

    layout = "django-cached_db"
    engine = "cached_db"
    copies = ":1:django.contrib.sessions.cached_db"
    cache: str
    server: RedisServer

    def open_store(self, request: pytest.FixtureRequest) -> None:
        super().open_store(request)
        self.server = self.take_redis(request)
        self.take_cache(self.server.url)

    def take_cache(self, url: str) -> None:
        self.cache = url
        self.settings = {"cache": url}  # type: ignore[misc]  # the server's port is this run's
        self.url += f"?cache={quote(url, safe=':/')}"

    def rows(self) -> str:
        """The table alone, as `-b` takes it."""
        return with_layout(self.url.partition("?")[0], "django-db")

    def copies_of(self, *sids: str) -> list[str]:
        """Which of these have a copy in the cache."""
        return [sid for sid in sids if self.server.cli("EXISTS", f"{self.copies}{sid}") == "1"]


class CachedPostgresShop(CachedShop):
    def open_store(self, request: pytest.FixtureRequest) -> None:
        self.take_postgres(request)
        self.server = self.take_redis(request)
        self.take_cache(self.server.url)


class CachedMemcachedShop(CachedShop):
    def open_store(self, request: pytest.FixtureRequest) -> None:
        DjangoShop.open_store(self, request)
        self.items = self.take_memcached(request)
        self.take_cache(self.items.url)

    def copies_of(self, *sids: str) -> list[str]:
        client = self.items.client()
        return [sid for sid in sids if client.get(f"{self.copies}{sid}") is not None]
