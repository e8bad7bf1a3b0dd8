"""Flask's tagged JSON against Flask itself: read and written as its serializer does."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from flask.json.tag import TaggedJSONSerializer
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers import MARKS
from sessctl.serializers.flask_json import decode, encode

FLASK = TaggedJSONSerializer()
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False), TEXT,
    st.binary(max_size=8), st.uuids(), TEXT.map(Markup),
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)),
)  # fmt: skip
# Hypothesis tries the texts of our modules, too.
KEYS = st.sampled_from([" t", " di", " b__", " x", "a", "__", ""]) | TEXT.filter(
    lambda key: key not in MARKS
)
DATA = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=12,
)


def marked(value: Any) -> Any:
    """Python's data with the marks that sessctl has for it."""
    if isinstance(value, dict):
        return {key: marked(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {"__tuple__": [marked(item) for item in value]}
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, bytes):
        return {"__bytes__": b64encode(value).decode()}
    if isinstance(value, Markup):
        return {"__markup__": str(value)}
    if isinstance(value, UUID):
        return {"__uuid__": str(value)}
    if isinstance(value, datetime):  # HTTP has no fractions of a second
        return {"__datetime__": value.replace(microsecond=0).isoformat()}
    if value in (float("inf"), float("-inf")):
        return {"__float__": "INF" if value > 0 else "-INF"}
    return value


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, DATA, max_size=4))
def test_what_flask_writes_is_read_and_written_again(data: dict[str, Any]) -> None:
    theirs = FLASK.dumps(data)
    found = decode(theirs.encode())
    assert found.data == marked(data)
    assert encode(found.data, sort_keys=False) == theirs.encode()
    assert (
        encode(found.data)
        == json.dumps(FLASK.tag(data), separators=(",", ":"), sort_keys=True).encode()
    )


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.text('{}[]":, tbmudi_01', max_size=40).map(str.encode))
def test_nothing_breaks_the_reader(raw: bytes) -> None:
    try:
        decode(raw)
    except SerializerError:
        pass
    else:
        json.loads(raw)


@pytest.mark.parametrize(
    "text",
    ['{" t":5}', '{" t":"ab"}', '{" b":5}', '{" b":"a"}', '{" u":"x"}', '{" u":[]}', '{" m":1}',
     '{" d":1}', '{" di":[]}', '{" di":{}}', '{"a":[{" u":null}]}'],
)  # fmt: skip
def test_a_tag_with_something_else_in_it_cannot_be_read(text: str) -> None:
    with pytest.raises(SerializerError, match="which Flask cannot read either"):
        decode(text.encode())


def test_times_and_ids_of_other_writers() -> None:
    assert decode(b'{" d":"Thu, 1 Jan 2026 14:30:00 +0200"}').data == {
        "__datetime__": "2026-01-01T14:30:00+02:00"
    }
    assert decode(b'{" d":"never"}').data is None
    text = b'{" u":"{3F2504E0-4F89-11D3-9A0C-0305E82C3301}"}'
    assert decode(text).data == {"__uuid__": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}


@pytest.mark.parametrize(
    "data",
    [
        {"__tuple__": 1}, {"__bytes__": "?"}, {"__uuid__": "x"}, {"__datetime__": "x"},
        {"__markup__": 1}, {"__float__": "x"}, {"__float__": []}, {"__set__": [1]},
        {"__object__": "a.B"}, {"__bytes__": None}, {"__datetime__": 5}, {1: object()},
    ],
)  # fmt: skip
def test_what_flask_has_no_word_for_is_not_written(data: Any) -> None:
    with pytest.raises(SerializerError):
        encode({"a": data})


def test_too_deep_or_too_wide_is_refused() -> None:
    for raw in (b"[" * 300 + b"]" * 300, b"[" + b"1," * 1000 + b"1]"):
        with pytest.raises(LimitExceeded):
            decode(raw, Budget(nodes=500))
