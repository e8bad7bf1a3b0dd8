"""The SQL layouts on the databases that `test_express.py` leaves out, and what is their own.

A short round over each: what a wrong column type, zone or precision of that database would break.
"""

from __future__ import annotations

import time
from datetime import datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sessctl.session import Expiry, Session, State
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.support.cli import HOUR_MS
from tests.support.engines import now_ms
from tests.support.shops import FURTHER, SHOPS, shop_class
from tests.support.shops.base import short, sid_of, user_of, visitor
from tests.support.shops.express_sql import SqlShop

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.shops.base import Shop

OURS = [name for name in (*SHOPS, *FURTHER) if issubclass(shop_class(name), SqlShop)]
MARKING = [name for name in OURS if not shop_class(name).set_revives]


@pytest.fixture(params=FURTHER)
def further_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


@pytest.fixture(params=OURS)
def sql_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


@pytest.fixture(params=MARKING)
def marking_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> SqlShop:
    """The stores that leave the rows of destroyed sessions in their table."""
    found = open_shop_on(request.param)
    assert isinstance(found, SqlShop)
    return found


def end_of(item: dict[str, Any]) -> float:
    return datetime.fromisoformat(item["expires_at"]).timestamp() * 1000


# -- every database --------------------------------------------------------------------------------


@pytest.mark.long  # their first databases are in test_express.py
def test_sessions_are_listed_with_the_ends_that_the_store_has(further_shop: Shop) -> None:
    app = further_shop.start()
    began_ms = now_ms()
    browsers = [visitor(app, 42, theme="dark"), visitor(app, "ana"), visitor(app)]
    assert browsers[1].post("/maxage", {"ms": HOUR_MS}).status == 200
    seen = {sid_of(browser): browser.get("/session").json for browser in browsers}
    visited_ms = now_ms()
    listed = further_shop.listed()
    assert set(listed) == set(seen)
    for sid, user in zip(seen, ["42", "ana", None], strict=True):
        item, lifetime_ms = listed[sid], HOUR_MS if user == "ana" else further_shop.lifetime_ms
        del seen[sid]["cookie"]
        assert (item["user"], item["data"], item["state"]) == (user, seen[sid], "active")
        assert abs(end_of(item) - further_shop.ends_ms(sid)) < 2
        second = 1000  # which is cut off where the store keeps none of it
        assert began_ms - second <= end_of(item) - lifetime_ms <= visited_ms + second
    first = next(iter(seen))
    shown = further_shop.run("show", "-o", "json", "--", first)
    assert shown.json()["items"][0]["data"] == seen[first]
    assert (shown.stderr, shown.code) == ("", 0)


@pytest.mark.long  # their first databases are in test_express.py
def test_expire_logs_out_and_restore_logs_in_again(further_shop: Shop) -> None:
    app = further_shop.start(cookie={"maxAge": HOUR_MS})
    phone, laptop, other = visitor(app, 42), visitor(app, 42), visitor(app, "ana")
    again = app.browser()
    again.cookies["connect.sid"] = phone.cookie()
    assert further_shop.run("expire", "--user", "42", "--yes").code == 0
    assert [user_of(browser) for browser in (phone, laptop, other)] == [None, None, "ana"]
    result = further_shop.run("restore", "--last", "--yes")
    assert (user_of(again), result.counts, result.code) == (42, {"restored": 2}, 0)


@pytest.mark.long  # their first databases are in test_express.py
def test_purge_takes_exactly_the_expired_rows(further_shop: Shop) -> None:
    app = further_shop.start(cookie={"maxAge": HOUR_MS})
    live = [visitor(app, 42), visitor(app)]
    sids = {sid_of(browser) for browser in live}
    short(app, "ben")
    further_shop.wait_until_expired(1)
    result = further_shop.run("purge", "--expired", "--grace", "0s")
    assert (set(further_shop.listed()), user_of(live[0])) == (sids, 42)
    assert (result.counts, result.code) == ({"deleted": 1}, 0)


