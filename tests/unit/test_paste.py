"""Every form in which people paste a cookie leads to the same value."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.cookies.api import decode_cookie, sign_cookie, verify_cookie
from sessctl.cookies.paste import Pasted, percent_decode, unwrap
from sessctl.cookies.picking import pick
from sessctl.errors import CookieError, LimitExceeded, UnreadableInput
from tests.support.vectors import hostile

VALUE = "s%3AZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ.UnVQeYvvcQzAKt6wKll1v4TSrlzIktw4y3sHCCVzqe8"
SID = "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ"


@pytest.mark.parametrize(
    "text",
    [
        VALUE,
        VALUE.replace("%3A", ":"),
        f"connect.sid={VALUE}",
        f"Cookie: connect.sid={VALUE}",
        f"cookie:connect.sid={VALUE}",
        f"Cookie: theme=dark; connect.sid={VALUE}; lang=en",
        f"theme=dark; connect.sid={VALUE}",
        f"Set-Cookie: connect.sid={VALUE}; Path=/; Expires=Fri, 27 Nov 2026 18:30:51 GMT; HttpOnly",
        f"set-cookie: connect.sid={VALUE}; Path=/",
        f"connect.sid={VALUE}; Path=/; HttpOnly; SameSite=Lax",
        f"< Set-Cookie: connect.sid={VALUE}; Path=/",  # curl -v
        f"> Cookie: connect.sid={VALUE}",
        f"-H 'Cookie: connect.sid={VALUE}'",
        f'-H "cookie: theme=dark; connect.sid={VALUE}" \\',
        f"--header 'Cookie: connect.sid={VALUE}'",
        f"-b 'connect.sid={VALUE}'",
        f"--cookie='connect.sid={VALUE}'",
        f"-b connect.sid={VALUE}",
        f"-b connect.sid={VALUE} \\",
        f"-b 'connect.sid={VALUE}'\\",
        f'"{VALUE}"',
        f"'{VALUE}'",
        f'connect.sid="{VALUE}"',
        f'"theme=dark; connect.sid={VALUE}"',  # document.cookie in a console
        f"  {VALUE}  \n",
        f"\ufeff{VALUE}",
        f"connect.sid\t{VALUE}\tlocalhost\t/\tSession\t88\t✓",  # developer tools
    ],
)
def test_whatever_stands_around_it_the_cookie_is_found(text: str) -> None:
    assert decode_cookie(text).sid == SID


def test_names_are_kept() -> None:
    assert unwrap("Cookie: a=1; b=2") == [Pasted("a", "1"), Pasted("b", "2")]
    assert pick(f"Cookie: theme=dark; sid={VALUE}").name == "sid"


def test_the_same_name_twice_is_shown_twice() -> None:
    assert [one.value for one in unwrap("Cookie: a=1; a=2; a=3")] == ["1", "2", "3"]


OTHER = sign_cookie("another-id", "x")[0].value
BOTH = f"Cookie: connect.sid={VALUE}; admin.sid={OTHER}"


def test_a_name_chooses_the_cookie() -> None:
    assert decode_cookie(BOTH, name="admin.sid").sid == "another-id"
    assert verify_cookie(BOTH, "x", name="admin.sid").valid
    assert decode_cookie(BOTH, name="connect.sid").sid == SID


def test_a_name_that_is_not_there_is_an_error_that_tells_the_others() -> None:
    with pytest.raises(CookieError, match=r"no cookie named 'admim\.sid' in the input") as caught:
        decode_cookie(BOTH, name="admim.sid")
    assert caught.value.hint == "did you mean 'admin.sid'?"


@pytest.mark.parametrize("text", [VALUE, f"{VALUE}; Path=/", f"Cookie: {VALUE}"])
def test_a_value_without_a_name_is_taken_whatever_name_is_asked_for(text: str) -> None:
    assert decode_cookie(text, name="admin.sid").sid == SID


def test_the_usual_name_chooses_only_where_it_is_there() -> None:
    assert pick(BOTH, usual_name="admin.sid").name == "admin.sid"
    assert pick(BOTH, usual_name="shop.sid").name == "connect.sid"


@pytest.mark.parametrize("name", [None, "a"])
def test_of_a_name_that_repeats_the_first_is_taken_and_it_is_said(name: str | None) -> None:
    text = f"Cookie: a={OTHER}; theme=dark; a={VALUE}; a=x"
    note = "'a' is there 3 times; the first is taken: browsers send the most specific path's first"
    decoded = decode_cookie(text, name=name)
    assert (decoded.sid, decoded.notes) == ("another-id", (note,))
    verdict = verify_cookie(text, "x", name=name)
    assert (verdict.valid, verdict.notes) == (True, (note,))


def test_a_name_that_is_there_once_has_no_note() -> None:
    assert decode_cookie(f"Cookie: b=1; b=2; a={VALUE}").notes == ()


def test_base64_padding_is_no_name() -> None:
    assert unwrap("Zm9vYg==") == [Pasted(None, "Zm9vYg==")]


def test_a_stored_value_keeps_its_semicolons() -> None:
    text = '{"cookie":{},"a":"x; y=z"}'
    assert unwrap(text) == [Pasted(None, text)]
    assert decode_cookie(text).payload == {"cookie": {}, "a": "x; y=z"}


@pytest.mark.parametrize("text", ["", "   ", "Cookie:", "Cookie: ", ";"])
def test_nothing_is_told_apart_from_something_unknown(text: str) -> None:
    with pytest.raises(CookieError, match="no cookie in the input"):
        decode_cookie(text)


def refusal_of(text: str) -> str | None:
    """Why the text is refused; None if it is read. Nothing else may be raised."""
    try:
        decode_cookie(text)
    except UnreadableInput as error:
        return f"{error} {error.hint}"
    return None


def test_thousands_of_cookies_are_looked_through() -> None:
    header = "Cookie: " + "; ".join(f"c{i}=x" for i in range(5000)) + f"; sid={VALUE}"
    assert decode_cookie(header).sid == SID


def seconds(text: str) -> float:
    """The best of five times to unwrap a text."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        unwrap(text)
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.parametrize("filler", [" ", "'", "\\", "=", "= ", "' ", "\\ ", ";", "a=", "\t"])
@pytest.mark.parametrize("start", ["-b ", "-H 'Cookie: ", "--cookie=", "Cookie: ", ""])
def test_sixteen_times_the_text_takes_about_sixteen_times_as_long(start: str, filler: str) -> None:
    short, long = (start + "x" + filler * (size // len(filler)) + "x" for size in (4096, 65536))
    assert seconds(long) < 100 * seconds(short) + 0.01  # 256 times, were it quadratic


@pytest.mark.parametrize("case", hostile("cookie-"), ids=lambda case: case.id)
def test_hostile_cookies_are_refused_or_read_and_proven_never(case) -> None:
    assert len(refusal_of(case.text) or "") < 400


def test_a_cookie_larger_than_any_browser_keeps_is_refused() -> None:
    with pytest.raises(LimitExceeded):
        decode_cookie("s:" + "A" * 70_000)


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_no_text_breaks_the_reader(text: str) -> None:
    for given_text in (text, f"s:{text}.{'A' * 43}", f"Cookie: {text}", f"s%3A{text}"):
        refusal_of(given_text)


@pytest.mark.parametrize(
    ("text", "decoded"),
    [
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),  # one pass only
        ("a+b", "a+b"),
        ("%", "%"),
        ("%zz%2F", "%zz%2F"),  # decodeURIComponent refuses the whole text
        ("%ff", "%ff"),
        ("%c3%a9", "é"),
        ("%ed%a0%80", "%ed%a0%80"),
        ("\ud800%2F", "\ud800%2F"),
    ],
)
def test_percent_decoding_is_javascripts(text: str, decoded: str) -> None:
    assert percent_decode(text) == decoded


@pytest.mark.parametrize(
    ("quoted", "plain"),
    [
        (r'"\303\251\054\302\200"', "\u00e9,\x80"),  # werkzeug: bytes of UTF-8
        (r'"\351\054\200"', "\u00e9,\x80"),  # http.cookies: letters of Latin-1
        (r'"a\\101\"b"', r'a\101"b'),
        (r"a\101b", r"a\101b"),  # no quotes, no escapes
    ],
)
def test_python_quotes_what_a_header_cannot_carry(quoted: str, plain: str) -> None:
    assert unwrap(f"Cookie: a={quoted}")[0].value == plain
