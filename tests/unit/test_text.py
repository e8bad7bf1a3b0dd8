"""What is shown: nothing that a terminal acts on, no whole id, no secret."""

from __future__ import annotations

import copy
import pickle
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.text import (
    Masker,
    Secret,
    decode_id,
    encode_id,
    escape,
    is_utf8,
    redact,
    short_id,
    shorten,
)
from tests.support.vectors import hostile

# What S22 names, spelled independently of the code: controls, format characters (bidi, zero-width,
# tags, BOM), separators of lines and paragraphs, surrogates.
FORBIDDEN = {"Cc", "Cf", "Zl", "Zp", "Cs"}
# Prepended signs of Arabic and other scripts are visible text in spite of Cf.
VISIBLE_CF = {
    *range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD,
    *range(0x13430, 0x13440),
}  # fmt: skip
PAGES = range(0, 0x110000, 0x1000)


@pytest.mark.parametrize("start", PAGES, ids=hex)
def test_no_code_point_that_a_terminal_acts_on_passes_raw(start: int) -> None:
    raw = [
        hex(code)
        for code in range(start, start + 0x1000)
        if unicodedata.category(char := chr(code)) in FORBIDDEN
        and code not in VISIBLE_CF
        and char in escape(f"a{char}b")
    ]
    assert raw == []


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_escaped_text_is_one_line_and_encodes(text: str) -> None:
    shown = escape(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1


@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S"))))
def test_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert escape(text) == text or any(char in "\u115f\u1160\u3164\uffa0" for char in text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("\U000e0041", r"\U000e0041"),
        ("a\nb\tc", r"a\x0ab\x09c"),
        ("\udcff", r"\xff"),
        ("Việt Nam, crème, 日本", "Việt Nam, crème, 日本"),
        ("e\u0301", "e\u0301"),
        ("Z" + "\u0301" * 3, "Z" + r"\u0301" * 3),
    ],
)
def test_escape_spells_what_it_hides(text: str, shown: str) -> None:
    assert escape(text) == shown


@pytest.mark.parametrize("case", hostile("term-", "markup-", "log-", "sid-"), ids=lambda c: c.id)
def test_hostile_needles_do_not_survive(case) -> None:
    shown = escape(case.text).encode()
    assert not [needle for needle in case.needles if needle in shown]


@pytest.mark.parametrize("sid", ["", "ab!", "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ", "\udcff\x1b[0m"])
def test_a_short_id_shows_a_third_at_most(sid: str) -> None:
    head, _, tail = short_id(sid).rpartition("~")
    assert len(head) <= 6 or "\\x" in head
    assert len(tail) == 6
    assert not sid or not short_id(sid).startswith(sid)


def test_ids_with_the_same_beginning_look_different() -> None:
    assert short_id("a" * 32) != short_id("a" * 31 + "b")


@given(st.binary())
def test_an_id_keeps_its_bytes(raw: bytes) -> None:
    assert encode_id(decode_id(raw)) == raw


def test_cut_text_says_so() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abc..."


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "passwordHash",
        "csrfSecret",
        "access_token",
        "apiKey",
        "api_key",
        "creditCard",
        "otp",
    ],
)
def test_sensitive_keys_are_masked(key: str) -> None:
    assert Masker().mask({key: "x", "views": 1}) == {key: "***", "views": 1}


def test_author_is_not_auth() -> None:
    assert Masker().mask({"author": "Ann"}) == {"author": "Ann"}


def test_empty_values_are_shown_as_empty() -> None:
    assert Masker().mask({"token": None, "secret": ""}) == {"token": None, "secret": ""}


@pytest.mark.parametrize(
    "value",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "0123456789abcdef0123456789abcdef",
        "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ",
    ],
)
def test_what_looks_like_a_token_is_masked_wherever_it_stands(value: str) -> None:
    assert Masker().mask({"list": [{"x": value}]}) == {"list": [{"x": "***"}]}


