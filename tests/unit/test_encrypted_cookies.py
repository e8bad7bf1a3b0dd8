"""Cookies that carry their session encrypted: what opens them, and what they show without."""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey
from nacl.secret import SecretBox

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies import jwt_keys
from sessctl.cookies.base import CookieContext
from sessctl.cookies.registry import cookie_format, detect
from sessctl.errors import CookieError, MissingExtra, UsageError

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PASSWORD = "this-is-a-32-plus-character-secret-value!"
OTHER = "quite-another-secret-of-32-characters-up!"
KEY = bytes(range(100, 132))
DATA = {"user": 7, "name": "Zoë 日本語", "a": [1, None, {"b": 0.5}]}
FORMATS = ["fastify-secure-session", "iron-session", "hapi-iron", "nextauth-v4", "authjs"]
every_format = pytest.mark.parametrize("name", FORMATS)


def secret_of(name: str) -> Any:
    return KEY if name == "fastify-secure-session" else PASSWORD


def signed(format: str, data: Any = None, secret: Any = None, **options: Any) -> str:
    options = {"now": NOW, **options}
    cookies = sign_cookie(
        DATA if data is None else data, secret or secret_of(format), format, **options
    )
    return cookies[0].value


def judged(text: str, secrets: Any, format: str | None = None, **options: Any) -> Any:
    return verify_cookie(text, secrets, format, **{"now": NOW, **options})


# -- all of them -----------------------------------------------------------------------------------


@every_format
def test_what_is_sealed_is_opened_again(name: str) -> None:
    verdict = judged(signed(name), ["another", secret_of(name)])
    assert (verdict.valid, verdict.key_index, verdict.decoded.format) == (True, 1, name)
    assert {**verdict.decoded.payload, **DATA} == verdict.decoded.payload
    assert signed(name) != signed(name)  # nonces and salts are new each time


@every_format
def test_without_the_secret_nothing_is_shown_and_the_way_is_named(name: str) -> None:
    decoded = decode_cookie(signed(name))
    assert (decoded.format, decoded.payload, decoded.signed) == (name, None, True)
    assert decoded.notes[-1] == "encrypted: give the secret to read it (--secret-from env:NAME)"


@every_format
def test_every_character_counts(name: str) -> None:
    value = signed(name, {"a": 1})
    end = len(value.partition("~")[0])  # nothing signs the version behind a seal of iron-session
    for place in range(0, end, 3 if name == "iron-session" else 1):
        char = "B" if value[place] == "A" else "A"
        changed = value[:place] + char + value[place + 1 : end] + value[end:]
        verdict = judged(changed, secret_of(name), name)
        assert not verdict.valid, place
        assert verdict.decoded is None or verdict.decoded.payload is None


@every_format
@pytest.mark.parametrize("text", ["", ".", "a.b.c.d.e", "*" * 7, ";", "Fe26.2*", "\udcff;", "ey"])
def test_what_is_of_another_shape_is_malformed(name: str, text: str) -> None:
    context = CookieContext()
    verdict = cookie_format(name).verify(text, [], context, now=NOW)
    assert verdict.word.value == "malformed"
    with pytest.raises(CookieError):
        cookie_format(name).decode(text, context)
    assert cookie_format(name).sniff(text, context) is None


@every_format
@pytest.mark.parametrize("content", [None, 7, [1]])
def test_only_an_object_is_sealed(name: str, content: Any) -> None:
    with pytest.raises(UsageError, match="JSON object"):
        sign_cookie(content, secret_of(name), name)


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("fastify-secure-session", "nacl.secret"),
        ("hapi-iron", "cryptography.hazmat.primitives.ciphers"),
        ("nextauth-v4", "cryptography.hazmat.primitives.kdf.hkdf"),
        ("authjs", "joserfc.jwk"),
        ("jwt", "joserfc.jwk"),
    ],
)
def test_a_missing_library_is_named_by_its_extra(
    name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = signed(name)
    monkeypatch.setitem(sys.modules, library, None)
    jwt_keys._keys_in.cache_clear()
    for attempt in (lambda: judged(value, secret_of(name), name), lambda: signed(name)):
        with pytest.raises(MissingExtra) as caught:
            attempt()
        assert caught.value.hint == "pip install 'sessctl[crypto]'"
    assert decode_cookie(value).format == name  # which needs none of it


# -- @fastify/secure-session -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        b64encode(KEY).decode(),
        b64encode(KEY).decode().rstrip("="),
        urlsafe_b64encode(KEY).decode(),
    ],
)
def test_a_key_is_taken_raw_and_as_base64(spelling: str | bytes) -> None:
    assert judged(signed("fastify-secure-session"), spelling).valid
    assert judged(signed("fastify-secure-session", secret=spelling), KEY).valid


