"""Cookies that sessctl signs are accepted by real Django, Pyramid and Tornado; theirs and Bottle's
decode and verify; with another secret neither side takes the other's."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.errors import UsageError
from tests.support.express import Browser
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cookies.base import Cookie

SECRETS = ["a new secret", "pässwörd of last year"]
WRONG = "neither of them"
PAYLOAD = {"_auth_user_id": "42", "name": "Zoë 日本", "cart": [{"sku": "A-1", "price": 9.99}] * 5}
TEXTS = ["abc123", "a:b:c", "with space; and=semi", "Zoë", '{"user": 42}']
KEYS = {"3": SECRETS[0], "0": SECRETS[1]}  # Tornado's key versions


class PythonCookies(PeerApp):
    """An app of `tests/peers/python_cookies`."""

    def __init__(self, module: str, secrets: Any) -> None:
        command = [sys.executable, "-m", f"tests.peers.python_cookies.{module}"]
        super().__init__(command, SESSCTL_PEER=json.dumps({"secrets": secrets}))


@pytest.fixture(scope="module")
def apps() -> Iterator[PythonCookies]:
    with PythonCookies("app", SECRETS) as running:
        yield running


@pytest.fixture(scope="module")
def tornado() -> Iterator[PythonCookies]:
    with PythonCookies("tornado_app", SECRETS[0]) as running:
        yield running


def written(app: PythonCookies, path: str, content: Any) -> str:
    """The header that a browser sends after the library has kept this content."""
    browser = Browser(app.port)
    assert browser.post(path, content).status == 200
    return header(browser.cookies)


def header(cookies: dict[str, str]) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items())


def read(app: PythonCookies, path: str, cookies: list[Cookie]) -> Any:
    """What the library makes of these cookies."""
    browser = Browser(app.port)
    browser.cookies = {one.name: one.value for one in cookies}
    return browser.get(path).json


@pytest.mark.parametrize(
    ("library", "format"),
    [("django/session", "django-signed-cookies"), ("pyramid", "pyramid")],
)
def test_a_session_in_a_cookie_goes_both_ways(
    apps: PythonCookies, library: str, format: str
) -> None:
    line = written(apps, f"/{library}/write", PAYLOAD)
    verdict = verify_cookie(line, [WRONG, SECRETS[0]])
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.format, verdict.key_index) == (True, format, 1)
    assert decode_cookie(line).payload == verdict.decoded.payload == PAYLOAD
    assert verify_cookie(line, WRONG).word == "bad_signature"
    assert read(apps, f"/{library}/read", sign_cookie(PAYLOAD, SECRETS, format)) == PAYLOAD
    assert read(apps, f"/{library}/read", sign_cookie(PAYLOAD, WRONG, format)) == {}


def test_a_session_of_django_is_signed_byte_for_byte(apps: PythonCookies) -> None:
    line = written(apps, "/django/session/write", PAYLOAD)
    issued_at = decode_cookie(line).issued_at
    (made,) = sign_cookie(PAYLOAD, SECRETS, "django-signed-cookies", now=issued_at)
    assert line == f"Cookie: {made.name}={made.value}"


def test_a_fallback_of_django_is_accepted_by_both(apps: PythonCookies) -> None:
    made = sign_cookie(PAYLOAD, SECRETS[1], "django-signed-cookies")
    assert read(apps, "/django/session/read", made) == PAYLOAD
    verdict = verify_cookie(made[0].value, SECRETS)
    assert (verdict.valid, verdict.key_index) == (True, 1)


@pytest.mark.parametrize(
    ("library", "format", "age"),
    [("django/session", "django-signed-cookies", 1_209_600), ("pyramid", "pyramid", 1200)],
)
def test_a_session_that_is_too_old_is_so_for_both(
    apps: PythonCookies, library: str, format: str, age: int
) -> None:
    limit, minute = timedelta(seconds=age), timedelta(minutes=1)
    for since, is_good in ((limit - minute, True), (limit + minute, False)):
        made = sign_cookie(PAYLOAD, SECRETS, format, now=datetime.now(UTC) - since)
        assert read(apps, f"/{library}/read", made) == (PAYLOAD if is_good else {})
        verdict = verify_cookie(made[0].value, SECRETS, max_age=limit)
        assert verdict.word == ("valid" if is_good else "expired")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("salt", ["", "pep"])
def test_a_signed_cookie_of_django_goes_both_ways(
    apps: PythonCookies, text: str, salt: str
) -> None:
    line = written(apps, "/django/cookie/write", {"text": text, "salt": salt})
    told = {"salt": salt}
    verdict = verify_cookie(line, SECRETS, "django-signed-cookie", parameters=told)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, text)
    assert not verify_cookie(line, WRONG, "django-signed-cookie", parameters=told).valid
    if not salt:
        assert verify_cookie(line, SECRETS).valid  # no format named: the secret chooses it
    for secret, legacy, found in (
        (SECRETS[0], "false", text),
        (SECRETS[1], "false", text),
        (SECRETS[0], "true", text),  # CVE-2026-6873: the older salt is still read
        (WRONG, "false", None),
    ):
        made = sign_cookie(
            text, secret, "django-signed-cookie", name="cart",
            parameters={**told, "legacy": legacy},
        )  # fmt: skip
        assert read(apps, f"/django/cookie/read?salt={salt}", made) == {"text": found}
        again = verify_cookie(header({one.name: one.value for one in made}), SECRETS,
                              "django-signed-cookie", parameters=told)  # fmt: skip
        assert again.valid is (found is not None)


def test_messages_of_django_go_both_ways(apps: PythonCookies) -> None:
    line = written(apps, "/django/messages/write", {"text": "Zoë, " + "saved; " * 20})
    verdict = verify_cookie(line, SECRETS)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.format) == (True, "django-signed-cookie")
    (message,) = verdict.decoded.payload
    assert message[0] == "__json_message"
    message[3] = "other"
    for secret, texts in ((SECRETS[1], ["other"]), (WRONG, [])):
        made = sign_cookie([message], secret, "django-signed-cookie", name="messages")
        assert read(apps, "/django/messages/read", made) == {"texts": texts}


@pytest.mark.parametrize("data", [PAYLOAD, [1, 2], "hello", False])
def test_what_dumps_signs_goes_both_ways(apps: PythonCookies, data: Any) -> None:
    token = Browser(apps.port).post("/django/token/write", data).json["token"]
    verdict = verify_cookie(token, SECRETS, "django-signing")
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, data)
    assert not verify_cookie(token, WRONG, "django-signing").valid
    for secret, found in ((SECRETS[1], data), (WRONG, None)):
        made = sign_cookie(data, secret, "django-signing")
        assert read(apps, "/django/token/read", made) == {"data": found}


@pytest.mark.parametrize("data", [PAYLOAD, ["a", 1], "text", 7])
def test_a_cookie_of_bottle_is_read_and_none_is_written(apps: PythonCookies, data: Any) -> None:
    line = written(apps, "/bottle/write", data)
    verdict = verify_cookie(line, [WRONG, SECRETS[0]])
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload, verdict.key_index) == (True, data, 1)
    assert decode_cookie(line).payload == data
    assert verify_cookie(line, WRONG).word == "bad_signature"
    with pytest.raises(UsageError, match="pickles are read and never written"):
        sign_cookie(data, SECRETS, "bottle")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("version", [1, 2])
def test_a_cookie_of_tornado_goes_both_ways(
    tornado: PythonCookies, text: str, version: int
) -> None:
    line = written(tornado, "/write", {"text": text, "version": version})
    verdict = verify_cookie(line, [WRONG, SECRETS[0]])
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload, verdict.key_index) == (True, text, 1)
    assert decode_cookie(line).payload == text
    assert verify_cookie(line, WRONG).word == "bad_signature"
    told = {"version": str(version)}
    (made,) = sign_cookie(text, SECRETS, "tornado", parameters=told, now=verdict.decoded.issued_at)
    assert f"Cookie: user={made.value.strip(chr(34))}" == line.replace('"', "")
    for secret, found in ((SECRETS[0], text), (WRONG, None)):
        made = sign_cookie(text, secret, "tornado", parameters=told)
        assert read(tornado, "/read", made) == {"text": found}


def test_tornado_s_key_versions_are_those_of_the_secrets() -> None:
    with PythonCookies("tornado_app", KEYS) as app:
        line = written(app, "/write", {"text": "42"})
        verdict = verify_cookie(line, KEYS)
        assert (verdict.valid, verdict.key_index) == (True, 0)
        assert verify_cookie(line, {"0": SECRETS[1]}).word == "unknown_key"
        assert verify_cookie(line, {"3": WRONG}).word == "bad_signature"
        for version, found in (("3", "42"), ("0", "42"), ("7", None)):
            keys = {**KEYS, "7": WRONG}
            made = sign_cookie("42", keys, "tornado", parameters={"key_version": version})
            assert read(app, "/read", made) == {"text": found}
