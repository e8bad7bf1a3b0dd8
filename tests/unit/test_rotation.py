"""Which secret fitted, and whether it is the newest: in every format that has secrets."""

from __future__ import annotations

import pytest

from sessctl import Secret, sign_cookie, verify_cookie
from sessctl.cookies.registry import FORMATS

NEW, OLD = "a-newer-secret-of-32-characters!", "an-older-secret-of-32-characters"
# Bottle's is a pickle, which is never written, and nothing signs aiohttp's plain one.
UNSIGNED = ("opaque", "stored-json", "bottle", "aiohttp-plain")
SIGNED = [name for name in FORMATS if name not in UNSIGNED]
DATA = ("cookie-session", "koa-session", "client-sessions", "jwt", "authjs", "nextauth-v4",
        "iron-session", "hapi-iron", "fastify-secure-session", "aiohttp-fernet", "aiohttp-nacl",
        "beaker", "litestar", "paseto-v4", "django-signed-cookies", "django-session-data",
        "pyramid", "flask", "starlette")  # fmt: skip
OLDER = "not the newest secret"


def made_with(secret: object, format: str) -> str:
    content = {"user": 42} if format in DATA else "a-session-id-of-some-length"
    cookies = sign_cookie(content, secret, format)  # type: ignore[arg-type]
    return "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in cookies)


@pytest.mark.parametrize("format", SIGNED)
def test_an_older_secret_is_named_as_one(format: str) -> None:
    found = verify_cookie(
        made_with(OLD, format),
        [Secret(NEW, "env:NEW"), Secret(OLD, "env:OLD")],
        format,
    )
    assert (found.valid, found.key_index) == (True, 1)
    assert [note for note in found.notes if OLDER in note] == [
        "signed with env:OLD, not the newest secret: that one has to stay in the list until the "
        "app has signed such cookies anew"
    ]


@pytest.mark.parametrize("format", SIGNED)
def test_the_newest_is_nothing_to_speak_of(format: str) -> None:
    found = verify_cookie(made_with(NEW, format), [NEW, OLD], format)
    assert (found.valid, found.key_index) == (True, 0)
    assert OLDER not in str(found.notes)


@pytest.mark.parametrize("format", SIGNED)
def test_of_a_secret_that_does_not_fit_nothing_is_said(format: str) -> None:
    found = verify_cookie(made_with("quite-another-one-of-32-letters!", format), [NEW, OLD], format)
    assert (found.valid, found.key_index, OLDER in str(found.notes)) == (False, None, False)


@pytest.mark.parametrize("order", [["1", "2"], ["2", "1"]])
@pytest.mark.parametrize(("sealed_by", "is_older"), [("1", True), ("2", False)])
def test_of_iron_session_the_highest_number_is_the_newest(order, sealed_by, is_older) -> None:
    passwords = {"1": OLD, "2": NEW}
    cookie = made_with({sealed_by: passwords[sealed_by]}, "iron-session")
    found = verify_cookie(cookie, {one: passwords[one] for one in order}, "iron-session")
    assert (found.valid, OLDER in str(found.notes)) == (True, is_older)


def test_two_keys_of_client_sessions_are_no_rotation() -> None:
    keys = {"encryption": b"e" * 32, "signature": b"s" * 32}
    cookie = made_with(keys, "client-sessions")
    found = verify_cookie(cookie, keys, "client-sessions")
    assert (found.valid, found.key_index, OLDER in str(found.notes)) == (True, 1, False)
