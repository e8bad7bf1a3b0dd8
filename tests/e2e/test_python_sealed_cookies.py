"""Cookies of aiohttp_session, Litestar, Beaker and pyseto: real applications take ours, and theirs
are read.

Each application is one of `tests/peers`, over HTTP.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sessctl import decode_cookie, sign_cookie, verify_cookie
from tests.support.express import Browser
from tests.support.peer import PythonApp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEY, WRONG = bytes(range(100, 132)), bytes(range(32))
USER = {"user": 7, "name": 'Zoë 日本語; "x", y', "roles": ["admin"]}
SIGNS, ENCRYPTS = "keyboard cat", "a mouse"
PRIVATE = Ed25519PrivateKey.generate()
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = (
    PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
)
OTHER_PEM = (
    Ed25519PrivateKey.generate()
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
CONTEXT = {"implicit_assertion": "shop"}


@dataclass(frozen=True)
class App:
    """One library's application: where it is, and what its cookies are made with."""

    path: str
    format: str
    cookie: str  # its name
    secrets: Any
    wrong: Any
    parameters: Mapping[str, str] = field(default_factory=dict)


BOTH = {"validate": SIGNS, "encrypt": ENCRYPTS}
APPS = [
    App("fernet", "aiohttp-fernet", "AIOHTTP_SESSION", KEY, WRONG),
    App("nacl", "aiohttp-nacl", "AIOHTTP_SESSION", KEY, WRONG),
    App("litestar", "litestar", "session", KEY, WRONG),
    App("json", "beaker", "beaker.session.id", SIGNS, "cat"),
    App("sealed", "beaker", "beaker.session.id", BOTH, {**BOTH, "encrypt": "x"}),
    App("local", "paseto-v4", "token", KEY, WRONG, CONTEXT),
    App("public", "paseto-v4", "token", PRIVATE_PEM, OTHER_PEM, CONTEXT),
]
every_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.path)


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """Where each application listens, by its path."""
    key = b64encode(KEY).decode()
    cookie = {"session.type": "cookie", "session.validate_key": SIGNS, "session.auto": False}
    as_json = {**cookie, "session.data_serializer": "json", "session.invalidate_corrupt": True}
    settings = {
        "beaker": {
            "json": {**as_json, "session.timeout": 3600},
            "sealed": {**as_json, "session.encrypt_key": ENCRYPTS},
            "pickle": cookie,
            "server": {"session.type": "memory", "session.secret": SIGNS},
        },
        "paseto": {
            "local": {"purpose": "local", "key": key},
            "public": {"purpose": "public", "key": PUBLIC_PEM, "sign": PRIVATE_PEM},
        },
    }
    with (
        PythonApp("aiohttp_cookies", key) as aiohttp,
        PythonApp("litestar_cookies", key) as litestar,
        PythonApp("wsgi_cookies", json.dumps(settings)) as wsgi,
    ):
        paths = [*settings["beaker"], *settings["paseto"]]
        yield {
            **dict.fromkeys(("plain", "fernet", "nacl"), aiohttp.port),
            "litestar": litestar.port,
            **dict.fromkeys(paths, wsgi.port),
        }


def browser(ports: Mapping[str, int], path: str) -> Browser:
    return Browser(ports[path])


def address(path: str) -> str:
    return "/session" if path == "litestar" else f"/{path}/session"


def data(answer: Any) -> Any:
    """The session in an answer; pyseto's has times among the claims."""
    found = answer.json
    if not isinstance(found, dict) or answer.status != 200:
        return None
    found = found.get("data", found)
    return {key: value for key, value in found.items() if key != "exp"}


def payload(decoded: Any) -> Any:
    """The user's data in a payload, without what the library keeps beside it."""
    found = decoded.payload
    found = found.get("session", found)
    return {key: value for key, value in found.items() if key != "exp" and key[0] != "_"}


def header(person: Browser) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in person.cookies.items())


@every_app
def test_their_cookie_is_recognised_read_and_verified(app: App, ports: dict[str, int]) -> None:
    person = browser(ports, app.path)
    person.post(address(app.path), USER)
    verdict = verify_cookie(header(person), app.secrets, parameters=app.parameters)
    assert (verdict.word.value, verdict.key_index) == ("valid", 0)
    assert verdict.decoded is not None
    assert (verdict.decoded.format, payload(verdict.decoded)) == (app.format, USER)
    assert not verify_cookie(header(person), app.wrong, parameters=app.parameters).valid
    for place in range(5, len(person.cookies[app.cookie]) - 5, 29):
        value = person.cookies[app.cookie]
        value = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        assert not verify_cookie(value, app.secrets, app.format, parameters=app.parameters).valid