def test_what_can_be_no_key_is_said() -> None:
    verdict = judged(signed("fastify-secure-session"), "short")
    assert (verdict.word.value, len(verdict.notes)) == ("decrypt_failed", 1)
    assert "a key of 32 bytes" in verdict.notes[0]
    with pytest.raises(UsageError, match="a key of 32 bytes"):
        signed("fastify-secure-session", secret="short")


def test_the_look_of_a_secret_can_be_overruled() -> None:
    text = "a passphrase of just 32 bytes..."  # it could be a raw key, too
    kind = {"key_derivation": "argon2id-moderate"}
    assert len(text) == 32
    derived = signed("fastify-secure-session", secret=text, parameters=kind)
    assert judged(derived, text).valid  # both are tried
    assert judged(derived, text, parameters=kind).valid
    assert not judged(derived, text, parameters={"key_derivation": "none"}).valid
    plain = signed("fastify-secure-session", secret=text)
    assert judged(plain, text, parameters={"key_derivation": "none"}).valid
    for wrong in ({"key_derivation": "md5"}, {"salt": "short"}):
        with pytest.raises(UsageError):
            judged(derived, text, parameters=wrong)


def test_a_sealed_session_counts_for_a_day_unless_told() -> None:
    text, day = signed("fastify-secure-session"), timedelta(seconds=86_401)
    assert judged(text, KEY, now=NOW + day - timedelta(seconds=1)).valid
    late = judged(text, KEY, now=NOW + day)
    assert (late.word.value, late.decoded.payload) == ("expired", DATA)
    assert judged(text, KEY, now=NOW + day, max_age=timedelta(days=2)).valid
    assert not judged(text, KEY, now=NOW, max_age=timedelta()).valid


@pytest.mark.parametrize(
    ("written", "word"),
    [
        (None, "payload_error"),
        ("1767225600", "payload_error"),
        (True, "payload_error"),
        (-(10**400), "expired"),
        (10**400, "valid"),
        (253_402_300_000, "valid"),
        ("absent", "valid"),
    ],
)
def test_the_time_of_a_sealed_session_is_a_number(written: Any, word: str) -> None:
    data = {"user": 7} if written == "absent" else {"user": 7, "__ts": written}
    box = SecretBox(KEY).encrypt(json.dumps(data).encode())
    text = f"{b64encode(box.ciphertext).decode()};{b64encode(box.nonce).decode()}"
    assert judged(text, KEY).word.value == word


def test_a_semicolon_that_is_decoded_does_not_cut_the_cookie() -> None:
    text = signed("fastify-secure-session").replace("%3B", ";").replace("%2B", "+")
    plain = text.replace("%2F", "/").replace("%3D", "=")
    assert ";" in plain
    assert judged(plain, KEY).valid
    assert judged(f'"{plain}"', KEY).word.value == "valid"


# -- iron ------------------------------------------------------------------------------------------


def test_the_highest_number_seals_and_the_id_chooses() -> None:
    passwords = {"9": OTHER, "10": PASSWORD}
    text = signed("iron-session", secret=passwords)
    assert text.startswith("Fe26.2*10*")
    verdict = judged(text, passwords)
    assert (verdict.valid, verdict.key_index) == (True, 1)
    assert verdict.decoded.notes == ("sealed under the password id 10",)
    assert judged(text, {"9": PASSWORD}).word.value == "unknown_key"
    assert judged(text, PASSWORD).valid  # a password without an id is tried
    with pytest.raises(UsageError, match="are numbers"):
        signed("iron-session", secret={"new": PASSWORD})


