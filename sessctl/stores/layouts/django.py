"""Layouts of Django's server-side sessions: in a table, in a cache, in both, in files.

    django_session   qak2xh7st6z7z59egq1dkr7ot7d295h4 | .eJxVjcsO...:1xUTPb:Tg5v... | 2026-12-04 ...
    cache            :1:django.contrib.sessions.cacheqak2xh7st6z7z59egq1dkr7ot7d295h4
    cached_db        the row, and :1:django.contrib.sessions.cached_dbqak2xh7st6z7z59egq1dkr7...
    file             sessionidqak2xh7st6z7z59egq1dkr7ot7d295h4

A row or a file holds a signed text (`serializers/django.py`): read without a secret, written with
SECRET_KEY.
A cache holds the dictionary as its own backend writes it, by itself a pickle, which is only read;
before the id stand `KEY_PREFIX:VERSION:` and the engine's name, which the setting `prefix` holds
together. The cookie is the bare id, and logged in is who has `_auth_user_id`, `_auth_user_backend`
and, made of the password's hash, `_auth_user_hash`.

A file ends so long after it was written; its directory may be the temporary one that every program
uses, so that nothing is a session there that is not called after cookie and id.

Dates are UTC with USE_TZ; without it those of TIME_ZONE, which `expires_zone` then says. PostgreSQL
keeps instants either way.

Source: Django 5.2.19 `contrib/sessions/backends/{base,db,cache,cached_db,file}.py`,
`core/cache/backends/{base,redis,memcached}.py`; django-redis 7.0.0 `client/default.py`. Tried on
SQLite, PostgreSQL, MariaDB, Redis and memcached. Not supported: a KEY_FUNCTION of one's own that
does not put the id last; a cache in a table, in files or in memory.
"""

from __future__ import annotations

from secrets import choice
from string import ascii_lowercase, digits
from typing import Any

from sessctl.errors import SerializerError
from sessctl.serializers.django import split, unpacked
from sessctl.stores.layouts.base import (
    DateForm,
    KeyLayout,
    TableLayout,
    Unit,
)
from sessctl.stores.layouts.cached import CachedTableLayout
from sessctl.stores.layouts.files import FileEnd, FileLayout, Naming
from sessctl.stores.layouts.python import USER

_LETTERS = ascii_lowercase + digits
_CACHE_KEY = ":1:django.contrib.sessions.{}"


def _session_key() -> str:
    return "".join(choice(_LETTERS) for _ in range(32))


def _saved_s(raw: bytes) -> int | None:
    """The stamp of a signed text; None of one from before Django 3.1, and where the session has a
    lifetime of its own."""
    try:
        signed = split(raw.decode("ascii"))
        own_lifetime = b"_session_expiry" in unpacked(signed.body)
    except (SerializerError, UnicodeDecodeError):
        return None
    return None if own_lifetime else signed.stamp


def _nothing(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    """A session of Django holds nothing of the library's own."""
    return {}


_DJANGO: dict[str, Any] = {
    "cookie_format": "opaque",
    "cookie_name": "sessionid",
    "user": USER,
    "lifetime_s": 14 * 86_400,
    "new_sid": _session_key,
    "cookie_lasts": True,
}

_SIGNED: dict[str, Any] = {
    "serializer": "json-or-pickle",
    "ciphers": ("django-signed",),
    "seals_alike": True,
    "fresh": _nothing,
    "proves_login": ("_auth_user_backend", "_auth_user_hash"),
    **_DJANGO,
}

_TABLE: dict[str, Any] = {
    "databases": ("sqlite", "postgresql", "mysql"),
    "table": "django_session",
    "sid": "session_key",
    "data": "session_data",
    "expires": "expire_date",
    "unit": Unit.TIMESTAMP,
    "date_forms": (DateForm.NAIVE,),
    "expires_zone": "UTC",
    "saved_s": _saved_s,
    **_SIGNED,
}

DJANGO_DB = TableLayout(name="django-db", **_TABLE)

DJANGO_CACHE = KeyLayout(
    name="django-cache",
    databases=("redis", "memcached"),
    prefix=_CACHE_KEY.format("cache"),
    prefix_ends="django.contrib.sessions.cache",
    sid_shape=r"[a-z0-9]+",
    serializer="by-bytes",
    flags=1,
    **_DJANGO,
)

DJANGO_CACHED_DB = CachedTableLayout(
    name="django-cached_db",
    looks_like="django-db",
    copies=KeyLayout(
        name="django-cached_db",
        databases=DJANGO_CACHE.databases,
        prefix=_CACHE_KEY.format("cached_db"),
        prefix_ends="django.contrib.sessions.cached_db",
        sid_shape=DJANGO_CACHE.sid_shape,
        serializer="by-bytes",
        flags=1,
        **_DJANGO,
    ),
    **_TABLE,
)

DJANGO_FILE = FileLayout(
    name="django-file",
    naming=Naming(
        before_is_cookie=True, ids=r"[a-z0-9]{32}", in_flight="_out_.{1,20}", shared=True
    ),
    end=FileEnd.MTIME,
    max_age="_session_expiry",
    **_SIGNED,
)
