"""Express shops on every store that sessctl reads; a store's own module tells what is its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.shops.base import Shop

# Layout -> the shop on a store of this layout.
SHOPS = {
    "connect-redis": "redis:RedisShop",
    "connect-sqlite3": "sqlite:SqliteShop",
    "connect-pg-simple": "postgres:PostgresShop",
    "connect-dynamodb": "dynamodb:DynamoShop",
    "connect-memcached": "memcached:MemcachedShop",
    "express-mysql-session": "mysql:MysqlShop",
}
# Shops of other frameworks, which share some of the tests.
NODE_SHOPS = {
    "koa-session": "node:KoaShop",
    "koa-generic-session": "node:KoaGenericShop",
    "fastify-session": "node:FastifyShop",
}


def shop_class(layout: str) -> type[Shop]:
    """The kind of shop that keeps its sessions in this layout."""
    module, _, name = (SHOPS | NODE_SHOPS)[layout].partition(":")
    found: type[Shop] = getattr(import_module(f"tests.support.shops.{module}"), name)
    return found
