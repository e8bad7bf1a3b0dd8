"""What a format is given besides the value, seen through a format of another package; and what
holds for every format.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessctl import Secret, decode_cookie, plugins, sign_cookie, verify_cookie
from sessctl.cookies import registry
from sessctl.cookies.base import (
    Cookie,
    CookieContext,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.errors import MissingExtra, UnreadableInput, UsageError
from sessctl.serializers import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Note:
    """`note!TEXT`; it answers with what it was given."""

    name = "note"
    cookie_name = "note"
    carries_time = True
    carries_expiry = True
    parameters = {"salt": "of the key", "digest": "of the signature; sha1"}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return Match(90, "note!") if value.startswith("note!") else None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        given = [value, context.name, context.companion, dict(context.parameters)]
        return DecodedCookie(self.name, payload=given)

    def verify(
        self, value: str, secrets: Sequence[Secret], context: CookieContext, **times: Any
    ) -> Verdict:
        decoded = DecodedCookie(self.name, payload=[one.key_id for one in secrets])
        return Verdict(VerdictWord.VALID, Signature.VALID, decoded, 0, notes=(str(times),))

    def sign(
        self, content: Any, secrets: Sequence[Secret], context: CookieContext, **times: Any
    ) -> list[Cookie]:
        signer = next(one for one in secrets if one.key_id in (None, "2"))
        return [Cookie(context.name or "?", f"note!{content}!{signer.reveal().decode()}!{times}")]


class Entry:
    name = "note"

    def load(self) -> type[Note]:
        return Note


@pytest.fixture(autouse=True, scope="module")
def installed() -> Iterator[None]:
    """As if a package with the entry point were installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.metadata.entry_points", lambda group: [Entry()])
        plugins.installed.cache_clear()
        yield
    plugins.installed.cache_clear()


def received(text: str, **options: Any) -> Any:
    return decode_cookie(text, **options).payload


def test_the_name_and_the_companion_come_from_the_header() -> None:
    header = "Cookie: note.sig=abc; theme=dark; note=note!x"
    assert received(header) == ["note!x", "note", "abc", {}]
    assert received(header, companion="other") == ["note!x", "note", "other", {}]


def test_a_bare_value_has_the_name_and_the_companion_that_are_given() -> None:
    assert received("note!x") == ["note!x", None, None, {}]
    assert received("note!x", name="n", companion="c") == ["note!x", "n", "c", {}]


def test_chunks_are_one_cookie_in_the_order_of_their_numbers() -> None:
    parts = [f"note.{number}={letter}" for number, letter in enumerate("note!abcdefgh")]
    header = "Cookie: a=1; " + "; ".join(reversed(parts))
    decoded = decode_cookie(header)
    assert decoded.payload[:2] == ["note!abcdefgh", "note"]
    assert decoded.notes == ("joined from the 13 cookies note.0 to note.12",)
    assert received(header, name="note")[0] == "note!abcdefgh"


@pytest.mark.parametrize(
    "header",
    [
        "note.0=note!a; note.2=c",  # one is missing
        "note.0=note!a; b=1",  # there is only one
        "note.0=note!a; note.01=b",
        "note.0=note!a; note.1=b; note=note!",  # the whole cookie is there
    ],
)
def test_what_is_not_a_row_of_chunks_is_left_as_it_is(header: str) -> None:
    assert received(f"Cookie: {header}") in (
        ["note!a", "note.0", None, {}],
        ["note!", "note", None, {}],
    )


def test_parameters_reach_the_format() -> None:
    parameters = {"salt": "s", "digest": "sha256"}
    assert received("note!x", parameters=parameters) == ["note!x", None, None, parameters]


@pytest.mark.parametrize("act", [decode_cookie, verify_cookie, sign_cookie])
def test_a_parameter_that_a_format_does_not_know_is_refused(act: Any) -> None:
    more = () if act is decode_cookie else ("secret",)
    with pytest.raises(UsageError, match="note has no parameter 'digets'") as caught:
        act("note!x", *more, "note", parameters={"digets": "sha256"})
    assert caught.value.hint == "did you mean 'digest'?"


def test_secrets_may_have_ids() -> None:
    secrets = {"1": "old", "2": Secret("new")}
    decoded = verify_cookie("note!x", secrets).decoded
    assert decoded is not None
    assert decoded.payload == ["1", "2"]
    assert sign_cookie("x", secrets, "note", now=NOW)[0].value.split("!")[2] == "new"


