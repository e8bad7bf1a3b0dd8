"""The query in a journal's head is the one that was asked, or nothing is asked at all."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.admin.journal.head import freeze_query, thaw_query
from sessctl.errors import Refused
from sessctl.query import parse_condition
from sessctl.session import Query

_SPANS = st.none() | st.timedeltas(timedelta(), timedelta(days=36_500)).map(
    lambda span: timedelta(milliseconds=span // timedelta(milliseconds=1))
)
_VALUES = {
    "bool": st.booleans(),
    "int": st.integers(0, 2**53),
    "int | None": st.none() | st.integers(0, 2**53),
    "str | None": st.none() | st.text(),
    "timedelta | None": _SPANS,
    "Condition | None": st.sampled_from([None, parse_condition('user == "42" and ttl < 30m')]),
    "tuple[str, ...]": st.lists(st.text()).map(tuple),
}


@given(st.fixed_dictionaries({}, optional={f.name: _VALUES[str(f.type)] for f in fields(Query)}))
def test_every_condition_comes_back(asked: dict[str, object]) -> None:
    query = Query(**asked)
    written = json.loads(json.dumps(freeze_query(query)))
    assert thaw_query(written) == query


def test_what_was_not_asked_is_not_written() -> None:
    assert freeze_query(Query(expired=True, grace_ms=60_000)) == {
        "expired": True,
        "grace_ms": 60_000,
    }


def test_an_unknown_condition_is_refused() -> None:
    """Without it the query would end more."""
    with pytest.raises(Refused, match="a condition 'colour' that this version does not know"):
        thaw_query({"expired": True, "colour": "red"})


@pytest.mark.parametrize(
    "frozen",
    [{"idle": {}}, {"idle": {"ms": "x"}}, {"idle": {"ms": 10**30}}, {"user": ["a"]}, {"expired": 1},
     {"expired": "yes"}, {"sids": [1]}, {"grace_ms": None}, {"older_than": 5}],
)  # fmt: skip
def test_a_condition_that_makes_no_sense_is_refused(frozen: dict[str, object]) -> None:
    with pytest.raises(Refused, match="cannot be asked again"):
        thaw_query(frozen)
