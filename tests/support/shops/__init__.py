"""Express shops on every store that sessctl reads; a store's own module tells what is its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.shops.base import Shop

# Layout, or another way to use one -> the shop on such a store.
SHOPS = {
    "connect-redis": "redis:RedisShop",
    "connect-redis cluster": "redis_forms:ClusterShop",
    "connect-redis sentinel": "redis_forms:SentinelShop",
    "connect-redis valkey": "redis_forms:ValkeyShop",
    "connect-sqlite3": "sqlite:SqliteShop",
    "connect-pg-simple": "postgres:PostgresShop",
    "connect-dynamodb": "dynamodb:DynamoShop",
    "connect-memcached": "memcached:MemcachedShop",
    "express-mysql-session": "mysql:MysqlShop",
    "connect-mongo": "mongo:MongoShop",
    "connect-mongo, objects": "mongo:MongoObjectShop",
    "connect-mongo, encrypted": "mongo:EncryptedMongoShop",
    "session-file-store": "files:FilesShop",
    "session-file-store, encrypted": "files:EncryptedFilesShop",
    "better-sqlite3-session-store": "express_sql:BetterSqliteShop",
    "connect-session-knex": "express_sql:KnexMysqlShop",
    "connect-session-sequelize": "express_sql:SequelizeShop",
    "connect-typeorm": "express_sql:TypeormShop",
    "prisma-session-store": "express_sql:PrismaPostgresShop",
    "express-memory": "memory:MemoryShop",
    "memorystore": "memory:MemorystoreShop",
}
# Of these, what is another way to use a layout that is there already.
OTHER_WAYS = {
    "connect-redis sentinel", "connect-redis valkey", "connect-mongo, objects",
    "connect-mongo, encrypted", "session-file-store, encrypted",
}  # fmt: skip
# The same layouts on other databases, which a short round proves.
FURTHER = {
    "connect-session-knex on sqlite": "express_sql:KnexShop",
    "connect-session-knex on postgresql": "express_sql:KnexPostgresShop",
    "connect-session-sequelize on postgresql": "express_sql:SequelizePostgresShop",
    "connect-session-sequelize on mysql": "express_sql:SequelizeMysqlShop",
    "connect-typeorm on postgresql": "express_sql:TypeormPostgresShop",
    "connect-typeorm on mysql": "express_sql:TypeormMysqlShop",
    "prisma-session-store on sqlite": "express_sql:PrismaShop",
    "prisma-session-store on mysql": "express_sql:PrismaMysqlShop",
}
# Shops of other frameworks, which share some of the tests.
NODE_SHOPS = {
    "koa-session": "node:KoaShop",
    "koa-generic-session": "node:KoaGenericShop",
    "fastify-session": "node:FastifyShop",
}
# Django's admin on each of its stores, which has tests of its own.
DJANGO_SHOPS = {
    "django-db": "django:DatabaseShop",
    "django-db on postgresql": "django:PostgresShop",
    "django-db on mysql": "django:MysqlShop",
    "django-cache": "django:CacheShop",
    "django-cache on memcached": "django:MemcachedShop",
    "django-cache, django-redis": "django:DjangoRedisShop",
    "django-cache, JSON in zlib": "django:ZlibShop",
    "django-cache, msgpack": "django:MsgpackShop",
    "django-cached_db": "django:CachedShop",
    "django-cached_db on postgresql": "django:CachedPostgresShop",
    "django-cached_db beside memcached": "django:CachedMemcachedShop",
}
# Shops on Flask-Session, likewise.
FLASK_SHOPS = {
    "flask-redis": "flask:RedisShop",
    "flask-redis, json": "flask:JsonShop",
    "flask-memcached": "flask:MemcachedShop",
    "flask-sqlalchemy": "flask:SqliteShop",
    "flask-sqlalchemy on postgresql": "flask:PostgresShop",
    "flask-sqlalchemy on mysql": "flask:MysqlShop",
    "flask-mongodb": "flask:MongoShop",
    "flask-dynamodb": "flask:DynamoShop",
}
# Shops on Python's asynchronous frameworks, likewise.
ASYNC_SHOPS = {
    "starsessions": "asynchronous:StarsessionsShop",
    "aiohttp-session": "asynchronous:AiohttpShop",
    "litestar-redis": "asynchronous:LitestarShop",
}
# Shops that a test of their own opens.
OWN = {"connect-memcached, encrypted": "memcached:EncryptedMemcachedShop"}


def shop_class(layout: str) -> type[Shop]:
    """The kind of shop that keeps its sessions so."""
    every = SHOPS | FURTHER | NODE_SHOPS | DJANGO_SHOPS | FLASK_SHOPS | ASYNC_SHOPS | OWN
    module, _, name = every[layout].partition(":")
    found: type[Shop] = getattr(import_module(f"tests.support.shops.{module}"), name)
    return found