@pytest.mark.parametrize(
    "value", ["Welcome back bob", "2026-11-27T18:30:51.004Z", "u-7f3a", 3.5, True]
)
def test_ordinary_values_are_not_masked(value: object) -> None:
    assert Masker().mask({"x": value}) == {"x": value}


def test_own_keys_and_shapes_are_masked_too() -> None:
    masker = Masker(keys=["Phone"], shapes=[r"\d{3}-\d{4}"])
    assert masker.mask({"phone": "x", "y": "555-1234", "z": "555"}) == {
        "phone": "***",
        "y": "***",
        "z": "555",
    }


def test_masking_leaves_the_data_itself_alone() -> None:
    data = {"token": "x", "list": [{"password": "y"}]}
    before = copy.deepcopy(data)
    Masker().mask(data)
    assert data == before


class TestSecret:
    def test_no_way_of_printing_shows_it(self) -> None:
        secret = Secret("canary-3f81", "env:X")
        shown = [
            repr(secret),
            str(secret),
            f"{secret}",
            f"{secret!r}",
            f"{[secret]}",
        ]
        assert not [text for text in shown if "canary" in text]

    def test_it_is_not_pickled_nor_copied(self) -> None:
        secret = Secret("canary-3f82")
        with pytest.raises(TypeError):
            pickle.dumps(secret)
        with pytest.raises(TypeError):
            copy.deepcopy(secret)

    def test_it_has_no_dict_to_dump(self) -> None:
        assert not hasattr(Secret("canary-3f83"), "__dict__")

    def test_text_and_bytes_are_the_same_secret(self) -> None:
        assert Secret("clé") == Secret("clé".encode())
        assert hash(Secret("clé")) == hash(Secret("clé".encode()))
        assert Secret("clé") != Secret("cle")
        assert Secret("x") != "x"

    def test_bytes_that_are_not_utf8_survive(self) -> None:
        assert Secret(Secret(b"\xff\x00").reveal_text()).reveal() == b"\xff\x00"

    @pytest.mark.parametrize(
        "text",
        [
            "pw is canary/3f84 &!",
            "at canary%2F3f84%20%26%21 host",
            "at canary/3f84%20%26%21 host",
            "canary%2F3f84+%26%21",
        ],
    )
    def test_redact_knows_its_spellings(self, text: str) -> None:
        Secret("canary/3f84 &!")
        assert "canary" not in redact(text)
        assert "***" in redact(text)

    def test_every_line_of_a_long_secret_is_redacted(self) -> None:
        Secret("-----BEGIN-3f85\nline-two-3f85\n")
        assert redact("a line-two-3f85 b") == "a *** b"

    def test_short_words_are_not_blacked_out(self) -> None:
        Secret("a")
        assert redact("a cat") == "a cat"

    def test_the_longer_of_two_secrets_goes_first(self) -> None:
        Secret("canary-3f86")
        Secret("canary-3f86-long")
        assert redact("x canary-3f86-long y") == "x *** y"


@pytest.mark.parametrize(
    ("text", "can"),
    [("", True), ("a", True), ("é\U0001f600", True), ("\ud800", False), ("a\udcff", False)],
)
def test_what_can_be_encoded_is_told(text: str, can: bool) -> None:
    assert is_utf8(text) is can


def test_a_text_is_masked_word_by_word() -> None:
    """A token of any alphabet; neither a path nor a sentence nor a long plain word."""
    token = "qG3_zXw9-Lk2Pp0aZr7TtVb1"
    rest = "/static/Site-2026/main-3f2aB9.Bundle.js incomprehensibilities"
    text = f"<input value={token}> {rest} {token}=="
    assert Masker().mask_text(text) == f"<input value=***> {rest} ***"


@pytest.mark.parametrize("key", ["authorization", "Authorisation", "auth", "oauth_state"])
def test_what_authorizes_is_hidden_and_an_author_is_not(key: str) -> None:
    assert Masker().hides(key)
    assert not Masker().hides("author")
