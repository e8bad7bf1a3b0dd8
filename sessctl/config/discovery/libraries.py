"""The packages of npm and Python that keep sessions, and what each is to us.

In Python a library and its setting are named together: `flask-session:redis`, `django:cached_db`.

Source: the packages' own code, in the versions that the layouts and cookie formats name.
"""

from __future__ import annotations

from typing import NamedTuple


class StoreLibrary(NamedTuple):
    """A package that keeps sessions in a store. `url`: where, if nobody says anything else."""

    layout: str
    kind: str
    url: str | None = None


class SessionLibrary(NamedTuple):
    """A package that makes the cookies. `layouts`: what its sessions are laid out as on a kind of
    store, where it is not the store's package that decides; `cookie_only`: it has no store."""

    cookie_format: str
    layouts: dict[str, str]
    cookie_only: bool = False


STORES = {
    "connect-redis": StoreLibrary("connect-redis", "redis", "redis://localhost:6379/0"),
    "koa-redis": StoreLibrary("koa-session", "redis", "redis://localhost:6379/0"),
    "connect-pg-simple": StoreLibrary("connect-pg-simple", "postgresql"),
    "express-mysql-session": StoreLibrary("express-mysql-session", "mysql"),
    "connect-mongo": StoreLibrary("connect-mongo", "mongodb"),
    "session-file-store": StoreLibrary("session-file-store", "file", "file://sessions"),
    "connect-sqlite3": StoreLibrary("connect-sqlite3", "sqlite", "sqlite:///sessions"),
    "better-sqlite3-session-store": StoreLibrary("better-sqlite3-session-store", "sqlite"),
    "connect-session-knex": StoreLibrary("connect-session-knex", "sql"),
    "connect-session-sequelize": StoreLibrary("connect-session-sequelize", "sql"),
    "connect-typeorm": StoreLibrary("connect-typeorm", "sql"),
    "@quixo3/prisma-session-store": StoreLibrary("prisma-session-store", "sql"),
    "connect-memcached": StoreLibrary(
        "connect-memcached", "memcached", "memcached://127.0.0.1:11211"
    ),
    "connect-dynamodb": StoreLibrary("connect-dynamodb", "dynamodb"),
    "flask-session:redis": StoreLibrary("flask-redis", "redis", "redis://localhost:6379/0"),
    "flask-session:memcached": StoreLibrary(
        "flask-memcached", "memcached", "memcached://127.0.0.1:11211"
    ),
    "flask-session:sqlalchemy": StoreLibrary("flask-sqlalchemy", "sql"),
    "flask-session:mongodb": StoreLibrary("flask-mongodb", "mongodb", "mongodb://localhost:27017"),
    "flask-session:dynamodb": StoreLibrary("flask-dynamodb", "dynamodb"),
    "flask-session:filesystem": StoreLibrary("flask-cachelib-file", "file", "file://flask_session"),
    "flask-session:cachelib": StoreLibrary("flask-cachelib-file", "file", "file://flask_session"),
    "django:db": StoreLibrary("django-db", "sql"),
    "django:cached_db": StoreLibrary("django-cached_db", "sql"),
    "django:cache": StoreLibrary("django-cache", "cache"),
    "django:file": StoreLibrary("django-file", "file", "file:///tmp"),
    "starsessions:redis": StoreLibrary("starsessions", "redis", "redis://localhost:6379/0"),
    "aiohttp-session:redis": StoreLibrary("aiohttp-session", "redis"),
    "litestar:redis": StoreLibrary("litestar-redis", "redis"),
}
SQL = ("postgresql", "mysql", "sqlite")
CACHES = ("redis", "memcached")
SESSIONS = {
    "express-session": SessionLibrary("express-session", {}),
    "@fastify/session": SessionLibrary("fastify-session", {"redis": "fastify-session"}),
    "koa-generic-session": SessionLibrary("koa-session", {"redis": "koa-generic-session"}),
    "koa-session": SessionLibrary("koa-session", {"redis": "koa-session"}),
    "cookie-session": SessionLibrary("cookie-session", {}, cookie_only=True),
    "iron-session": SessionLibrary("iron-session", {}, cookie_only=True),
    "@fastify/secure-session": SessionLibrary("fastify-secure-session", {}, cookie_only=True),
    "client-sessions": SessionLibrary("client-sessions", {}, cookie_only=True),
    "next-auth": SessionLibrary("nextauth-v4", {}, cookie_only=True),
    "flask": SessionLibrary("flask", {}, cookie_only=True),
    "flask-session": SessionLibrary("flask-session-sid", {}),
    "django": SessionLibrary("opaque", {}),
    "django:signed_cookies": SessionLibrary("django-signed-cookies", {}, cookie_only=True),
    "starlette": SessionLibrary("starlette", {}, cookie_only=True),
    "aiohttp-session:cookie": SessionLibrary("aiohttp-fernet", {}, cookie_only=True),
    "aiohttp-session:nacl": SessionLibrary("aiohttp-nacl", {}, cookie_only=True),
    "litestar:cookie": SessionLibrary("litestar", {}, cookie_only=True),
    "pyramid": SessionLibrary("pyramid", {}, cookie_only=True),
}
# Names of Python distributions -> what they are here, where their settings are not found.
DISTRIBUTIONS = {"flask-session": "flask-session", "django": "django", "flask": "flask"}
# Drivers whose connections are handed to a store.
DRIVERS = frozenset({
    "redis", "ioredis", "pg", "mysql", "mysql2", "mysql2/promise", "mongodb", "mongoose",
    "better-sqlite3",
})  # fmt: skip
# Schemes of a URL -> the kind of store; what else Prisma or a pool may write is not ours to read.
KINDS = {
    "redis": "redis", "rediss": "redis", "valkey": "redis", "valkeys": "redis",
    "postgres": "postgresql", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql",
    "mongodb": "mongodb", "mongodb+srv": "mongodb", "memcached": "memcached",
}  # fmt: skip
PORTS = {
    "redis": 6379, "postgresql": 5432, "mysql": 3306, "mongodb": 27017, "memcached": 11211,
    "dynamodb": 8000,
}  # fmt: skip