@pytest.mark.quick_on("connect-session-knex", "prisma-session-store")
def test_the_app_accepts_a_session_of_another_store(sql_shop: Shop) -> None:
    """`Store.put` fills what the table wants beside id, data and expiry; `set_expiry` moves it."""
    app = sql_shop.start(cookie={"maxAge": HOUR_MS})
    browser = visitor(app, 42, theme="dark")
    sid, store = sid_of(browser), sql_shop.store()
    (found,) = store.get([sid])
    foreign = msgspec.structs.replace(found, sid="of-another-store", original=None)
    assert [r.outcome for r in store.put([foreign])] == [Outcome.STORED]
    assert [r.outcome for r in store.put([foreign])] == [Outcome.NEWER]  # no row to compare with
    stranger = app.browser()
    signed = sql_shop.run("sign", "--secret-from", "env:APP_SECRET", "--", foreign.sid)
    stranger.cookies["connect.sid"] = signed.stdout.rstrip("\n")
    assert (user_of(stranger), stranger.get("/session").json["theme"]) == (42, "dark")
    ends_ms = now_ms() // 1000 * 1000 + 48 * HOUR_MS
    assert [r.outcome for r in store.set_expiry(store.get([sid]), ends_ms)] == [Outcome.STORED]
    assert sql_shop.ends_ms(sid) == store.get([sid])[0].expires_ms == ends_ms
    assert user_of(browser) == 42


# -- TypeORM: destroyed sessions leave their rows --------------------------------------------------


def destroyed(shop: SqlShop) -> dict[str, bool]:
    """Every row: is it marked?"""
    return {sid: bool(at) for sid, at in shop.query('SELECT id, "destroyedAt" FROM "session"')}


def test_what_the_app_destroyed_is_no_session(marking_shop: SqlShop) -> None:
    app = marking_shop.start()
    gone, live = visitor(app, 42), visitor(app, 42)
    sid = sid_of(gone)
    gone.post("/act", [["destroy"]])
    result = marking_shop.run("list", "-o", "jsonl")
    assert [item["sid"] for item in result.json_lines()] == [sid_of(live)]
    assert "keeps 1 row of sessions that are destroyed" in result.stderr
    assert marking_shop.run("list", "--count").stdout.strip() == "1"
    assert marking_shop.run("show", "--", sid).code == 1
    assert marking_shop.run("expire", "--yes", "--", sid).code == 1


def test_expire_marks_the_row_as_the_app_would(marking_shop: SqlShop) -> None:
    """A deleted row would be inserted again by a request in flight; a marked one stays out."""
    browser = visitor(marking_shop.start(), 42)
    sid = sid_of(browser)
    slow = Thread(target=browser.get, args=["/slow?ms=1500&change=yes"])
    slow.start()
    time.sleep(0.4)  # nothing outside the app shows that it has loaded the session
    assert marking_shop.run("expire", "--yes", "--", sid).code == 0
    slow.join()
    assert (user_of(browser), destroyed(marking_shop)[sid]) == (None, True)
    undone = marking_shop.run("restore", "--last", "--yes")
    assert (undone.counts, destroyed(marking_shop)[sid]) == ({"restored": 1}, False)
    assert marking_shop.run("restore", "--last", "--yes").counts == {"present": 1}


def test_purge_deletes_the_row_as_the_library_would(marking_shop: SqlShop) -> None:
    app = marking_shop.start(cookie={"maxAge": HOUR_MS})
    live, over, gone = visitor(app, 1), visitor(app, 2), visitor(app, 3)
    sids = [sid_of(browser) for browser in (live, over, gone)]
    gone.post("/act", [["destroy"]])
    over.post("/maxage", {"ms": 300})
    marking_shop.wait_until_expired(1)
    result = marking_shop.run("purge", "--expired", "--grace", "0s")
    assert (result.counts, result.code) == ({"deleted": 1}, 0)
    assert destroyed(marking_shop) == {sids[0]: False, sids[2]: True}
    undone = marking_shop.run("restore", "--last", "--yes", "--ttl", "1h")
    assert (undone.counts, destroyed(marking_shop)[sids[1]]) == ({"restored": 1}, False)


# -- Prisma ----------------------------------------------------------------------------------------


