"""Cookies made and judged by the libraries themselves. SESSCTL_COOKIE_VECTORS names a folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from werkzeug.sansio.http import parse_cookie

from sessctl.cookies.api import as_secrets, decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies.base import PlainlyJudged, Signature
from sessctl.cookies.paste import percent_decode
from sessctl.cookies.registry import FORMATS, OPAQUE, cookie_format
from sessctl.errors import CookieError, UsageError
from tests.support.cookie_vectors import Row, rows

ROWS = rows()
JUDGED = [row for row in ROWS if row.format != OPAQUE]  # an id has nothing to judge
VALID = [row for row in JUDGED if row.expect["valid"] and "error" not in row.expect]
every_row = pytest.mark.parametrize("row", JUDGED, ids=str)
every_valid_row = pytest.mark.parametrize("row", VALID, ids=str)


def test_there_are_cookie_vectors_of_every_format() -> None:
    assert {row.format for row in ROWS} == {*FORMATS} - {"stored-json"}


@every_row
def test_vector_cookie_is_judged_as_by_its_library(row: Row) -> None:
    verdict, expect = row.verify(), row.expect
    if "error" in expect:  # also of a good signature over a pickle that runs something
        assert verdict.word.value == expect["error"], row.note
        assert (verdict.signature is Signature.VALID) >= expect["valid"], row.note
    else:
        assert verdict.valid is expect["valid"], row.note
    if "key_index" in expect:
        assert verdict.key_index == expect["key_index"]
    if "renew" in expect:
        assert (verdict.key_index != 0) is expect["renew"]


@every_row
def test_vector_cookie_says_what_its_library_reads(row: Row) -> None:
    """Payload, id and times of a valid cookie; of another one what may be read of it."""
    found, expect = row.verify().decoded, row.expect
    for key in ("payload", "sid"):
        wanted = expect.get(key, expect.get(f"unverified_{key}"))
        if wanted is not None:
            assert found is not None
            assert getattr(found, key) == wanted
    for key in ("issued_at", "expires_at"):
        if key in expect:
            assert found is not None
            assert getattr(found, key).timestamp() == expect[key]


ENCRYPTED = {
    *("client-sessions", "fastify-secure-session", "iron-session", "hapi-iron"),
    *("nextauth-v4", "authjs", "aiohttp-fernet", "aiohttp-nacl", "litestar", "paseto-v4"),
}
READABLE = [
    row for row in JUDGED
    if row.format not in ENCRYPTED and not row.options.get("encrypt_key")
]  # fmt: skip


@pytest.mark.parametrize("row", READABLE, ids=str)
def test_vector_cookie_is_read_without_its_secret(row: Row) -> None:
    expect = row.expect
    for key in ("payload", "sid"):
        wanted = expect.get(key, expect.get(f"unverified_{key}"))
        if wanted is not None:
            assert getattr(row.decode(), key) == wanted


@pytest.mark.parametrize("row", [row for row in ROWS if row.format == OPAQUE], ids=str)
def test_vector_id_names_its_family_and_is_never_called_valid(row: Row) -> None:
    decoded = row.decode()
    assert decoded.sid == row.expect["sid"]
    assert decoded.notes[0].startswith(f"looks like {row.expect['looks_like']}: ")
    assert (row.verify().word, row.verify().signature) == ("unverified", "none")


NOT_WRITTEN = (
    *("another spelling", "padded signature"),  # which itsdangerous reads and never writes
    "rotated (list here",  # by the older key, and `key_index` does not say so
)
# What its library would write today, byte for byte: the current secret, no random part.
WRITTEN_TODAY = [
    row
    for row in VALID
    if row.expect.get("key_index", 0) == 0
    and not row.expect.get("renew")
    and row.options.get("url_encoded", True)
    and row in READABLE
    and not row.expect.get("pickle")  # which is only read
    and "PUBLIC KEY" not in str(row.fields["secret"])
    and not any(word in row.note for word in NOT_WRITTEN)
]


def told_to_sign(row: Row) -> dict[str, str]:
    """What the row's app or version does otherwise than by default; it cannot be asked for to
    verify."""
    told: dict[str, object] = {
        "tornado": {
            "version": 2 if row.text.startswith("2|") else 1,
            "key_version": row.expect.get("key_version"),
        },
        "django-signing": {"compress": row.text.startswith(".")},
        "django-signed-cookie": {
            "legacy": not str(row.options.get("key_salt")).startswith("django.http.cookies.v2:")
        },
    }.get(row.format, {})
    return {key: str(value).lower() for key, value in told.items() if value is not None}


@pytest.mark.parametrize("row", WRITTEN_TODAY, ids=str)
def test_vector_cookie_is_signed_byte_for_byte(row: Row) -> None:
    expect = row.expect
    content, ttl = expect.get("payload", expect.get("sid")), None
    if row.format == "koa-session" and row.max_age is None:
        content = {**content, "_session": True}
    elif row.format == "koa-session":
        ttl = row.max_age
    has_time = "issued_at" in expect or row.format == "django-session-data"
    now = row.decode().issued_at if has_time else None
    parameters = {**row.parameters, **told_to_sign(row)}
    if row.format == "flask" and list(content) != sorted(content):  # Quart, and old versions
        parameters["sort_keys"] = "false"
    signed = sign_cookie(
        content, row.secrets, row.format, name=row.name, parameters=parameters, now=now, ttl=ttl
    )
    wanted = [(row.name, row.text), (f"{row.name}.sig", row.companion)]
    written = [(one.name, as_taken(one.value, row)) for one in signed]
    assert written == [pair for pair in wanted if pair[1] is not None]


def as_taken(value: str, row: Row) -> str:
    """A value of ours as the row has it, which may have been taken before the wire."""
    if row.options.get("quoted") or "%" in row.text:
        return value
    if row.format == "flask-login-remember":  # as werkzeug reads it from a header
        ((_, found),) = parse_cookie(f"a={value}").items()
        return str(found)
    return value.strip('"') if value.startswith('"') else percent_decode(value)


@every_valid_row
def test_vector_cookie_is_not_accepted_with_another_secret(row: Row) -> None:
    if row.parameters.get("signed") != "false":
        wrong = {"encryption": b"x" * 32, "signature": b"y" * 64, "validate": b"z"}
        secrets = wrong if isinstance(row.secrets, dict) else "not the secret"
        assert not row.verify(secrets=secrets).valid


@every_valid_row
def test_vector_cookie_with_one_changed_character_is_not_accepted(row: Row) -> None:
    if row.parameters.get("signed") == "false":
        return
    cookie = row.text
    # The `s:` in front is not signed; without it, it is another kind of cookie.
    start = (5 if cookie.startswith("s%3A") else 2) if cookie.startswith("s") else 0
    end = cookie.index("~") if row.format == "iron-session" else len(cookie)  # the rest is unsigned
    step = max(1, (end - start) // 200)
    for place in range(start, end, step):
        changed = cookie[:place] + ("B" if cookie[place] == "A" else "A") + cookie[place + 1 :]
        try:
            verdict = row.verify(changed)
        except CookieError:
            continue  # no longer a value, by what stands in it
        assert not verdict.valid or "which the library takes too" in str(verdict.notes), place


SECRET = "keyboard cat"
GOOD = sign_cookie("abc", SECRET)[0].value


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (GOOD + "=", "bad_signature"),  # right bytes, another spelling: the texts are compared
        (GOOD.replace("%3A", "%253A"), "malformed"),
        ("abc." + GOOD.rpartition(".")[2], "malformed"),
        ("s:abc", "malformed"),
        ("s:abc.", "bad_signature"),
        ("s:." + GOOD.rpartition(".")[2], "bad_signature"),
        (GOOD.upper(), "malformed"),
        ("s:abc.\udcff", "bad_signature"),
        ("s:abc.\ud800", "malformed"),
        ("s:abc.é", "bad_signature"),
    ],
)
def test_no_other_spelling_verifies(text: str, word: str) -> None:
    verdict = verify_cookie(text, SECRET, "express-session")
    assert verdict.word.value == word
    assert verdict.signature is not Signature.VALID


def test_a_second_secret_is_named_by_its_place() -> None:
    verdict = verify_cookie(GOOD, ["new", SECRET])
    assert (verdict.valid, verdict.key_index) == (True, 1)


def test_decoding_proves_nothing() -> None:
    decoded = decode_cookie("s:abc." + "A" * 43)
    assert decoded.sid == "abc"
    assert not hasattr(decoded, "valid")


@pytest.mark.parametrize("text", [GOOD, '{"cookie":{"expires":null}}'])
@pytest.mark.parametrize("max_age", [timedelta(days=1), timedelta()])
def test_an_age_that_cannot_be_judged_is_not_called_valid(text: str, max_age: timedelta) -> None:
    with pytest.raises(UsageError, match="carries no time of its own"):
        verify_cookie(text, SECRET, max_age=max_age)


BOTH = {"koa-session", "client-sessions", "jwt", "nextauth-v4", "authjs", "paseto-v4"}
TIME = {
    *("fastify-secure-session", "aiohttp-plain", "aiohttp-fernet", "aiohttp-nacl", "beaker"),
    *("django-signed-cookies", "django-session-data", "django-signed-cookie", "django-signing"),
    *("tornado", "pyramid", "flask", "starlette", "itsdangerous"),
}
EXPIRY = {"iron-session", "hapi-iron", "litestar"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_knows_which_times_it_carries(name: str) -> None:
    format = cookie_format(name)
    assert format.carries_time is (name in BOTH | TIME)
    assert format.carries_expiry is (name in BOTH | EXPIRY)


def test_a_value_without_a_signature_has_no_short_way() -> None:
    assert not isinstance(cookie_format("stored-json"), PlainlyJudged)


def plain_judge(format: str, secrets: Any, **times: Any) -> Any:
    """The short way of a format through a batch."""
    found = cookie_format(format)
    assert isinstance(found, PlainlyJudged)
    given = {"now": datetime.now(UTC), "max_age": None, **times}
    return found.plain_judge(as_secrets(secrets) if secrets else [], **given).judge


@pytest.mark.parametrize("content", ["", {"user": 1}, None, 7, "\ud800x", "\udcff"])
def test_only_a_session_id_can_be_signed(content: object) -> None:
    with pytest.raises(UsageError):
        sign_cookie(content, SECRET)


@pytest.mark.parametrize("sid", ["a.b", "a b", "é", "a%2Fb", "a;b", "-x", "日本"])
def test_any_id_survives_being_signed(sid: str) -> None:
    cookie = sign_cookie(sid, SECRET)[0]
    assert cookie.value.isascii()
    assert not set(cookie.value) & set(' ;,"\\')
    verdict = verify_cookie(cookie.value, SECRET)
    assert verdict.valid
    assert verdict.decoded is not None
    assert verdict.decoded.sid == sid


def test_an_unknown_format_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        decode_cookie("x", "expres-session")
    assert caught.value.hint == "did you mean 'express-session'?"


def test_a_cookie_of_no_known_format_is_refused() -> None:
    with pytest.raises(CookieError):
        verify_cookie("hello", SECRET)


def test_a_stored_value_is_not_a_signed_one() -> None:
    verdict = verify_cookie('{"cookie":{"expires":null}}', SECRET)
    assert verdict.word.value == "missing_signature"


@pytest.mark.parametrize("row", [r for r in ROWS if r.format == "express-session"], ids=str)
def test_vector_cookie_is_judged_the_same_in_a_batch(row: Row) -> None:
    """The fast judge of batches says what `verify` says, or leaves the word to it."""
    secrets = as_secrets(row.secrets)
    judge = plain_judge("express-session", secrets)
    cookie = row.text
    changed = [cookie[:i] + "A" + cookie[i + 1 :] for i in range(len(cookie))]
    for text in (cookie, cookie + "=", cookie + "\n", " " + cookie, cookie.lower(), *changed):
        found = judge(text.encode("utf-8", "surrogatepass"))
        if found is None:
            continue
        verdict = verify_cookie(text, secrets, "express-session")
        assert verdict.decoded is not None
        index, (sid,) = found
        assert (json.loads(sid), index) == (verdict.decoded.sid, verdict.key_index), text
        assert (index is not None) is verdict.valid


def test_a_usual_cookie_is_judged_in_a_batch() -> None:
    sid = "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ"
    cookie = sign_cookie(sid, SECRET)[0].value.encode()
    own = (f'"{sid}"'.encode(),)
    assert plain_judge("express-session", ["new", SECRET])(cookie) == (1, own)
    assert plain_judge("express-session", "new")(cookie) == (None, own)
    assert plain_judge("express-session", [])(cookie) == (None, own)
