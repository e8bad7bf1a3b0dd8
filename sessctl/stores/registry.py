"""Names of engines and layouts, and where they are defined; imported only when asked for.

Our own first, then third parties from the entry-point groups `sessctl.engines` and
`sessctl.layouts`, which are read only for a name that is not ours.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sessctl.errors import MissingExtra, Refused, UsageError, did_you_mean
from sessctl.stores.access import Access
from sessctl.stores.url import StoreUrl, parse_store_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sessctl.stores.base import Lag, Store
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
    "sqlite": "sessctl.stores.engines.sql:SqlStore",
    "postgresql": "sessctl.stores.engines.sql:SqlStore",
    "postgres": "sessctl.stores.engines.sql:SqlStore",
    "mysql": "sessctl.stores.engines.sql:SqlStore",
    "mariadb": "sessctl.stores.engines.sql:SqlStore",
}
LAYOUTS = {
    "connect-redis": "sessctl.stores.layouts.express:CONNECT_REDIS",
    "connect-sqlite3": "sessctl.stores.layouts.express:CONNECT_SQLITE3",
    "connect-pg-simple": "sessctl.stores.layouts.express:CONNECT_PG_SIMPLE",
    "express-mysql-session": "sessctl.stores.layouts.express:EXPRESS_MYSQL_SESSION",
}
# The layout to take when none is named.
_DEFAULT_LAYOUT = {
    "redis": "connect-redis",
    "sqlite": "connect-sqlite3",
    "postgresql": "connect-pg-simple",
    "mysql": "express-mysql-session",
}
# Schemes that spell the same kind of store.
_SAME_AS = {
    **dict.fromkeys(_REDIS, "redis"), "postgres": "postgresql", "mariadb": "mysql",
}  # fmt: skip
_FILE_SCHEMES = frozenset({"sqlite"})
# Engines that are on their way: the driver's module and its extra.
_COMING = {
    "mongodb": ("pymongo", "mongo"),
    "memcached": ("pymemcache", "memcached"),
    "node": ("websockets", "node"),
}


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
        url: `redis:// rediss:// redis+unix:// sqlite:// postgresql:// mysql://`; Redis of several
            servers as `redis+sentinel://HOST:26379,HOST2/SERVICE/DB` (the sentinels) and
            `redis+cluster://HOST:PORT,HOST2` (some servers of it), with TLS `rediss+...`; `valkey`
            stands for `redis` and `valkeys` for `rediss` in all of them.
        layout: the library's package name; without it the engine's usual one.
        write: without it, nothing that could change the store is sent.
        access: credentials and limits, for those who need more than the URL holds.
        options: the layout's own settings: `prefix`, `schema`, `table`, `columns`, `expires_zone`,
            `user`.

    Raises:
        UsageError: unknown scheme or layout, or a setting the layout does not have.
        MissingExtra: the driver is an extra that is not installed.
        StoreError: no connection, or no access.
    """
    place = parse_url(url) if isinstance(url, str) else url
    engine: Any = _find(place.scheme, ENGINES, "sessctl.engines")
    chosen = layout_for(place, layout)
    how = replace(access or Access(), read_only=not write)
    store: Store = engine.open(place, chosen.configured(options), how)
    return store


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
    return parse_store_url(text, file_schemes=_FILE_SCHEMES)


def _refuse_scheme(text: str) -> None:
    url = parse_store_url(text, file_schemes=frozenset())  # also learns the password, to hide it
    if url.scheme in _COMING:
        from importlib.util import find_spec

        driver, extra = _COMING[url.scheme]
        if find_spec(driver) is None:
            raise MissingExtra(
                f"a {url.scheme} store",
                extra,
                note=" brings the driver; this version does not read them yet",
            )
        raise Refused(
            f"this version cannot open {url.scheme} stores yet",
            hint=f"it opens {', '.join(ENGINES)}",
        )
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
