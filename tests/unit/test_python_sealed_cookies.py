"""Cookies of aiohttp_session, Litestar, Beaker and PASETO: keys, times, and what is refused."""

from __future__ import annotations

import pickle
import sys
import zlib
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import pbkdf2_hmac
from hmac import digest as hmac_digest
from typing import Any

import pyseto
import pytest
from beaker.session import CookieSession
from Cryptodome.Cipher import AES
from Cryptodome.Util import Counter
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies import paseto_keys
from sessctl.cookies.base import CookieContext
from sessctl.cookies.picking import pick
from sessctl.cookies.registry import cookie_format, detect
from sessctl.errors import CookieError, MissingExtra, SessctlError, UsageError
from sessctl.serializers import MARKS
from tests.support.cookie_vectors import rows

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY, OTHER = bytes(range(100, 132)), bytes(range(32))
DATA = {"user": 7, "name": "Zoë 日本語", "a": [1, None, {"b": 0.5}]}
BOTH = {"validate": b"keyboard cat", "encrypt": b"a mouse"}
SEED = Ed25519PrivateKey.from_private_bytes(KEY)
PUBLIC = SEED.public_key().public_bytes_raw()
PUBLIC_PEM = SEED.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

# Format, secrets, parameters.
WAYS: dict[str, tuple[str, Any, dict[str, str]]] = {
    "aiohttp-plain": ("aiohttp-plain", KEY, {"signed": "false"}),
    "aiohttp-fernet": ("aiohttp-fernet", KEY, {}),
    "aiohttp-nacl": ("aiohttp-nacl", KEY, {}),
    "litestar": ("litestar", KEY, {}),
    "beaker": ("beaker", "keyboard cat", {}),
    "beaker-sealed": ("beaker", BOTH, {}),
    "beaker-ctr": ("beaker", BOTH, {"crypto_type": "pycryptodome", "encrypt_nonce_bits": "48"}),
    "paseto-local": ("paseto-v4", KEY, {"footer": "kid:1", "implicit_assertion": "x"}),
    "paseto-public": ("paseto-v4", KEY + PUBLIC, {"purpose": "public"}),
}
SEALED = [name for name in WAYS if name != "aiohttp-plain"]
every_way = pytest.mark.parametrize("way", WAYS)


def signed(way: str, data: Any = None, **options: Any) -> str:
    format, secrets, parameters = WAYS[way]
    options = {"now": NOW, "parameters": parameters, **options}
    secrets = options.pop("secrets", secrets)
    cookies = sign_cookie(DATA if data is None else data, secrets, format, **options)
    if len(cookies) == 1:
        return cookies[0].value
    return "Cookie: " + "; ".join(f"{one.name}={one.value}" for one in cookies)


def judged(way: str, text: str, **options: Any) -> Any:
    format, secrets, parameters = WAYS[way]
    options = {"now": NOW, "parameters": parameters, "secrets": secrets, **options}
    return verify_cookie(text, options.pop("secrets"), format, **options)


def own(payload: Any) -> Any:
    """The payload without what the library adds."""
    found = payload["session"] if payload.keys() == {"created", "session"} else payload
    return {key: value for key, value in found.items() if not key.startswith("_")}


# -- all of them -----------------------------------------------------------------------------------

KEYS = st.text().filter(lambda key: key not in MARKS)  # hypothesis tries the texts of our modules
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
    max_leaves=6,
)


@every_way
@settings(max_examples=12)
@given(data=st.dictionaries(st.text().map("x".__add__), JSON))
def test_what_is_signed_is_read_again(way: str, data: dict[str, Any]) -> None:
    verdict = judged(way, signed(way, data))
    assert (verdict.word.value, own(verdict.decoded.payload)) == ("valid", data)


VECTORS = [
    row for row in rows() if row.expect["valid"]
    and row.format in {"aiohttp-fernet", "aiohttp-nacl", "beaker", "litestar", "paseto-v4"}
    and isinstance(row.fields["cookie"], str)
]  # fmt: skip


