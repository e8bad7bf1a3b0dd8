"""Batches of cookies: lines, JSON Lines, HAR and cookies.txt, and how they are told apart."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl import decode_cookie, read_cookies
from sessctl.cookies.batch import har, lines
from sessctl.cookies.batch.given import Given
from sessctl.cookies.batch.source import Form, given_of
from sessctl.errors import UnreadableInput

FEW = settings(max_examples=40, deadline=None)
SID = "aB3-" * 8
COOKIE = f"s%3A{SID}.{'A' * 43}"
STORED = '{"cookie":{"originalMaxAge":null},"name":"ana","value":"1"}'


def read(text: str | bytes, form: str | None = None, name: str | None = None) -> list[Given]:
    raw = text.encode() if isinstance(text, str) else text
    return list(read_cookies(io.BytesIO(raw), form, name=name))


def recording(*entries: Any, **more: Any) -> str:
    return json.dumps({"log": {"version": "1.2", **more, "entries": list(entries)}})


def headers(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"headers": [{"name": name, "value": value} for name, value in pairs]}


# -- which form ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("", "lines"),
        (f"{COOKIE}\n{COOKIE}\n", "lines"),
        (f"Cookie: a={COOKIE}\nSet-Cookie: b={COOKIE}; Path=/\n", "lines"),
        (f"connect.sid\t{COOKIE}\tshop.example\t/\tSession\t90\n", "lines"),
        (f"{STORED}\n{STORED}\n", "lines"),
        ('{"a":1}\n{"cookie":"x"}\n', "lines"),
        ("[1]\n[2]\n", "lines"),
        (f'{{"cookie":"{COOKIE}"}}\n', "jsonl"),
        (f'\ufeff{{"name":"connect.sid","value":"{COOKIE}"}}\n', "jsonl"),
        (f'{{"req":{{"headers":{{"cookie":"{COOKIE}"}}}}}}\n', "jsonl"),
        (recording(), "har"),
        (json.dumps(json.loads(recording()), indent=2), "har"),
        ("# Netscape HTTP Cookie File\n", "cookies-txt"),
        (f"#HttpOnly_a.example\tFALSE\t/\tTRUE\t0\tsid\t{COOKIE}\n", "cookies-txt"),
        (f"\r\n.a.example\ttrue\t/\tfalse\t0\tsid\t{COOKIE}\r\n", "cookies-txt"),
    ],
)
def test_the_form_is_told_by_the_first_bytes(text: str, form: str) -> None:
    assert read_cookies(io.BytesIO(text.encode())).form == form


def test_a_form_that_is_named_is_taken() -> None:
    assert read(f'{{"cookie":"{COOKIE}"}}\n', "lines")[0].text.startswith("{")
    with pytest.raises(ValueError, match="nonsense"):
        read("", "nonsense")


def test_one_line_is_one_cookie_and_has_no_number() -> None:
    assert read(f"{COOKIE}\n") == [Given(None, COOKIE)]
    assert read('{\n"a": 1\n}') == [Given(None, '{\n"a": 1\n}')]
    assert [one.place for one in read(f"{COOKIE}\n\n{COOKIE}")] == [1, 3]


# -- lines -----------------------------------------------------------------------------------------


@FEW
@given(st.lists(st.binary(max_size=12)), st.integers(1, 9), st.booleans())
def test_chunks_hold_the_same_lines_as_the_whole(parts: list[bytes], size: int, ends: bool) -> None:
    raw = b"\n".join(parts) + (b"\n" if ends else b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "LONGEST", 10)
        whole = list(lines.numbered(io.BytesIO(raw)))
        begun = raw[:5]
        for stream in (io.BytesIO(raw), lines.Ahead(begun, io.BytesIO(raw[5:]))):
            pieces = [
                found
                for first, data in lines.chunks(stream, size)
                for found in lines.numbered(io.BytesIO(data), first)
            ]
            assert pieces == whole


def test_a_line_that_is_too_long_is_a_problem_and_the_others_are_read() -> None:
    long = "x" * (lines.LONGEST + 300_000)
    found = read(f"{COOKIE}\n{long}\n{COOKIE}\n")
    assert [(one.place, one.problem is None) for one in found] == [(1, True), (2, False), (3, True)]
    assert str(found[1].problem) == "a line of more than 8 MiB"
    assert str(read(long)[0].problem) == "a line of more than 8 MiB"


# -- JSON Lines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"cookie": f"connect.sid={COOKIE}"}, f"connect.sid={COOKIE}"),
        ({"name": "n", "value": COOKIE, "domain": "x"}, f"Cookie: n={COOKIE}"),
        ({"name": "n", "value": "v", "companion": "c"}, "Cookie: n=v; n.sig=c"),
        ({"Set-Cookie": ["a=1; Path=/", "b=2; HttpOnly"]}, "Cookie: a=1; b=2"),
        ({"headers": {"Set-Cookie": "a=1; Path=/"}}, "Cookie: a=1"),
        ({"req": {"headers": {"Cookie": "a=1; b=2"}}, "level": 30}, "a=1; b=2"),
        ({"http_cookie": "a=1", "status": 200}, "a=1"),
    ],
)
def test_a_cookie_stands_under_the_usual_keys(record: dict[str, Any], text: str) -> None:
    line = json.dumps(record)
    assert read(f"{line}\n", "jsonl") == [Given(1, text)]


@pytest.mark.parametrize(
    "line",
    [
        *("{}", "[]", '"a"', "{", '{"cookie":1}', '{"value":"x"}', '{"cookie":"\\ud800"}'),
        *('{"cookie":' + "[" * 100_000, '{"req":{"req":{"req":{"cookie":"x"}}}}', "\x00", "NaN"),
    ],
)
def test_a_line_without_one_is_a_problem_and_the_others_are_read(line: str) -> None:
    good = '{"cookie":"x"}'
    first, bad, last = read(f"{good}\n{line}\n{good}\n")
    assert (first.text, last.text, last.place) == ("x", "x", 3)
    assert isinstance(bad.problem, UnreadableInput)


# -- HAR -------------------------------------------------------------------------------------------

ENTRIES = [
    {"request": headers(("Host", "a"), ("cookie", f"theme=dark; connect.sid={COOKIE}"))},
    {"request": headers(), "response": {"headers": [], "content": {"text": '{"log":[}]\\" "' * 9}}},
    {
        "request": headers(("Cookie", "a=1"), ("Cookie", "b=2")),
        "response": headers(("Set-Cookie", "c=3; Path=/\nd=4"), ("set-cookie", "e=; Max-Age=0")),
    },
    {"request": {"headers": [], "cookies": [{"name": "f", "value": "5"}]}},
]
FOUND = [
    Given({"entry": 0, "message": "request"}, f"Cookie: theme=dark; connect.sid={COOKIE}"),
    Given({"entry": 2, "message": "request"}, "Cookie: a=1; b=2"),
    Given({"entry": 2, "message": "response"}, "Cookie: c=3; d=4"),
    Given({"entry": 3, "message": "request"}, "Cookie: f=5"),
]


def test_messages_of_a_har_are_given_with_their_entry() -> None:
    pages = [{"comment": 'entries": [', "title": "\\", "entries": [{"request": 1}]}]
    assert read(recording(*ENTRIES, pages=pages, creator={"name": "log"})) == FOUND


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
@pytest.mark.parametrize("indent", [None, 1])
def test_a_har_is_read_in_pieces_of_any_size(
    monkeypatch: pytest.MonkeyPatch, size: int, indent: int | None
) -> None:
    monkeypatch.setattr(har, "_PIECE", size)
    raw = json.dumps(json.loads(recording(*ENTRIES)), indent=indent).encode()
    assert list(har.read_har(io.BytesIO(raw))) == FOUND


def test_only_messages_with_the_cookie_that_is_named_are_given() -> None:
    assert read(recording(*ENTRIES), name="connect.sid") == FOUND[:1]
    with pytest.raises(UnreadableInput, match="no cookie named 'nobody'"):
        read(recording(*ENTRIES), name="nobody")


def test_a_har_without_cookies_says_how_to_get_them() -> None:
    with pytest.raises(UnreadableInput, match="there is no cookie in the input") as caught:
        read(recording({"request": headers(("Host", "a"))}))
    assert "sensitive data" in (caught.value.hint or "")


def test_an_entry_that_cannot_be_read_is_a_problem_and_the_others_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(har, "_ENTRY_BYTES", 2_000)
    monkeypatch.setattr(har, "_PIECE", 100)
    large = {"request": headers(("Cookie", "x" * 3_000))}
    found = read(recording(large, {"request": headers((1, 2))}, ENTRIES[0]), "har")  # type: ignore[arg-type]
    assert [one.problem is None for one in found] == [False, False, True]
    assert [one.place for one in found] == [
        {"entry": 0, "message": None}, {"entry": 1, "message": None}, FOUND[0].place | {"entry": 2},
    ]  # fmt: skip


@pytest.mark.parametrize("cut", [30, 120, -1, -2, -3])
def test_a_har_that_was_cut_off_says_so_behind_what_it_has(cut: int) -> None:
    *found, last = read(recording(*ENTRIES)[:cut], "har")
    assert str(last.problem) in (
        "the HAR ends in the middle: it was cut off",
        "not a HAR: no list `entries` in its `log`",
    )
    assert found == FOUND[: len(found)]


@FEW
@given(st.text('{}[]"\\:,logentris ', max_size=60) | st.binary(max_size=30).map(repr))
def test_no_text_breaks_the_reader_of_hars(text: str) -> None:
    for raw in (text, '{"log":{"entries":[' + text, recording()[:-2] + text):
        for one in har.read_har(io.BytesIO(raw.encode())):
            assert one.problem is None or isinstance(one.problem, UnreadableInput)


# -- cookies.txt -----------------------------------------------------------------------------------

JAR = f"""# Netscape HTTP Cookie File
#HttpOnly_shop.example\tFALSE\t/\tTRUE\t1795000000\tconnect.sid\t{COOKIE}

