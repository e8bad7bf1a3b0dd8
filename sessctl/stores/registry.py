"""Names of engines and layouts, and where they are defined; imported only when asked for.

Our own first, then third parties from the entry-point groups `sessctl.engines` and
`sessctl.layouts`, which are read only for a name that is not ours.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sessctl.errors import Refused, UsageError, did_you_mean
from sessctl.stores.access import Access
from sessctl.stores.url import FILE_SCHEMES, StoreUrl, parse_store_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sessctl.stores.base import Lag, Store
    from sessctl.stores.detect import Candidate
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
    "better-sqlite3-session-store": "sessctl.stores.layouts.express_sql:BETTER_SQLITE3",
    "connect-session-knex": "sessctl.stores.layouts.express_sql:CONNECT_SESSION_KNEX",
    "connect-session-sequelize": "sessctl.stores.layouts.express_sql:CONNECT_SESSION_SEQUELIZE",
    "connect-typeorm": "sessctl.stores.layouts.express_sql:CONNECT_TYPEORM",
    "prisma-session-store": "sessctl.stores.layouts.express_sql:PRISMA_SESSION_STORE",
    "express-memory": "sessctl.stores.layouts.express:EXPRESS_MEMORY",
    "memorystore": "sessctl.stores.layouts.express:MEMORYSTORE",
}
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
_FILE_SCHEMES = frozenset({"sqlite", "file"})


def open_store(
    url: str | StoreUrl,
    layout: str | None = None,
    *,
    write: bool = False,
    access: Access | None = None,
    **options: Any,
) -> Store:
    """Open the store behind a URL.

        with open_store("redis://localhost:6379/0", layout="connect-redis") as store:
            for session in store.scan(Query(user="42")):
                print(session.sid, session.expires_at)

    Args:
        url: its scheme names the engine: `redis:// rediss:// redis+unix:// sqlite:// postgresql://
            mysql:// mongodb:// file:// memcached:// dynamodb:// node:// node+pid://`. Redis of
            several servers is `redis+sentinel://HOST:26379,HOST2/SERVICE/DB` (the sentinels) or
            `redis+cluster://HOST:PORT,HOST2` (some servers of it), with TLS `rediss+...`; `valkey`
            stands for `redis` and `valkeys` for `rediss` in all of them. The query may say the
            layout and its settings: `redis://host/0?layout=connect-redis&prefix=app:`.
        layout: the library's package name. To read, it may be left out: the store is looked at,
            and is the engine's usual one where it does not tell.
        write: without it, nothing that could change the store is sent.
        access: credentials and limits, for those who need more than the URL holds.
        options: the layout's own settings: `prefix`, `schema`, `table`, `columns`, `expires_zone`,
            `directory`, `extension`, `lifetime` (a duration), `store_secrets` (what opens encrypted
            values, newest first), `user`.

    Raises:
        UsageError: unknown scheme or layout, or a setting the layout does not have; no layout is
            named, and the store has sessions of several.
        Refused: to be written, and no layout is named.
        MissingExtra: the driver is an extra that is not installed.
        StoreError: no connection, or no access.
    """
    place = parse_url(url) if isinstance(url, str) else url
    engine: Any = _find(place.scheme, ENGINES, "sessctl.engines")
    how = replace(access or Access(), read_only=not write)
    settings = {**dict(place.settings), **options}
    named = layout or settings.get("layout")
    settings.pop("layout", None)
    note = None
    if named is None and not tells_its_layout(place):
        found, note = _sure_or_usual(place, how, settings)
        named, settings = found.layout, {**found.settings, **settings}
    store: Store = engine.open(place, layout_for(place, named).configured(settings), how)
    if note:
        store.remarks.note(note)
    return store


def detect_layouts(
    url: str | StoreUrl, *, access: Access | None = None, **settings: Any
) -> list[Candidate]:
    """Which layouts a store seems to have, and where in it; the likeliest first.

        for found in detect_layouts("redis://localhost:6379/0"):
            print(found.layout, found.place, found.score, found.evidence)

    Args:
        settings: where to look alone: `prefix`, `schema`, `table`.

    Raises:
        UsageError, MissingExtra, StoreError: as `open_store` does.
    """
    from sessctl.stores.detect import Candidate, find_candidates
    from sessctl.stores.survey import Place

    place = parse_url(url) if isinstance(url, str) else url
    engine: Any = _find(place.scheme, ENGINES, "sessctl.engines")
    how = replace(access or Access(), read_only=True)
    wanted = {**dict(place.settings), **settings}
    name = wanted.pop("layout", None)
    kind = _SAME_AS.get(place.scheme, place.scheme)
    if kind in _TELLING:
        with engine.open(place, layout_for(place, name), how) as store:
            told = "the process says so"
            return [Candidate(store.layout.name, store.identity.scope, {}, 100, told, 0, True)]
    layouts = [layout_for(place, name)] if name else _layouts_of(kind)
    look = getattr(engine, "places", None)
    places: list[Place] = look(place, how) if look else [Place(place.masked, {})]
    return find_candidates(
        [one for one in places if all(one.settings.get(k, v) == v for k, v in wanted.items())],
        layouts,
        lambda layout, found: engine.open(place, layout.configured({**found, **wanted}), how),
    )


def tells_its_layout(place: StoreUrl) -> bool:
    """The store says itself which layout it has."""
    return _SAME_AS.get(place.scheme, place.scheme) in _TELLING


def _layouts_of(kind: str) -> list[Layout]:
    return [layout for name in LAYOUTS if kind in (layout := find_layout(name)).databases]


def _sure_or_usual(
    place: StoreUrl, access: Access, settings: Mapping[str, Any]
) -> tuple[Candidate, str | None]:
    """The one layout that the store surely has; to read, the engine's usual one at the worst."""
    from sessctl.stores.detect import Candidate, said

    found = detect_layouts(place, access=access, **settings)
    sure = [one for one in found if one.sure]
    if not access.read_only:
        raise Refused(
            "no layout is named, and nothing is written on a guess",
            hint=said(place, sure or found) or "name it: ?layout=NAME at the end of the URL",
        )
    if len(sure) > 1:
        raise UsageError(
            f"the store has sessions of {len(sure)} kinds; say which",
            hint=said(place, sure),
        )
    if sure:
        return sure[0], None
    usual = layout_for(place, None)
    note = f"no session of a known layout was found here; read as {usual.name}" if found else None
    return Candidate(usual.name, "", {}, 0, "", 0), note


