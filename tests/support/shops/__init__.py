"""Express shops on every store that sessctl reads; a store's own module tells what is its own."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.shops.base import Shop

# Layout, and where it stands if not in the usual place -> the shop on such a store.
SHOPS = {
    "connect-redis": "redis:RedisShop",
    "connect-redis cluster": "redis_forms:ClusterShop",
    "connect-redis sentinel": "redis_forms:SentinelShop",
    "connect-redis valkey": "redis_forms:ValkeyShop",
    "connect-sqlite3": "sqlite:SqliteShop",
    "connect-pg-simple": "postgres:PostgresShop",
    "express-mysql-session": "mysql:MysqlShop",
}


def shop_class(layout: str) -> type[Shop]:
    """The kind of shop that keeps its sessions in this layout."""
    module, _, name = SHOPS[layout].partition(":")
    found: type[Shop] = getattr(import_module(f"tests.support.shops.{module}"), name)
    return found
