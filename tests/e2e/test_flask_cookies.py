"""Flask, Flask-Login, Flask-Session, Quart and Starlette accept what sessctl signs, and sessctl
what they sign; neither takes a wrong secret."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import decode_cookie, sign_cookie, verify_cookie
from tests.support.express import Browser
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cli import Cli

SECRETS = ["correct-horse-71", "p\u00e4ssw\u00f6rd-of-last-year"]
WRONG = "neither-of-them-71"
PAYLOAD = {
    "user": 42,
    "name": "Zo\u00eb \u65e5\u672c",
    "cart": [{"sku": "A-1", "n": 2}],
    "nil": None,
}
KEEPERS = {"flask": "flask", "quart": "flask", "starlette": "starlette"}  # app: format
every_keeper = pytest.mark.parametrize("app", KEEPERS)


@pytest.fixture(scope="module")
def apps() -> Iterator[PeerApp]:
    command = [sys.executable, "-m", "tests.peers.flask_cookies.app"]
    with PeerApp(command, SESSCTL_PEER=json.dumps({"secrets": SECRETS})) as running:
        yield running


def written(apps: PeerApp, app: str, content: Any = PAYLOAD) -> Browser:
    """A browser with the cookie that an app made of this session."""
    browser = Browser(apps.port)
    assert browser.post(f"/{app}/write", content).status == 200
    return browser


def read(apps: PeerApp, app: str, value: str, path: str = "read", name: str = "session") -> Any:
    """What an app makes of a cookie."""
    browser = Browser(apps.port)
    browser.cookies = {name: value}
    return browser.get(f"/{app}/{path}").json


def signed(content: Any, secret: Any, format: str, **more: Any) -> str:
    return sign_cookie(content, secret, format, **more)[0].value


@every_keeper
def test_a_session_of_the_app_is_read_and_verified(apps: PeerApp, app: str) -> None:
    value = written(apps, app).cookies["session"]
    verdict = verify_cookie(value, SECRETS)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.key_index) == (True, 0)
    assert (verdict.decoded.format, verdict.decoded.payload) == (KEEPERS[app], PAYLOAD)
    assert decode_cookie(value).payload == PAYLOAD
    assert verify_cookie(value, [WRONG, SECRETS[0]]).key_index == 1
    assert verify_cookie(value, WRONG).word == "bad_signature"


@every_keeper
def test_a_session_of_ours_is_accepted_by_the_app(apps: PeerApp, app: str) -> None:
    assert read(apps, app, signed(PAYLOAD, SECRETS, KEEPERS[app])) == PAYLOAD
    assert read(apps, app, signed(PAYLOAD, WRONG, KEEPERS[app])) == {}


@every_keeper
def test_a_session_of_the_app_is_made_again_byte_for_byte(apps: PeerApp, app: str) -> None:
    value = written(apps, app).cookies["session"]
    parameters = {"sort_keys": "false"} if app == "quart" else None
    at = decode_cookie(value).issued_at
    assert signed(PAYLOAD, SECRETS, KEEPERS[app], now=at, parameters=parameters) == value


@every_keeper
def test_the_app_s_own_limit_of_age_is_ours(apps: PeerApp, app: str) -> None:
    limit = timedelta(days=14 if app == "starlette" else 31)
    now = datetime.now(UTC)
    for at, word in (
        (now - limit + timedelta(minutes=5), "valid"),
        (now - limit - timedelta(minutes=5), "expired"),
        (now + timedelta(minutes=5), "from_future"),
    ):
        value = signed(PAYLOAD, SECRETS, KEEPERS[app], now=at)
        assert verify_cookie(value, SECRETS).word == word
        assert read(apps, app, value) == (PAYLOAD if word == "valid" else {})


@pytest.mark.parametrize("app", ["flask", "quart"])
def test_what_a_fallback_key_signed_is_accepted_by_both(apps: PeerApp, app: str) -> None:
    value = signed(PAYLOAD, SECRETS[1], "flask")
    assert read(apps, app, value) == PAYLOAD
    assert verify_cookie(value, SECRETS).key_index == 1


def test_python_s_own_types_go_both_ways(apps: PeerApp) -> None:
    browser = Browser(apps.port)
    assert browser.post("/flask/types").status == 200
    value = browser.cookies["session"]
    found = decode_cookie(value)
    assert found.payload == {
        "raw": {"__bytes__": "AP8="},
        "point": {"__tuple__": [1, {"__tuple__": ["a"]}]},
        "html": {"__markup__": "<b>"},
        "rid": {"__uuid__": "00000000-0000-0000-0000-000000000005"},
        "at": {"__datetime__": "2026-01-01T12:00:00+00:00"},
        "odd": {" t": 1},
    }
    assert signed(found.payload, SECRETS, "flask", now=found.issued_at) == value
    changed = signed({**found.payload, "raw": {"__bytes__": "AQ=="}}, SECRETS, "flask")
    theirs = read(apps, "flask", changed, "types")
    assert theirs["raw"] == repr(b"\x01")
    assert theirs["point"] == repr((1, ("a",)))
    assert theirs["at"].startswith("datetime.datetime(2026, 1, 1, 12, 0, tzinfo=")


def test_a_forged_session_logs_in(apps: PeerApp, cli: Cli) -> None:
    words = ["sign", "--format", "flask", '{"_user_id":"42"}', "--secret-from", "env:SECRET_KEY"]
    value = cli(*words, env={"SECRET_KEY": SECRETS[0]}).stdout.strip()
    assert read(apps, "flask", value, "me") == "42"
    wrong = cli(*words, env={"SECRET_KEY": WRONG}).stdout.strip()
    assert read(apps, "flask", wrong, "me") is None


@pytest.mark.parametrize("user", ["42", 'zo\u00eb; a,b|\\"'])
def test_a_remember_token_goes_both_ways(apps: PeerApp, user: str) -> None:
    browser = Browser(apps.port)
    browser.post("/flask/login", user)
    value = browser.cookies["remember_token"]
    verdict = verify_cookie(f"remember_token={value}", SECRETS)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, user)
    assert verify_cookie(value, WRONG, "flask-login-remember").word == "bad_signature"
    assert signed(user, SECRETS, "flask-login-remember") == value
    for secret, found in ((SECRETS, user), (WRONG, None)):
        made = signed(user, secret, "flask-login-remember")
        assert read(apps, "flask", made, "me", "remember_token") == found


def test_a_signed_session_id_goes_both_ways(apps: PeerApp) -> None:
    browser = written(apps, "flask-session")
    value = browser.cookies["session"]
    verdict = verify_cookie(value, SECRETS)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.format) == (True, "flask-session-sid")
    assert not verify_cookie(value, WRONG).valid
    sid = verdict.decoded.sid
    assert signed(sid, SECRETS, "flask-session-sid") == value
    assert PAYLOAD.items() <= read(apps, "flask-session", value).items()
    forged = read(apps, "flask-session", signed(sid, WRONG, "flask-session-sid"))
    assert "user" not in forged