.shop.example\tTRUE\t/\tFALSE\t0\tsession\teyJhIjoxfQ==
other.example\tFALSE\t/\tFALSE\t0\tsession.sig\tnot-of-that-one
.shop.example\tTRUE\t/\tFALSE\t0\tsession.sig\tyu6A1PrA76q9BiPSnNBkC4W2WXE
a.example\tFALSE\t/\tFALSE\t0\tparts.1\tB
a.example\tFALSE\t/\tFALSE\t0\tparts.0\tA
too few fields
a.example\tFALSE\t/\tFALSE\t0\tx\ta;b
"""


def test_cookies_of_a_jar_are_given_with_their_line() -> None:
    found = {one.place: one.text or str(one.problem) for one in read(JAR)}
    assert found == {
        2: f"Cookie: connect.sid={COOKIE}",
        4: "Cookie: session=eyJhIjoxfQ==; session.sig=yu6A1PrA76q9BiPSnNBkC4W2WXE",
        5: "Cookie: session.sig=not-of-that-one",
        8: "Cookie: parts=AB",
        9: "line 9 has 1 fields between tabs, not 7",
        10: "line 10 has a ';' in its name or value",
    }
    assert decode_cookie(found[2]).sid == SID


def test_only_the_cookies_of_a_name_are_given() -> None:
    assert [one.place for one in read(JAR, name="parts") if one.problem is None] == [8]


def test_a_jar_of_any_size_is_not_read() -> None:
    row = b"a.example\tFALSE\t/\tFALSE\t0\tx\ty\n"
    with pytest.raises(UnreadableInput, match="more than 16 MiB"):
        read(row * (17 * 1024 * 1024 // len(row)))


# -- the library -----------------------------------------------------------------------------------


def test_chunks_are_for_what_has_lines() -> None:
    source = read_cookies(io.BytesIO(f"{COOKIE}\n{COOKIE}\n".encode()))
    (chunk,) = source.chunks()
    assert source.has_lines
    assert list(given_of(io.BytesIO(chunk.data), Form.LINES, chunk.first)) == [
        Given(1, COOKIE), Given(2, COOKIE),
    ]  # fmt: skip
    assert not read_cookies(io.BytesIO(recording().encode())).has_lines