@every_app
def test_they_take_our_cookie_and_none_of_another_secret(app: App, ports: dict[str, int]) -> None:
    person, options = browser(ports, app.path), {"parameters": app.parameters}
    for secrets, found in ((app.secrets, USER), (app.wrong, None)):
        cookie = sign_cookie(USER, secrets, app.format, **options)[0]  # type: ignore[arg-type]
        assert cookie.name == app.cookie
        person.cookies = {cookie.name: cookie.value}
        assert (data(person.get(address(app.path))) or None) == found


TIMED = [app for app in APPS if app.path != "sealed"]


@pytest.mark.parametrize("app", TIMED, ids=lambda app: app.path)
def test_both_say_when_a_cookie_has_ended(app: App, ports: dict[str, int]) -> None:
    hour, then = timedelta(hours=1), datetime.now(UTC) - timedelta(hours=2)
    is_inside = app.format in ("litestar", "paseto-v4")  # the end; else it is the app's setting
    cookie = sign_cookie(
        USER, app.secrets, app.format,
        parameters=app.parameters, now=then, ttl=hour if is_inside else None,
    )[0]  # fmt: skip
    person = browser(ports, app.path)
    person.cookies = {cookie.name: cookie.value}
    assert not data(person.get(address(app.path)))
    verdict = verify_cookie(
        cookie.header, app.secrets,
        parameters=app.parameters, max_age=None if is_inside else hour,
    )  # fmt: skip
    assert verdict.word.value == "expired"
    assert verdict.decoded is not None
    assert payload(verdict.decoded) == USER  # what was in it is still of interest


def test_what_nothing_signs_is_taken_by_aiohttp_and_never_called_genuine(
    ports: dict[str, int],
) -> None:
    person = browser(ports, "plain")
    person.post("/plain/session", USER)
    verdict = verify_cookie(header(person), "any")
    assert verdict.word.value == "missing_signature"
    assert verdict.decoded is not None
    assert (verdict.decoded.format, payload(verdict.decoded)) == ("aiohttp-plain", USER)
    cookie = sign_cookie({"user": 8, **USER}, "any", "aiohttp-plain")[0]
    person.cookies = {cookie.name: cookie.value}
    assert person.get("/plain/session").json == {"user": 8, **USER}


def test_a_session_of_litestar_that_needs_several_cookies(ports: dict[str, int]) -> None:
    person, large = browser(ports, "litestar"), {"note": "x" * 9000}
    person.post("/session", large)
    assert sorted(person.cookies) == ["session-0", "session-1", "session-2", "session-3"]
    verdict = verify_cookie(header(person), KEY)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, large)
    ours = sign_cookie({"note": "y" * 9000}, KEY, "litestar")
    person.cookies = {one.name: one.value for one in ours}
    assert person.get("/session").json == {"note": "y" * 9000}
    # Ten are the most that the library itself puts together again.
    person.cookies = {}
    person.post("/session", {"note": "x" * 31_000})
    assert len(person.cookies) == 11
    verdict = verify_cookie(header(person), KEY)
    assert person.get("/session").json == {}
    assert verdict.word.value == "malformed"
    assert verdict.decoded is not None
    assert verdict.decoded.payload == {"note": "x" * 31_000}


def test_a_pickle_of_beaker_is_read(ports: dict[str, int]) -> None:
    person = browser(ports, "pickle")
    person.post("/pickle/session", USER)
    verdict = verify_cookie(header(person), SIGNS)
    assert verdict.decoded is not None
    assert (verdict.word.value, payload(verdict.decoded)) == ("valid", USER)
    assert payload(decode_cookie(header(person))) == USER  # which needs no secret


def test_the_id_of_a_beaker_session_on_the_server(ports: dict[str, int]) -> None:
    person = browser(ports, "server")
    sid = person.post("/server/session", USER).json["id"]
    verdict = verify_cookie(header(person), SIGNS)
    assert verdict.decoded is not None
    assert (verdict.word.value, verdict.decoded.format, verdict.decoded.sid) == (
        *("valid", "beaker"),
        sid,
    )
    person.cookies = {"beaker.session.id": sign_cookie(sid, SIGNS, "beaker")[0].value}
    assert data(person.get("/server/session")) == USER
    person.cookies = {"beaker.session.id": sign_cookie(sid, "cat", "beaker")[0].value}
    assert data(person.get("/server/session")) == {}


def test_a_public_key_checks_the_tokens_and_the_footer_is_told(ports: dict[str, int]) -> None:
    person = browser(ports, "public")
    person.post("/public/session", USER)
    for secret in (PUBLIC_PEM, PRIVATE_PEM):
        assert verify_cookie(header(person), secret, parameters=CONTEXT).valid
    assert verify_cookie(header(person), PUBLIC_PEM).word.value == "bad_signature"
    assert decode_cookie(header(person)).notes == ('its footer says: {"kid":"1"}',)