def test_times_reach_the_format() -> None:
    hour = timedelta(hours=1)
    verdict = verify_cookie("note!x", "secret", now=NOW, max_age=hour)
    assert verdict.notes == (str({"now": NOW, "max_age": hour}),)
    signed = sign_cookie("x", "secret", "note", name="n", now=NOW, ttl=hour)
    assert signed == [Cookie("n", f"note!x!secret!{ {'now': NOW, 'ttl': hour} }")]


def test_a_time_to_live_is_refused_where_the_cookie_has_none() -> None:
    with pytest.raises(UsageError, match="express-session carries no expiry"):
        sign_cookie("x", "secret", ttl=timedelta(hours=1))


FEW = settings(max_examples=50)  # each is dozens of verdicts
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@FEW
@example("\udd00", None, None)
@given(ANY_TEXT, st.none() | ANY_TEXT, st.none() | ANY_TEXT)
def test_no_text_breaks_any_format(text: str, name: str | None, companion: str | None) -> None:
    """Not at the first look, nor where the format is named: a verdict, or an error of ours."""
    body = b64encode(text.encode("utf-8", "surrogatepass")).decode()
    urlsafe = body.rstrip("=").translate(str.maketrans("+/", "-_"))
    shaped = [text, f"s:{text}.{'A' * 43}", f"j:{text}", f"s:j:{text}.{'A' * 43}", body,
              f"eyJ{body}", f"{'A' * 22}.{body}.1767225600000.1000.{'A' * 43}",
              f"{text}:1vb66i:{'A' * 43}", f".{urlsafe}:1vb66i:{'A' * 27}", f"gA{urlsafe}:1:A",
              f"2|1:0|10:1767225600|4:user|{len(text)}:{text}|{'a' * 64}",
              f"{body}|1767225600|{'a' * 40}", f"!{'A' * 44}?{body}", f"{'A' * 86}{urlsafe}",
              b64encode(f"{'a' * 40}:{text}".encode("utf-8", "replace")).decode()]  # fmt: skip
    for value in shaped:
        context = CookieContext(name=name, companion=companion)
        registry.detect(value, context)
        for format in map(registry.cookie_format, registry.FORMATS):
            format.sniff(value, context)
            with suppress(UnreadableInput):
                format.decode(value, context)
            assert not format.verify(value, [Secret("x")], context, now=NOW).valid


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    "format",
    [
        *("cookie-parser", "cookie-session", "koa-session"),
        *("django-signed-cookies", "django-session-data", "django-signing", "pyramid"),
    ],
)
@FEW
@given(payload=st.dictionaries(st.text(), JSON))
def test_what_is_signed_is_read_and_verified(format: str, payload: dict[str, Any]) -> None:
    if {"_expire", "_maxAge", "_session"} & payload.keys():
        return  # koa-session's own
    if any(mark in str(payload) for mark in MARKS):
        return  # a key that means something to us, and is refused where JSON cannot say it
    made = sign_cookie(payload, "secret", format, now=NOW)
    companion = made[1].value if len(made) > 1 else None
    verdict = verify_cookie(made[0].value, "secret", format, companion=companion, now=NOW)
    assert (verdict.valid, verdict.decoded and verdict.decoded.payload) == (True, payload)


def test_what_is_encrypted_is_read_and_verified() -> None:
    for payload in ({}, {"a": "x" * 500}, {"日": [1, None]}):
        made = sign_cookie(payload, "secret", "client-sessions", now=NOW, ttl=timedelta(hours=1))
        verdict = verify_cookie(made[0].value, "secret", now=NOW + timedelta(minutes=59))
        assert (verdict.valid, verdict.decoded and verdict.decoded.payload) == (True, payload)
        assert "session_state" in verdict.notes[0]  # a bare value: the name is told, not judged
        over = verify_cookie(made[0].value, "secret", now=NOW + timedelta(minutes=61))
        aged = verify_cookie(
            made[0].value, "secret", now=NOW + timedelta(minutes=2), max_age=timedelta(minutes=1)
        )
        assert (over.word, aged.word) == ("expired", "expired")