def replica_status(url: str, access: Access) -> Callable[[], Lag]:
    """What tells how far the replica behind a URL is behind.

    Raises:
        UsageError: of this kind of store the primary knows; only MySQL's replicas have to be asked.
    """
    place = parse_url(url)
    if _SAME_AS.get(place.scheme, place.scheme) != "mysql":
        raise UsageError(
            f"--lag-from takes MySQL and MariaDB replicas, not {place.scheme}",
            hint="other primaries know their replicas by themselves",
        )
    from sessctl.stores.engines.mysql_lag import ReplicaStatus

    return ReplicaStatus(place, access)


def layout_for(place: StoreUrl, name: str | None) -> Layout:
    """The layout of that name, or the usual one. Raises UsageError if it lives elsewhere."""
    kind = _SAME_AS.get(place.scheme, place.scheme)
    chosen = find_layout(name or _DEFAULT_LAYOUT.get(kind, ""))
    if place.scheme in ENGINES and kind not in chosen.databases:  # a plug-in's engine judges itself
        fits = [name for name in LAYOUTS if kind in find_layout(name).databases]
        raise UsageError(
            f"layout '{chosen.name}' does not live in a {kind} store",
            hint=f"layouts for it: {', '.join(fits)}",
        )
    return chosen


def parse_url(text: str) -> StoreUrl:
    """A store URL in parts. Raises UsageError for unknown schemes, and for anything malformed."""
    scheme = text.partition("://")[0]
    if scheme not in ENGINES and scheme not in _third_party("sessctl.engines"):
        _refuse_scheme(text)
    return parse_store_url(text, file_schemes=FILE_SCHEMES)


def _refuse_scheme(text: str) -> None:
    url = parse_store_url(text, file_schemes=frozenset())  # also learns the password, to hide it
    raise UsageError(f"no engine for '{url.scheme}://'", hint=did_you_mean(url.scheme, ENGINES))


def find_layout(name: str) -> Layout:
    """A layout by its name. Raises UsageError with the nearest name."""
    found: Layout = _find(name, LAYOUTS, "sessctl.layouts")
    return found


def _find(name: str, ours: Mapping[str, str], group: str) -> Any:
    target = ours.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return getattr(import_module(module), attribute)
    theirs = _third_party(group)
    if name in theirs:
        return _load(theirs[name], group)
    what = "layout" if group.endswith("layouts") else "engine"
    raise UsageError(f"no {what} '{name}'", hint=did_you_mean(name, [*ours, *theirs]))


def _third_party(group: str) -> dict[str, Any]:
    from importlib.metadata import entry_points  # 15 ms; only for names that are not ours

    return {entry.name: entry for entry in entry_points(group=group)}


def _load(entry: Any, group: str) -> Any:
    try:
        return entry.load()
    except Exception as exc:  # a plug-in may fail in any way; name it and go on
        raise UsageError(
            f"the plug-in '{entry.name}' ({group}) failed to load: {type(exc).__name__}",
            hint="update or remove the package that provides it",
        ) from exc