@settings(max_examples=60)
@given(
    row=st.sampled_from(VECTORS),
    cut=st.tuples(st.integers(0, 999), st.integers(0, 999)),
    patch=st.text(max_size=4) | st.text('AZaz09+/=_-.{"\\', max_size=8),
)
def test_a_changed_cookie_is_never_accepted(row: Any, cut: tuple[int, int], patch: str) -> None:
    """Whatever is cut out and put in, there is a verdict, or an error of ours."""
    text = row.text.strip('"')
    start, end = sorted(place % (len(text) + 1) for place in cut)
    changed = text[:start] + patch + text[end:]
    context = CookieContext(name=row.name, parameters=row.parameters)
    if changed == text:
        return
    with suppress(SessctlError):
        cookie_format(row.format).decode(changed, context)
    with suppress(SessctlError):
        verdict = row.verify(changed)
        same = changed.strip("\"' ") == text or "which the library takes too" in str(verdict.notes)
        assert same or not verdict.valid


@pytest.mark.parametrize("way", [way for way in SEALED if way not in ("beaker", "paseto-public")])
def test_without_the_secret_nothing_is_shown_and_the_way_is_named(way: str) -> None:
    format, _, parameters = WAYS[way]
    context = {"parameters": parameters} if way == "beaker-ctr" else {}
    decoded = decode_cookie(signed(way), format, **context)  # type: ignore[arg-type]
    assert (decoded.payload, decoded.signed) == (None, True)
    assert decoded.notes[-1].startswith("encrypted: give ")


@every_way
@pytest.mark.parametrize(
    "text", ["", ".", "v4.local.", "{}x", "gAAAAA", "a" * 40, "\udcff", "null"]
)
def test_what_is_of_another_shape_is_malformed(way: str, text: str) -> None:
    format, context = cookie_format(WAYS[way][0]), CookieContext()
    assert format.verify(text, [], context, now=NOW).word.value == "malformed"
    with pytest.raises(CookieError):
        format.decode(text, context)
    assert format.sniff(text, context) is None


@every_way
@pytest.mark.parametrize("content", [None, 7, [1], "text"])
def test_only_an_object_is_signed(way: str, content: Any) -> None:
    with pytest.raises(UsageError, match="JSON object"):
        sign_cookie(content, WAYS[way][1], WAYS[way][0], parameters=WAYS[way][2])


@pytest.mark.parametrize("way", ["aiohttp-fernet", "aiohttp-nacl", "litestar", "paseto-local"])
def test_a_key_is_taken_in_every_spelling(way: str) -> None:
    value = signed(way)
    for spelling in (b64encode(KEY), urlsafe_b64encode(KEY).rstrip(b"="), KEY.hex()):
        assert judged(way, value, secrets=spelling).valid
        assert judged(way, signed(way, secrets=spelling)).valid
    if way != "paseto-local":  # whose keys may be shorter
        with pytest.raises(UsageError, match="bytes"):
            signed(way, secrets="short")
        assert "bytes" in judged(way, value, secrets="short").notes[0]


