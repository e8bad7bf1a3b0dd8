"""BSON that is damaged, too deep or too wide: an error with a name, and no more."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers.bson import OPTIONS, decode, encode, peek
from sessctl.session import Expiry
from sessctl.stores.engines.mongo_documents import MongoDocuments
from sessctl.stores.engines.mongo_lag import lags_of
from sessctl.stores.layouts.express import CONNECT_MONGO
from tests.support.vectors import hostile

DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("aç\0😀"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aç."), inner, max_size=3),
    max_leaves=8,
)


def nested(levels: int, make: Any) -> bytes:
    value: Any = 1
    for _ in range(levels):
        value = make(value)
    return encode({"a": value})


@settings(max_examples=40)
@given(data=st.dictionaries(st.text("abc", max_size=3), DATA, max_size=3))
def test_what_is_encoded_is_decoded(data: dict[str, Any]) -> None:
    assert decode(encode(data)).data == data


@given(raw=st.binary(max_size=200))
def test_no_input_does_more_than_fail(raw: bytes) -> None:
    for read in (decode, peek(["cookie.expires", "user"])):
        try:
            read(raw)
        except SerializerError:
            continue


@given(at=st.integers(0, 60), byte=st.integers(0, 255))
def test_no_damage_does_more_than_fail(at: int, byte: int) -> None:
    raw = bytearray(encode({"cookie": {"expires": DatetimeMS(1), "l": [1, "x"]}, "user": "ana"}))
    raw[at % len(raw)] = byte
    for read in (decode, peek(["cookie.expires", "user"])):
        try:
            read(bytes(raw))
        except SerializerError:
            continue


@pytest.mark.parametrize("case", hostile("bson-"), ids=lambda case: case.id)
def test_hostile_documents_do_nothing(case) -> None:
    try:
        data = decode(case.raw).data
    except SerializerError:
        return
    assert isinstance(data, dict)


@pytest.mark.parametrize("make", [lambda v: {"a": v}, lambda v: [v]], ids=["objects", "arrays"])
def test_depth_has_a_limit(make: Any) -> None:
    assert decode(nested(50, make)).data
    for budget in (Budget(depth=40), Budget(nodes=40)):
        with pytest.raises(LimitExceeded):
            decode(nested(50, make), budget)


def test_the_size_has_a_limit() -> None:
    with pytest.raises(LimitExceeded, match="is over the limit"):
        decode(encode({"a": "x" * 100}), Budget(value_bytes=100))


def test_a_path_reads_as_far_as_there_are_objects() -> None:
    raw = encode({"cookie": {"expires": DatetimeMS(0)}, "passport": {"user": 7}, "user": "x"})
    read = peek(["cookie.expires", "passport.user", "user.id", "none"])
    assert read(raw) == ("1970-01-01T00:00:00.000Z", 7, None, None)


@pytest.mark.parametrize("ms", [2**60, -(2**60), 253_402_300_800_000])
def test_a_date_beyond_the_calendar_is_no_end(ms: int) -> None:
    raw = bson.encode({"_id": "a", "session": "{}", "expires": DatetimeMS(ms)})
    session = MongoDocuments(CONNECT_MONGO, str).session(RawBSONDocument(raw, OPTIONS))
    assert (session.expires_ms, session.expiry) == (None, Expiry.UNKNOWN)
    assert decode(encode({"a": DatetimeMS(2**60)})).data == {
        "a": {"__bson__": "Date", "value": 2**60}
    }


def test_text_that_is_not_utf8_keeps_its_bytes() -> None:
    raw = bson.encode({"_id": "aXb", "session": '{"cookie":{},"user":"aXb"}'})
    session = MongoDocuments(CONNECT_MONGO, str).session(
        RawBSONDocument(raw.replace(b"aXb", b"a\xffb"), OPTIONS)
    )
    assert session.sid.encode("utf-8", "surrogateescape") == b"a\xffb"
    assert session.raw == b'{"cookie":{},"user":"a\xffb"}'


def test_how_far_secondaries_are_behind() -> None:
    """A reply as the manual has it: a primary, a secondary, an arbiter, one that is down."""
    from datetime import UTC, datetime

    at = datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC)
    members = [
        {"name": "a:1", "state": 1, "optimeDate": at},
        {"name": "b:1", "state": 2, "optimeDate": at.replace(second=7)},
        {"name": "c:1", "state": 7},
        {"name": "d\x1b:1", "state": 8, "optimeDate": datetime(1970, 1, 1, tzinfo=UTC)},
    ]
    assert [(lag.replica, lag.seconds) for lag in lags_of({"members": members})] == [
        ("b:1", 3.0), ("d\\x1b:1", None),
    ]  # fmt: skip
