"""Stores written by the real libraries. SESSCTL_STORE_VECTORS names another folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.session import Expiry, Query, Session, State
from sessctl.stores.opening import open_store
from sessctl.timespec import parse_iso_ms
from tests.support.engines import now_ms
from tests.support.load_vectors import (
    load_files,
    load_memcached,
    load_memory,
    load_mongo,
    load_mysql,
    load_postgres,
    load_redis,
    load_sqlite,
)
from tests.support.memory_app import MemoryApp
from tests.support.vectors import folder, stored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.dynamodb import DynamoEngine
    from tests.support.engines import RedisEngine

FOLDER = folder("SESSCTL_STORE_VECTORS", "stores")
LAYOUTS = (
    *("connect-redis", "connect-sqlite3", "connect-pg-simple", "express-mysql-session"),
    *("better-sqlite3-session-store", "connect-session-knex", "connect-session-sequelize"),
    *("connect-typeorm", "session-file-store", "connect-mongo", "express-memory"),
    *("connect-memcached", "connect-dynamodb"),
    *("koa-session", "koa-generic-session", "fastify-redis"),
    *("flask-redis", "flask-memcached", "flask-sqlalchemy", "flask-mongodb"),
    *("flask-cachelib", "flask-filesystem", "django-file", "beaker-file", "litestar-file"),
    *("django-db", "django-cached_db", "django-cache"),  # the longer name first
    *("starsessions", "aiohttp-redis", "litestar-redis"),
)
# Whose secret is nowhere; see `test_mongo.py` for what can be said of it all the same.
SEALED = ("connect-mongo-crypto",)
FILES = sorted(
    {path for name in LAYOUTS for path in FOLDER.glob(f"{name}*.json") if path.stem not in SEALED}
)
# Files that are not called after their layout.
ON_REDIS = {
    "koa-session-redis": "koa-session",
    "koa-generic-session-redis": "koa-generic-session",
    "fastify-redis": "fastify-session",
    "flask-redis": "flask-redis",
    "flask-redis-pickle": "flask-redis",
    "starsessions-redis": "starsessions",
    "aiohttp-session-redis": "aiohttp-session",
}
ON_FILES = {"flask-cachelib": "flask-cachelib-file", "flask-filesystem": "flask-cachelib-file"}
# A row cannot tell by itself that nobody's secret signed it: the sessions of Django are read with
# the application's.
SIGNED = ("django-db", "django-cached_db")
STATES = {
    "live": State.ACTIVE,
    "session-cookie": State.ACTIVE,
    "no-ttl": State.ACTIVE,
    "expired": State.EXPIRED,
}


class Loaded:
    """One vector file in its store. `now_ms` judges: TTLs were set anew, dates are of the day."""

    def __init__(self, vector: dict[str, Any], store: Store, shift_ms: int) -> None:
        self.vector = vector
        self.store = store
        self.made_ms = parse_iso_ms(vector["made_at"]) or 0
        self.shift_ms = shift_ms

    def now_for(self, session: Session) -> int:
        moved = self.shift_ms if session.expiry is Expiry.STORE else 0
        return self.made_ms + moved

    def truth(self, *states: str) -> list[dict[str, Any]]:
        return [row for row in self.vector["truth"] if row["state"] in states]

    def listed_as(self, row: dict[str, Any]) -> str:
        """Where files are called after a hash of the id, a session has the name of its file."""
        hashed = self.store.layout.name in ("flask-cachelib-file", "litestar-file")
        return str(row["key"] if hashed else row["sid"])

    def session(self, row: dict[str, Any]) -> Session:
        sid = row["sid"] or self.listed_as(row)
        found = self.store.get([sid])
        assert [one.sid for one in found] == [sid]
        return found[0]


@pytest.fixture
def vector_app() -> Iterator[MemoryApp]:
    with MemoryApp(store="memory", node_options="--inspect=127.0.0.1:0") as app:
        yield app


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def loaded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Loaded]:
    vector = json.loads(request.param.read_bytes())
    raw, options, shift = vector["raw"], dict(vector["options"]), 0
    options["layout"] = next(name for name in LAYOUTS if request.param.stem.startswith(name))
    if options["layout"].startswith("django"):
        options = _of_django(options)
    if raw["kind"] == "redis":
        engine: RedisEngine = request.getfixturevalue("redis_engine")
        now = now_ms()
        load_redis(engine, raw, now)
        shift, url = now - (parse_iso_ms(vector["made_at"]) or 0), engine.url
        usual = options["layout"] if vector["layout"] in LAYOUTS else "connect-redis"
        layout = ON_REDIS.get(vector["layout"], usual)
        options = {key: options[key] for key in ("prefix",) if key in options} | {"layout": layout}
    elif raw["kind"] == "memcached":
        url = request.getfixturevalue("memcached_url")
        now = now_ms()
        shift = now - (parse_iso_ms(vector["made_at"]) or 0)
        load_memcached(request.getfixturevalue("memcached_server"), vector, shift)
        options = {key: options[key] for key in ("layout", "prefix")}
    elif raw["kind"] == "dynamodb":
        dynamo: DynamoEngine = request.getfixturevalue("dynamodb_engine")
        for item in raw["items"]:
            dynamo.server.client.put_item(TableName=dynamo.server.TABLE, Item=item)
        url, options = dynamo.url, {"prefix": options["prefix"]}
    elif raw["kind"] == "postgresql":
        url = request.getfixturevalue("postgres_url")
        load_postgres(request.getfixturevalue("postgres_server"), raw)
        if "cache" in raw:
            cache: RedisEngine = request.getfixturevalue("redis_engine")
            load_redis(cache, raw["cache"], now_ms())
            options["cache"] = cache.url.partition("?")[0]
    elif raw["kind"] == "mysql":
        url = request.getfixturevalue("maria_url")
        load_mysql(request.getfixturevalue("maria_server"), raw)
    elif raw["kind"] == "files":
        url = f"file://{tmp_path}/sessions"
        layout = ON_FILES.get(options["layout"], options["layout"])
        options = {"layout": layout}
        load_files(tmp_path / "sessions", raw)
    elif raw["kind"] == "mongodb":
        url = request.getfixturevalue("mongo_url")
        load_mongo(request.getfixturevalue("mongo_server"), raw)
    elif vector["store"] == "memory":
        app = request.getfixturevalue("vector_app")
        load_memory(app, raw)
        url, options = f"node://127.0.0.1:{app.inspector_port}", {}
    else:
        load_sqlite(tmp_path / "sessions", raw)
        url = f"sqlite:///{tmp_path}/sessions"
        options = {key: options[key] for key in ("layout", "table", "prefix") if key in options}
    if options.get("layout") in SIGNED:
        options["store_secrets"] = vector["secret"]
    with open_store(url, **options) as store:
        yield Loaded(vector, store, shift)


def _of_django(options: dict[str, Any]) -> dict[str, Any]:
    """What the files say of Django's settings, as ours."""
    if options["layout"] != "django-cache":
        return {"layout": options["layout"]}
    prefix = f"{options['key_prefix']}:1:django.contrib.sessions.cache"
    return {"layout": options["layout"], "prefix": prefix}