@pytest.mark.parametrize(
    ("way", "library"),
    [
        ("aiohttp-fernet", "cryptography.hazmat.primitives.ciphers"),
        ("aiohttp-nacl", "nacl.secret"),
        ("litestar", "cryptography.hazmat.primitives.ciphers.aead"),
        ("beaker-sealed", "cryptography.hazmat.primitives.ciphers.aead"),
        ("paseto-local", "nacl.bindings"),
        ("paseto-public", "cryptography.hazmat.primitives.asymmetric"),
    ],
)
def test_a_missing_library_is_named_by_its_extra(
    way: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = signed(way)
    monkeypatch.setitem(sys.modules, library, None)
    for attempt in (lambda: judged(way, value), lambda: signed(way)):
        with pytest.raises(MissingExtra) as caught:
            attempt()
        assert caught.value.hint == "pip install 'sessctl[crypto]'"
    assert decode_cookie(value, WAYS[way][0]).signed  # which needs none of it


# -- aiohttp_session -------------------------------------------------------------------------------


def test_what_nothing_signs_is_valid_only_where_the_app_wants_it_so() -> None:
    value = signed("aiohttp-plain")
    assert value.startswith('"{\\"created\\": 1767225600\\054 \\"session\\": {')
    assert detect(pick(value).value)[0][0].name == "aiohttp-plain"
    verdict = verify_cookie(value, "anything")
    assert (verdict.word.value, verdict.signature.value) == ("missing_signature", "none")
    verdict = judged("aiohttp-plain", value, max_age=HOUR, now=NOW + HOUR)
    assert (verdict.word.value, verdict.signature.value) == ("valid", "none")
    late = judged("aiohttp-plain", value, max_age=HOUR, now=NOW + HOUR + timedelta(seconds=1))
    assert late.word.value == "expired"


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ('{"created":1767225600,"session":{}}', "valid"),
        ('{"created":null,"session":{}}', "expired"),  # as the library has it
        ('{"session":{"a":1}}', "expired"),
        ("{}", "expired"),
        ('{"created":1767225600}', "valid"),
        ('{"created":1e400,"session":{}}', "malformed"),
        ('{"created":"now","session":{}}', "malformed"),
        ('{"created":true,"session":{}}', "malformed"),
        ('{"created":1,"session":[]}', "malformed"),
        ("[]", "malformed"),
    ],
)
def test_created_is_judged_as_by_the_library(body: str, word: str) -> None:
    assert judged("aiohttp-plain", body, max_age=HOUR).word.value == word


def test_a_fernet_token_is_the_one_of_cryptography() -> None:
    fernet = Fernet(urlsafe_b64encode(KEY))
    assert b'"user": 7' in fernet.decrypt(signed("aiohttp-fernet"))
    token = fernet.encrypt_at_time(b'{"created": 1767225600, "session": {}}', 1767229260).decode()
    assert judged("aiohttp-fernet", token).valid
    early = judged("aiohttp-fernet", token, max_age=HOUR)
    assert (early.word.value, early.signature.value) == ("from_future", "valid")
    assert judged("aiohttp-fernet", token, max_age=HOUR, now=NOW + HOUR).valid
    other = fernet.encrypt_at_time(b"[1]", 1767225600).decode()
    assert judged("aiohttp-fernet", other).word.value == "payload_error"
    assert (
        decode_cookie(fernet.encrypt_at_time(b"", 2**60).decode(), "aiohttp-fernet").issued_at
        is None
    )


def test_the_name_tells_a_secretbox() -> None:
    value = signed("aiohttp-nacl")
    assert [one.name for one, _ in detect(value)] in ([], ["opaque"])
    assert decode_cookie(f"Cookie: AIOHTTP_SESSION={value}").format == "aiohttp-nacl"


# -- Litestar --------------------------------------------------------------------------------------


def test_the_end_is_in_the_cookie_and_the_app_knows_when_it_began() -> None:
    value = signed("litestar")
    decoded = decode_cookie(value)
    assert (decoded.expires_at, decoded.issued_at) == (NOW + timedelta(days=14), None)
    assert decode_cookie(value, parameters={"ttl": "1209600"}).issued_at == NOW
    assert decode_cookie(signed("litestar", ttl=HOUR)).expires_at == NOW + HOUR
    late = judged("litestar", value, now=NOW + timedelta(days=14))
    assert (late.word.value, late.decoded.payload) == ("expired", DATA)
    with pytest.raises(UsageError, match="ttl is a number"):
        judged("litestar", value, parameters={"ttl": "a week"})


def test_chunks_are_joined_by_number_and_other_names_with_a_dash_are_not() -> None:
    text = signed("litestar", {"note": "x" * 25_000})
    names = [part.partition("=")[0].strip() for part in text[8:].split(";")]
    assert names == [f"session-{number}" for number in range(9)]
    shuffled = "Cookie: theme-0=a; theme-1=b; " + "; ".join(reversed(text[8:].split("; ")))
    verdict = judged("litestar", shuffled)
    assert (verdict.valid, verdict.decoded.payload) == (True, {"note": "x" * 25_000})
    assert verdict.notes[0] == "joined from the 9 cookies session-0 to session-8"
    assert pick("Cookie: theme-0=a; theme-1=b", name="theme-0").value == "a"
    missing = shuffled.replace("session-4=", "other-4=")
    with pytest.raises(CookieError):
        decode_cookie(missing, "litestar", name="session")


