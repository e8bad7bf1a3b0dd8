"""`Session` judged by a clock, `Query` as the one evaluator."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sessctl.errors import SerializerError
from sessctl.session import Expiry, Need, Query, Session, State
from sessctl.stores.layouts.express import CONNECT_REDIS
from sessctl.stores.reader import Reader
from tests.support.memory import NOW_MS, session

SECOND = 1000


@pytest.mark.parametrize(
    ("left_ms", "state"),
    [(1, State.ACTIVE), (0, State.EXPIRED), (-1, State.EXPIRED), (None, State.ACTIVE)],
)
def test_a_session_is_over_at_its_expiry(left_ms: int | None, state: State) -> None:
    assert session("a", left_ms=left_ms).state(NOW_MS) is state


def test_unknown_is_not_expired() -> None:
    unknown = Session(sid="a", raw=b"", location="a", expiry=Expiry.UNKNOWN)
    assert unknown.state(NOW_MS) is State.UNKNOWN
    assert not Query(expired=True).matches(unknown, NOW_MS)
    assert not Query(active=True).matches(unknown, NOW_MS)


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        (Query(), True),
        (Query(everything=True), True),
        (Query(user="7"), True),
        (Query(user="8"), False),
        (Query(sids=("a", "b")), True),
        (Query(sids=("b",)), False),
        (Query(expired=True), True),
        (Query(expired=True, grace_ms=10 * SECOND), True),
        (Query(expired=True, grace_ms=10 * SECOND + 1), False),
        (Query(active=True), False),
        (Query(larger_than=5), True),
        (Query(larger_than=10_000), False),
        (Query(expires_within=timedelta(hours=1)), False),  # it is over, not ending
        (Query(older_than=timedelta(days=1)), False),  # unknown is on no side of a limit
        (Query(idle=timedelta(days=1)), False),
        (Query(user="7", expired=True), True),
        (Query(user="8", expired=True), False),
    ],
)
def test_conditions_combine_with_and(query: Query, matches: bool) -> None:
    assert query.matches(session("a", left_ms=-10 * SECOND, user="7"), NOW_MS) is matches


def test_expires_within_takes_what_ends_soon_and_is_not_over() -> None:
    query = Query(expires_within=timedelta(seconds=10))
    lefts = [0, 1, 10 * SECOND, 10 * SECOND + 1, None]
    assert [query.matches(session("a", left_ms=left), NOW_MS) for left in lefts] == [
        False, True, True, False, False,
    ]  # fmt: skip


def test_age_and_idleness_count_from_what_the_layout_stores() -> None:
    old = Session(sid="a", raw=b"", location="a", created_ms=NOW_MS - 5000, seen_ms=NOW_MS - 2000)
    assert Query(older_than=timedelta(seconds=4)).matches(old, NOW_MS)
    assert not Query(older_than=timedelta(seconds=5)).matches(old, NOW_MS)
    assert Query(idle=timedelta(seconds=1)).matches(old, NOW_MS)
    assert not Query(idle=timedelta(seconds=3)).matches(old, NOW_MS)


def test_an_empty_query_is_not_all() -> None:
    assert Query().is_empty
    assert not Query(everything=True).is_empty
    assert not Query(expired=True).is_empty
    assert not Query(larger_than=0).is_empty


@pytest.mark.parametrize(
    ("query", "need"),
    [
        (Query(), Need.ID),
        (Query(sids=("a",)), Need.ID),
        (Query(user="7"), Need.VALUE),
        (Query(expired=True), Need.ALL),
        (Query(expires_within=timedelta(1)), Need.ALL),
        (Query(larger_than=1), Need.VALUE),
    ],
)
def test_a_query_reads_no_more_than_it_looks_at(query: Query, need: Need) -> None:
    assert query.need == need


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (Query(), "all sessions"),
        (Query(expired=True, user="42"), "expired, user 42"),
        (Query(expired=True, grace_ms=60_000), "expired (for more than 1m)"),
        (Query(sids=("a",)), "1 named session"),
        (Query(sids=("a", "b")), "2 named sessions"),
        (Query(active=True, larger_than=2048), "active, larger than 2.0 KiB"),
        (Query(idle=timedelta(days=7)), "idle for 7d"),
    ],
)
def test_a_query_in_words(query: Query, words: str) -> None:
    assert query.describe() == words


def test_a_session_read_without_its_value_says_so() -> None:
    with pytest.raises(SerializerError, match="without its value"):
        _ = Session(sid="a" * 32, raw=b"", location="a").data


def test_no_full_id_in_the_error_of_a_value() -> None:
    sid = "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ"

    bad = Session(sid=sid, raw=b"[", location=sid, reader=Reader(CONNECT_REDIS))
    with pytest.raises(SerializerError) as caught:
        _ = bad.data
    assert sid not in f"{caught.value} {caught.value.where}"
    assert caught.value.where["session"].startswith("ZpXqWY~")