@pytest.mark.parametrize(
    ("format", "content", "options", "message"),
    [
        ("cookie-session", "text", {}, "an object of JSON"),
        ("cookie-session", {"a": float("nan")}, {}, "cannot be written as JSON"),
        ("cookie-session", {}, {"parameters": {"digest": "md4"}}, "no digest 'md4'"),
        ("cookie-session", {}, {"parameters": {"signed": "no"}}, "neither true nor false"),
        ("koa-session", "short", {}, "key in a store"),
        ("fastify-cookie", {"a": 1}, {}, "carries a text, not data"),
        ("fastify-session", "", {}, "carries a text, not data"),
        ("client-sessions", [1], {}, "an object of JSON"),
        ("client-sessions", {}, {"parameters": {"cipher": "des"}}, "no cipher 'des'"),
        ("client-sessions", {}, {"parameters": {"digest": "sha512"}}, "else two keys"),
        ("cookie-parser", "\ud800", {}, "not UTF-8"),
        ("opaque", "abc", {}, "an opaque id is not signed"),
        ("stored-json", {}, {}, "a stored value is not signed"),
        ("django-signed-cookies", "text", {}, "an object of JSON"),
        ("django-signed-cookies", {"a": {"__bytes__": "AA=="}}, {}, "holds __bytes__, for which"),
        ("django-signed-cookies", {"a": b""}, {}, "cannot be written as JSON"),
        ("django-session-data", {}, {"parameters": {"layout": "old"}}, "no layout 'old'"),
        ("django-signing", {}, {"parameters": {"kind": "signer"}}, "signature of a text"),
        ("django-signing", {}, {"parameters": {"kind": "sign"}}, "nothing of kind 'sign'"),
        ("django-signing", {}, {"parameters": {"compress": "yes"}}, "neither true nor false"),
        ("django-signed-cookie", 7, {}, "signature of a text"),
        ("django-signed-cookie", "x", {"parameters": {"legacy": "1"}}, "neither true nor false"),
        ("tornado", "x", {"parameters": {"version": "3"}}, "no version '3'"),
        ("tornado", "x", {"parameters": {"key_version": "3"}}, "no secret of key version 3"),
        ("pyramid", [], {}, "an object of JSON"),
        ("bottle", {}, {}, "pickles are read and never written"),
    ],
)
def test_what_cannot_be_signed_says_why(
    format: str, content: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        sign_cookie(content, "secret", format, **options)


def test_two_keys_of_client_sessions() -> None:
    keys = {"encryption": b"e" * 16, "signature": b64encode(b"s" * 64)}
    parameters = {"cipher": "aes128", "digest": "sha512-drop256"}
    made = sign_cookie({"a": 1}, keys, "client-sessions", parameters=parameters, now=NOW)
    assert verify_cookie(made[0].value, keys, parameters=parameters, now=NOW).valid
    with pytest.raises(UsageError, match="has 24 bytes, not 16"):
        verify_cookie(made[0].value, keys, parameters={**parameters, "cipher": "aes192"}, now=NOW)
    with pytest.raises(UsageError, match="two keys"):
        verify_cookie(made[0].value, {"1": "secret"}, now=NOW)


def test_an_age_that_a_cookie_does_not_tell_is_not_judged() -> None:
    made = sign_cookie({"_session": True}, "secret", "koa-session", now=NOW)
    verdict = verify_cookie(
        made[0].value, "secret", "koa-session",
        companion=made[1].value, now=NOW, max_age=timedelta(days=1),
    )  # fmt: skip
    assert (verdict.word, verdict.signature) == ("unverified", "valid")


def test_an_encrypted_cookie_without_the_extra_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sign_cookie({"a": 1}, "secret", "client-sessions", now=NOW)[0].value
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers", None)
    assert decode_cookie(made).expires_at == NOW + timedelta(days=1)
    with pytest.raises(MissingExtra, match="needs the extra 'crypto'"):
        verify_cookie(made, "secret")


def test_a_name_that_nothing_can_carry_is_refused() -> None:
    for format in registry.FORMATS:
        with pytest.raises(UsageError, match="the cookie's name holds half an emoji"):
            verify_cookie("a-bare-value", "secret", format, name="\ud800")


def test_a_parameter_that_is_no_text_breaks_no_format() -> None:
    for format in map(registry.cookie_format, registry.FORMATS):
        for key, odd in product(format.parameters, ("\ud800", "\udcff")):
            for act, content in product((sign_cookie, verify_cookie), ("a.b:1vb66i:c", {"a": 1})):
                if act is sign_cookie or isinstance(content, str):
                    with suppress(UsageError):
                        act(content, "s" * 32, format.name, parameters={key: odd})