def test_what_litestar_could_not_read_is_not_signed() -> None:
    with pytest.raises(UsageError, match="more than 10 chunks"):
        signed("litestar", {"note": "x" * 31_000})


# -- Beaker ----------------------------------------------------------------------------------------


def beaker_signed(body: bytes, secret: bytes = b"keyboard cat") -> str:
    text = b64encode(body)
    return hmac_digest(secret, text, "sha1").hex() + text.decode()


class Stranger:
    def __reduce__(self) -> Any:
        return (print, ("run!",))


def test_a_pickle_is_read_and_one_that_calls_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    plain = beaker_signed(pickle.dumps({"_id": "a", "when": NOW}, 2))
    verdict = judged("beaker", plain)
    assert (verdict.valid, verdict.decoded.sid) == (True, "a")
    assert verdict.decoded.payload["when"] == {"__datetime__": "2026-01-01T00:00:00+00:00"}
    assert verdict.decoded.notes == ("a pickle: read as data, nothing of it was run",)
    calls = beaker_signed(pickle.dumps({"_id": "a", "x": Stranger()}, 2))
    verdict = judged("beaker", calls)
    assert (verdict.word.value, verdict.signature.value) == ("unsafe_pickle", "valid")
    assert "print' run by whoever loads it" in verdict.notes[0]
    assert capsys.readouterr().out == ""


def test_a_pickle_is_never_written() -> None:
    for told in ({}, {"serializer": "json"}):
        assert decode_cookie(signed("beaker", parameters=told)).notes == ()
    with pytest.raises(UsageError, match="pickles are read and never written"):
        signed("beaker", parameters={"serializer": "pickle"})


@pytest.mark.parametrize(
    "body",
    [
        b"neither",
        zlib.compress(b"[1]"),
        zlib.compress(b"{")[:-1],
        zlib.compress(b'{"a":"%b"}' % (b"x" * (17 << 20))),  # a bomb, for its size
        b"\x80\x02]q\x00.",
        b"\x80\x02",
    ],
)
def test_a_genuine_cookie_with_an_odd_body_is_a_payload_error(body: bytes) -> None:
    verdict = judged("beaker", beaker_signed(body))
    assert (verdict.word.value, verdict.signature.value) == ("payload_error", "valid")
    assert judged("beaker", beaker_signed(body, b"x")).word.value == "bad_signature"


def test_beaker_has_two_secrets_where_it_encrypts() -> None:
    value = signed("beaker-sealed")
    # Its own nonce ends in `==`: a name and a value, it seems, and is none.
    assert pick(value).name is None
    assert decode_cookie(value).format == "beaker"
    halfway = judged("beaker-sealed", value, secrets=BOTH["validate"])
    assert (halfway.word.value, halfway.signature.value) == ("unverified", "valid")
    wrong = judged("beaker-sealed", value, secrets={**BOTH, "encrypt": b"cat"})
    assert (wrong.word.value, wrong.signature.value) == ("decrypt_failed", "valid")
    with pytest.raises(UsageError, match="only an encrypt_key"):
        judged("beaker-sealed", value, secrets={"encrypt": b"a mouse"})


