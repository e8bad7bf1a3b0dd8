"""sessctl and a real Express application agree: who is logged in, until when, and who no longer.

The application runs under node with the libraries from npm; browsers talk to it over HTTP, sessctl
talks to its store. Everything is proved on every store of `tests.support.shops`.
"""

from __future__ import annotations

import time
from datetime import datetime
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.stores.base import Outcome
from tests.support.cli import HOUR_MS
from tests.support.shops import OTHER_WAYS, SHOPS, shop_class
from tests.support.shops.base import data_of, in_flight, short, sid_of, user_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.shops.base import Shop

USUAL = [layout for layout in SHOPS if layout not in OTHER_WAYS]
LASTING = [layout for layout in SHOPS if not shop_class(layout).expires_by_itself]
REVIVING = [layout for layout in USUAL if shop_class(layout).set_revives]
SHARED = [layout for layout in USUAL if shop_class(layout).outlives_its_app]


@pytest.fixture(params=SHOPS)
def every_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    """The other ways to use a layout, too: what a value's form or a server's kind could break."""
    return open_shop_on(request.param)


@pytest.fixture(params=USUAL)
def shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


@pytest.fixture(params=["connect-redis", "connect-sqlite3", "connect-mongo", "memorystore"])
def cookie_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    """For what is the cookie's alone, and the same on every store."""
    return open_shop_on(request.param)


@pytest.fixture(params=LASTING)
def lasting_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    """The stores that leave expired sessions behind."""
    return open_shop_on(request.param)


@pytest.fixture(params=REVIVING)
def reviving_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    """The stores in which a request in flight can write an ended session back."""
    return open_shop_on(request.param)


@pytest.fixture(params=SHARED)
def shared_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    """The stores that a second app can open."""
    return open_shop_on(request.param)


# -- list ------------------------------------------------------------------------------------------

PEOPLE = [
    (42, "42", {}),
    ("ana", "ana", {"theme": "dark", "nested": {"a": [1, 2.5, None, True]}}),
    ({"id": 7, "role": "admin"}, "7", {"note": "çay \u2028 <b>"}),
    ("64b7f0c2a1d3e4f5a6b7c8d9", "64b7f0c2a1d3e4f5a6b7c8d9", {}),
    (None, None, {"token": "t-1"}),
]


