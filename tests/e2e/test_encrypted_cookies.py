"""Cookies that are encrypted, or JWT: real applications take ours, and theirs are read.

Each application is one of `tests/peers/crypto-cookies`, over HTTP.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sessctl import decode_cookie, sign_cookie, verify_cookie
from tests.support.crypto_cookies import CryptoCookiesApp
from tests.support.express import Browser

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLD = "an-older-secret-that-is-long-enough-1234"
NEW = "this-is-a-32-plus-character-secret-value!"
WRONG = "quite-another-secret-of-32-characters-up!"
OLD_KEY, NEW_KEY = bytes(range(32)), bytes(range(100, 132))
USER = {"user": 7, "name": "Zoë 日本語", "roles": ["admin"]}


@dataclass(frozen=True)
class App:
    """One library's application: where it is, and what its cookies are made with."""

    library: str
    format: str
    cookie: str  # its name
    secrets: Any
    old: Any = None  # what made the cookies before the secret was changed
    wrong: Any = WRONG
    parameters: Mapping[str, str] = field(default_factory=dict)


KEYED = {"2": NEW, "1": OLD}
APPS = [
    App("fastify-secure-session", "fastify-secure-session", "session", [NEW_KEY, OLD_KEY], OLD_KEY),
    App("iron-session", "iron-session", "shop", KEYED, {"1": OLD}, {"1": WRONG, "2": WRONG}),
    App("hapi-iron", "hapi-iron", "sealed", {"k2": NEW, "k1": OLD}, {"k1": OLD}, {"k2": WRONG}),
]
every_app = pytest.mark.parametrize("app", APPS, ids=lambda app: app.format)
AUTH = [
    App("nextauth-v4", "nextauth-v4", "next-auth.session-token", NEW),
    App("authjs", "authjs", "authjs.session-token", [NEW, OLD], OLD),
]
every_auth = pytest.mark.parametrize("app", AUTH, ids=lambda app: app.format)


def pem(key: Any) -> dict[str, str]:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"sign": private.decode(), "verify": public.decode()}


def jwt_keys() -> dict[str, dict[str, str]]:
    """A key for each algorithm, as the peer takes them."""
    text = {"sign": NEW * 2, "verify": NEW * 2}
    rsa_key = pem(rsa.generate_private_key(65537, 2048))
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    keys = {
        **{f"HS{size}": text for size in (256, 384, 512)},
        **{f"{kind}{size}": rsa_key for kind in ("RS", "PS") for size in (256, 384, 512)},
        **{alg: pem(ec.generate_private_key(curve)) for alg, curve in curves.items()},
        "EdDSA": pem(ed25519.Ed25519PrivateKey.generate()),
    }
    return {alg: {"algorithm": alg, **pair} for alg, pair in keys.items()}


JWT_KEYS = jwt_keys()
ALGORITHMS = {  # jsonwebtoken knows no EdDSA
    "jose": list(JWT_KEYS),
    "jsonwebtoken": [alg for alg in JWT_KEYS if alg != "EdDSA"],
}
every_algorithm = pytest.mark.parametrize(
    ("library", "alg"), [(name, alg) for name, algs in ALGORITHMS.items() for alg in algs]
)


@pytest.fixture(scope="module")
def peer() -> Iterator[CryptoCookiesApp]:
    keys = [b64encode(key).decode() for key in (NEW_KEY, OLD_KEY)]
    libraries: dict[str, Any] = {
        "fastify-secure-session": {"key": keys},
        "iron-session": {"password": KEYED},
        "hapi-iron": {"seal": {"id": "k2", "secret": NEW}, "unseal": {"k1": OLD, "k2": NEW}},
        "yar": {"password": NEW, "maxCookieSize": 400},
        "nextauth-v4": {"secret": NEW},
        "authjs": {"secret": [NEW, OLD]},
        "jose": JWT_KEYS,
        "jsonwebtoken": {alg: JWT_KEYS[alg] for alg in ALGORITHMS["jsonwebtoken"]},
    }
    with CryptoCookiesApp(libraries) as app:
        yield app


@pytest.fixture
def browser(peer: CryptoCookiesApp) -> Browser:
    return Browser(peer.port)


