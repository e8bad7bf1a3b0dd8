"""Cookies that sessctl signs are accepted by the real libraries; theirs decode and verify."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import decode_cookie, sign_cookie, verify_cookie
from tests.support.express import Browser
from tests.support.npm import PEERS, modules, program
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cookies.base import Cookie

SECRETS = ["a-new-secret-of-more-than-32-characters", "an-old-secret-of-more-than-32-characters"]
WRONG = "neither-of-them-and-more-than-32-characters"
PAYLOAD = {"user": 42, "name": "Zoë 日本", "cart": [{"sku": "A-1", "price": 9.99}], "nil": None}
KEEPERS = ["cookie-session", "koa-session", "client-sessions"]  # the payload is in the cookie
ROTATING = ["cookie-parser", "cookie-session", "koa-session", "fastify-cookie"]


class CookieApps(PeerApp):
    """The apps of `tests/peers/cookies`."""

    def __init__(self) -> None:
        peer = PEERS / "cookies"
        super().__init__(
            [program("node"), str(peer / "app.js")],
            NODE_PATH=str(modules(peer)),
            SESSCTL_PEER=json.dumps({"secrets": SECRETS}),
        )


@pytest.fixture(scope="module")
def apps() -> Iterator[CookieApps]:
    with CookieApps() as running:
        yield running


def written(apps: CookieApps, library: str, content: Any) -> Browser:
    """A browser with the cookie that a library made of this content."""
    browser = Browser(apps.port)
    assert browser.post(f"/{library}/write", content).status == 200
    return browser


def read(apps: CookieApps, library: str, cookies: list[Cookie]) -> Any:
    """What the library makes of these cookies."""
    browser = Browser(apps.port)
    browser.cookies = {one.name: one.value for one in cookies}
    return browser.get(f"/{library}/read").json


def header(browser: Browser) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


@pytest.mark.parametrize("library", KEEPERS)
def test_a_payload_of_the_library_is_decoded_and_verified(apps: CookieApps, library: str) -> None:
    line = header(written(apps, library, PAYLOAD))
    verdict = verify_cookie(line, SECRETS)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.format, verdict.key_index) == (True, library, 0)
    assert verdict.decoded.payload == PAYLOAD
    assert verify_cookie(line, [WRONG, SECRETS[0]]).key_index == 1
    assert verify_cookie(line, WRONG).word == "bad_signature"
    if library != "client-sessions":
        assert decode_cookie(line).payload == PAYLOAD


@pytest.mark.parametrize("library", KEEPERS)
def test_a_payload_of_ours_is_accepted_by_the_library(apps: CookieApps, library: str) -> None:
    assert read(apps, library, sign_cookie(PAYLOAD, SECRETS, library)) == PAYLOAD
    assert read(apps, library, sign_cookie(PAYLOAD, WRONG, library)) == {}


@pytest.mark.parametrize("library", ["cookie-session", "koa-session"])
def test_a_cookie_of_the_library_is_made_again_byte_for_byte(
    apps: CookieApps, library: str
) -> None:
    browser = written(apps, library, PAYLOAD)
    decoded = decode_cookie(header(browser))
    again = sign_cookie(PAYLOAD, SECRETS, library, now=decoded.issued_at)
    assert {one.name: one.value for one in again} == browser.cookies


@pytest.mark.parametrize("library", ROTATING)
def test_what_an_older_secret_signed_is_accepted_by_both(apps: CookieApps, library: str) -> None:
    content: Any = PAYLOAD if library in KEEPERS else "text"
    made = sign_cookie(content, SECRETS[1], library)
    found = read(apps, library, made)
    assert content in (found, found.get("signed"), found.get("value"))
    line = "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in made)
    assert verify_cookie(line, SECRETS, library).key_index == 1


@pytest.mark.parametrize("content", [PAYLOAD, ["a", 1], "alice", "a.b=c; d%", "j:no", "日本"])
def test_a_value_of_express_goes_both_ways(apps: CookieApps, content: Any) -> None:
    browser = written(apps, "cookie-parser", content)
    value = browser.cookies["user"]
    verdict = verify_cookie(value, SECRETS, "cookie-parser")
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, content)
    assert not verify_cookie(value, WRONG, "cookie-parser").valid
    again = sign_cookie(content, SECRETS, "cookie-parser")
    assert [one.value for one in again] == [value]
    assert read(apps, "cookie-parser", again) == {"signed": content, "plain": None}
    assert not read(apps, "cookie-parser", sign_cookie(content, WRONG, "cookie-parser"))["signed"]


def test_an_unsigned_value_of_express_is_no_signed_one(apps: CookieApps) -> None:
    made = sign_cookie(PAYLOAD, WRONG, "cookie-parser", parameters={"signed": "false"})
    assert read(apps, "cookie-parser", made) == {"signed": None, "plain": PAYLOAD}
    verdict = verify_cookie(made[0].value, SECRETS)
    assert verdict.decoded is not None
    assert (verdict.word, verdict.decoded.payload) == ("missing_signature", PAYLOAD)


@pytest.mark.parametrize("text", ["alice", "a.b=c; d%", "日本"])
def test_a_text_of_fastify_goes_both_ways(apps: CookieApps, text: str) -> None:
    browser = written(apps, "fastify-cookie", {"text": text})
    value = browser.cookies["user"]
    verdict = verify_cookie(value, SECRETS, "fastify-cookie")
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, text)
    assert not verify_cookie(value, WRONG, "fastify-cookie").valid
    again = sign_cookie(text, SECRETS, "fastify-cookie")
    assert read(apps, "fastify-cookie", again) == {"valid": True, "renew": False, "value": text}
    wrong = sign_cookie(text, WRONG, "fastify-cookie")
    assert read(apps, "fastify-cookie", wrong)["valid"] is False


def test_a_session_of_fastify_is_found_by_a_cookie_of_ours(apps: CookieApps) -> None:
    browser = written(apps, "fastify-session", {"user": 42})
    line = header(browser)
    verdict = verify_cookie(line, SECRETS)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.format) == (True, "fastify-session")
    sid = verdict.decoded.sid
    assert browser.get("/fastify-session/read").json == {"sid": sid, "user": 42}
    for secret, user in ((SECRETS[0], 42), (SECRETS[1], 42), (WRONG, None)):
        made = sign_cookie(sid, secret, "fastify-session")
        assert read(apps, "fastify-session", made)["user"] == user
    assert not verify_cookie(line, WRONG).valid


def test_a_session_that_ended_is_ended_for_both(apps: CookieApps) -> None:
    before, hour = datetime.now(UTC) - timedelta(hours=2), timedelta(hours=1)
    for library in ("koa-session", "client-sessions"):
        over = sign_cookie(PAYLOAD, SECRETS, library, now=before, ttl=hour)
        assert read(apps, library, over) == {}
        line = "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in over)
        assert verify_cookie(line, SECRETS).word == "expired"
        assert verify_cookie(line, SECRETS, now=before).valid
        assert read(apps, library, sign_cookie(PAYLOAD, SECRETS, library, ttl=hour)) == PAYLOAD
