"""From a URL to an opened store; without a layout, to the one that the store tells."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sessctl.errors import ConfigError, Refused, UsageError
from sessctl.stores.access import Access
from sessctl.stores.layouts.cached import CachedTableLayout
from sessctl.stores.registry import (
    find_engine,
    kind_of,
    layout_for,
    layouts_of,
    others_of,
    parse_url,
    tells_its_layout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sessctl.stores.base import Lag, Store
    from sessctl.stores.detect import Candidate
    from sessctl.stores.layouts.base import Layout
    from sessctl.stores.url import StoreUrl


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
            `directory`, `extension`, `cache` (the URL of a cache beside the store), `lifetime` (a
            duration), `store_secrets` (what opens encrypted values and signs signed ones, newest
            first), `user`.

    Raises:
        UsageError: unknown scheme or layout, or a setting the layout does not have; no layout is
            named, and the store has sessions of several.
        Refused: to be written, and no layout is named.
        MissingExtra: the driver is an extra that is not installed.
        StoreError: no connection, or no access.
    """
    place = parse_url(url) if isinstance(url, str) else url
    engine = find_engine(place)
    how = replace(access or Access(), read_only=not write)
    settings = {**dict(place.settings), **options}
    named = layout or settings.get("layout")
    settings.pop("layout", None)
    note = None
    if named is None and not tells_its_layout(place):
        found, note = _sure_or_usual(place, how, settings)
        named, settings = found.layout, {**found.settings, **settings}
    chosen = _configured(layout_for(place, named), settings, how)
    opening: Callable[[], Store] = partial(engine.open, place, chosen, how)
    if isinstance(chosen, CachedTableLayout):
        from sessctl.stores.cached import open_cached

        store = cast("Store", open_cached(opening, chosen, how))
    else:
        store = opening()
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
    engine = find_engine(place)
    how = replace(access or Access(), read_only=True)
    wanted = {**dict(place.settings), **settings}
    name = wanted.pop("layout", None)
    if tells_its_layout(place):
        with engine.open(place, layout_for(place, name), how) as store:
            told = "the process says so"
            return [Candidate(store.layout.name, store.identity.scope, {}, 100, told, 0, True)]
    layouts = [layout_for(place, name)] if name else _taking(wanted, layouts_of(kind_of(place)))
    look = getattr(engine, "places", None)
    places: list[Place] = look(place, how) if look else [Place(place.masked, {})]
    here = [one for one in places if all(one.settings.get(k, v) == v for k, v in wanted.items())]

    def open_as(layout: Layout, found: Mapping[str, Any]) -> Store:
        store: Store = engine.open(place, _configured(layout, {**found, **wanted}, how), how)
        return store

    candidates = find_candidates(here, layouts, open_as)
    if not name and not any(one.sure for one in candidates):  # asking for others takes 15 ms
        others = _taking(wanted, others_of(kind_of(place)))
        candidates = find_candidates(here, others, open_as) + candidates
    return candidates


def _taking(settings: Mapping[str, Any], layouts: list[Layout]) -> list[Layout]:
    """The layouts that have these settings: who gives one means none of the others."""

    def takes(layout: Layout) -> bool:
        try:
            layout.configured(settings)
        except ConfigError:
            return False
        return True

    return [layout for layout in layouts if takes(layout)]


def _configured(layout: Layout, settings: Mapping[str, Any], access: Access) -> Layout:
    return replace(layout.configured(settings), budget=access.budget)


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
    note = None
    if found or getattr(find_engine(place), "holds_strangers", lambda _: False)(place):
        note = f"no session of a known layout was found here; read as {usual.name}"
    return Candidate(usual.name, "", {}, 0, "", 0), note


def replica_status(url: str | StoreUrl, access: Access) -> Callable[[], Lag]:
    """What tells how far the replica behind a URL is behind.

    Raises:
        UsageError: of this kind of store the primary knows; only MySQL's replicas have to be asked.
    """
    place = parse_url(url) if isinstance(url, str) else url
    if kind_of(place) != "mysql":
        raise UsageError(
            f"--lag-from takes MySQL and MariaDB replicas, not {place.scheme}",
            hint="other primaries know their replicas by themselves",
        )
    from sessctl.stores.engines.mysql_lag import ReplicaStatus

    return ReplicaStatus(place, access)
