"""The session among the cookies of a real browser's header: by name and by shape."""

from __future__ import annotations

from typing import Any

import pytest

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.admin.lookup import session_id_of
from sessctl.cookies.picking import pick
from tests.support.cookie_vectors import rows

SECRET = "this-is-a-32-plus-character-secret-value!"
SID = "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ"
# What Google, Meta, Hotjar, OneTrust, Stripe, Cloudflare, Mixpanel, Intercom and a shop's own
# scripts leave beside a session; some of it looks like one.
BEFORE = [
    "_ga=GA1.2.1234567890.1767225600",
    "_ga_K2V5X7=GS1.1.1767225600.3.1.1767225700.0.0.0",
    "_gid=GA1.2.987654321.1767225600",
    "_fbp=fb.1.1767225600000.1234567890",
    "_hjSessionUser_1234567=eyJpZCI6IjBhNmIxZjllIiwiY3JlYXRlZCI6MTc2NzIyNTYwMDAwMH0=",
    "OptanonConsent=isGpcEnabled=0&datestamp=Thu+Jan+01+2026&version=202401.1.0&hosts=",
    "__stripe_mid=0a6b1f9e-3c5d-4e7f-8a9b-0c1d2e3f4a5b1c2d3e",
    "_csrf=7d8f2c1e4b5a69788796a5b4c3d2e1f0",
    "theme=dark",
]
AFTER = [
    "__cf_bm=Zk3xPq9LmN0vB7tR2yW8cU5eA1sD4fGh-1767225600-1.0.1.1-abc",
    "mp_5e1c_mixpanel=%7B%22distinct_id%22%3A%22190c%22%7D",
    "intercom-session-k2v5=VnVQeYvvcQzAKt6wKll1v4TSrlzIktw4y3sHCCVzqe8",
    "XSRF-TOKEN=" + sign_cookie("6ICPbAGegwkSRMatflsfzgagQEdZVj6t", SECRET)[0].value,
    "cart=" + sign_cookie({"sku": "A-1"}, SECRET, "cookie-parser")[0].value,
    "lang=de",
]
PAYLOAD = {"user_id": 42, "name": "alice"}


def header(*own: str) -> str:
    return "Cookie: " + "; ".join([*BEFORE, *own, *AFTER])


@pytest.mark.parametrize(
    ("format", "content", "name"),
    [
        ("express-session", SID, "connect.sid"),
        ("express-session", SID, "shop.sid"),
        ("cookie-session", PAYLOAD, "session"),
        ("cookie-session", PAYLOAD, "s"),
        ("koa-session", PAYLOAD, "koa.sess"),
        ("koa-session", SID, "koa.sess"),
        ("fastify-session", SID, "sessionId"),
        ("fastify-session", SID, "sid"),
        ("client-sessions", PAYLOAD, "session_state"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_session_is_found_among_a_dozen_cookies(
    format: str, content: Any, name: str, turned: bool
) -> None:
    made = sign_cookie(content, SECRET, format, name=name)
    own = [f"{one.name}={one.value}" for one in (reversed(made) if turned else made)]
    text = header(*own)
    assert pick(text).name == name
    verdict = verify_cookie(text, SECRET)
    assert (verdict.valid, verdict.decoded and verdict.decoded.format) == (True, format)
    assert verdict.decoded is not None
    assert content in (verdict.decoded.sid, verdict.decoded.payload)
    assert not verify_cookie(text, "other").valid


@pytest.mark.parametrize("row", [r for r in rows() if r.format == "opaque"], ids=str)
def test_an_id_of_a_usual_name_is_found_where_nothing_else_is_a_session(row: Any) -> None:
    text = "Cookie: " + "; ".join([*BEFORE, f"{row.name}={row.text}", *AFTER[:3], "lang=de"])
    assert decode_cookie(text).sid == row.expect["sid"]


@pytest.mark.parametrize("name", ["cart", "theme", "session.sig", "_ga"])
def test_a_cookie_that_is_named_is_the_one_taken(name: str) -> None:
    text = header(*(f"{one.name}={one.value}" for one in sign_cookie({}, SECRET, "cookie-session")))
    if name == "session.sig":  # it is part of the other
        with pytest.raises(Exception, match=r"no cookie named 'session\.sig'"):
            pick(text, name=name)
    else:
        assert pick(text, name=name).name == name


def test_a_companion_without_its_cookie_is_a_cookie_like_any_other() -> None:
    assert pick("Cookie: a=1; session.sig=yu6A1PrA76q9BiPSnNBkC4W2WXE").name == "session.sig"


def test_the_id_of_a_browser_s_cookies_is_the_session_s() -> None:
    cookies = dict(part.split("=", 1) for part in [*BEFORE, *AFTER])
    made = sign_cookie(SID, SECRET, "fastify-session")[0]
    assert session_id_of({**cookies, made.name: made.value}) == SID
    assert session_id_of({**cookies, "PHPSESSID": "b5uodq0j949oj04jf50d3rlpi1"}) is not None
    assert session_id_of({"PHPSESSID": "b5uodq0j949oj04jf50d3rlpi1"}, name="PHPSESSID") is not None
    koa = {one.name: one.value for one in sign_cookie(SID, SECRET, "koa-session")}
    assert session_id_of({**cookies, **koa}) == SID
    assert session_id_of(koa, name="koa.sess", format="koa-session") == SID