def is_gone(row: dict[str, Any]) -> bool:
    """The store removed it, or keeps its row as that of a destroyed session."""
    return bool(row.get("gone")) or row["state"] == "deleted"


def test_there_are_store_vectors_to_load() -> None:
    assert FILES


def test_vector_store_holds_the_sessions_that_the_application_saw(loaded: Loaded) -> None:
    listed = {session.sid: session for session in loaded.store.scan(Query())}
    prefix = loaded.vector["options"].get("prefix", "")
    foreign = {key.removeprefix(prefix) for key in loaded.vector.get("foreign", ())}
    expected = {loaded.listed_as(row) for row in loaded.vector["truth"] if not is_gone(row)}
    assert expected <= set(listed)
    # Without a prefix every string is a candidate; what is no session says so.
    assert set(listed) - expected <= foreign
    assert all(listed[sid].problem is not None for sid in set(listed) & foreign)


def test_vector_store_rows_that_the_store_has_removed_are_not_there(loaded: Loaded) -> None:
    gone = [row["sid"] for row in loaded.vector["truth"] if is_gone(row)]
    assert loaded.store.get(gone) == []


def test_vector_store_users_and_data_are_the_applications(loaded: Loaded) -> None:
    for row in loaded.truth(*STATES):
        if row.get("gone"):
            continue
        session = loaded.session(row)
        user = row["user"]
        assert session.user == (None if user is None else str(user)), row["label"]
        data = dict(row["data"])
        if "lastModified" in data:  # the application's connect-mongo adds it in memory
            assert session.seen_ms == parse_iso_ms(data.pop("lastModified"))
        assert _as_json_has_it(session.data) == data, row["label"]
        cookie = session.decoded.extra.get("cookie", {})
        if row.get("cookie_object"):  # as last sent; a touch sends a later date than it stores
            assert _set_of(cookie) == _set_of(row["cookie_object"]), row["label"]
        assert session.problem is None, row["label"]


