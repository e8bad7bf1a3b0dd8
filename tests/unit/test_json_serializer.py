"""JSON from strangers: decoded within a budget, or refused with a SerializerError."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers.json import decode, encode, peek
from sessctl.stores.layouts.express import CONNECT_REDIS
from sessctl.stores.reader import Reader, user_text
from tests.support.vectors import VECTORS, hostile, stored

PATHS = ("cookie.expires", *CONNECT_REDIS.user)
VALUES = [
    stored(row["value"])
    for row in json.loads((VECTORS / "stores/connect-redis.json").read_bytes())["raw"]["rows"]
    if row["type"] == "string"
]
CASES = hostile("json-", "term-", "markup-", "csv-", "html-", "log-", "fmt-", kind="value")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
SESSIONS = st.fixed_dictionaries(
    {},
    optional={
        "cookie": JSON | st.fixed_dictionaries({"expires": JSON}),
        "passport": JSON | st.fixed_dictionaries({}, optional={"user": JSON}),
        "user": JSON,
        "userId": JSON,
        "other": JSON,
    },
)


def refusal_of(read, raw: bytes) -> str | None:
    """Why the reader refuses the bytes; None if it takes them. Nothing else may be raised."""
    try:
        read(raw)
    except SerializerError as error:
        return str(error)
    return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_hostile_values_decode_or_are_refused(case) -> None:
    began = time.perf_counter()
    refusal = refusal_of(decode, case.raw)
    assert case.expect != ("ok" if refusal else "error")
    assert len(refusal or "") < 200
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_listing_survives_hostile_values(case) -> None:
    reader = Reader(CONNECT_REDIS)
    user, written, problem = reader.read(case.raw)[:3]
    reader.inner_expiry(written, problem)
    reader.recognises(case.raw)
    assert user is None or isinstance(user, str)


@given(st.binary())
def test_no_bytes_raise_anything_but_a_serializer_error(raw: bytes) -> None:
    for read in (decode, peek(PATHS)):
        refusal_of(read, raw)


@settings(max_examples=200)
@given(st.data())
def test_no_mutated_session_raises_anything_but_a_serializer_error(data: st.DataObject) -> None:
    raw = bytearray(data.draw(st.sampled_from(VALUES)))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 3))
        raw[place : place + cut] = data.draw(
            st.binary(max_size=3) | st.sampled_from([b'"', b"{", b"\\u"])
        )
    reader = Reader(CONNECT_REDIS)
    reader.read(bytes(raw))
    refusal_of(reader.decode, bytes(raw))


@given(SESSIONS)
def test_peek_agrees_with_decode(value: dict[str, object]) -> None:
    raw = encode(value)
    whole = decode(raw).data

    def walk(path: str) -> object:
        node: object = whole
        for key in path.split("."):
            node = node.get(key) if isinstance(node, dict) else None
        return node

    seen, expected = peek(PATHS)(raw), [walk(path) for path in PATHS]
    assert [user_text(a) for a in seen] == [user_text(b) for b in expected]
    assert seen[0] == expected[0]


@given(JSON)
def test_decode_undoes_encode(value: object) -> None:
    try:
        raw = encode(value)
    except SerializerError:  # a lone surrogate has no UTF-8
        return
    assert decode(raw).data == value
    assert decode(raw).notes == ()


@pytest.mark.parametrize("path", ["a.b.c", "a.b", "a"])
@pytest.mark.parametrize("raw", [b"{}", b'{"a":1}', b'{"a":{"b":"x"}}', b'{"a":[]}', b'{"a":null}'])
def test_a_path_through_something_else_leads_nowhere(path: str, raw: bytes) -> None:
    found = peek([path, "a"])(raw)[0]
    node: object = json.loads(raw)
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    assert found == node


def test_repeated_keys_are_told_and_the_last_one_counts() -> None:
    value = decode(b'{"a":1,"b":{"c":1,"c":2},"a":3}')
    assert value.data == {"a": 3, "b": {"c": 2}}
    assert value.notes == (
        "key 'c' repeats, the last one counts",
        "key 'a' repeats, the last one counts",
    )


@pytest.mark.parametrize(
    ("raw", "data", "note"),
    [
        (b"[NaN]", [{"__float__": "NAN"}], "NaN is not JSON"),
        (b"[-Infinity]", [{"__float__": "-INF"}], "-Infinity is not JSON"),
        (b"[1e400]", [{"__float__": "INF"}], "a number is out of range"),
        (b"[" + b"9" * 4301 + b"]", ["9" * 4301], "an integer of 4301 digits is kept as text"),
        (b"[" + b"9" * 4300 + b"]", [int("9" * 4300)], None),
    ],
    ids=["nan", "-inf", "1e400", "4301-digits", "4300-digits"],
)
def test_odd_numbers_never_become_invalid_json(raw: bytes, data: object, note: str | None) -> None:
    value = decode(raw)
    assert (value.data, value.notes) == (data, (note,) if note else ())
    json.dumps(value.data, allow_nan=False)


def test_a_user_of_five_thousand_digits_does_not_stop_a_listing() -> None:
    user, _, problem = Reader(CONNECT_REDIS).read(b'{"cookie":{},"user":' + b"9" * 5000 + b"}")[:3]
    assert problem is None
    assert user is None or isinstance(user, str)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"a":1}{}', "more than one JSON document (extra data) at byte 7"),
        (b'{"a"', "not JSON (expecting ':' delimiter) at byte 4"),
        (b'{"\xc3\xa9":x}', "not JSON (expecting value) at byte 6"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b"", "not JSON (expecting value) at byte 0"),
    ],
)
def test_a_refusal_says_what_and_at_which_byte(raw: bytes, message: str) -> None:
    with pytest.raises(SerializerError) as caught:
        decode(raw)
    assert str(caught.value) == message


def test_a_lone_surrogate_is_written_as_javascript_writes_it() -> None:
    """`JSON.stringify` spells half an emoji out."""
    raw = b'["\\ud800","x"]'
    assert decode(raw).data == ["\ud800", "x"]
    assert encode(["\ud800", "x"]) == raw


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, b"x"])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(SerializerError, match="cannot be written as JSON"):
        encode(value)


class TestBudget:
    def test_depth_at_the_edge(self) -> None:
        decode(b"[" * 200 + b"]" * 200)
        with pytest.raises(LimitExceeded, match="deeper than 200 levels at byte 200"):
            decode(b"[" * 201 + b"]" * 201)

    def test_brackets_inside_text_are_no_depth(self) -> None:
        assert decode(b'["' + b"[" * 500 + b'\\""]').data

    def test_nodes_at_the_edge(self) -> None:
        small = Budget(nodes=10)
        decode(b"[" + b"1," * 8 + b"1]", small)
        with pytest.raises(LimitExceeded, match="more than 10 values"):
            decode(b"[" + b"1," * 20 + b"1]", small)

    def test_size_at_the_edge(self) -> None:
        decode(b'"abc"', Budget(value_bytes=5))
        with pytest.raises(LimitExceeded, match="value of 6 bytes is over the limit of 5"):
            decode(b'"abcd"', Budget(value_bytes=5))

    def test_a_listing_names_a_value_that_is_too_large(self) -> None:
        problem = Reader(CONNECT_REDIS, Budget(value_bytes=5)).read(b'{"a":1}')[2]
        assert problem is not None
        assert problem.code == "input.limit"

    @pytest.mark.parametrize("filler", [b'\\"', b'"\\', b'"', b"\\"], ids=ascii)
    def test_unclosed_text_takes_no_quadratic_time(self, filler: bytes) -> None:
        raw = b'"' + filler * 50_000 + b"[" * 201
        began = time.perf_counter()
        with pytest.raises(SerializerError):
            decode(raw)
        assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("value", "user"),
    [
        (1, "1"),
        ("u-7f3a", "u-7f3a"),
        ({"id": 7, "email": "x"}, "7"),
        ({"_id": "507f1f77bcf86cd799439011"}, "507f1f77bcf86cd799439011"),
        ({"email": "a@b"}, "a@b"),
        (0, "0"),
        ("", None),
        (True, None),
        ({}, None),
        ([1], None),
        (None, None),
    ],
)
def test_a_user_is_a_scalar_or_the_id_of_an_object(value: object, user: str | None) -> None:
    assert user_text(value) == user


@given(SESSIONS)
def test_a_value_cut_in_two_is_the_same_as_decoded(value: dict[str, object]) -> None:
    reader = Reader(CONNECT_REDIS)
    raw = encode({"cookie": {"expires": None}, **value})
    parts = reader.split(raw)
    if parts is None:
        return
    whole = reader.decode(raw)
    assert [json.loads(part) for part in parts] == [whole.data, whole.extra]
    assert all(part.isascii() and b"\n" not in part for part in parts)


@pytest.mark.parametrize("depth", [100, 199, 200, 500, 100_000])
def test_what_is_too_deep_is_not_cut_out_either(depth: int) -> None:
    reader = Reader(CONNECT_REDIS)
    raw = b'{"cookie":{},"a":' + b"[" * depth + b"]" * depth + b"}"
    assert (reader.split(raw) is None) is (depth > 198)
    assert (refusal_of(reader.decode, raw) is None) is (depth < 200)


@pytest.mark.parametrize(
    "tail", [b'"\x1b[31m"', b'"\x00"', b"NaN", b"tru", b'"\xc2\x9b"', b'"\x7f"']
)
def test_what_may_not_be_shown_raw_is_not_cut_out(tail: bytes) -> None:
    assert Reader(CONNECT_REDIS).split(b'{"cookie":{},"a":' + tail + b"}") is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_what_is_cut_without_decoding_is_what_decoding_finds(case) -> None:
    reader = Reader(CONNECT_REDIS)
    parts = reader.split(case.raw)
    if parts is not None:
        whole = reader.decode(case.raw)
        assert [json.loads(part) for part in parts] == [whole.data, whole.extra]
