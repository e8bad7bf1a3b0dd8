"""The formats that sign through itsdangerous: settings, limits, and what is no cookie of theirs."""

from __future__ import annotations

import hashlib
import zlib
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import itsdangerous
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies.picking import pick
from sessctl.cookies.registry import detect
from sessctl.errors import LimitExceeded, SessctlError, UnreadableInput, UsageError
from sessctl.serializers import MARKS

SECRET = "keyboard cat"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
KEYS = TEXT.filter(lambda key: key not in MARKS)  # hypothesis tries the texts of our modules
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CONTENTS = {
    "flask": st.dictionaries(KEYS, JSON, max_size=4),
    "starlette": st.dictionaries(KEYS, JSON, max_size=4),
    "flask-session-sid": st.from_regex(r"[A-Za-z0-9_.~!-]{1,40}", fullmatch=True),
    "flask-login-remember": TEXT,
}
KINDS = ("signer", "timestamp-signer", "serializer", "timed-serializer", "urlsafe", "urlsafe-timed")
CLASSES = {
    "signer": itsdangerous.Signer, "timestamp-signer": itsdangerous.TimestampSigner,
    "serializer": itsdangerous.Serializer, "timed-serializer": itsdangerous.TimedSerializer,
    "urlsafe": itsdangerous.URLSafeSerializer, "urlsafe-timed": itsdangerous.URLSafeTimedSerializer,
}  # fmt: skip


def signed(content: Any, format: str, secret: str = SECRET, **parameters: str) -> str:
    return sign_cookie(content, secret, format, parameters=parameters, now=NOW)[0].value


@pytest.mark.parametrize("format", CONTENTS)
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_what_is_signed_is_read_and_verified(format: str, data: Any) -> None:
    content = data.draw(CONTENTS[format])
    value = signed(content, format)
    verdict = verify_cookie(value, ["another", SECRET], format, now=NOW)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.key_index) == (True, 1)
    found = verdict.decoded
    assert content == (found.sid if format == "flask-session-sid" else found.payload)


@pytest.mark.parametrize("format", [*CONTENTS, "itsdangerous"])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_cookie_is_never_verified(format: str, data: Any) -> None:
    content: Any = {"user": 42, "more": "x" * 40} if format in ("flask", "starlette") else "u" * 20
    value = signed(content, format)
    at = data.draw(st.integers(0, len(value)))
    cut = data.draw(st.integers(0, 3))
    changed = value[:at] + data.draw(st.text(max_size=3)) + value[at + cut :]
    try:
        if pick(changed).value == value:
            return  # blanks and quotes around it
        verdict = verify_cookie(changed, SECRET, format, now=NOW)
    except SessctlError:
        return
    # The library decodes a signature before it compares.
    assert not verdict.valid or "which the library takes too" in str(verdict.notes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
def test_each_class_of_the_library_goes_both_ways(kind: str, digest: str) -> None:
    is_text = "signer" in kind
    content: Any = "value.of:it" if is_text else {"id": 7, "name": "Zo\u00eb", "x": "y" * 60}
    settings = {"key_derivation": "concat", "digest_method": getattr(hashlib, digest)}
    more: Any = settings if is_text else {"signer_kwargs": settings}
    theirs = CLASSES[kind](SECRET, salt="mine", **more)
    parameters = {"kind": kind, "salt": "mine", "digest": digest, "key_derivation": "concat"}
    ours = sign_cookie(content, SECRET, "itsdangerous", parameters=parameters)[0].value
    if is_text:
        assert theirs.unsign(ours).decode() == content
        made = theirs.sign(content).decode()
    else:
        assert theirs.loads(ours) == content
        made = theirs.dumps(content)
    for given_kind in (parameters, {k: v for k, v in parameters.items() if k != "kind"}):
        verdict = verify_cookie(made, SECRET, "itsdangerous", parameters=given_kind)
        assert verdict.decoded is not None
        assert (verdict.valid, verdict.decoded.payload) == (True, content)
        assert not verify_cookie(made, "other", "itsdangerous", parameters=given_kind).valid


@pytest.mark.parametrize("kind", ["signer", "serializer", "urlsafe"])
def test_an_age_that_is_not_there_cannot_be_judged(kind: str) -> None:
    value = signed("text", "itsdangerous", kind=kind)
    parameters = {"kind": kind}
    judged = verify_cookie(
        value, SECRET, "itsdangerous", parameters=parameters, max_age=timedelta(1)
    )
    assert (judged.word, judged.signature) == ("unverified", "valid")
    assert verify_cookie(value, SECRET, "itsdangerous", parameters=parameters).valid


def test_the_limit_of_the_library_counts_unless_another_is_given() -> None:
    value, late = signed({"a": 1}, "flask"), NOW + timedelta(days=40)
    expired = verify_cookie(value, SECRET, now=late)
    assert expired.word == "expired"
    assert "PERMANENT_SESSION_LIFETIME of the app is another: --max-age" in expired.notes[0]
    assert verify_cookie(value, SECRET, now=late, max_age=timedelta(days=50)).valid
    assert verify_cookie(value, SECRET, now=NOW - timedelta(hours=1)).word == "from_future"


def test_another_hash_than_the_app_s_is_said() -> None:
    value = signed({"a": 1}, "flask", digest="sha256")
    verdict = verify_cookie(value, SECRET, now=NOW)
    assert verdict.word == "bad_signature"
    assert "which is sha256 and not sha1" in verdict.notes[0]
    assert verify_cookie(value, SECRET, parameters={"digest": "sha256"}, now=NOW).valid


def body_of(raw: bytes) -> str:
    """A session of Flask with this for its JSON, signed."""
    body = urlsafe_b64encode(raw).rstrip(b"=")
    body = b"." + body if raw[:1] == b"x" else body
    signer = itsdangerous.TimestampSigner(SECRET, salt="cookie-session", key_derivation="hmac")
    return signer.sign(body).decode()


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"[1]", "no object"),
        (b"nothing", "not JSON"),
        (zlib.compress(b'{"a":1}')[:-2], "cut off"),
        (zlib.compress(b'{"a":1}') + b"x", "after the end"),
        (b'{"a":{" u":1}}', "Flask cannot read either"),
        (zlib.compress(b"[" * 3_000_000), "nested deeper"),
        (zlib.compress(bytes(20 << 20)), "unpacks to more than"),
    ],
)
def test_a_good_signature_over_nonsense_is_said_as_such(raw: bytes, problem: str) -> None:
    value = body_of(raw)
    verdict = verify_cookie(value, SECRET, "flask")
    assert (verdict.word, verdict.signature) == ("payload_error", "valid")
    assert problem in verdict.notes[-1]
    with pytest.raises(UnreadableInput):
        decode_cookie(value, "flask")


