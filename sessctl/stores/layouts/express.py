"""Layouts of the stores for express-session (Node).

Source: express-session 1.19.0 `index.js`, `session/cookie.js` for the value;
connect-redis 3.4 to 10.0 for the key and TTL; session-file-store 1.5.0
`lib/session-file-helpers.js` for the files; connect-sqlite3 0.9.18 `lib/connect-sqlite3.js`,
connect-pg-simple 10.0.0 `index.js` and `table.sql`, express-mysql-session 3.0.3 `index.js` and
`schema.sql` for the tables; connect-mongo 3.2.0 to 6.0.0 `MongoStore` for the documents.
`cookie.expires` inside the value goes stale when a session is only touched, so the TTL or the
column decides and the inner date is a hint; only MemoryStore (express-session 1.19.0
`session/memory.js`) has nothing else.
"""

from __future__ import annotations

from typing import Any

from sessctl.stores.layouts.base import (
    DocumentLayout,
    ItemLayout,
    KeyLayout,
    Layout,
    TableLayout,
    Unit,
)
from sessctl.stores.layouts.files import FileEnd, FileLayout, Naming
from sessctl.timespec import iso


def _cookie(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    """What `new Cookie()` of express-session is as JSON."""
    return {
        "cookie": {
            "originalMaxAge": None if ends_ms is None else ends_ms - now_ms,
            "expires": None if ends_ms is None else iso(ends_ms),
            "httpOnly": True,
            "path": "/",
        }
    }


def _file(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    return {**_cookie(now_ms, ends_ms), "__lastAccess": now_ms}


EXPRESS: dict[str, Any] = {
    "serializer": "json",
    "cookie_format": "express-session",
    "cookie_name": "connect.sid",
    # passport first; then what applications write by hand, most common first
    "user": ("passport.user", "user", "userId", "user_id", "uid", "username", "account"),
    "inner_expiry": "cookie.expires",
    "envelope": ("cookie",),
    "marks": ("cookie.originalMaxAge",),
    "lifetime_s": 86_400,
    "fresh": _cookie,
}

CONNECT_REDIS = KeyLayout(name="connect-redis", prefix="sess:", **EXPRESS)

# Its touch stores the session again. Source: connect-memcached 3.0.0 `lib/connect-memcached.js`,
# memcached (npm) 2.2.2 `lib/memcached.js` for the flag of JSON texts.
CONNECT_MEMCACHED = KeyLayout(
    name="connect-memcached",
    databases=("memcached",),
    prefix="",
    flags=2,
    ciphers=("kruptein",),
    **EXPRESS,
)

# Source: connect-dynamodb 3.0.5 `lib/connect-dynamodb.js`; `hashKey` is `columns.sid`.
CONNECT_DYNAMODB = ItemLayout(
    name="connect-dynamodb",
    prefix="sess:",
    sid="id",
    data="sess",
    expires="expires",
    fixed=(("type", "connect-session"),),
    **EXPRESS,
)

CONNECT_SQLITE3 = TableLayout(
    name="connect-sqlite3",
    databases=("sqlite",),
    table="sessions",
    sid="sid",
    data="sess",
    expires="expired",
    unit=Unit.MILLISECONDS,
    **EXPRESS,
)

CONNECT_PG_SIMPLE = TableLayout(
    name="connect-pg-simple",
    databases=("postgresql",),
    table="session",
    sid="sid",
    data="sess",
    expires="expire",
    unit=Unit.TIMESTAMP,
    expires_zone="server",  # node-postgres sets none
    **EXPRESS,
)

EXPRESS_MYSQL_SESSION = TableLayout(
    name="express-mysql-session",
    databases=("mysql",),
    table="sessions",
    sid="session_id",
    data="data",
    expires="expires",
    unit=Unit.SECONDS,
    **EXPRESS,
)

# It goes by its last access alone: `cookie.expires` is written and never looked at.
SESSION_FILE_STORE = FileLayout(
    name="session-file-store",
    extension=".json",
    naming=Naming(in_flight=r"\.\d{1,10}"),  # write-file-atomic 3: a hash of 32 bits
    end=FileEnd.LAST_ACCESS,
    seen="__lastAccess",
    max_age="cookie.originalMaxAge",
    ciphers=("kruptein",),
    seals_alike=True,
    **{
        **EXPRESS,
        "inner_expiry": None,
        "envelope": ("cookie", "__lastAccess"),
        "marks": ("cookie.originalMaxAge", "__lastAccess"),
        "lifetime_s": 3600,
        "fresh": _file,
    },
)

# `session` is JSON text, with `stringify: false` an object whose `cookie.expires` is a date. A
# touch moves `expires` alone; `lastModified` comes with `touchAfter`, the rest with `timestamps`.
CONNECT_MONGO = DocumentLayout(
    name="connect-mongo",
    collection="sessions",
    data="session",
    expires="expires",
    created=("createdAt",),
    seen=("lastModified", "updatedAt"),
    ciphers=("kruptein", "connect-mongo-3", "connect-mongo-webcrypto"),
    **{**EXPRESS, "lifetime_s": 14 * 86_400},
)

# In the memory of a live process. MemoryStore has no package of its own: framework and store.
EXPRESS_MEMORY = Layout(name="express-memory", databases=("node",), **EXPRESS)

MEMORYSTORE = Layout(name="memorystore", databases=("node",), **EXPRESS)