def log_in(browser: Browser, library: str, name: str = "Al") -> None:
    """As a person does on the sign-in page of NextAuth."""
    token = browser.get(f"/{library}/auth/csrf").json["csrfToken"]
    form = {"csrfToken": token, "name": name, "json": "true"}
    assert browser.post(f"/{library}/auth/callback/credentials", form).status in (200, 302)


def header(browser: Browser) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


# -- a session in the cookie ---------------------------------------------------------------------


@every_app
def test_their_cookie_is_read_and_judged(app: App, browser: Browser) -> None:
    browser.post(f"/{app.library}/session", USER)
    text = header(browser)
    assert decode_cookie(text).format == app.format
    assert decode_cookie(text).payload is None
    verdict = verify_cookie(text, app.secrets)
    assert (verdict.word.value, verdict.key_index) == ("valid", 0)
    assert verdict.decoded is not None
    assert verdict.decoded.payload == USER
    refused = verify_cookie(text, app.wrong)
    assert refused.word.value in ("bad_signature", "decrypt_failed")
    assert refused.decoded is not None
    assert refused.decoded.payload is None


@every_app
@pytest.mark.parametrize("secrets", ["secrets", "old"])
def test_they_take_our_cookie(app: App, browser: Browser, secrets: str) -> None:
    """Signed with the newest secret, and with one that is still in use."""
    given = getattr(app, secrets)
    cookie = sign_cookie(USER, given, app.format, name=app.cookie)[0]
    browser.cookies[cookie.name] = cookie.value
    assert browser.get(f"/{app.library}/session").json == USER
    verdict = verify_cookie(cookie.header, app.secrets)
    assert (verdict.valid, verdict.key_index) == (True, 0 if secrets == "secrets" else 1)


@every_app
def test_they_refuse_our_cookie_of_another_secret(app: App, browser: Browser) -> None:
    browser.cookies[app.cookie] = sign_cookie(USER, app.wrong, app.format, name=app.cookie)[0].value
    assert browser.get(f"/{app.library}/session").json != USER


@every_app
def test_they_refuse_our_cookie_of_last_year(app: App, browser: Browser) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=365)
    lasts = None if app.format == "fastify-secure-session" else timedelta(days=1)
    cookie = sign_cookie(USER, app.secrets, app.format, name=app.cookie, now=long_ago, ttl=lasts)[0]
    browser.cookies[cookie.name] = cookie.value
    assert browser.get(f"/{app.library}/session").json != USER
    verdict = verify_cookie(cookie.header, app.secrets, app.format)
    assert verdict.word.value == "expired"
    assert verdict.decoded is not None
    assert verdict.decoded.payload == USER  # what was in it is still of interest


def test_a_small_session_of_yar_is_in_the_cookie_and_a_large_one_on_the_server(
    browser: Browser,
) -> None:
    sid = browser.post("/yar/session", {"user": 7}).json["id"]
    decoded = verify_cookie(header(browser), NEW).decoded
    assert decoded is not None
    assert (decoded.format, decoded.sid) == ("hapi-iron", sid)
    assert decoded.payload == {"id": sid, "_store": {"user": 7}}

    browser.post("/yar/session", {"large": "x" * 400})
    decoded = verify_cookie(header(browser), NEW).decoded
    assert decoded is not None
    assert decoded.payload == {"id": sid}
    browser.cookies = {"session": sign_cookie(sid, NEW, "hapi-iron")[0].value}
    assert browser.get("/yar/session").json["data"] == {"user": 7, "large": "x" * 400}


def test_a_passphrase_of_secure_session_makes_the_same_key_here() -> None:
    salt = b64encode(bytes(range(16))).decode()
    settings = {"secret": NEW, "salt": salt, "expiry": 60}
    with CryptoCookiesApp({"fastify-secure-session": settings}) as app:
        browser = Browser(app.port)
        browser.post("/fastify-secure-session/session", USER)
        decoded = verify_cookie(header(browser), NEW, parameters={"salt": salt}).decoded
        assert decoded is not None
        assert decoded.payload == USER
        assert not verify_cookie(header(browser), NEW).valid  # the library's own salt
        cookie = sign_cookie({"user": 8}, NEW, "fastify-secure-session", parameters={"salt": salt})
        browser.cookies[cookie[0].name] = cookie[0].value
        assert browser.get("/fastify-secure-session/session").json == {"user": 8}