def test_vector_store_states_are_the_applications(loaded: Loaded) -> None:
    for row in loaded.truth(*STATES):
        if not row.get("gone"):
            session = loaded.session(row)
            assert session.state(loaded.now_for(session)) is STATES[row["state"]], row["label"]


def test_vector_store_expiries_are_the_cookies_that_were_never_touched(loaded: Loaded) -> None:
    for row in loaded.truth("live", "expired"):
        if row.get("gone") or row.get("expires") is None:
            continue
        session = loaded.session(row)
        assert session.expires_ms is not None
        seen = session.expires_ms - loaded.now_for(session)
        written = (parse_iso_ms(row["expires"]) or 0) - loaded.made_ms
        slack = 300_000 if loaded.shift_ms else 2000  # the TTLs were read minutes after `made_at`
        assert abs(seen - written) < slack, row["label"]


def test_vector_store_sessions_of_browsers_get_the_stores_own_lifetime(loaded: Loaded) -> None:
    for row in loaded.truth("session-cookie"):
        session = loaded.session(row)
        if session.expires_ms is None:
            assert session.expiry is Expiry.NEVER  # disableTTL
            continue
        left_s = (session.expires_ms - loaded.now_for(session)) / 1000
        assert 0 < loaded.vector["default_ttl"] - left_s < 300


def test_vector_store_corrupt_sessions_have_a_problem_and_are_never_expired(loaded: Loaded) -> None:
    for row in loaded.truth("corrupt"):
        session = loaded.session(row)
        assert session.problem is not None
        assert session.problem.code in ("value.unreadable", "value.missing")
        if session.expiry is not Expiry.STORE:
            never = session.expiry is Expiry.NEVER  # MongoDB: what has no date has no end
            state = State.ACTIVE if never else State.UNKNOWN
            assert session.state(loaded.now_for(session)) is state


def test_vector_store_expiries_that_are_no_date_are_unknown(loaded: Loaded) -> None:
    for row in loaded.truth("corrupt-expiry"):
        assert loaded.session(row).state(loaded.made_ms) is State.UNKNOWN


def test_vector_store_strangers_are_named_and_not_listed(loaded: Loaded) -> None:
    prefix = loaded.vector["options"].get("prefix", "")
    rows = loaded.vector["raw"].get("rows", [])
    strangers = [
        f"{key} ({row['type']})"
        for row in rows
        if row.get("type", "string") != "string"
        and (key := stored(row["key"]).decode()).startswith(prefix)
    ]
    if loaded.vector["raw"]["kind"] == "files":
        place = loaded.store.identity.address
        foreign = loaded.vector.get("foreign", ())
        if loaded.store.layout.name == "flask-cachelib-file":
            foreign = ()  # the file in which the library counts: its own, and no stranger
        strangers = [f"{place}/{name} (another kind of name)" for name in foreign]
    for _ in range(2):  # a plan and a run meet the same ones: told once
        list(loaded.store.scan(Query()))
        assert sorted(loaded.store.remarks.stranger_samples) == sorted(strangers)
        assert loaded.store.remarks.strangers == len(strangers)


def test_vector_store_search_by_user_finds_all_devices(loaded: Loaded) -> None:
    users = {str(row["user"]) for row in loaded.truth(*STATES) if row.get("user") is not None}
    for user in users:
        expected = {
            loaded.listed_as(row)
            for row in loaded.truth(*STATES)
            if not row.get("gone") and str(row["user"]) == user
        }
        assert {s.sid for s in loaded.store.scan(Query(user=user))} == expected


def _as_json_has_it(value: Any) -> Any:
    """A pickle knows tuples, and the truth is JSON."""
    if isinstance(value, dict):
        if value.keys() == {"__tuple__"}:
            return _as_json_has_it(value["__tuple__"])
        return {key: _as_json_has_it(item) for key, item in value.items()}
    return [_as_json_has_it(item) for item in value] if isinstance(value, list) else value


def _set_of(cookie: dict[str, Any]) -> dict[str, Any]:
    """What is set of a cookie, but for its end; connect-mongo's objects keep the rest as nulls."""
    return {key: value for key, value in cookie.items() if key != "expires" and value is not None}
