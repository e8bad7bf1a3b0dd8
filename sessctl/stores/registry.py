"""Names of engines and layouts, and where they are defined; imported only when asked for.

Our own first, then third parties from the entry-point groups `sessctl.engines` and
`sessctl.layouts`, which are read only for a name that is not ours.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sessctl import plugins
from sessctl.errors import UsageError, did_you_mean
from sessctl.stores.url import FILE_SCHEMES, StoreUrl, parse_store_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.stores.layouts.base import Layout

# Redis and Valkey, rediss and valkeys with TLS; one server or several.
_REDIS = (
    "redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel", "redis+cluster",
    "rediss+cluster", "valkey", "valkeys", "valkey+unix", "valkey+sentinel", "valkeys+sentinel",
    "valkey+cluster", "valkeys+cluster",
)  # fmt: skip
# URL scheme -> the engine's class.
ENGINES = {
    **dict.fromkeys(_REDIS, "sessctl.stores.engines.redis:RedisStore"),
    "memcached": "sessctl.stores.engines.memcached:MemcachedStore",
    "dynamodb": "sessctl.stores.engines.dynamodb:DynamoStore",
    "dynamodb+http": "sessctl.stores.engines.dynamodb:DynamoStore",
    "dynamodb+https": "sessctl.stores.engines.dynamodb:DynamoStore",
    "sqlite": "sessctl.stores.engines.sql:SqlStore",
    "postgresql": "sessctl.stores.engines.sql:SqlStore",
    "postgres": "sessctl.stores.engines.sql:SqlStore",
    "mysql": "sessctl.stores.engines.sql:SqlStore",
    "mariadb": "sessctl.stores.engines.sql:SqlStore",
    "mongodb": "sessctl.stores.engines.mongo:MongoStore",
    "mongodb+srv": "sessctl.stores.engines.mongo:MongoStore",
    "file": "sessctl.stores.engines.files:FilesStore",
    "node": "sessctl.stores.engines.node:NodeStore",
    "node+pid": "sessctl.stores.engines.node:NodeStore",
}
LAYOUTS = {
    "connect-redis": "sessctl.stores.layouts.express:CONNECT_REDIS",
    "connect-memcached": "sessctl.stores.layouts.express:CONNECT_MEMCACHED",
    "koa-session": "sessctl.stores.layouts.node:KOA_SESSION",
    "koa-generic-session": "sessctl.stores.layouts.node:KOA_GENERIC_SESSION",
    "fastify-session": "sessctl.stores.layouts.node:FASTIFY_SESSION",
    "connect-dynamodb": "sessctl.stores.layouts.express:CONNECT_DYNAMODB",
    "connect-sqlite3": "sessctl.stores.layouts.express:CONNECT_SQLITE3",
    "connect-pg-simple": "sessctl.stores.layouts.express:CONNECT_PG_SIMPLE",
    "express-mysql-session": "sessctl.stores.layouts.express:EXPRESS_MYSQL_SESSION",
    "connect-mongo": "sessctl.stores.layouts.express:CONNECT_MONGO",
    "session-file-store": "sessctl.stores.layouts.express:SESSION_FILE_STORE",
    "flask-cachelib-file": "sessctl.stores.layouts.python_files:FLASK_CACHELIB_FILE",
    "django-file": "sessctl.stores.layouts.django:DJANGO_FILE",
    "beaker-file": "sessctl.stores.layouts.python_files:BEAKER_FILE",
    "litestar-file": "sessctl.stores.layouts.python_files:LITESTAR_FILE",
    "better-sqlite3-session-store": "sessctl.stores.layouts.express_sql:BETTER_SQLITE3",
    "connect-session-knex": "sessctl.stores.layouts.express_sql:CONNECT_SESSION_KNEX",
    "connect-session-sequelize": "sessctl.stores.layouts.express_sql:CONNECT_SESSION_SEQUELIZE",
    "connect-typeorm": "sessctl.stores.layouts.express_sql:CONNECT_TYPEORM",
    "prisma-session-store": "sessctl.stores.layouts.express_sql:PRISMA_SESSION_STORE",
    "django-db": "sessctl.stores.layouts.django:DJANGO_DB",
    "django-cache": "sessctl.stores.layouts.django:DJANGO_CACHE",
    "django-cached_db": "sessctl.stores.layouts.django:DJANGO_CACHED_DB",
    "express-memory": "sessctl.stores.layouts.express:EXPRESS_MEMORY",
    "memorystore": "sessctl.stores.layouts.express:MEMORYSTORE",
    "flask-redis": "sessctl.stores.layouts.flask:FLASK_REDIS",
    "flask-memcached": "sessctl.stores.layouts.flask:FLASK_MEMCACHED",
    "flask-sqlalchemy": "sessctl.stores.layouts.flask:FLASK_SQLALCHEMY",
    "flask-mongodb": "sessctl.stores.layouts.flask:FLASK_MONGODB",
    "flask-dynamodb": "sessctl.stores.layouts.flask:FLASK_DYNAMODB",
    "starsessions": "sessctl.stores.layouts.python_redis:STARSESSIONS",
    "aiohttp-session": "sessctl.stores.layouts.python_redis:AIOHTTP_SESSION",
    "litestar-redis": "sessctl.stores.layouts.python_redis:LITESTAR_REDIS",
    "beaker-redis": "sessctl.stores.layouts.python_redis:BEAKER_REDIS",
    "pyramid-session-redis": "sessctl.stores.layouts.python_redis:PYRAMID_SESSION_REDIS",
    "pyramid-redis-sessions": "sessctl.stores.layouts.python_redis:PYRAMID_REDIS_SESSIONS",
}
# A library's own name -> the layout that it has in each kind of store.
_FAMILIES = {
    "flask-session": {
        "redis": "flask-redis", "memcached": "flask-memcached", "mongodb": "flask-mongodb",
        "dynamodb": "flask-dynamodb", "file": "flask-cachelib-file",
        **dict.fromkeys(("sqlite", "postgresql", "mysql"), "flask-sqlalchemy"),
    },
}  # fmt: skip
# The layout to take when none is named.
_DEFAULT_LAYOUT = {
    "redis": "connect-redis",
    "memcached": "connect-memcached",
    "dynamodb": "connect-dynamodb",
    "sqlite": "connect-sqlite3",
    "postgresql": "connect-pg-simple",
    "mysql": "express-mysql-session",
    "mongodb": "connect-mongo",
    "file": "session-file-store",
    "node": "express-memory",  # the process says which of its layouts it is
}
# Schemes that spell the same kind of store.
_SAME_AS = {
    **dict.fromkeys(_REDIS, "redis"), "postgres": "postgresql", "mariadb": "mysql",
    "mongodb+srv": "mongodb",
    "node+pid": "node",
    "dynamodb+http": "dynamodb", "dynamodb+https": "dynamodb",
}  # fmt: skip
# Kinds of stores that say which layout they have: nothing has to be guessed.
_TELLING = frozenset({"node"})


def kind_of(place: StoreUrl) -> str:
    """The kind of store behind a scheme: `redis` for rediss://, `mysql` for mariadb://."""
    return _SAME_AS.get(place.scheme, place.scheme)


