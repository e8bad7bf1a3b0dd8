"""Layouts of Python's session libraries on Redis, beside Flask's and Django's.

    starsessions           starsessions.420e691460fcbde9e0d56fce03df2943
                           {"user_id": 1, "__metadata__": {"lifetime": 86400, "created": 1795199589,
                            "last_access": 1795199590}}
    aiohttp-session        AIOHTTP_SESSION_24206ef0a9714341884d27c24e7d8f9c
                           {"created": 1795199590, "session": {"user_id": 1}}
    litestar-redis         LITESTAR:323f33b70b6262970c36c829d45e85c7ce6dd023c06664eb7a5235181f475dac
                           {"user_id":1}
    beaker-redis           beaker_cache:7eafb6fb0c5d4f1c9d0f9e2f7d3b8a11:session
                           a pickle of base64 of a pickle
    pyramid-session-redis  kKx3...  (64 characters; no prefix, if the application sets none)
                           a pickle of {"m": {"user_id": 1}, "c": 1795199590, "v": 1, "t": 1200}

Everywhere the TTL rules. starsessions sets it anew at each request that has loaded its session: to
its lifetime if it is `rolling`, else to what is left of it since `created`. aiohttp_session looks
at `created`, which it moves at each change, and takes a session older than its max_age for an empty
one; pyramid_session_redis with `python_expires` looks at `x`, in seconds. Beaker with a `timeout`
goes by `_accessed_time` and sets a TTL two minutes longer, else none; its caches and locks, which
have other keys, are in the same database. Litestar writes at every request, an empty session too,
so that whoever comes back has one under the old id. Pickles are read and never written; such
sessions can be ended, purged and restored all the same.

Not supported: pyramid_session_redis with a `serialize` of the application's own, and its cookie,
which is signed by webob and not decoded here; Beaker's `encrypt_key`; keys that a function of the
application makes; pyramid_redis_sessions before 1.0, which stored the bare data.

Source: starsessions 2.2.1 `stores/redis.py`, `session.py`, `middleware.py`; aiohttp_session 2.12.1
`__init__.py`, `redis_storage.py`, `memcached_storage.py`; litestar 2.25.0 `stores/redis.py`,
`middleware/session/server_side.py`; Beaker 1.14.1 `session.py`, `ext/redisnm.py`;
pyramid_session_redis 1.8.1 `util.py`, `session.py`. Of pyramid_redis_sessions 1.0 only the names of
its parts are known here; it was not run.
"""

from __future__ import annotations

from secrets import token_hex
from typing import Any
from uuid import uuid4

from sessctl.stores.layouts.base import KeyLayout
from sessctl.stores.layouts.python import BY_HAND, USER


def _nothing(_now_ms: int, _ends_ms: int | None) -> dict[str, Any]:
    return {}


def _starsessions(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    lifetime_s = 0 if ends_ms is None else (ends_ms - now_ms) // 1000
    now_s = now_ms / 1000
    return {"__metadata__": {"lifetime": lifetime_s, "created": now_s, "last_access": now_s}}


def _aiohttp(now_ms: int, _ends_ms: int | None) -> dict[str, Any]:
    return {"created": now_ms // 1000}


# Without a prefix every key of the server could be a session: of other programs most have one, and
# in it what no id has.
_SHAPE = r"[A-Za-z0-9_-]+"

# Without a lifetime it keeps a session for `gc_ttl`; the cookie then ends with the browser.
STARSESSIONS = KeyLayout(
    name="starsessions",
    prefix="starsessions.",
    cookie_format="opaque",
    cookie_name="session",
    user=BY_HAND,
    envelope=("__metadata__",),
    marks=("__metadata__.lifetime", "__metadata__.created", "__metadata__.last_access"),
    dates=("__metadata__.created", "__metadata__.last_access"),
    lifetime_s=30 * 86_400,
    fresh=_starsessions,
    new_sid=lambda: token_hex(16),
)

# Without max_age it sets no TTL, and nothing ends a session by itself.
AIOHTTP_SESSION = KeyLayout(
    name="aiohttp-session",
    databases=("redis", "memcached"),
    prefix="AIOHTTP_SESSION_",
    cookie_format="opaque",
    cookie_name="AIOHTTP_SESSION",
    user=BY_HAND,
    data_key="session",
    envelope=("created",),
    mark=int,
    marks=("created",),
    dates=("created", ""),
    lifetime_s=86_400,
    fresh=_aiohttp,
    new_sid=lambda: uuid4().hex,
)

LITESTAR_REDIS = KeyLayout(
    name="litestar-redis",
    prefix="LITESTAR:",
    prefix_ends="LITESTAR:",  # nothing in a value tells it from others
    cookie_format="opaque",
    cookie_name="session",
    user=BY_HAND,
    lifetime_s=14 * 86_400,
    fresh=_nothing,
    new_sid=lambda: token_hex(32),
    cookie_lasts=True,
)

BEAKER_REDIS = KeyLayout(
    name="beaker-redis",
    prefix="beaker_cache:",
    suffix=":session",
    sid_shape="[0-9a-f]{32}",  # what a cache is called may stand there, too
    serializer="beaker",
    cookie_format="beaker",
    cookie_name="beaker.session.id",
    user=USER,
    envelope=("_accessed_time", "_creation_time", "_domain", "_path"),
    mark=float,
    marks=("_accessed_time", "_creation_time"),
    dates=("_creation_time", "_accessed_time"),
    lifetime_s=0,  # `session.timeout` is None
    lingers_ms=120_000,
)

PYRAMID_SESSION_REDIS = KeyLayout(
    name="pyramid-session-redis",
    prefix="",
    sid_shape=_SHAPE,
    serializer="pickle",
    cookie_format="opaque",
    cookie_name="session",
    user=BY_HAND,
    data_key="m",
    envelope=("c", "v", "t", "x"),
    mark=int,
    marks=("c", "v"),
    dates=("c", ""),
    lifetime_s=1_200,
)

# The library before it, whose sessions look alike but for the names.
PYRAMID_REDIS_SESSIONS = KeyLayout(
    name="pyramid-redis-sessions",
    prefix="",
    sid_shape=_SHAPE,
    serializer="pickle",
    cookie_format="opaque",
    cookie_name="session",
    user=BY_HAND,
    data_key="managed_dict",
    envelope=("created", "timeout"),
    mark=int,
    marks=("created", "timeout"),
    dates=("created", ""),
    lifetime_s=1_200,
)