def test_a_lone_password_has_the_id_of_its_library() -> None:
    assert signed("iron-session").startswith("Fe26.2*1*")
    assert signed("hapi-iron").startswith("Fe26.2**")
    assert judged(signed("hapi-iron"), {"default": PASSWORD}).valid
    assert judged(signed("hapi-iron"), {"1": PASSWORD}).word.value == "unknown_key"
    with pytest.raises(UsageError, match="letters, digits"):
        signed("hapi-iron", secret={"a*b": PASSWORD})


def test_a_seal_says_when_it_ends_and_its_app_when_it_was_made() -> None:
    text = signed("iron-session")
    assert decode_cookie(text).expires_at == NOW + timedelta(days=14)
    assert decode_cookie(text).issued_at is None
    assert decode_cookie(text, parameters={"ttl": "1209600"}).issued_at == NOW
    assert decode_cookie(signed("hapi-iron")).expires_at is None
    assert decode_cookie(signed("iron-session", ttl=timedelta())).expires_at is None
    hour = signed("hapi-iron", ttl=timedelta(hours=1))
    assert judged(hour, PASSWORD, now=NOW + timedelta(seconds=3659)).valid
    late = judged(hour, PASSWORD, now=NOW + timedelta(seconds=3660))
    assert (late.word.value, late.decoded.payload) == ("expired", DATA)


def test_other_settings_of_iron_are_told_by_parameters() -> None:
    stream = {"cipher": "aes-128-ctr", "encryption_iterations": "2"}
    text = signed("hapi-iron", parameters=stream)
    assert judged(text, PASSWORD, parameters=stream).valid
    untold = judged(text, PASSWORD)
    assert untold.word.value in ("decrypt_failed", "payload_error")
    assert untold.signature.value == "valid"
    for wrong in (
        {"cipher": "rot13"},
        {"encryption_iterations": "0"},
        {"integrity_iterations": "9999999999"},
        {"ttl": "a week"},
        {"ttl": "9999999999"},
    ):
        with pytest.raises(UsageError):
            judged(text, PASSWORD, parameters=wrong)


def test_a_password_has_32_characters() -> None:
    with pytest.raises(UsageError, match="32 characters"):
        signed("hapi-iron", secret="short")


def test_an_obsolete_seal_is_named_so() -> None:
    old = signed("hapi-iron").replace("Fe26.2", "Fe26.1")
    assert judged(old, PASSWORD, "hapi-iron").word.value == "version_not_allowed"


# -- NextAuth --------------------------------------------------------------------------------------


def test_the_name_of_the_cookie_is_in_the_key_of_authjs() -> None:
    secure = "__Secure-authjs.session-token"
    text = signed("authjs", name=secure)
    assert judged(text, PASSWORD).valid  # a bare value: both usual names are tried
    assert judged(f"{secure}={text}", PASSWORD).valid
    assert judged(f"authjs.session-token={text}", PASSWORD).word.value == "decrypt_failed"
    assert judged(text, PASSWORD, parameters={"salt": secure}).valid
    mine = signed("authjs", name="shop")
    assert not judged(mine, PASSWORD).valid
    assert judged(mine, PASSWORD, name="shop").valid


def test_the_name_plays_no_part_in_nextauth_and_a_salt_does() -> None:
    text = signed("nextauth-v4", name="shop")
    assert judged(text, PASSWORD, name="other").valid
    for salt in ("x", "\udcff"):  # bytes of a command line that are no UTF-8
        salted = signed("nextauth-v4", parameters={"salt": salt})
        assert not judged(salted, PASSWORD).valid
        assert judged(salted, PASSWORD, parameters={"salt": salt}).valid


def test_a_token_lasts_thirty_days_and_clocks_may_differ_by_15_seconds() -> None:
    for name in ("nextauth-v4", "authjs"):
        text, end = signed(name), NOW + timedelta(days=30)
        assert judged(text, PASSWORD).decoded.expires_at == end
        assert judged(text, PASSWORD, now=end + timedelta(seconds=14)).valid
        assert judged(text, PASSWORD, now=end + timedelta(seconds=15)).word.value == "expired"
        short = signed(name, ttl=timedelta(minutes=1))
        assert judged(short, PASSWORD, now=NOW + timedelta(minutes=2)).word.value == "expired"
        assert judged(text, PASSWORD, max_age=timedelta(hours=1)).valid


