"""Express shops on every store that sessctl reads; a store's own module tells what is its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.shops.base import Shop

# Layout, or another way to use one -> the shop on such a store.
SHOPS = {
    "connect-redis": "redis:RedisShop",
    "connect-sqlite3": "sqlite:SqliteShop",
    "connect-pg-simple": "postgres:PostgresShop",
    "connect-dynamodb": "dynamodb:DynamoShop",
    "connect-memcached": "memcached:MemcachedShop",
    "express-mysql-session": "mysql:MysqlShop",
    "session-file-store": "files:FilesShop",
    "session-file-store, encrypted": "files:EncryptedFilesShop",
}
# Shops of other frameworks, which share some of the tests.
NODE_SHOPS = {
    "koa-session": "node:KoaShop",
    "koa-generic-session": "node:KoaGenericShop",
    "fastify-session": "node:FastifyShop",
}
# Shops that a test of their own opens.
FURTHER = {"connect-memcached, encrypted": "memcached:EncryptedMemcachedShop"}


def shop_class(layout: str) -> type[Shop]:
    """The kind of shop that keeps its sessions so."""
    module, _, name = (SHOPS | NODE_SHOPS | FURTHER)[layout].partition(":")
    found: type[Shop] = getattr(import_module(f"tests.support.shops.{module}"), name)
    return found
