"""What changed between two states of a session's data."""

from __future__ import annotations

from typing import Any

import pytest

from sessctl.replay.data_changes import data_changes


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({}, {"user": "tj"}, [("$.user", None, "tj")]),
        ({"user": "tj"}, {}, [("$.user", "tj", None)]),
        ({"n": 1}, {"n": 2}, [("$.n", 1, 2)]),
        ({"n": 1}, {"n": True}, [("$.n", 1, True)]),
        ({"n": 1}, {"n": 1.0}, [("$.n", 1, 1.0)]),
        ({"cart": [{"qty": 1}]}, {"cart": [{"qty": 2}]}, [("$.cart[0].qty", 1, 2)]),
        ({"cart": [1]}, {"cart": [1, {"a": 2}]}, [("$.cart[1]", None, {"a": 2})]),
        ({"cart": [1, 2]}, {"cart": [1]}, [("$.cart[1]", 2, None)]),
        ({"a b": 1}, {"a b": 2}, [("$['a b']", 1, 2)]),
        ({"a": {}}, {"a": []}, [("$.a", {}, [])]),
        ([1], {"a": 1}, [("$", [1], {"a": 1})]),
    ],
)
def test_data_changes(old: Any, new: Any, changes: list[tuple[str, Any, Any]]) -> None:
    assert [(one.path, one.old, one.new) for one in data_changes(old, new)] == changes


def test_a_value_that_is_null_is_told_from_one_that_is_absent() -> None:
    assert [one.path for one in data_changes({}, {"a": None})] == ["$.a"]


def test_at_most_fifty_are_listed() -> None:
    assert len(data_changes({}, {str(n): n for n in range(500)})) == 50
