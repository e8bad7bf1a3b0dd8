"""Cookies of Django, Tornado, Pyramid and Bottle: what the vectors leave open."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hmac import digest as hmac_digest
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl import decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies.api import as_secrets
from sessctl.cookies.base import PlainlyJudged
from sessctl.cookies.registry import cookie_format
from sessctl.errors import CookieError, LimitExceeded, SerializerError, SessctlError
from sessctl.serializers import django
from tests.support.cookie_vectors import Row, rows
from tests.support.vectors import Case, hostile

SECRET, NOW = "correct horse battery staple", datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [row for row in rows() if row.format.startswith(("django", "tornado", "pyramid", "bottle"))]
ROWS = [row for row in ROWS if len(row.text) < 1000]


# -- several formats of one shape ------------------------------------------------------------------

ONE_SHAPE = [
    ("django-signed-cookies", {"a": 1}, {}),
    ("django-session-data", {"a": 1}, {}),
    ("django-signing", {"a": 1}, {}),
    ("django-signing", "user:42", {"kind": "timestamp-signer"}),
    ("django-signing", "user:42", {"kind": "signer"}),
]


@pytest.mark.parametrize(("format", "content", "told"), ONE_SHAPE)
def test_the_secret_tells_which_of_django_s_formats_it_is(
    format: str, content: Any, told: dict[str, str]
) -> None:
    (made,) = sign_cookie(content, SECRET, format, parameters=told)
    verdict = verify_cookie(made.value, ["another", SECRET])
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.key_index) == (True, 1)
    assert (verdict.decoded.format, verdict.decoded.payload) == (format, content)
    assert verify_cookie(made.value, "another").word == "bad_signature"


def test_a_named_format_is_the_only_one_that_is_tried() -> None:
    (made,) = sign_cookie({"a": 1}, SECRET, "django-session-data")
    assert verify_cookie(made.value, SECRET, "django-signed-cookies").word == "bad_signature"


def test_a_stored_session_of_before_3_1_is_known_by_its_value() -> None:
    told = {"layout": "legacy-base64"}
    (made,) = sign_cookie({"a": 1}, SECRET, "django-session-data", parameters=told)
    verdict = verify_cookie(made.value, SECRET)
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, {"a": 1})
    assert "before 3.1" in verdict.notes[0]
    aged = verify_cookie(made.value, SECRET, max_age=timedelta(days=1))
    assert (aged.word, aged.signature) == ("unverified", "valid")


def test_sha_1_is_taken_where_nothing_else_is_said_and_is_told() -> None:
    (made,) = sign_cookie({"a": 1}, SECRET, "django-signed-cookies", parameters={"digest": "sha1"})
    assert "SHA-1" in verify_cookie(made.value, SECRET).notes[0]
    strict = verify_cookie(
        made.value, SECRET, "django-signed-cookies", parameters={"digest": "sha256"}
    )
    assert strict.word == "bad_signature"


@pytest.mark.parametrize("row", [row for row in ROWS if "key_salt" in row.options], ids=str)
def test_of_a_signed_cookie_both_salts_are_tried_and_the_name_counts(row: Row) -> None:
    for name, is_good in ((row.name, row.expect["valid"]), ("other", False)):
        verdict = verify_cookie(
            row.text, SECRET, "django-signed-cookie", name=name, now=row.now, max_age=row.max_age,
            parameters={"salt": row.options["salt"]},
        )  # fmt: skip
        assert verdict.valid is is_good


def test_of_a_bare_signed_cookie_the_name_is_asked_for() -> None:
    (made,) = sign_cookie("abc", SECRET, "django-signed-cookie", name="cart")
    verdict = verify_cookie(made.value, SECRET, "django-signed-cookie")
    assert (verdict.word, "--name" in str(verdict.notes)) == ("bad_signature", True)


def test_among_django_s_cookies_the_session_is_taken() -> None:
    said = [["__json_message", 0, 25, "saved"]]
    (messages,) = sign_cookie(said, SECRET, "django-signed-cookie", name="messages")
    (cart,) = sign_cookie("abc", SECRET, "django-signed-cookie", name="cart")
    (whole,) = sign_cookie({"a": 1}, SECRET, "django-signed-cookies")
    others = f"messages={messages.value}; csrftoken=d1DXhmUIw7xRCSSOXRPbTsgbjVVOIGf9"
    sid = "qak2xh7st6z7z59egq1dkr7ot7d295h4"
    assert decode_cookie(f"Cookie: {others}; sessionid={sid}").sid == sid
    line = f"Cookie: {others}; cart={cart.value}; sessionid={whole.value}"
    assert decode_cookie(line).payload == {"a": 1}


@pytest.mark.parametrize(
    ("format", "days", "setting"),
    [
        ("django-signed-cookies", 14, "SESSION_COOKIE_AGE"),
        ("tornado", 31, "max_age_days"),
        ("pyramid", 1 / 72, "timeout"),
    ],
)
def test_the_library_s_own_limit_counts_unless_another_is_given(
    format: str, days: float, setting: str
) -> None:
    limit, minute = timedelta(days=days), timedelta(minutes=1)
    (made,) = sign_cookie({"a": 1}, SECRET, format, now=NOW)
    assert verify_cookie(made.value, SECRET, now=NOW + limit - minute).valid
    over = verify_cookie(made.value, SECRET, now=NOW + limit + minute)
    assert (over.word, setting in over.notes[-1]) == ("expired", True)
    assert verify_cookie(made.value, SECRET, now=NOW + limit + minute, max_age=2 * limit).valid


# -- Python's quoting ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ['a"b\\c', "a; b, c", "Zoë", "\\073", "plain", "", "a\tb\x7f"])
def test_a_quoted_value_is_read_as_it_was_meant(text: str) -> None:
    (made,) = sign_cookie(text, SECRET, "django-signed-cookie", name="cart")
    verdict = verify_cookie(f"Cookie: theme=dark; {made.name}={made.value}", SECRET, name="cart")
    assert verdict.decoded is not None
    assert (verdict.valid, verdict.decoded.payload) == (True, text)


@pytest.mark.parametrize("format", ["tornado", "bottle"])
def test_a_bare_value_with_an_equals_sign_is_one_value(format: str) -> None:
    for row in ROWS:
        if row.format == format and row.expect["valid"] and "error" not in row.expect:
            value = row.text.strip('"')
            assert decode_cookie(value).payload == row.expect["payload"]
            assert decode_cookie(f"{row.name}={value}").payload == row.expect["payload"]


# -- hostile data ----------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_mutated_cookie_is_no_crash_and_never_valid(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(ROWS))
    text = row.text.strip('"')
    place = data.draw(st.integers(0, len(text) - 1))
    letters = st.characters(codec=None, exclude_categories=()) | st.sampled_from('A.:|!?="\\%;')
    change = data.draw(st.sampled_from(["insert", "remove", "replace"]))
    letter = "" if change == "remove" else data.draw(letters)
    changed = text[:place] + letter + text[place + (change != "insert") :]
    try:
        verdict = row.verify(f'{row.name}="{changed}"')
        decode_cookie(changed)
    except SessctlError:
        return
    # A quoted blank at an end or an escape may have given the same value again.
    same = _bare(changed) == _bare(text)
    assert not verdict.valid or same or "the library takes too" in str(verdict.notes)


def _bare(text: str) -> str:
    return text.replace("\\", "").strip(" \t\r\n\"';")


PICKLES = [case for case in hostile("pickle-") if not case.id.startswith("pickle-b64")]


@pytest.mark.parametrize("case", PICKLES, ids=lambda case: case.id)
def test_a_hostile_pickle_is_never_run_and_never_called_good(case: Case) -> None:
    """Signed with the right secret: by Bottle, by Pyramid 1.10, by Django with PickleSerializer."""
    before = set(sys.modules)
    message = b64encode(case.raw)
    mac = hmac_digest(SECRET.encode(), message, "sha256")
    of_bottle = f"!{b64encode(mac).decode()}?{message.decode()}"
    key = b"pyramid.session." + SECRET.encode()
    of_pyramid = b64encode(hmac_digest(key, case.raw, "sha512") + case.raw, b"-_").decode()
    signed = f"{django.packed(case.raw)}:1vb66i"
    salt = "django.contrib.sessions.backends.signed_cookies"
    signature = django.Signer(salt, [SECRET.encode()]).signature(signed)
    for text, format in (
        (of_bottle, "bottle"),
        (of_pyramid.rstrip("="), "pyramid"),
        (f"{signed}:{signature}", "django-signed-cookies"),
    ):
        try:
            verdict = verify_cookie(text, SECRET, format)
        except LimitExceeded:
            continue
        assert (verdict.signature, verdict.key_index) == ("valid", 0)
        is_data = case.id == "pickle-legit-datetime" and format == "django-signed-cookies"
        is_plain = "__object__" not in str(verdict.decoded) and format == "django-signed-cookies"
        assert verdict.word in ("unsafe_pickle", "payload_error") or is_data or is_plain
        with suppress(CookieError, SerializerError):
            decode_cookie(text, format)
    assert {name for name in set(sys.modules) - before if not name.startswith("sessctl")} == set()


def test_a_bomb_in_a_session_of_django_unpacks_no_further_than_the_budget() -> None:
    (case,) = hostile("bomb-django-signed")
    with pytest.raises(LimitExceeded, match="unpacks to more than"):
        decode_cookie(case.text, "django-signed-cookies")
    verdict = verify_cookie(case.text, "keyboard cat", "django-signed-cookies")
    assert not verdict.valid


# -- batches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.format in ("django-signed-cookies", "django-session-data")],
    ids=str,
)
def test_a_vector_is_judged_the_same_in_a_batch(row: Row) -> None:
    """The fast judge says what `verify` says, or leaves the word to it."""
    format, secrets = cookie_format(row.format), as_secrets(row.secrets)
    assert isinstance(format, PlainlyJudged)
    _, judge = format.plain_judge(secrets, now=row.now or NOW, max_age=row.max_age)
    text = row.text
    changed = [text[:i] + "B" + text[i + 1 :] for i in range(0, len(text), 7)]
    for one in (text, f"{text} ", text.replace(":", "."), *changed):
        found = judge(one.encode("utf-8", "surrogatepass"))
        if found is None:
            continue
        (index, word, _), (payload, issued_at) = found  # type: ignore[misc]
        verdict = verify_cookie(one, secrets, row.format, now=row.now, max_age=row.max_age)
        assert (verdict.key_index, verdict.word) == (index, word)
        assert verdict.decoded is not None
        assert verdict.decoded.payload == json.loads(payload)
        assert verdict.decoded.issued_at is not None
        assert json.loads(issued_at)[:19] == verdict.decoded.issued_at.isoformat()[:19]


def test_a_batch_leaves_to_verify_what_is_of_another_format() -> None:
    secrets = as_secrets([SECRET, "old"])
    format = cookie_format("django-signed-cookies")
    assert isinstance(format, PlainlyJudged)
    _, judge = format.plain_judge(secrets, now=NOW, max_age=None)
    for other in ("django-session-data", "django-signing"):
        assert judge(sign_cookie({"a": 1}, "old", other, now=NOW)[0].value.encode()) is None
    mine = sign_cookie({"a": 1}, "old", format.name, now=NOW)[0].value
    assert judge(mine.encode()) == ((1, "valid", b""), (b'{"a":1}', b'"2026-01-01T00:00:00.000Z"'))
    forged = sign_cookie({"a": 1}, "nobody", format.name, now=NOW)[0].value
    assert judge(forged.encode()) == (
        (None, "bad_signature", b""),
        (b'{"a":1}', b'"2026-01-01T00:00:00.000Z"'),
    )