def test_the_older_forms_of_beaker_s_ciphertext() -> None:
    """A nonce of 48 bits, written by Beaker itself; and what pycryptodome makes."""
    request: dict[str, Any] = {}
    session = CookieSession(
        request, validate_key="keyboard cat", encrypt_key="a mouse", data_serializer="json",
        encrypt_nonce_bits=48,
    )  # fmt: skip
    session.update(DATA)
    session.save()
    value = request["cookie_out"].partition("=")[2].partition(";")[0]
    told = {"encrypt_nonce_bits": "48"}
    assert own(judged("beaker-sealed", value, parameters=told).decoded.payload) == DATA

    nonce, plain = b64encode(bytes(6)), zlib.compress(b'{"user": 7}')
    key = pbkdf2_hmac("sha1", b"a mouse", b"keyboard cat" + nonce, 1, 32)
    cipher = AES.new(key, AES.MODE_CTR, counter=Counter.new(128, initial_value=0))
    body = nonce + b64encode(cipher.encrypt(plain))
    value = hmac_digest(b"keyboard cat", body, "sha1").hex() + body.decode()
    assert judged("beaker-ctr", value).decoded.payload == {"user": 7}


@pytest.mark.parametrize(
    "wrong", [{"crypto_type": "rot13"}, {"encrypt_nonce_bits": "7"}, {"serializer": "yaml"}]
)
def test_a_setting_that_beaker_does_not_have_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="Beaker has no"):
        judged("beaker", signed("beaker"), parameters=wrong)


def test_the_last_access_ends_a_session_and_an_id_has_no_age() -> None:
    value = signed("beaker", {**DATA, "_creation_time": 1, "_accessed_time": NOW.timestamp()})
    assert judged("beaker", value, max_age=HOUR, now=NOW + HOUR).valid
    late = judged("beaker", value, max_age=HOUR, now=NOW + HOUR + timedelta(seconds=1))
    assert late.word.value == "expired"
    odd = signed("beaker", {"_accessed_time": "now"})
    assert judged("beaker", odd, max_age=HOUR).word.value == "payload_error"
    sid = signed("beaker", "0123456789abcdef" * 2)
    verdict = judged("beaker", sid)
    assert (verdict.valid, verdict.decoded.sid) == (True, "0123456789abcdef" * 2)
    assert judged("beaker", sid, max_age=HOUR).word.value == "unverified"
    with pytest.raises(UsageError, match="4064 characters"):
        signed("beaker", {"x": KEY.hex() * 70 + "".join(map(str, range(2000)))})


# -- PASETO ----------------------------------------------------------------------------------------


def test_a_public_key_never_opens_what_anybody_could_have_sealed_with_it() -> None:
    """Who knows the public key, and that is everybody, has made this token."""
    forged = signed("paseto-local", {"user": "admin"}, secrets=PUBLIC, parameters={})
    for secret, told in ((PUBLIC_PEM, {}), (PUBLIC, {"purpose": "public"})):
        verdict = judged("paseto-local", forged, secrets=secret, parameters=told)
        assert (verdict.word.value, verdict.signature.value) == ("alg_not_allowed", "invalid")
    public = signed("paseto-public")
    assert judged("paseto-public", public, secrets=PUBLIC).valid
    assert judged("paseto-public", public, secrets=KEY, parameters={}).word == "alg_not_allowed"
    # Nor is a public key the seed of a private one.
    made = {"purpose": "public"}
    seeded = Ed25519PrivateKey.from_private_bytes(PUBLIC).public_key().public_bytes_raw()
    token = signed("paseto-public", {"user": "admin"}, secrets=PUBLIC + seeded)
    assert judged("paseto-public", token, secrets=PUBLIC, parameters=made).word == "bad_signature"


def test_paserks_are_keys() -> None:
    local, public = pyseto.Key.new(4, "local", KEY), pyseto.Key.new(4, "public", PUBLIC_PEM)
    secret = pyseto.Key.from_asymmetric_key_params(4, d=KEY)
    assert judged("paseto-local", signed("paseto-local"), secrets=local.to_paserk()).valid
    token = signed("paseto-public", secrets=secret.to_paserk(), parameters={})
    for key in (public, secret):
        assert judged("paseto-public", token, secrets=key.to_paserk(), parameters={}).valid
    with pytest.raises(UsageError, match="checks and cannot sign"):
        signed("paseto-public", secrets=public.to_paserk(), parameters={})