def test_a_bomb_is_a_limit_and_named_so() -> None:
    with pytest.raises(LimitExceeded, match="--max-unpacked"):
        decode_cookie(body_of(zlib.compress(bytes(20 << 20))), "flask")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("nothing", "no '.' before a signature"),
        ("eyJhIjoxfQ.sig", "no time"),
        ("eyJhIjoxfQ.AAAAAAAAAAAAAAA.sig", "at most 8 bytes"),
        ("eyJhIjoxfQ._____w__.sig", "out of range"),
        ("eyJhIjoxfQ.aVW5A.sig", "at most 8 bytes"),
        ("a.\ud800.b", "lone surrogate"),
    ],
)
def test_what_is_no_cookie_of_flask_is_malformed(value: str, why: str) -> None:
    verdict = verify_cookie(value, SECRET, "flask")
    assert (verdict.word, verdict.signature) == ("malformed", "none")
    assert why in verdict.notes[0]


@pytest.mark.parametrize(
    ("format", "content", "parameters"),
    [
        ("flask", [1], {}), ("flask", "text", {}), ("flask", {"a": {"__set__": [1]}}, {}),
        ("flask", {}, {"sort_keys": "maybe"}), ("flask", {}, {"key_derivation": "hmacs"}),
        ("flask", {}, {"epoch": "x"}), ("flask", {}, {"epoch": "4000000000"}),
        ("flask", {}, {"digest": "md5"}), ("starlette", [1], {}),
        ("starlette", {"a": {"__bytes__": "AA=="}}, {}), ("flask-session-sid", {"a": 1}, {}),
        ("flask-session-sid", "a b", {}),
        ("flask-login-remember", 42, {}), ("itsdangerous", {"a": 1}, {"kind": "signer"}),
        ("itsdangerous", "\ud800", {}), ("itsdangerous", ["\ud800"], {}),
        ("itsdangerous", "a", {"sep": "x"}), ("itsdangerous", "a", {"kind": "sealer"}),
    ],
)  # fmt: skip
def test_what_cannot_be_signed_is_refused(
    format: str, content: Any, parameters: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        sign_cookie(content, SECRET, format, parameters=parameters, now=NOW)


def test_a_remember_token_takes_a_secret_as_the_library_does() -> None:
    text = "s\u00e9cret"
    value = signed("7", "flask-login-remember", text)
    assert verify_cookie(value, text, "flask-login-remember").valid
    assert verify_cookie(value, text.encode("latin-1"), "flask-login-remember").valid
    raw = bytes(range(200, 232))  # no text in any encoding that the library knows
    made = sign_cookie("7", raw, "flask-login-remember")[0].value
    assert verify_cookie(made, raw, "flask-login-remember").valid


@pytest.mark.parametrize(
    ("value", "format"),
    [
        (signed({"a": 1, "b": "x"}, "flask"), "flask"),
        (signed({}, "flask"), "flask"),
        (signed({"a": 1}, "flask", digest="sha256"), "flask"),
        (signed({"a": 1}, "starlette"), "starlette"),
        (signed({"ab": 11}, "starlette"), "starlette"),
        (signed({}, "starlette"), "starlette"),
        (signed("7d8f2c1e4b5a69788796a5b4c3d2e1f0", "flask-session-sid"), "flask-session-sid"),
        (signed("42", "flask-login-remember"), "flask-login-remember"),
        (signed([1, 2], "itsdangerous"), "itsdangerous"),
        (signed("alice", "itsdangerous"), "itsdangerous"),
        (signed({"id": 7}, "itsdangerous", kind="serializer"), "itsdangerous"),
        (signed({"id": 7}, "itsdangerous", kind="urlsafe"), "itsdangerous"),
    ],
)
def test_a_bare_value_names_its_format(value: str, format: str) -> None:
    assert detect(value)[0][0].name == format
    assert decode_cookie(value).format == format
    assert verify_cookie(f"session={value}", SECRET, now=NOW).decoded is not None