def test_a_seal_under_a_key_instead_of_a_password_is_opened() -> None:
    with CryptoCookiesApp({"hapi-iron": {"key": b64encode(NEW_KEY).decode()}}) as app:
        browser = Browser(app.port)
        browser.post("/hapi-iron/session", USER)
        verdict = verify_cookie(header(browser), NEW_KEY)
    assert verdict.valid
    assert verdict.decoded is not None
    assert verdict.decoded.payload == USER
    assert not verify_cookie(header(browser), OLD_KEY).valid


# -- NextAuth.js and Auth.js -----------------------------------------------------------------------


@every_auth
def test_the_session_among_the_cookies_of_a_login_is_read(app: App, browser: Browser) -> None:
    log_in(browser, app.library)
    text = header(browser)
    assert len(browser.cookies) == 3  # CSRF token, callback URL, session
    verdict = verify_cookie(text, app.secrets)
    assert verdict.word.value == "valid"
    assert verdict.decoded is not None
    assert verdict.decoded.format == app.format
    assert verdict.decoded.payload["email"] == "al@example.test"
    assert verdict.decoded.expires_at is not None
    assert verify_cookie(text, app.wrong).word.value == "decrypt_failed"


@every_auth
def test_our_token_is_a_login(app: App, browser: Browser) -> None:
    claims = {"sub": "17", "name": "Zoë", "email": "zoe@example.test"}
    cookie = sign_cookie(claims, app.secrets, app.format)[0]
    browser.cookies[cookie.name] = cookie.value
    user = browser.get(f"/{app.library}/auth/session").json["user"]
    assert user == {"name": "Zoë", "email": "zoe@example.test"}

    for refused in (
        sign_cookie(claims, app.wrong, app.format),
        sign_cookie(claims, app.secrets, app.format, now=datetime(2026, 1, 1, tzinfo=UTC)),
    ):
        browser.cookies = {refused[0].name: refused[0].value}
        assert not browser.get(f"/{app.library}/auth/session").json


@every_auth
def test_a_token_too_long_for_a_cookie_stands_in_several(app: App, browser: Browser) -> None:
    log_in(browser, app.library, name="x" * 5000)
    assert f"{app.cookie}.1" in browser.cookies
    decoded = verify_cookie(header(browser), app.secrets).decoded
    assert decoded is not None
    assert decoded.payload["name"] == "x" * 5000

    parts = sign_cookie({"sub": "17", "name": "y" * 5000}, app.secrets, app.format)
    assert [one.name for one in parts] == [f"{app.cookie}.0", f"{app.cookie}.1"]
    browser.cookies = {one.name: one.value for one in parts}
    assert browser.get(f"/{app.library}/auth/session").json["user"]["name"] == "y" * 5000


def test_authjs_takes_a_token_of_its_older_secret(browser: Browser) -> None:
    cookie = sign_cookie({"sub": "17", "name": "Al"}, OLD, "authjs")[0]
    browser.cookies[cookie.name] = cookie.value
    assert browser.get("/authjs/auth/session").json["user"]["name"] == "Al"
    assert verify_cookie(cookie.header, [NEW, OLD]).key_index == 1


# -- JWT -----------------------------------------------------------------------------------------


@every_algorithm
def test_tokens_are_taken_on_both_sides(library: str, alg: str, browser: Browser) -> None:
    key = JWT_KEYS[alg]
    browser.post(f"/{library}/session/{alg}", USER)
    verdict = verify_cookie(header(browser), key["verify"])
    assert verdict.word.value == "valid"
    assert verdict.decoded is not None
    assert {**verdict.decoded.payload, **USER} == verdict.decoded.payload
    assert verify_cookie(header(browser), key["sign"]).valid  # a private key checks too

    cookie = sign_cookie(
        USER, key["sign"], "jwt", parameters={"algorithms": alg}, ttl=timedelta(hours=1)
    )[0]
    browser.cookies = {cookie.name: cookie.value}
    answer = browser.get(f"/{library}/session/{alg}")
    assert answer.status == 200
    assert {**answer.json, **USER} == answer.json
    browser.cookies = {cookie.name: cookie.value[:-8] + "AAAAAAAA"}
    assert browser.get(f"/{library}/session/{alg}").status == 401
    assert verify_cookie(browser.cookies["token"], key["verify"]).word.value == "bad_signature"