def tells_its_layout(place: StoreUrl) -> bool:
    """The store says itself which layout it has."""
    return kind_of(place) in _TELLING


def layouts_of(kind: str) -> list[Layout]:
    """Every layout of ours that lives in this kind of store."""
    return [layout for name in LAYOUTS if kind in (layout := find_layout(name)).databases]


def others_of(kind: str) -> list[Layout]:
    """The layouts of other packages that live in this kind of store."""
    found: list[Layout] = list(plugins.load_working(plugins.LAYOUTS))
    return [layout for layout in found if kind in layout.databases]


def layout_for(place: StoreUrl, name: str | None) -> Layout:
    """The layout of that name, or the usual one. Raises UsageError if it lives elsewhere."""
    kind = kind_of(place)
    name = _FAMILIES.get(name or "", {}).get(kind, name)
    chosen = find_layout(name or _usual_layout(place))
    if place.scheme in ENGINES and kind not in chosen.databases:  # a plug-in's engine judges itself
        fits = [name for name in LAYOUTS if kind in find_layout(name).databases]
        raise UsageError(
            f"layout '{chosen.name}' does not live in a {kind} store",
            hint=f"layouts for it: {', '.join(fits)}",
        )
    return chosen


def _usual_layout(place: StoreUrl) -> str:
    """The layout that an engine takes when none is named; a plug-in's says it itself."""
    kind = kind_of(place)
    found = _DEFAULT_LAYOUT.get(kind) or getattr(find_engine(place), "usual_layout", None)
    if found is None:
        raise UsageError(
            f"no layout is named for the {kind} store", hint="?layout=NAME at the end of the URL"
        )
    return str(found)


def parse_url(text: str) -> StoreUrl:
    """A store URL in parts. Raises UsageError for unknown schemes, and for anything malformed."""
    scheme = text.partition("://")[0]
    if scheme not in ENGINES and scheme not in plugins.installed(plugins.ENGINES):
        _refuse_scheme(text)
    return parse_store_url(text, file_schemes=FILE_SCHEMES)


def _refuse_scheme(text: str) -> None:
    url = parse_store_url(text, file_schemes=frozenset())  # also learns the password, to hide it
    raise UsageError(f"no engine for '{url.scheme}://'", hint=did_you_mean(url.scheme, ENGINES))


def find_engine(place: StoreUrl) -> Any:
    """The class of a URL's engine."""
    return _find(place.scheme, ENGINES, plugins.ENGINES)


def find_layout(name: str) -> Layout:
    """A layout by its name. Raises UsageError with the nearest name."""
    found: Layout = _find(name, LAYOUTS, plugins.LAYOUTS)
    return found


def _find(name: str, ours: Mapping[str, str], group: str) -> Any:
    target = ours.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    theirs = plugins.installed(group)
    if name in theirs:
        return plugins.load(group, name)
    what = "layout" if group.endswith("layouts") else "engine"
    raise UsageError(f"no {what} '{name}'", hint=did_you_mean(name, [*ours, *theirs]))
