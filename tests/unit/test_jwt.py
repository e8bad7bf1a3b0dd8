"""JSON Web Tokens: the kind of the secret says which algorithms count, the token never does."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hmac import digest
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.errors import CookieError, UsageError
from sessctl.limits import Budget
from tests.support.vectors import hostile

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
SECRET = "tortoise-and-hare-81"
RSA, P256, P384 = (
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
)
ED = ed25519.Ed25519PrivateKey.generate()


def public(key: Any) -> str:
    kind = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, kind).decode()


def private(key: Any, encryption: Any = None) -> str:
    encryption = encryption or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(header: Any, claims: Any, secret: str = SECRET, *, signature: bytes | None = None) -> str:
    """A token as anybody could write it, signed by HMAC-SHA256 unless told otherwise."""
    parts = [
        one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, claims)
    ]
    text = ".".join(b64(one) for one in parts)
    made = digest(secret.encode(), text.encode(), "sha256") if signature is None else signature
    return f"{text}.{b64(made)}"


def judged(text: str, secrets: Any = SECRET, **options: Any) -> Any:
    return verify_cookie(text, secrets, "jwt", now=options.pop("now", NOW), **options)


HS = {"alg": "HS256", "typ": "JWT"}
SUB = {"sub": "7"}

REFUSED = {
    "none": token({"alg": "none"}, SUB, signature=b""),
    "none in capitals": token({"alg": "None"}, SUB, signature=b""),
    "none with a signature": token({"alg": "none"}, SUB),
    "no alg": token({"typ": "JWT"}, SUB),
    "a list of algs": token({"alg": ["HS256", "none"]}, SUB),
    "no text as alg": token({"alg": 256}, SUB),
    "crit": token({**HS, "crit": ["exp"]}, SUB),
    "not base64-encoded": token({**HS, "b64": False, "crit": ["b64"]}, SUB),
    "RS256 over a text": token({"alg": "RS256"}, SUB),
    "encrypted": token({"alg": "dir", "enc": "A256GCM"}, SUB) + ".AA.AA",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_an_algorithm_that_the_secret_does_not_allow_is_refused(text: str) -> None:
    verdict = judged(text)
    assert verdict.word.value == "alg_not_allowed"
    assert verdict.signature.value != "valid"


PUBLIC = [public(key) for key in (RSA, P256, ED)]


@pytest.mark.parametrize("key", PUBLIC, ids=["RSA", "EC", "Ed25519"])
def test_a_public_key_never_checks_an_hmac(key: str) -> None:
    """The confusion of RS256 with HS256, in the spellings that a key may be kept in."""
    for spelling in (key, key.strip(), key.replace("\n", "\r\n"), f"\n{key}"):
        verdict = judged(token(HS, SUB, spelling), spelling)
        assert verdict.word.value == "alg_not_allowed"


@pytest.mark.parametrize("encoding", ["der", "ssh"])
def test_a_public_key_in_another_spelling_is_no_text_either(encoding: str) -> None:
    raw = (
        RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if encoding == "der"
        else RSA.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    )
    with pytest.raises(UsageError, match="looks like a key"):
        judged(token(HS, SUB), raw)


def test_a_key_in_the_header_is_named_and_not_used() -> None:
    jwk = {"kty": "oct", "k": b64(b"mine")}
    header = {**HS, "jwk": jwk, "jku": "http://127.0.0.1:1/keys", "x5u": "file:///etc/passwd"}
    verdict = judged(token(header, SUB, "mine"))
    assert verdict.word.value == "bad_signature"
    assert verdict.decoded.notes == (
        "its header says alg HS256",
        "its header's jku, jwk, x5u is not followed: keys are the secrets you give",
    )
    assert judged(token(header, SUB)).valid  # the secret decides, whatever else is in there


@pytest.mark.parametrize("case", hostile(kind="jwt"), ids=lambda case: case.id)
@pytest.mark.parametrize("secret", [SECRET, *PUBLIC])
def test_no_hostile_token_is_valid(case: Any, secret: str) -> None:
    assert not judged(case.text, secret, budget=Budget(cookie_bytes=1 << 20)).valid


def test_a_curve_is_part_of_the_algorithm() -> None:
    text = sign_cookie(SUB, private(P256), "jwt")[0].value
    assert judged(text, public(P256)).valid
    assert judged(text, public(P384)).word.value == "alg_not_allowed"
    assert judged(text, public(ec.generate_private_key(ec.SECP256R1()))).word.value == (
        "bad_signature"
    )


@pytest.mark.parametrize("key", [RSA, P256, P384, ED], ids=["RSA", "P-256", "P-384", "Ed25519"])
def test_a_private_key_signs_and_its_public_one_checks(key: Any) -> None:
    cookie = sign_cookie({"sub": "7", "name": "Zoë"}, private(key), "jwt", now=NOW)[0]
    verdict = judged(cookie.value, [SECRET, public(key)])
    assert (verdict.valid, verdict.key_index) == (True, 1)
    assert verdict.decoded.payload == {"sub": "7", "name": "Zoë", "iat": SECONDS}
    with pytest.raises(UsageError, match="public key"):
        sign_cookie(SUB, public(key), "jwt")


def test_the_algorithms_can_be_narrowed() -> None:
    text = sign_cookie(SUB, private(RSA), "jwt", parameters={"algorithms": "PS384"})[0].value
    assert json.loads(urlsafe_b64decode(text.partition(".")[0] + "==")) == {
        "alg": "PS384",
        "typ": "JWT",
    }
    assert judged(text, public(RSA)).valid
    assert judged(text, public(RSA), parameters={"algorithms": "RS256, PS384"}).valid
    narrow = judged(text, public(RSA), parameters={"algorithms": "RS256"})
    assert narrow.word.value == "alg_not_allowed"


@pytest.mark.parametrize("name", ["none", "HS265", "", "RS256,none"])
def test_no_parameter_allows_none(name: str) -> None:
    with pytest.raises(UsageError, match="no algorithm that may sign a JWT"):
        judged(REFUSED["none"], parameters={"algorithms": name})


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_id_chooses_the_secret() -> None:
    secrets = {"new": "another-secret-of-some-length", "old": SECRET}
    verdict = judged(token({**HS, "kid": "old"}, SUB), secrets)
    assert (verdict.valid, verdict.key_index) == (True, 1)
    assert judged(token({**HS, "kid": "new"}, SUB), secrets).word.value == "bad_signature"
    assert judged(token(HS, SUB), secrets).valid  # it names none, so all are tried
    for kid in ("../../../../dev/null", "x' UNION SELECT 'k'", ["old"], None):
        verdict = judged(token({**HS, "kid": kid}, SUB), secrets)
        assert verdict.word.value == ("valid" if kid is None else "unknown_key")
    signed = sign_cookie(SUB, {"new": SECRET}, "jwt")[0].value
    assert json.loads(urlsafe_b64decode(signed.partition(".")[0] + "=="))["kid"] == "new"


def jwk(key: Any, **members: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    size = (numbers.curve.key_size + 7) // 8
    x, y = (b64(one.to_bytes(size, "big")) for one in (numbers.x, numbers.y))
    curve = {"secp256r1": "P-256", "secp384r1": "P-384"}[numbers.curve.name]
    return {"kty": "EC", "crv": curve, "x": x, "y": y, **members}


def test_a_jwk_and_a_set_of_them_are_secrets() -> None:
    text = sign_cookie(SUB, {"b": private(P256)}, "jwt")[0].value
    one, other = jwk(P256, kid="b"), jwk(P384, kid="a")
    unknown = {"kty": "AKP", "kid": "z"}
    assert judged(text, json.dumps(one)).valid
    assert judged(text, json.dumps({"keys": [unknown, other, one]})).valid
    assert judged(text, json.dumps({"keys": [other, jwk(P256, kid="c")]})).word.value == (
        "unknown_key"
    )
    assert judged(text, json.dumps({**one, "use": "enc"})).word.value == "alg_not_allowed"
    assert judged(text, json.dumps({**one, "alg": "ES384"})).word.value == "alg_not_allowed"
    oct_key = json.dumps({"kty": "oct", "k": b64(SECRET.encode())})
    assert judged(token(HS, SUB), oct_key).valid


def test_json_that_is_no_jwk_is_a_text_like_any_other() -> None:
    for secret in ('{"my":"secret"}', "{not json", "0123456789abcdef"):
        assert judged(token(HS, SUB, secret), secret).valid


@pytest.mark.parametrize(
    "secret",
    [
        PUBLIC[0][:80] + PUBLIC[0][90:],
        private(P256, BestAvailableEncryption(b"password")),
        '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
        '{"kty":"RSA"}',
        '{"kty":7}',
        '{"kty":"oct","k":7}',
    ],
)
def test_a_broken_key_is_an_error_that_does_not_show_it(secret: str) -> None:
    with pytest.raises(UsageError, match="cannot be read as one") as caught:
        judged(token(HS, SUB), secret)
    assert secret[30:50] not in f"{caught.value}{caught.value.hint}" or len(secret) < 30


# -- claims ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "options", "word"),
    [
        ({"exp": SECONDS}, {}, "expired"),
        ({"exp": SECONDS + 1}, {}, "valid"),
        ({"exp": SECONDS + 0.5}, {}, "valid"),
        ({"exp": SECONDS - 29}, {"parameters": {"leeway": "30"}}, "valid"),
        ({"exp": SECONDS - 30}, {"parameters": {"leeway": "30"}}, "expired"),
        ({"exp": 1e300}, {}, "valid"),
        ({"exp": 10**400}, {}, "valid"),
        ({"exp": -(10**400)}, {}, "expired"),
        ({"iat": -(10**400)}, {"max_age": timedelta(hours=1)}, "expired"),
        ({"exp": "2030-01-01"}, {}, "payload_error"),
        ({"exp": True}, {}, "payload_error"),
        ({"exp": None}, {}, "payload_error"),
        ({"nbf": SECONDS}, {}, "valid"),
        ({"nbf": SECONDS + 1}, {}, "not_yet_valid"),
        ({"nbf": SECONDS + 30}, {"parameters": {"leeway": "30"}}, "valid"),
        ({"nbf": "soon"}, {}, "payload_error"),
        ({"iat": SECONDS + 9999}, {}, "valid"),  # as both libraries: it counts for an age only
        ({"iat": SECONDS + 9999}, {"max_age": timedelta(days=1)}, "from_future"),
        ({"iat": SECONDS - 3600}, {"max_age": timedelta(hours=1)}, "expired"),
        ({"iat": SECONDS - 3599}, {"max_age": timedelta(hours=1)}, "valid"),
        ({"sub": "7"}, {"max_age": timedelta(hours=1)}, "payload_error"),
        ({"aud": "shop"}, {"parameters": {"audience": "shop"}}, "valid"),
        ({"aud": ["x", "shop"]}, {"parameters": {"audience": "shop"}}, "valid"),
        ({"aud": "shopping"}, {"parameters": {"audience": "shop"}}, "purpose_mismatch"),
        ({}, {"parameters": {"audience": "shop"}}, "purpose_mismatch"),
        ({"iss": "me"}, {"parameters": {"issuer": "me"}}, "valid"),
        ({"iss": ["me"]}, {"parameters": {"issuer": "me"}}, "purpose_mismatch"),
        ([1, 2], {}, "payload_error"),
        (b"no json", {}, "payload_error"),
    ],
)
def test_claims_are_judged_after_the_signature(
    claims: Any, options: dict[str, Any], word: str
) -> None:
    verdict = judged(token(HS, claims), **options)
    assert (verdict.word.value, verdict.signature.value) == (word, "valid")
    assert judged(token(HS, claims, "forged"), **options).word.value == "bad_signature"


@pytest.mark.parametrize("leeway", ["", "-1", "1.5", "99999999999999999999", "٣", "1d"])
def test_a_leeway_is_a_number_of_seconds(leeway: str) -> None:
    with pytest.raises(UsageError, match="leeway"):
        judged(token(HS, SUB), parameters={"leeway": leeway})


def test_a_token_has_one_spelling() -> None:
    """jsonwebtoken compares HMACs as text; unused bits and padding are not for others to choose."""
    good = token(HS, SUB)
    assert judged(good).valid
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    others = {good[:-1] + char for char in last} - {good}
    for text in (*others, good + "=", good + "A", good.replace(".", "=.", 1), good[:-1]):
        assert not judged(text).valid
    unsigned = good.rpartition(".")[0] + "."
    assert judged(unsigned).word.value == "missing_signature"


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c.d", "a.b.c", "W10.e30.AA", "eyJ9.e30.AA"])
def test_what_is_no_token_is_malformed(text: str) -> None:
    if text:
        assert judged(text).word.value == "malformed"
    with pytest.raises(CookieError):
        decode_cookie(text, "jwt")


def test_a_token_is_read_without_a_secret() -> None:
    decoded = decode_cookie(token({**HS, "kid": "k1"}, {"iat": SECONDS, "exp": 1e300, "a": [1]}))
    assert (decoded.format, decoded.payload["a"], decoded.signed) == ("jwt", [1], True)
    assert (decoded.issued_at, decoded.expires_at) == (NOW, None)  # no calendar has that year
    assert decoded.notes == ("its header says alg HS256, kid k1",)
    assert not decode_cookie(REFUSED["none"]).signed
    encrypted = decode_cookie(REFUSED["encrypted"], "jwt")
    assert encrypted.payload is None
    assert encrypted.notes[-1] == "encrypted: only the header is shown"


def test_what_is_signed_is_what_jsonwebtoken_would_write() -> None:
    """`jwt.sign({user_id: 42, name: "alice"}, secret)` of jsonwebtoken 9.0.3, at the same time."""
    cookie = sign_cookie(
        {"user_id": 42, "name": "alice"}, "correct horse battery staple", "jwt", now=NOW
    )[0]
    assert (cookie.name, cookie.value) == (
        "token",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjo0MiwibmFtZSI6ImFsaWNlIiwiaWF0IjoxNzY3"
        "MjI1NjAwfQ.WGTcth42mpcnzwKgYWsMcTcFmTbVs_KMJGcgvNES0Ig",
    )


def test_a_time_to_live_is_an_exp() -> None:
    text = sign_cookie({"iat": 5}, SECRET, "jwt", now=NOW, ttl=timedelta(hours=1))[0].value
    assert decode_cookie(text).payload == {"iat": 5, "exp": SECONDS + 3600}


@pytest.mark.parametrize("content", ["sid", [1], None])
def test_only_claims_are_signed(content: Any) -> None:
    with pytest.raises(UsageError, match="JSON object"):
        sign_cookie(content, SECRET, "jwt")
