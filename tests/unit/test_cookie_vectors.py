"""Cookies made and judged by express-session. SESSCTL_COOKIE_VECTORS names another folder."""

from __future__ import annotations

import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sessctl.cookies.api import as_secrets, decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies.base import Signature
from sessctl.cookies.registry import FORMATS, cookie_format, detect
from sessctl.errors import CookieError, UsageError
from tests.support.vectors import folder

FOLDER = folder("SESSCTL_COOKIE_VECTORS", "cookies")
ROWS = [
    (row["format"], number, row)
    for path in sorted(FOLDER.glob("*.jsonl"))
    if path.stem in FORMATS
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    if line and (row := json.loads(line))["format"] in FORMATS
]
every_row = pytest.mark.parametrize(
    "row", [r for *_, r in ROWS], ids=[f"{f}-{n}" for f, n, _ in ROWS]
)


def secrets_of(row: dict[str, Any]) -> list[str | bytes]:
    given = row["secret"] if isinstance(row["secret"], list) else [row["secret"]]
    return [
        b64decode(one["__bytes__"]) if isinstance(one, dict) else one
        for one in given
        if one is not None
    ]


def judged(row: dict[str, Any], text: str | None = None):
    options = row.get("options", {})
    now = options.get("now")
    age = options.get("max_age")
    return verify_cookie(
        row["cookie"] if text is None else text,
        secrets_of(row),
        row["format"],
        now=None if now is None else datetime.fromtimestamp(now, UTC),
        max_age=None if age is None else timedelta(seconds=age),
    )


def test_there_are_cookie_vectors_to_judge() -> None:
    assert ROWS


@every_row
def test_vector_cookie_is_judged_as_by_its_library(row: dict[str, Any]) -> None:
    verdict, expect = judged(row), row["expect"]
    assert verdict.valid is expect["valid"], row["note"]
    if not expect["valid"]:
        assert verdict.word.value == expect["error"], row["note"]
    if "key_index" in expect:
        assert verdict.key_index == expect["key_index"]


@every_row
def test_vector_cookie_is_read_without_its_secret(row: dict[str, Any]) -> None:
    expect = row["expect"]
    sid = expect.get("sid", expect.get("unverified_sid"))
    if sid is None:
        verdict = judged(row)
        assert verdict.decoded is None or not verdict.valid
        return
    assert decode_cookie(row["cookie"], row["format"]).sid == sid


WRITTEN_TODAY = [
    row
    for *_, row in ROWS
    if row["expect"]["valid"]
    and row["expect"].get("key_index", 0) == 0
    and row["options"].get("url_encoded")
]


@pytest.mark.parametrize("row", WRITTEN_TODAY, ids=lambda row: row["note"])
def test_vector_cookie_is_signed_byte_for_byte(row: dict[str, Any]) -> None:
    expect = row["expect"]
    signed = sign_cookie(expect["sid"], secrets_of(row)[0], row["format"], name=row["cookie_name"])
    assert [(one.name, one.value) for one in signed] == [(row["cookie_name"], row["cookie"])]


@every_row
def test_vector_cookie_is_not_accepted_with_another_secret(row: dict[str, Any]) -> None:
    assert not verify_cookie(row["cookie"], ["not the secret"], row["format"]).valid


@every_row
def test_vector_cookie_with_one_changed_character_is_not_accepted(row: dict[str, Any]) -> None:
    if not row["expect"]["valid"]:
        return
    cookie = row["cookie"]
    for place in range(cookie.index("s") + (4 if "%3A" in cookie[:5] else 2), len(cookie)):
        changed = cookie[:place] + ("B" if cookie[place] == "A" else "A") + cookie[place + 1 :]
        assert not judged(row, changed).valid, place


@every_row
def test_vector_cookie_is_recognised(row: dict[str, Any]) -> None:
    if row["expect"]["valid"]:
        assert detect(row["cookie"])[0][0].name == row["format"]


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


def test_every_format_says_whether_it_carries_a_time() -> None:
    assert [cookie_format(name).carries_time for name in FORMATS] == [False] * len(FORMATS)


def test_a_format_without_a_short_way_has_no_batch_judge() -> None:
    assert cookie_format("stored-json").batch_judge(as_secrets("x")) is None


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


@every_row
def test_vector_cookie_is_judged_the_same_in_a_batch(row: dict[str, Any]) -> None:
    """The fast judge of batches says what `verify` says, or leaves the word to it."""
    secrets = as_secrets(secrets_of(row))
    judge = cookie_format("express-session").batch_judge(secrets)
    cookie = row["cookie"]
    changed = [cookie[:i] + "A" + cookie[i + 1 :] for i in range(len(cookie))]
    for text in (cookie, cookie + "=", cookie + "\n", " " + cookie, cookie.lower(), *changed):
        found = judge(text)
        if found is None:
            continue
        verdict = verify_cookie(text, secrets, "express-session")
        assert verdict.decoded is not None
        assert (found[0].decode(), found[1]) == (verdict.decoded.sid, verdict.key_index), text
        assert (found[1] is not None) is verdict.valid


def test_a_usual_cookie_is_judged_in_a_batch() -> None:
    sid = "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ"
    cookie = sign_cookie(sid, SECRET)[0].value
    batch_judge = cookie_format("express-session").batch_judge
    assert batch_judge(as_secrets(["new", SECRET]))(cookie) == (sid.encode(), 1)
    assert batch_judge(as_secrets("new"))(cookie) == (sid.encode(), None)
    assert batch_judge([])(cookie) == (sid.encode(), None)
