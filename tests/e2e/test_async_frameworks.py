"""sessctl and real applications on Starlette (starsessions), aiohttp and Litestar agree.

Quickly all in one go; one thing after the other in the long set, with the functions of
`test_express.py`, which hold for every shop.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.stores.opening import detect_layouts
from tests.e2e.test_express import (  # noqa: F401 - collected here, with the `shop` below
    test_a_dry_run_logs_nobody_out,
    test_expire_logs_one_browser_out_and_no_other,
    test_expire_of_a_user_logs_them_out_everywhere,
)
from tests.support.shops import ASYNC_SHOPS
from tests.support.shops.base import sid_of, user_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.shops.asynchronous import AsyncShop


@pytest.fixture(params=ASYNC_SHOPS)
def quick_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Any:
    return open_shop_on(request.param)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.long) for name in ASYNC_SHOPS])
def shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Any:
    return open_shop_on(request.param)


@pytest.fixture
def every_shop(shop: AsyncShop) -> AsyncShop:
    return shop


def cookie_of(shop: AsyncShop, browser: Any) -> str:
    return f"{shop.cookie_name}={browser.cookie(shop.cookie_name)}"


def test_people_are_listed_logged_out_and_logged_in_again(quick_shop: AsyncShop) -> None:
    shop, app = quick_shop, quick_shop.start()
    phone, laptop = visitor(app, 42, theme="dark"), visitor(app, 42)
    other = visitor(app, "ana", note="çay \u2028 <b>", nested={"a": [1, 2.5, None, -1, 2**40]})
    browsers = {sid_of(phone): phone, sid_of(laptop): laptop, sid_of(other): other}

    listed = shop.listed()
    expected = {sid: browser.get("/session").json for sid, browser in browsers.items()}
    assert {sid: item["data"] for sid, item in listed.items()} == expected
    assert [listed[sid]["user"] for sid in browsers] == ["42", "42", "ana"]
    assert {(item["state"], item["layout"]) for item in listed.values()} == {
        ("active", shop.layout)
    }
    (shown,) = shop.run("show", "-o", "json", "--", sid_of(phone)).json()["items"]
    assert shown["data"]["theme"] == "dark"
    decoded = shop.run("decode", cookie_of(shop, phone)).json_lines()[0]
    assert (decoded["sid"], decoded["session"]["user"]) == (sid_of(phone), "42")

    ended = shop.run("expire", "--user", "42", "--yes")
    assert ("Ended 2 sessions." in ended.stderr, ended.code) == (True, 0)
    assert (user_of(laptop), user_of(other)) == (None, "ana")
    restored = shop.run("restore", "--last", "--yes")
    assert restored.code == 0, restored.stderr
    # Whoever comes back too early has an empty session of Litestar's by now, which stays.
    assert (user_of(phone), user_of(other)) == (42, "ana")
    assert user_of(laptop) == (None if shop.leaves_empty else 42)
    assert phone.get("/session").json["theme"] == "dark"

    purged = shop.run("purge", "--user", "42", "--yes")
    assert purged.counts == {"deleted": 1 if shop.leaves_empty else 2}
    assert {item["user"] for item in shop.listed().values()} <= {"ana", None}


def test_a_session_that_is_created_is_logged_in(quick_shop: AsyncShop) -> None:
    shop, app = quick_shop, quick_shop.start()
    made = shop.run("create", "--user", "42", "theme=dark", "--yes", "-o", "json")
    assert made.code == 0, made.stderr
    (item,) = shop.listed().values()
    browser = app.browser()
    browser.cookies[shop.cookie_name] = item["sid"]
    assert browser.get("/session").json == {"user_id": "42", "theme": "dark"}
    browser.post("/data", {"theme": "light"})
    changed = shop.run("set", "--yes", "--", item["sid"], "seen:=2.5")
    assert changed.code == 0, changed.stderr
    assert browser.get("/session").json == {"user_id": "42", "theme": "light", "seen": 2.5}


def test_dates_of_a_session_are_those_that_the_library_keeps(open_shop_on: OpenShop) -> None:
    for name, has_seen in (("starsessions", True), ("aiohttp-session", False)):
        shop = open_shop_on(name)
        browser = visitor(shop.start(), 42)
        session = shop.store().get([sid_of(browser)])[0]
        now_ms = time.time() * 1000
        assert session.created_ms is not None
        assert now_ms - 60_000 < session.created_ms <= now_ms
        assert (session.seen_ms is not None) == has_seen


def test_a_logout_leaves_nobody_to_list(shop: AsyncShop) -> None:
    browser = visitor(shop.start(), 42)
    browser.post("/logout")
    assert {item["user"] for item in shop.listed().values()} <= {None}
    assert {item["problem"] for item in shop.listed().values()} <= {None}


def test_a_store_is_told_by_what_is_in_it(shop: AsyncShop) -> None:
    visitor(shop.start(), 42)
    sure = [one for one in detect_layouts(shop.url) if one.sure]
    assert [(one.layout, dict(one.settings)) for one in sure] == [(shop.layout, {})]
