"""Which expiry counts: the TTL or the column decides, the date inside the value is a hint.

A touch moves only the TTL or the column, and the inner date goes stale; with connect-redis'
`disableTTL` there is nothing but the inner date, and it condemns nobody by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal
from sessctl.session import Expiry, Query, State
from sessctl.timespec import iso
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from tests.support.engines import RedisEngine, SqliteEngine

HOUR = 3_600_000
PAST, FUTURE, FAR = -HOUR, HOUR, 24 * HOUR
GRACE = 60_000


@dataclass(frozen=True)
class Row:
    """What is stored, relative to now, and what it has to be taken for."""

    label: str
    store: int | None  # the TTL or the column
    inner: Any  # an offset, or whatever stands there instead of a date
    counts: int | None
    expiry: Expiry
    state: State
    purged: bool = False  # by `purge --expired`
    purged_by_cookie_date: bool = False  # and with the owner's word for it


REDIS = [
    Row("both agree", FUTURE, FUTURE, FUTURE, Expiry.STORE, State.ACTIVE),
    Row("touched: the inner date is stale", FUTURE, PAST, FUTURE, Expiry.STORE, State.ACTIVE),
    Row("ttl shorter than the cookie", FUTURE, FAR, FUTURE, Expiry.STORE, State.ACTIVE),
    Row("browser session: store's own ttl", FAR, None, FAR, Expiry.STORE, State.ACTIVE),
    Row("unreadable date, ttl there", FUTURE, "soon", FUTURE, Expiry.STORE, State.ACTIVE),
    Row("disableTTL, live", None, FUTURE, FUTURE, Expiry.COOKIE_DATE, State.ACTIVE),
    Row(
        "disableTTL, past", None, PAST, PAST, Expiry.COOKIE_DATE, State.EXPIRED,
        purged_by_cookie_date=True,
    ),
    Row("disableTTL, past within the grace", None, -1000, -1000, Expiry.COOKIE_DATE, State.EXPIRED),
    Row("disableTTL, browser session", None, None, None, Expiry.NEVER, State.ACTIVE),
    Row("disableTTL, unreadable date", None, "soon", None, Expiry.UNKNOWN, State.UNKNOWN),
    Row("disableTTL, a number", None, 12345, None, Expiry.UNKNOWN, State.UNKNOWN),
    Row("disableTTL, no zone", None, "2001-01-01T00:00:00", None, Expiry.UNKNOWN, State.UNKNOWN),
]  # fmt: skip
SQLITE = [
    Row("both agree", FUTURE, FUTURE, FUTURE, Expiry.STORE, State.ACTIVE),
    Row("touched: the inner date is stale", FUTURE, PAST, FUTURE, Expiry.STORE, State.ACTIVE),
    Row("column past, cookie not", PAST, FUTURE, PAST, Expiry.STORE, State.EXPIRED, purged=True),
    Row("both past", PAST, PAST, PAST, Expiry.STORE, State.EXPIRED, purged=True),
    Row("past within the grace", -1000, PAST, -1000, Expiry.STORE, State.EXPIRED),
    Row("no column value, inner past", None, PAST, None, Expiry.UNKNOWN, State.UNKNOWN),
    Row("no column value, inner live", None, FUTURE, None, Expiry.UNKNOWN, State.UNKNOWN),
    Row("browser session", FAR, None, FAR, Expiry.STORE, State.ACTIVE),
]  # fmt: skip


def written(row: Row, now: int) -> bytes:
    inner = (
        f'"{iso(now + row.inner)}"' if type(row.inner) is int and abs(row.inner) != 12345 else None
    )
    if inner is None:
        inner = "null" if row.inner is None else repr(row.inner).replace("'", '"')
    return b'{"cookie":{"originalMaxAge":null,"expires":%b},"passport":{"user":1}}' % inner.encode()


def judge(engine: RedisEngine | SqliteEngine, row: Row) -> None:
    now = now_ms()
    engine.save(b"one", written(row, now), None if row.store is None else now + row.store)
    with engine.open(write=True) as store:
        one = store.get(["one"])[0]
        assert one.expires_ms == (None if row.counts is None else now + row.counts)
        assert (one.expiry, one.state(now)) == (row.expiry, row.state)
        for permissions, goes in (
            (Permissions(), row.purged),
            (Permissions(no_ttl_by_cookie_date=True), row.purged or row.purged_by_cookie_date),
        ):
            run = Removal(store, None, permissions=permissions, grace_ms=GRACE)
            for _ in run.purge(Query(expired=True, grace_ms=GRACE)):
                pass
            assert run.summary.complete
            assert (store.get(["one"]) == []) is goes


@pytest.mark.parametrize("row", REDIS, ids=lambda row: row.label)
def test_redis(redis_engine: RedisEngine, row: Row) -> None:
    judge(redis_engine, row)


@pytest.mark.parametrize("row", SQLITE, ids=lambda row: row.label)
def test_sqlite(sqlite_engine: SqliteEngine, row: Row) -> None:
    judge(sqlite_engine, row)


@pytest.mark.parametrize(
    "cell",
    ["NULL", "'tomorrow'", "''", "'1'", "0", "-1", "9e999", "-9e999", "9223372036854775807",
     "4102444800", "X'00'", "253402300800000"],
)  # fmt: skip
def test_sqlite_cells_that_are_no_instant_are_unknown_and_never_purged(sqlite_engine, cell) -> None:
    sqlite_engine.client.execute(
        f"INSERT INTO sessions VALUES ('one', {cell}, '{{\"cookie\":{{}}}}')"
    )
    before = sqlite_engine.everything()
    with sqlite_engine.open(write=True) as store:
        one = store.get(["one"])[0]
        assert (one.expires_ms, one.state(now_ms())) == (None, State.UNKNOWN)
        for _ in Removal(store, None, grace_ms=0).purge(Query(expired=True)):
            pass
        assert store.delete([one], grace_ms=0)[0].outcome == "changed"
    assert sqlite_engine.everything() == before


@pytest.mark.parametrize("cell", ["1", "1.5", "946684799999", "1795199472295.0"])
def test_sqlite_cells_of_either_number_type_are_instants(sqlite_engine, cell) -> None:
    sqlite_engine.client.execute(f"INSERT INTO sessions VALUES ('one', {cell}, '{{}}')")
    with sqlite_engine.open() as store:
        assert store.get(["one"])[0].expires_ms == int(float(cell))


def test_a_ttl_beyond_the_calendar_is_as_good_as_none(redis_engine: RedisEngine) -> None:
    redis_engine.save(b"one", b'{"cookie":{}}', 253_402_300_800_000)
    with redis_engine.open() as store:
        assert store.get(["one"])[0].expiry is Expiry.NEVER
