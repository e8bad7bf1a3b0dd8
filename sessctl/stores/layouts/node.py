"""Layouts of Koa's and Fastify's session libraries on Redis.

    koa-session          39e76b48-d6c1-4ced-99b2-2f0552d48e3a
                         {"views":3,"_expire":1795207054546,"_maxAge":7200000}
    koa-generic-session  koa:sess:896J1zfek8bwHuf33jE6NkP4dQPBh1ft
                         {"cookie":{"path":"/","maxAge":86400000},"views":3}
    fastify-session      sess:1qQdU5ytsk8Zyo8m1jwbToueHqn77Vfb
                         {"cookie":{"expires":"2026-11-20T19:37:35.905Z"},"views":2}

koa-session lets a key live 10 s longer than the session, and looks at `_expire`; with `prefix` its
cookie holds the whole key. koa-redis without a lifetime sets none. @fastify/session takes stores
made for express-session, so its keys are connect-redis', and looks at `cookie.expires`.

Source: koa-session 7.0.2 `src/context.ts`; koa-generic-session 2.3.1 `lib/store.js`,
`lib/session.js`; koa-redis 4.0.1 `lib/index.js`; @fastify/session 11.1.3 `index.js`,
`lib/cookie.js`.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sessctl.stores.layouts.base import KeyLayout
from sessctl.stores.layouts.express import EXPRESS
from sessctl.timespec import iso

_USER = EXPRESS["user"]


def _koa(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    if ends_ms is None:
        return {"_session": True}  # `maxAge: "session"`
    return {"_expire": ends_ms, "_maxAge": ends_ms - now_ms}


def _koa_generic(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    age = None if ends_ms is None else ends_ms - now_ms
    cookie = {"httpOnly": True, "path": "/", "overwrite": True, "signed": True, "maxAge": age}
    return {"cookie": cookie}


def _fastify(now_ms: int, ends_ms: int | None) -> dict[str, Any]:
    age = None if ends_ms is None else ends_ms - now_ms
    ends = None if ends_ms is None else iso(ends_ms)
    return {
        "cookie": {
            "expires": ends,
            "originalMaxAge": age,
            "originalExpires": ends,
            "sameSite": None,
            "secure": False,
            "path": "/",
            "httpOnly": True,
            "domain": None,
        }
    }


KOA_SESSION = KeyLayout(
    name="koa-session",
    prefix="",
    sid_has_prefix=True,
    cookie_format="koa-session",
    cookie_name="koa.sess",
    user=_USER,
    inner_expiry="_expire",
    inner_is_ms=True,
    inner_rules=True,
    envelope=("_expire", "_maxAge", "_session"),
    mark=int,
    marks=("_expire", "_maxAge"),
    lifetime_s=86_410,
    fresh=_koa,
    new_sid=lambda: str(uuid4()),
    cookie_lasts=True,
    lingers_ms=10_000,
)

KOA_GENERIC_SESSION = KeyLayout(
    name="koa-generic-session",
    prefix="koa:sess:",
    cookie_format="koa-session",
    cookie_name="koa.sid",
    user=_USER,
    inner_expiry="cookie.expires",
    envelope=("cookie",),
    marks=("cookie.maxAge", "cookie.overwrite"),
    lifetime_s=86_400,
    fresh=_koa_generic,
    cookie_lasts=True,
)

FASTIFY_SESSION = KeyLayout(
    name="fastify-session",
    prefix="sess:",
    cookie_format="fastify-session",
    cookie_name="sessionId",
    user=_USER,
    inner_expiry="cookie.expires",
    inner_rules=True,
    envelope=("cookie",),
    # express-session leaves out what is not set
    marks=("cookie.originalMaxAge", "cookie.domain", "cookie.sameSite", "cookie.secure"),
    lifetime_s=86_400,
    fresh=_fastify,
)
