"""MessagePack from strangers: decoded within a budget, and written as msgspec writes it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers import msgpack as reader
from tests.support.child import in_child
from tests.support.vectors import hostile

SMALL = Budget(value_bytes=100_000, depth=20, nodes=1_000)
NOON = datetime(2026, 1, 2, 12, 0, 0, 6, tzinfo=UTC)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40),
    lambda inner: (
        st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=50)
@given(value=DATA)
def test_what_another_library_packs_is_read_and_written_alike(value: Any) -> None:
    raw = msgpack.packb(value)
    assert reader.decode(raw).data == value
    assert reader.written(value) == msgspec.msgpack.encode(value)
    assert reader.edited(raw, value) == raw


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"\xff\0", {"__bytes__": "/wA="}),
        (NOON, {"__datetime__": "2026-01-02T12:00:00.000006+00:00"}),
        (datetime(1901, 1, 1, tzinfo=UTC), {"__datetime__": "1901-01-01T00:00:00+00:00"}),
        ({7: "a", "b": {None: 1}}, {"__map__": [[7, "a"], ["b", {"__map__": [[None, 1]]}]]}),
        (float("inf"), {"__float__": "INF"}),
        ("x" * 300, "x" * 300),
        ("é" * 70_000, "é" * 70_000),
        (b"x" * 70_000, {"__bytes__": "eHh4" * 23_333 + "eA=="}),
        ([1] * 70_000, [1] * 70_000),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_that_json_lacks_are_marked_and_can_be_written_again(value: Any, shown: Any) -> None:
    raw = msgspec.msgpack.encode(value)
    assert reader.decode(raw).data == shown
    assert reader.written(shown) == raw


def test_naive_dates_and_uuids_become_text_as_with_flask_session() -> None:
    data = {
        "at": {"__datetime__": "2026-01-02T12:00:00"},
        "of": {"__uuid__": "00000000-0000-0000-0000-000000000005"},
        "in": {"__tuple__": [{"__markup__": "<b>"}]},
    }
    assert reader.decode(reader.written(data)).data == {
        "at": "2026-01-02T12:00:00",
        "of": "00000000-0000-0000-0000-000000000005",
        "in": ["<b>"],
    }


def test_an_edited_value_keeps_all_else_byte_by_byte() -> None:
    odd = msgpack.packb({"n": msgpack.ExtType(5, b"??"), "f": 1.5, "l": [1, {"a": 2}], "u": 7}, use_single_float=True)  # fmt: skip  # noqa: E501
    data = reader.decode(odd).data
    data["l"][1]["a"] = 3
    data["new"] = {"__bytes__": "AAA="}
    found = reader.edited(odd, data)
    assert found == msgpack.packb({"n": msgpack.ExtType(5, b"??"), "f": 1.5, "l": [1, {"a": 3}], "u": 7, "new": b"\0\0"}, use_single_float=True)  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"n": 2**64}, "2\\*\\*64"),
        ({"n": {"__object__": "x.Y"}}, "__object__ cannot be written anew"),
        ({"n": {"__uuid__": "x"}}, "a mark that makes no sense"),
        ({"n": "\ud800"}, "UnicodeEncodeError"),
    ],
)
def test_what_it_has_no_place_for_is_refused(data: Any, words: str) -> None:
    with pytest.raises(SerializerError, match=words):
        reader.written(data)


def test_notes_say_what_a_careless_reader_hides() -> None:
    found = reader.decode(b"\x83\xa1a\x01\xa1a\x02\xa1b\xa2\xff\xfe")
    assert found.data == {"a": 2, "b": {"__bytes__": "//4="}}
    assert found.notes == (
        "a text that is not UTF-8 is shown as bytes",
        "key 'a' repeats, the last one counts",
    )


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "cut off at byte 0"),
        (b"\x81\xa1a", "cut off at byte 3"),
        (b"\xdd\xff\xff\xff\xff\x01", "cut off at byte 5"),
        (b"\xc9\xff\xff\xff\xff\x01\x02", "cut off"),
        (b"\xc1", "not MessagePack at byte 0"),
        (b"\x01\x02", "more than one MessagePack value at byte 1"),
        (b"\x91" * 21 + b"\x01", "deeper than 20"),
        (b"\xdc\x03\xe8" + b"\x01" * 1000, "more than 1000 values"),
    ],
)
def test_damage_is_named_with_its_byte(raw: bytes, words: str) -> None:
    with pytest.raises(SerializerError, match=words):
        reader.decode(raw, SMALL)


def test_peek_reads_users_and_skips_the_rest() -> None:
    value = {"user": {"id": 7}, "x": [1] * 100, "at": NOON, "n": None}
    read = reader.peek(["user.id", "at", "n", "nobody", "user", "user.id.x"])
    found = (7, {"__datetime__": "2026-01-02T12:00:00.000006+00:00"}, None, None, {"id": 7}, None)
    assert read(msgspec.msgpack.encode(value)) == found
    assert read(msgspec.msgpack.encode({**value, 5: 1})) == found
    with pytest.raises(SerializerError, match="expected a map"):
        read(b"\x01")


@settings(max_examples=60)
@given(data=st.data())
def test_no_damage_does_more_than_fail(data: st.DataObject) -> None:
    raw = bytearray(msgpack.packb({"u": 7, "d": NOON, "l": [{1: b"x"}, 1.5, "é" * 40]}, datetime=True))  # fmt: skip  # noqa: E501
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    for read in (lambda one: reader.decode(one, SMALL).data, reader.peek(["u", "l.x", "d"])):
        with suppress(SerializerError):
            json.dumps(read(bytes(raw)), allow_nan=False)


@pytest.mark.parametrize("case", hostile("msgpack-", kind="value"), ids=lambda case: case.id)
def test_hostile_values(case: Any) -> None:
    def read() -> str:
        with suppress(SerializerError):
            reader.peek(["a", "a.b"])(case.raw)
        try:
            return json.dumps(reader.decode(case.raw).data, allow_nan=False)
        except SerializerError as exc:
            return f"{type(exc).__name__}: {exc}"

    read()
    ran = in_child(read)
    assert ran.acts == frozenset()
    assert (ran.rss_mib < case.max_rss_mib, ran.seconds < case.max_seconds) == (True, True)
    failed = ran.answer.startswith(("SerializerError", "LimitExceeded"))
    assert failed == {"error": True, "ok": False}.get(case.expect, failed)


def test_nesting_beyond_what_python_can_is_a_limit() -> None:
    with pytest.raises(LimitExceeded, match="deeper than 200"):
        reader.peek(["a.b"])(b"\x81\xa1a" + b"\x91" * 100_000 + b"\x01")
