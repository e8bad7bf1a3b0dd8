"""Forged cookies: what is changed, and that something is."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl import sign_cookie, verify_cookie
from sessctl.errors import UsageError
from sessctl.replay.tamper import How, Place, flip, swap, tamper, truncate, unsign

SECRET = "keyboard cat"
MINE = sign_cookie("abcdefgh", SECRET)[0].value
THEIRS = sign_cookie("ijklmnop", SECRET)[0].value


@pytest.mark.parametrize("how", How)
def test_a_tampered_cookie_does_not_verify(how: How) -> None:
    assert verify_cookie(MINE, SECRET, "express-session").valid
    assert not verify_cookie(tamper(MINE, how, other=THEIRS), SECRET, "express-session").valid


@pytest.mark.parametrize("place", Place)
@given(st.binary(min_size=1, max_size=40))
def test_a_flip_changes_the_decoded_bytes(place: Place, raw: bytes) -> None:
    text = b64encode(raw).decode().rstrip("=")
    if any(char.isalnum() for char in text):
        assert b64decode(flip(text, place) + "==") != raw
    assert bytes.fromhex(flip(raw.hex(), place)) != raw


@pytest.mark.parametrize(
    ("place", "text"),
    [(Place.FRONT, "%3A0bc.def"), (Place.MIDDLE, "%3Aabc.0ef"), (Place.TAIL, "%3Aabc.de0")],
)
def test_a_flip_leaves_escapes_and_marks_alone(place: Place, text: str) -> None:
    assert flip("%3Aabc.def", place) == text


@pytest.mark.parametrize(
    ("value", "rest"),
    [
        ("s%3Aabc.c2ln", "s%3Aabc"),
        ("head.body.mac", "head.body"),
        ("BAh7BkkiD3Nlc3Npb25faWQ--0a1b2c", "BAh7BkkiD3Nlc3Npb25faWQ"),
    ],
)
def test_unsign_leaves_the_mac_away(value: str, rest: str) -> None:
    assert unsign(value) == rest


def test_swap_takes_the_other_mac() -> None:
    assert swap("mine.one", "theirs.two") == "mine.two"


@pytest.mark.parametrize(
    ("value", "rest"),
    [("0123456789abcdef", "01234567"), ("abcd", "ab"), ("a", ""), ("a%3Abc", "a")],
)
def test_truncate_cuts_no_escape_in_two(value: str, rest: str) -> None:
    assert truncate(value) == rest


@pytest.mark.parametrize(
    ("how", "value", "other", "message"),
    [
        (How.FLIP, "%3A.-", None, "no letter or digit"),
        (How.TRUNCATE, "", None, "is empty"),
        (How.UNSIGN, "opaque", None, "carries no signature"),
        (How.SWAP, "a.b", None, "needs the cookie of another session"),
        (How.SWAP, "a.b", "opaque", "carries no signature"),
        (How.SWAP, "a.b", "c.b", "the same signature"),
    ],
)
def test_where_nothing_can_be_changed_it_says_so(
    how: How, value: str, other: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        tamper(value, how, other=other)


@given(st.text(max_size=60))
def test_whatever_is_tampered_with_differs(value: str) -> None:
    for how in (How.FLIP, How.TRUNCATE, How.UNSIGN):
        try:
            changed = tamper(value, how)
        except UsageError:
            continue
        assert changed != value