def key_of(text: str, **header: Any) -> tuple[OctKey, dict[str, Any]]:
    """The key of our own Auth.js token, to write others with, and a header."""
    from sessctl.cookies.authjs import AuthJs
    from sessctl.text import Secret

    key = AuthJs()._derived(Secret(PASSWORD), "A256CBC-HS512", "authjs.session-token")
    return OctKey.import_key(key), {"alg": "dir", "enc": "A256CBC-HS512", **header}


def test_without_a_kid_only_the_newest_secret_of_authjs_counts() -> None:
    key, header = key_of("")
    text = jwe.encrypt_compact(header, b'{"sub":"7"}', key)
    assert judged(text, PASSWORD, "authjs").valid
    assert not judged(text, [OTHER, PASSWORD], "authjs").valid


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ({"zip": "DEF"}, "alg_not_allowed"),
        ({"crit": ["exp"], "exp": 1}, "alg_not_allowed"),
        ({"kid": "another"}, "decrypt_failed"),
    ],
)
def test_no_token_is_opened_that_the_library_would_not_write(
    header: dict[str, Any], word: str
) -> None:
    key, whole = key_of("", **header)
    bomb = b" " * 40_000 + b"{}"
    registry = jwe.JWERegistry(
        algorithms=["dir", "A256CBC-HS512", "DEF"], strict_check_header=False
    )
    if "crit" in header:
        good = signed("authjs")
        first = urlsafe_b64encode(json.dumps(whole).encode()).rstrip(b"=").decode()
        text = ".".join([first, *good.split(".")[1:]])
    else:
        text = jwe.encrypt_compact(whole, bomb, key, registry=registry)
    assert judged(text, PASSWORD, "authjs").word.value == word


@pytest.mark.parametrize("plain", [b"[1]", b"no json", b'{"exp":"soon"}', b"\xff"])
def test_claims_that_are_none_are_a_payload_error(plain: bytes) -> None:
    key, header = key_of("")
    verdict = judged(jwe.encrypt_compact(header, plain, key), PASSWORD, "authjs")
    assert (verdict.word.value, verdict.signature.value) == ("payload_error", "valid")


def test_a_key_that_is_wrapped_is_not_the_apps_own() -> None:
    first, _, *rest = signed("authjs").split(".")
    assert judged(".".join([first, "AAAA", *rest]), PASSWORD, "authjs").word.value == (
        "alg_not_allowed"
    )
    for header in (
        {"alg": "RSA-OAEP", "enc": "A256GCM"},
        {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2**31, "p2s": "AAAA"},
    ):
        foreign = urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        text = ".".join([foreign, "", *rest])
        assert judged(text, PASSWORD, "nextauth-v4").word.value == "alg_not_allowed"


# -- which is which --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("iron-session", ["hapi-iron"]),
        ("hapi-iron", ["iron-session"]),
        ("nextauth-v4", ["authjs"]),
        ("authjs", []),
        ("fastify-secure-session", []),
        ("jwt", []),
    ],
)
def test_the_format_is_told_by_the_value_alone(name: str, others: list[str]) -> None:
    first, *rest = detect(signed(name))
    assert first[0].name == name
    assert first[1].score >= 90
    ours = {*FORMATS, "jwt"}
    assert [one.name for one, _ in rest if one.name in ours and one.name != "jwt"] == others


def test_the_state_of_a_login_is_not_taken_for_the_session() -> None:
    """Auth.js seals its state and PKCE cookies in the same way; they come first in a header."""
    session = signed("authjs", {"sub": "7"})
    for other in ("authjs.state", "__Secure-authjs.pkce.code_verifier", "authjs.nonce"):
        header = f"Cookie: {other}={signed('authjs', name=other)}; authjs.session-token={session}"
        assert judged(header, PASSWORD).decoded.payload["sub"] == "7"


def test_a_key_in_a_file_may_end_in_any_byte(tmp_path: Any) -> None:
    from sessctl.config.secrets import resolve

    path = tmp_path / "secret-key"
    for raw, kept in (
        (bytes(range(200, 231)) + b"\n", bytes(range(200, 231)) + b"\n"),
        (b"text\n", b"text"),
        ("tëxt\r\n".encode(), "tëxt".encode()),
        (b64decode("/w0K"), b64decode("/w0K")),
    ):
        path.write_bytes(raw)
        found = resolve(f"file:{path}", environ={}, asker=None)  # type: ignore[arg-type]
        assert found.reveal() == kept