def test_every_session_is_listed_as_the_app_has_it(every_shop: Shop) -> None:
    app = every_shop.start(cookie={"maxAge": HOUR_MS})
    expected: dict[str, tuple[str | None, Any]] = {}
    for user, shown, data in PEOPLE:
        browser = visitor(app, user, **data)
        browser.post("/cart", {"item": "apple", "qty": 2})
        browser.post("/flash", {"type": "info", "message": "Saved"})
        cookie = browser.get("/session").json["cookie"]
        # express-session reads its clock twice while it makes a cookie: 1 ms may go.
        assert HOUR_MS - 10 <= cookie["originalMaxAge"] <= HOUR_MS
        expected[sid_of(browser)] = (shown, data_of(every_shop, browser))
    listed = every_shop.listed()
    assert {sid: (item["user"], item["data"]) for sid, item in listed.items()} == expected
    assert {item["state"] for item in listed.values()} == {"active"}
    assert {item["layout"] for item in listed.values()} == {every_shop.layout}


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
@pytest.mark.parametrize("max_age_ms", [None, 60_000, 30 * 24 * HOUR_MS])
def test_a_session_ends_when_its_store_says(every_shop: Shop, max_age_ms: int | None) -> None:
    """Without an end of the cookie the store takes its own."""
    cookie = {} if max_age_ms is None else {"maxAge": max_age_ms}
    browser = visitor(every_shop.start(cookie=cookie), 42)
    sid = sid_of(browser)
    item = every_shop.listed()[sid]
    if (life_ms := max_age_ms or every_shop.lifetime_ms) is None:
        assert (item["expires_at"], item["state"]) == (None, "active")
        return
    ends_ms = datetime.fromisoformat(item["expires_at"]).timestamp() * 1000
    assert abs(ends_ms - every_shop.ends_ms(sid)) < 2
    lives_ms = max_age_ms + every_shop.slack_ms if max_age_ms else life_ms
    assert abs(ends_ms - time.time() * 1000 - lives_ms) < 5000
    assert abs(item["ttl_s"] - lives_ms / 1000) < 5


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_a_visit_moves_the_end(shop: Shop) -> None:
    browser = visitor(shop.start(cookie={"maxAge": HOUR_MS}), 42)
    sid = sid_of(browser)
    before = shop.ends_ms(sid)
    deadline = time.monotonic() + 10
    while shop.ends_ms(sid) < before + 1000 and time.monotonic() < deadline:
        browser.get("/touch")
    assert listed_end(shop, sid) >= before + 1000


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_a_logout_leaves_nothing_to_list(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    browser.post("/logout")
    assert {item["user"] for item in shop.listed().values()} == {None}


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_show_is_what_the_app_has(shop: Shop) -> None:
    browser = visitor(shop.start(), "ana", theme="dark")
    cookie = browser.get("/session").json["cookie"]
    result = shop.run("show", "-o", "json", "--", sid_of(browser))
    (item,) = result.json()["items"]
    assert item["data"] == data_of(shop, browser)
    assert item["extra"]["cookie"]["httpOnly"] == cookie["httpOnly"]
    assert (result.stderr, result.code) == ("", 0)


# -- cookies ---------------------------------------------------------------------------------------


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_the_browser_s_cookie_leads_to_its_session(every_shop: Shop) -> None:
    browser = visitor(every_shop.start(), 42, cart=["tea"])
    result = every_shop.run("decode", f"connect.sid={browser.cookie()}")
    (item,) = result.json_lines()
    assert item["sid"] == sid_of(browser)
    assert (item["session"]["user"], item["session"]["data"]["cart"]) == ("42", ["tea"])
    assert (result.stderr, result.code) == ("", 0)


def test_the_browser_s_cookie_verifies(cookie_shop: Shop) -> None:
    browser = visitor(cookie_shop.start(), 42)
    right = cookie_shop.run("verify", browser.cookie(), "--secret-from", "env:APP_SECRET")
    wrong = cookie_shop.run("verify", browser.cookie(), "--secret-from", "env:WRONG")
    assert (right.json_lines()[0]["verdict"], right.stderr, right.code) == ("valid", "", 0)
    assert (wrong.json_lines()[0]["verdict"], wrong.stderr, wrong.code) == ("bad_signature", "", 1)


def test_the_set_cookie_line_of_the_app_is_read_whole(cookie_shop: Shop) -> None:
    app = cookie_shop.start(cookie={"maxAge": HOUR_MS, "sameSite": "lax"})
    (line,) = app.browser().get("/views").set_cookie
    result = cookie_shop.run("verify", f"Set-Cookie: {line}", "--secret-from", "env:APP_SECRET")
    assert (result.json_lines()[0]["name"], result.stderr, result.code) == ("connect.sid", "", 0)


def test_many_cookies_of_the_app_all_verify(cookie_shop: Shop) -> None:
    """Signatures hold every character of base64, so the wire form is escaped in every way."""
    app = cookie_shop.start()
    lines = [f"connect.sid={visitor(app).cookie()}" for _ in range(60)]
    result = cookie_shop.run("verify", "--secret-from", "env:APP_SECRET", stdin="\n".join(lines))
    assert [item["verdict"] for item in result.json_lines()] == ["valid"] * 60
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_a_signed_cookie_is_accepted_by_the_app(shop: Shop) -> None:
    app = shop.start()
    sid = sid_of(visitor(app, 42))
    result = shop.run("sign", "--secret-from", "env:APP_SECRET", "--", sid)
    stranger = app.browser()
    stranger.cookies["connect.sid"] = result.stdout.rstrip("\n")
    assert user_of(stranger) == 42
    assert (result.stderr, result.code) == ("", 0)


def test_a_cookie_signed_with_a_wrong_secret_is_accepted_by_nobody(cookie_shop: Shop) -> None:
    app = cookie_shop.start()
    sid = sid_of(visitor(app, 42))
    forged = cookie_shop.run("sign", "--secret-from", "env:WRONG", "--", sid).stdout.rstrip("\n")
    stranger = app.browser()
    stranger.cookies["connect.sid"] = forged
    assert user_of(stranger) is None
    result = cookie_shop.run("verify", forged, "--secret-from", "env:APP_SECRET")
    assert (result.json_lines()[0]["verdict"], result.stderr, result.code) == (
        "bad_signature", "", 1,
    )  # fmt: skip


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_a_rotation_is_the_same_for_both(shared_shop: Shop) -> None:
    before = visitor(shared_shop.start(secrets=["old secret"]), 42)
    app = shared_shop.start(secrets=["new secret", "old secret"])
    env = {"NEW": "new secret", "OLD": "old secret"}
    both = ("--secret-from", "env:NEW", "--secret-from", "env:OLD")
    judged = shared_shop.run("verify", before.cookie(), *both, **env)
    assert (judged.json_lines()[0]["secret"], judged.stderr, judged.code) == ("env:OLD", "", 0)
    stranger = app.browser()
    sid = judged.json_lines()[0]["sid"]
    stranger.cookies["connect.sid"] = shared_shop.run(
        "sign", *both, "--", sid, **env
    ).stdout.rstrip("\n")
    assert user_of(stranger) == 42
    newest = shared_shop.run("verify", stranger.cookie(), *both, **env)
    assert (newest.json_lines()[0]["secret"], newest.code) == ("env:NEW", 0)


def test_a_cookie_name_of_the_app_s_own(cookie_shop: Shop) -> None:
    app = cookie_shop.start(name="cookie_shop.sid")
    sid = sid_of(visitor(app, 42))
    cookie_shop.configure('cookie_name = "cookie_shop.sid"\nsecrets = ["env:APP_SECRET"]')
    result = cookie_shop.run("sign", "-o", "header", "--", sid)
    name, _, value = result.stdout.removeprefix("Cookie: ").rstrip("\n").partition("=")
    stranger = app.browser()
    stranger.cookies[name] = value
    assert (name, user_of(stranger)) == ("cookie_shop.sid", 42)
    assert (result.stderr, result.code) == ("", 0)


# -- expire and restore ----------------------------------------------------------------------------


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_expire_logs_one_browser_out_and_no_other(shop: Shop) -> None:
    app = shop.start()
    phone, laptop, other = visitor(app, 42), visitor(app, 42), visitor(app, "ana")
    result = shop.run("expire", "--yes", "--", sid_of(phone))
    assert [user_of(browser) for browser in (phone, laptop, other)] == [None, 42, "ana"]
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_expire_of_a_user_logs_them_out_everywhere(every_shop: Shop) -> None:
    app = every_shop.start()
    phone, laptop, other = visitor(app, 42), visitor(app, 42), visitor(app, 421)
    result = every_shop.run("expire", "--user", "42", "--yes")
    assert [user_of(browser) for browser in (phone, laptop, other)] == [None, None, 421]
    assert ("Ended 2 sessions." in result.stderr, result.code) == (True, 0)


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_a_dry_run_logs_nobody_out(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    result = shop.run("expire", "--user", "42", "--dry-run")
    assert user_of(browser) == 42
    assert ("Would end 1 session." in result.stderr, result.code) == (True, 0)


def test_restore_logs_the_browser_in_again_with_the_same_cookie(every_shop: Shop) -> None:
    app = every_shop.start(cookie={"maxAge": HOUR_MS})
    browser = visitor(app, 42, theme="dark")
    seen, cookies = browser.get("/session").json, dict(browser.cookies)
    assert every_shop.run("expire", "--user", "42", "--yes").code == 0
    gone = app.browser()
    gone.cookies |= cookies
    assert user_of(gone) is None
    result = every_shop.run("restore", "--last", "--yes")
    again = app.browser()
    again.cookies |= cookies
    assert user_of(again) == 42
    assert again.get("/session").json["theme"] == seen["theme"]
    assert ("Restored 1 session." in result.stderr, result.code) == (True, 0)


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_restore_does_not_undo_a_newer_login(reviving_shop: Shop) -> None:
    """A request in flight wrote the session back meanwhile: what the app wrote stands."""
    app = reviving_shop.start()
    browser = visitor(app, 42)
    with in_flight(app, browser, "yes"):
        assert reviving_shop.run("expire", "--user", "42", "--yes").code == 0
    result = reviving_shop.run("restore", "--last", "--yes")
    assert browser.get("/session").json["slow"] == 1
    assert (result.counts, result.code) == ({"newer": 1}, 0)


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "session-file-store")
@pytest.mark.parametrize(("change", "comes_back"), [("yes", True), ("no", False)])
def test_a_request_in_flight_brings_its_session_back_only_if_it_changes_it(
    shop: Shop, change: str, comes_back: bool
) -> None:
    """Re-created whole by the library's set; its touch leaves most stores alone."""
    app = shop.start()
    browser = visitor(app, 42)
    sid = sid_of(browser)
    with in_flight(app, browser, change):
        result = shop.run("expire", "--yes", "--", sid)
        assert (shop.listed(), result.code) == ({}, 0)
    assert (sid in shop.listed()) == ((comes_back and shop.set_revives) or shop.touch_revives)


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "session-file-store")
def test_recheck_ends_what_a_request_in_flight_wrote_back(reviving_shop: Shop) -> None:
    shop, app = reviving_shop, reviving_shop.start()
    browser = visitor(app, 42)
    sid = sid_of(browser)
    with in_flight(app, browser, "yes") as release:

        def write_back() -> None:
            while shop.has(sid):  # until it has been ended
                time.sleep(0.02)
            release()

        writer = Thread(target=write_back)
        writer.start()
        result = reviving_shop.run("expire", "--yes", "--recheck", "2s", "-o", "json", "--", sid)
        writer.join()
    assert reviving_shop.listed() == {}
    summary = result.json()["summary"]
    assert (summary["deleted"], summary["re-created"], result.code) == (1, 1, 0)
    assert "1 written back by requests in flight" in result.stderr
    undone = reviving_shop.run("restore", "--last", "--yes")
    assert (set(reviving_shop.listed()), undone.code) == ({sid}, 0)