def test_prisma_before_version_7_wrote_numbers_into_sqlite(open_shop_on: OpenShop) -> None:
    shop = open_shop_on("prisma-session-store on sqlite")
    assert isinstance(shop, SqlShop)
    old = shop.start(timestampFormat="unixepoch-ms", cookie={"maxAge": HOUR_MS})
    live, over = visitor(old, 42), short(old, "ben")
    new = visitor(shop.start(cookie={"maxAge": 2 * HOUR_MS}), "ana")  # upgraded: both in one table
    sids = [sid_of(live), sid_of(new)]
    shop.wait_until_expired(1)
    kinds = dict(shop.query('SELECT sid, typeof("expiresAt") FROM "Session"'))
    assert (kinds[sids[0]], kinds[sids[1]]) == ("integer", "text")
    ordered = shop.run("list", "--sort", "expires", "-o", "jsonl").json_lines()
    assert [item["sid"] for item in ordered][1:] == sids
    with open_store(shop.url, shop.layout, write=True) as store:
        ends_ms = now_ms() + 3 * HOUR_MS
        store.set_expiry(store.get(sids), ends_ms)
        assert [session.expires_ms for session in store.get(sids)] == [ends_ms] * 2
    assert dict(shop.query('SELECT sid, typeof("expiresAt") FROM "Session"')) == kinds
    assert shop.run("purge", "--expired", "--grace", "0s").counts == {"deleted": 1}
    assert [user_of(browser) for browser in (live, over, new)] == [42, None, "ana"]


# -- Sequelize -------------------------------------------------------------------------------------


def test_a_session_of_sequelize_without_an_end_never_ends(open_shop_on: OpenShop) -> None:
    """Its own clean-up compares the column, and NULL is on no side of any instant."""
    shop = open_shop_on("connect-session-sequelize")
    assert isinstance(shop, SqlShop)
    browser = visitor(shop.start(), 42)
    sid = sid_of(browser)
    with open_store(shop.url, shop.layout, write=True) as store:
        store.set_expiry(store.get([sid]), None)
        (found,) = store.get([sid])
    assert (found.expiry, found.state(now_ms())) == (Expiry.NEVER, State.ACTIVE)
    assert shop.run("purge", "--expired").counts == {}
    assert user_of(browser) == 42


@pytest.mark.parametrize("place", ["", " on mysql"])
def test_a_column_of_the_apps_own_holds_the_user(open_shop_on: OpenShop, place: str) -> None:
    """`extendDefaultFields` of connect-session-sequelize, in a model of the application."""
    shop = open_shop_on(f"connect-session-sequelize{place}")
    browser = visitor(shop.start(userColumn=True), 42)
    own: dict[str, Any] = {"table": "Owns", "columns": {"user": "userId"}}
    with open_store(shop.url, shop.layout, write=True, **own) as store:
        (found,) = store.get([sid_of(browser)])
        other = Session(
            sid="other", raw=b'{"cookie":{},"views":1}', location="", user="ana",
            expires_ms=now_ms() // 1000 * 1000 + HOUR_MS,
        )  # fmt: skip
        assert [result.outcome for result in store.put([other])] == [Outcome.STORED]
        assert (found.user, store.get(["other"])[0].user) == ("42", "ana")
    shop.configure('table = "Owns"\ncolumns = {user = "userId"}')
    assert set(shop.listed("--user", "ana")) == {"other"}


def test_a_zone_that_sequelize_was_given_is_named_to_us(open_shop_on: OpenShop) -> None:
    shop = open_shop_on("connect-session-sequelize on mysql")
    app = shop.start(timezone="-08:00", cookie={"maxAge": HOUR_MS})
    browser = visitor(app, 42)
    over = short(app, 42)
    sid = sid_of(browser)
    shop.configure('expires_zone = "-08:00"')
    shop.wait_until_expired(1)
    item = shop.listed()[sid]
    assert abs(end_of(item) - shop.ends_ms(sid) - 8 * HOUR_MS) < 1  # the shop reads it as UTC
    with open_store(shop.url, shop.layout, write=True, expires_zone="-08:00") as store:
        ends_ms = now_ms() // 1000 * 1000 + 2 * HOUR_MS
        store.set_expiry(store.get([sid]), ends_ms)
        assert store.get([sid])[0].expires_ms == ends_ms
    assert shop.run("purge", "--expired", "--grace", "0s").counts == {"deleted": 1}
    assert [user_of(seen) for seen in (browser, over)] == [42, None]


# -- knex ------------------------------------------------------------------------------------------


def test_names_of_table_and_id_are_the_applications(open_shop_on: OpenShop) -> None:
    """`tableName` and `sidFieldName`; `tablename` and `sidfieldname` in version 2."""
    shop = open_shop_on("connect-session-knex")
    browser = visitor(shop.start(table="web_sessions", sid="session_id"), 42)
    shop.configure('table = "web_sessions"\ncolumns = {sid = "session_id"}')
    assert set(shop.listed()) == {sid_of(browser)}
    assert shop.run("expire", "--user", "42", "--yes").code == 0
    assert user_of(browser) is None