@pytest.mark.parametrize(
    "secret",
    [
        "k4.secret.AAAA",
        "k4.public.AAAA",
        "k4.local.!",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
)
def test_what_looks_like_a_key_and_is_none_is_said(secret: Any) -> None:
    with pytest.raises(UsageError, match="looks like"):
        judged("paseto-local", signed("paseto-local"), secrets=secret)


def test_a_pair_of_keys_belongs_together() -> None:
    with pytest.raises(UsageError, match="no private key"):
        signed("paseto-public", secrets=KEY + OTHER)


@pytest.mark.parametrize(
    ("claims", "options", "word"),
    [
        ({"exp": "2026-01-01T00:00:00+00:00"}, {}, "valid"),
        ({"exp": "2025-12-31T23:59:59Z"}, {}, "expired"),
        ({"exp": "2025-12-31T23:59:59Z"}, {"leeway": "1"}, "valid"),
        ({"exp": "2026-01-01T01:00:00+01:30"}, {}, "expired"),
        ({"nbf": "2026-01-01T00:00:01Z"}, {}, "not_yet_valid"),
        ({"exp": 1767225600}, {}, "payload_error"),
        ({"exp": "tomorrow"}, {}, "payload_error"),
        ({"iat": "2025-12-31T22:59:59Z"}, {"max_age": HOUR}, "expired"),
        ({"iat": "2025-12-31T23:00:00Z"}, {"max_age": HOUR}, "valid"),
        ({"iat": "2026-01-01T00:00:01Z"}, {"max_age": HOUR}, "from_future"),
        ({}, {"max_age": HOUR}, "unverified"),
    ],
)
def test_times_of_claims(claims: dict[str, Any], options: dict[str, Any], word: str) -> None:
    told = {"leeway": options.pop("leeway")} if "leeway" in options else {}
    token = signed("paseto-local", claims, parameters={})
    verdict = judged("paseto-local", token, parameters=told, **options)
    assert (verdict.word.value, verdict.signature.value) == (word, "valid")


def test_footer_assertion_and_version_count() -> None:
    token = signed("paseto-local", ttl=HOUR)
    assert decode_cookie(token).notes[0] == "its footer says: kid:1"
    assert judged("paseto-local", token).decoded.expires_at == NOW + HOUR
    assert judged("paseto-local", token, parameters={}).word.value == "bad_signature"
    assert judged("paseto-local", token.rpartition(".")[0]).word.value == "bad_signature"
    older = token.replace("v4.", "v2.", 1)
    assert judged("paseto-local", older).word.value == "version_not_allowed"
    assert detect(older)[0][0].name == "paseto-v4"
    with pytest.raises(UsageError, match="no purpose of PASETO"):
        judged("paseto-local", token, parameters={"purpose": "secret"})


def test_the_bare_stream_cipher() -> None:
    """draft-irtf-cfrg-xchacha-03, A.3.2.1: the keystream from block 0 on."""
    key = bytes(range(0x80, 0xA0))
    nonce = bytes(range(0x40, 0x57)) + b"\x58"
    plain = b'The dhole (pronounced "dole") is also known as the Asiatic wild dog'
    text = paseto_keys._xchacha20(key + nonce, plain)
    assert text[:16].hex() == "4559abba4e48c16102e8bb2c05e6947f"
    assert paseto_keys._xchacha20(key + nonce, text) == plain


# -- ids -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sid", "name", "family"),
    [
        ("699e5e8ab5c687c95f0da431edacc742", "session", "hex"),  # starsessions, aiohttp_session
        ("699e5e8ab5c687c95f0da431edacc742" * 2, "session", "hex"),  # Litestar: 32 bytes
        ("qak2xh7st6z7z59egq1dkr7ot7d295h4", "sessionid", "django"),
        ("FK532ZTh8QCMmPLLl7lIUH7JQKcarEagi1epT0KhWHE", "session", "base64url"),  # Flask-Session
    ],
)
def test_ids_of_python_s_servers_are_known(sid: str, name: str, family: str) -> None:
    for text in (sid, f"Cookie: {name}={sid}"):
        decoded = decode_cookie(text)
        assert (decoded.format, decoded.sid) == ("opaque", sid)
        assert decoded.notes[0].startswith(f"looks like {family}: ")
