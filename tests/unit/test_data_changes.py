"""Data is changed where it is meant to be, and nowhere else: not in a byte."""

from __future__ import annotations

import json as stdlib
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.admin.changes import Kind, differences
from sessctl.admin.data import (
    Assignment,
    assigned,
    parse_assignment,
    parse_data,
    pretty,
)
from sessctl.errors import SerializerError, UsageError
from sessctl.serializers import bson as bsons
from sessctl.serializers import json, same

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


@settings(max_examples=60)
@given(OBJECTS, OBJECTS)
def test_an_edited_value_reads_as_the_new_data(before: dict, after: dict) -> None:
    raw = json.encode(before)
    assert same(json.decode(json.edited(raw, after)).data, after)
    assert json.edited(raw, json.decode(raw).data) == raw


@settings(max_examples=60)
@given(OBJECTS, OBJECTS)
def test_differences_lead_from_one_to_the_other(before: dict, after: dict) -> None:
    found = list(differences(before, after, exactly=True))
    assert bool(found) is not same(before, after)
    if all("." not in str(step) and step for one in found for step in one.keys) and not any(
        isinstance(x, list) for x in (*before.values(), *after.values())
    ):
        steps = [
            Assignment(tuple(map(str, d.keys)), d.after, d.kind is Kind.REMOVED) for d in found
        ]
        assert same(assigned(before, steps), after)


def test_what_stays_the_same_keeps_its_spelling() -> None:
    raw = (
        b'{ "cookie":{"a":1.0}, "n":1e5, "big":9007199254740993, "e":"\\u00e9","l":[1, {"x":2.50}]}'
    )
    data = json.decode(raw).data
    data["l"][1]["y"] = 1
    assert json.edited(raw, data) == (
        b'{"cookie":{"a":1.0},"n":1e5,"big":9007199254740993,"e":"\\u00e9","l":[1,{"x":2.50,"y":1}]}'
    )


def test_half_an_emoji_survives_beside_a_change() -> None:
    raw = b'{"h":"\\ud83d","t":1}'
    assert json.edited(raw, {"h": "\ud83d", "t": 2}) == b'{"h":"\\ud83d","t":2}'


def test_a_number_that_would_be_lost_is_not_written_anew() -> None:
    raw = b'{"h":"\\ud83d","n":NaN}'
    with pytest.raises(SerializerError, match="cannot be written anew"):
        json.edited(raw, {**json.decode(raw).data, "t": 2})
    assert json.edited(b'{"n":1,"t":1}', {"n": 1, "t": 2}) == b'{"n":1,"t":2}'


@pytest.mark.parametrize("mark", ["__bytes__", "__datetime__", "__php_object__", "__float__"])
def test_json_has_no_place_for_marks(mark: str) -> None:
    for data in ({"a": {mark: "x"}}, {"a": [{"b": {mark: "x"}}]}, {mark: "x"}):
        with pytest.raises(SerializerError, match="JSON has no place"):
            json.edited(b'{"a":1}', data)


def test_documents_keep_their_types() -> None:
    raw = bson.encode(
        {"id": bson.ObjectId("64b7f0c2a1d3e4f5a6b7c8d9"), "bin": b"ab", "n": 5.0, "l": [1.5, 2],
         "in": {"long": bson.Int64(7), "t": "x"}}
    )  # fmt: skip
    data = bsons.decode(raw).data
    assert bsons.edited(raw, data) == raw
    data["in"]["t"] = "y"
    data["new"] = {"__bytes__": "AAE="}
    changed = bson.decode(bsons.edited(raw, data))
    kept = {**bson.decode(raw), "in": {"long": bson.Int64(7), "t": "y"}, "new": b"\x00\x01"}
    assert changed == kept
    assert type(changed["in"]["long"]) is bson.Int64
    for odd in ({"__bytes__": "?"}, {"__tuple__": []}, {"__uuid__": "x"}, {"__bson__": "MinKey"}):
        with pytest.raises(SerializerError):
            bsons.edited(raw, {**data, "odd": odd})


def test_a_date_stays_a_date() -> None:
    from datetime import UTC, datetime

    raw = bson.encode({"at": datetime(2030, 1, 1, tzinfo=UTC), "t": "x"})
    moved = bsons.edited(raw, {"at": "2031-01-01T00:00:00.000Z", "t": "2031-01-01T00:00:00.000Z"})
    assert bson.decode(moved) == {"at": datetime(2031, 1, 1), "t": "2031-01-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("a=b", ("a",), "b"),
        ("a=", ("a",), ""),
        ("a.0.b=x=y", ("a", "0", "b"), "x=y"),
        ("a:=1", ("a",), 1),
        ('a:={"b": [null]}', ("a",), {"b": [None]}),
        ("a=:=1", ("a",), ":=1"),
    ],
)
def test_assignments(text: str, path: tuple[str, ...], value: Any) -> None:
    assert parse_assignment(text) == Assignment(path, value)


def test_removing_what_is_not_there_changes_nothing() -> None:
    data = {"a": {"b": [1, 2]}}
    for path in (("x",), ("x", "y"), ("a", "c"), ("a", "b", "2")):
        assert assigned(data, [Assignment(path, removes=True)]) == data
    assert assigned(data, [Assignment(("a", "b", "0"), removes=True)]) == {"a": {"b": [2]}}
    with pytest.raises(UsageError):
        assigned(data, [Assignment(("a", "b", "7"), removes=True)])


@pytest.mark.parametrize("text", ["", "[1]", '"x"', "{", '{"a": 1} {}', '{"a": NaN}'])
def test_data_is_one_object_of_json(text: str) -> None:
    with pytest.raises(UsageError):
        parse_data(text)


@settings(max_examples=40)
@given(OBJECTS)
def test_what_an_editor_is_given_reads_as_the_data(data: dict) -> None:
    text = pretty(data)
    assert same(stdlib.loads(text), data)
    assert all(char.isprintable() or char == "\n" for char in text)