# -- what the library writes ----------------------------------------------------------------------


@pytest.mark.quick_on("connect-redis", "connect-sqlite3", "connect-pg-simple", "session-file-store")
def test_a_moved_end_keeps_a_session_beyond_its_old_one(every_shop: Shop) -> None:
    """`Store.set_expiry`: the store, the listing and the app go by the new end."""
    browser = visitor(every_shop.start(cookie={"maxAge": HOUR_MS}), 42, theme="dark")
    sid, store = sid_of(browser), every_shop.store()
    assert browser.post("/maxage", {"ms": 3000}).status == 200
    old_ms = every_shop.ends_ms(sid)
    new_ms = store.now_ms() // 1000 * 1000 + HOUR_MS
    (result,) = store.set_expiry(store.get([sid]), new_ms)
    assert result.outcome is Outcome.STORED
    assert abs(every_shop.ends_ms(sid) - new_ms) < every_shop.granularity_ms
    assert abs(listed_end(every_shop, sid) - new_ms) < every_shop.granularity_ms
    while time.time() * 1000 < old_ms + every_shop.granularity_ms:
        time.sleep(0.05)
    assert user_of(browser) == 42
    assert browser.get("/session").json["theme"] == "dark"


@pytest.mark.quick_on("connect-redis", "connect-pg-simple", "connect-mongo", "session-file-store")
def test_a_session_that_is_put_is_accepted_by_the_app(every_shop: Shop) -> None:
    """`Store.put`, with an end of its own; the cookie is signed by sessctl."""
    app = every_shop.start(cookie={"maxAge": HOUR_MS})
    first = visitor(app, 42, theme="dark", cart=["tea"])
    sid, store = sid_of(first), every_shop.store()
    sessions = store.get([sid])
    frozen = {"sid": sid, **store.freeze(sessions[0])}
    assert store.delete(sessions)[0].outcome is Outcome.DELETED
    assert user_of(first) is None
    new_ms = store.now_ms() // 1000 * 1000 + 2 * HOUR_MS
    (result,) = store.put([store.thaw(frozen, expires_ms=new_ms)])
    assert result.outcome is Outcome.STORED
    assert abs(listed_end(every_shop, sid) - new_ms) < every_shop.granularity_ms
    stranger = every_shop.sign(app, sid)
    assert user_of(stranger) == 42
    seen = stranger.get("/session").json
    assert (seen["theme"], seen["cart"]) == ("dark", ["tea"])


def listed_end(shop: Shop, sid: str) -> float:
    return datetime.fromisoformat(shop.listed()[sid]["expires_at"]).timestamp() * 1000


# -- purge -----------------------------------------------------------------------------------------


def test_purge_takes_exactly_the_expired_rows(lasting_shop: Shop) -> None:
    app = lasting_shop.start(cookie={"maxAge": HOUR_MS})
    live = [visitor(app, 42), visitor(app, "ana"), visitor(app)]
    gone = [short(app, 42), short(app, "ben")]
    users = [user_of(browser) for browser in live]
    lasting_shop.wait_until_expired(len(gone))
    result = lasting_shop.run("purge", "--expired", "--grace", "0s")
    assert set(lasting_shop.listed()) == {sid_of(browser) for browser in live}
    assert [user_of(browser) for browser in live] == users
    assert (result.counts, result.code) == ({"deleted": 2}, 0)
