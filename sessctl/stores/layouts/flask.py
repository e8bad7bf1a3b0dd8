"""Layouts of Flask-Session's stores, versions 0.4 to 0.8.

    redis       session:MOhBcuwRRN3SXdn8lx3TF-qPj-sdPjyuD1CU8o7F3i4
    memcached   the same key, flags 0
    sqlalchemy  sessions: id 7, session_id session:MOhB.., data 82 aa 5f 70 .., expiry 2026-12-21 ..
    mongodb     {_id: ObjectId(..), id: "session:MOhB..", val: Binary(..), expiration: Date(..)}
    dynamodb    {id: {S: "session:MOhB.."}, val: {B: ..}, expiration: {N: "1798829528.34"}}

Values are msgpack, JSON or a pickle (`serializers/flask_session.py`). What is kept for how long is
PERMANENT_SESSION_LIFETIME, whether the cookie has a date or not; `_permanent` says whether it has,
and stands among the application's data.

The cookie is the bare id. An application with SESSION_USE_SIGNER signs it: its backend says
`cookie_format = "flask-session-sid"`.

Dates of SQL are UTC without a zone. Up to 0.6 a session of which the cookie has no date got NULL in
SQL and MongoDB, which 0.6 and later take for over and 0.5 cannot read: unknown, so it stays.
DynamoDB's seconds are made of a UTC clock read as local time, so they are off by the zone of the
application's machine; what the number says is what counts, for the table's TTL goes by it, and the
library itself never looks.

Source: Flask-Session 0.8.0 `base.py`, `redis/redis.py`, `memcached/memcached.py`,
`sqlalchemy/sqlalchemy.py`, `mongodb/mongodb.py`, `dynamodb/dynamodb.py`; 0.5.0 `sessions.py`. Its
files are cachelib's, in `files.py` of the engines. Not supported: a column's or a field's name that
a subclass has changed, unless the backend's `columns` says it.
"""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Any

from sessctl.stores.layouts.base import (
    DateForm,
    ItemLayout,
    KeyLayout,
    PrefixedDocumentLayout,
    PrefixedTableLayout,
    Unit,
)
from sessctl.stores.layouts.python import FLASK_USER


def _new_sid() -> str:
    """32 random bytes in 43 characters, SESSION_ID_LENGTH if nothing else is set."""
    return token_urlsafe(32)


def _permanent(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    return {"_permanent": ends_ms is not None}


FLASK_SESSION: dict[str, Any] = {
    "serializer": "flask-session",
    "cookie_format": "opaque",
    "cookie_name": "session",
    "user": FLASK_USER,
    "own_keys": ("_permanent",),
    "marks": ("_permanent",),
    "lifetime_s": 31 * 86_400,
    "fresh": _permanent,
    "new_sid": _new_sid,
    "cookie_lasts": True,
}

FLASK_REDIS = KeyLayout(name="flask-redis", prefix="session:", **FLASK_SESSION)

FLASK_MEMCACHED = KeyLayout(
    name="flask-memcached", databases=("memcached",), prefix="session:", **FLASK_SESSION
)

FLASK_SQLALCHEMY = PrefixedTableLayout(
    name="flask-sqlalchemy",
    databases=("sqlite", "postgresql", "mysql"),
    prefix="session:",
    table="sessions",
    sid="session_id",
    data="data",
    expires="expiry",
    unit=Unit.TIMESTAMP,
    date_forms=(DateForm.NAIVE,),
    expires_zone="UTC",
    row_id="id",
    **FLASK_SESSION,
)

FLASK_MONGODB = PrefixedDocumentLayout(
    name="flask-mongodb",
    prefix="session:",
    collection="sessions",
    sid="id",
    data="val",
    expires="expiration",
    is_binary=True,
    **FLASK_SESSION,
)

FLASK_DYNAMODB = ItemLayout(
    name="flask-dynamodb",
    prefix="session:",
    sid="id",
    data="val",
    expires="expiration",
    is_binary=True,
    **FLASK_SESSION,
)
