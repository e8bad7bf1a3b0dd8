"""sessctl and real Flask applications agree whose sessions Flask-Session keeps.

What holds for every shop is tested by the functions of `test_express.py` themselves; here they run
on the stores of Flask-Session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.test_express import (  # noqa: F401 - collected here, with the `shop` below
    test_a_dry_run_logs_nobody_out,
    test_a_moved_end_keeps_a_session_beyond_its_old_one,
    test_a_request_in_flight_brings_its_session_back_only_if_it_changes_it,
    test_a_session_ends_when_its_store_says,
    test_a_session_that_is_put_is_accepted_by_the_app,
    test_expire_logs_one_browser_out_and_no_other,
    test_expire_of_a_user_logs_them_out_everywhere,
    test_purge_takes_exactly_the_expired_rows,
    test_recheck_ends_what_a_request_in_flight_wrote_back,
    test_restore_logs_the_browser_in_again_with_the_same_cookie,
)
from tests.support.cli import HOUR_MS
from tests.support.shops import FLASK_SHOPS, shop_class
from tests.support.shops.base import data_of, sid_of, user_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.shops.base import Shop

LASTING = [name for name in FLASK_SHOPS if not shop_class(name).expires_by_itself]
# Each engine once, and of the SQL databases that of which the session's bytes are text to us.
QUICK = ("flask-redis", "flask-sqlalchemy", "flask-sqlalchemy on postgresql", "flask-mongodb")


@pytest.fixture(params=FLASK_SHOPS)
def every_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


@pytest.fixture
def shop(every_shop: Shop) -> Shop:
    return every_shop


@pytest.fixture
def reviving_shop(every_shop: Shop) -> Shop:
    return every_shop


@pytest.fixture(params=LASTING)
def lasting_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


PEOPLE: list[tuple[Any, str | None, dict[str, Any]]] = [
    (42, "42", {}),
    ("ana", "ana", {"theme": "dark", "nested": {"a": [1, 2.5, None, True, -1, 2**40]}}),
    ("u-7f3a", "u-7f3a", {"note": "çay \u2028 <b>", "long": "x" * 300}),
    (None, None, {"token": "t-1"}),
]


def test_every_session_is_listed_as_the_app_has_it(every_shop: Shop) -> None:
    app = every_shop.start(cookie={"maxAge": HOUR_MS})
    expected: dict[str, tuple[str | None, Any]] = {}
    for user, shown, data in PEOPLE:
        browser = visitor(app, user, **data)
        browser.post("/cart", {"item": "apple", "qty": 2})
        browser.post("/flash", {"type": "info", "message": "Saved"})
        browser.post("/permanent", {"permanent": user != 42})
        assert sid_of(browser) == browser.cookie("session")
        expected[sid_of(browser)] = (shown, data_of(every_shop, browser))
    listed = every_shop.listed()
    assert {sid: (item["user"], item["data"]) for sid, item in listed.items()} == expected
    assert {item["state"] for item in listed.values()} == {"active"}
    assert {item["layout"] for item in listed.values()} == {every_shop.layout}


def test_show_is_what_the_app_has(every_shop: Shop) -> None:
    browser = visitor(every_shop.start(), "ana", theme="dark")
    result = every_shop.run("show", "-o", "json", "--", sid_of(browser))
    (item,) = result.json()["items"]
    assert item["data"] == data_of(every_shop, browser)
    assert (item["user"], result.stderr, result.code) == ("ana", "", 0)


def test_the_browser_s_cookie_leads_to_its_session(every_shop: Shop) -> None:
    browser = visitor(every_shop.start(), 42, cart=["tea"])
    result = every_shop.run("decode", f"session={browser.cookie('session')}")
    (item,) = result.json_lines()
    assert item["sid"] == sid_of(browser)
    assert (item["session"]["user"], item["session"]["data"]["cart"]) == ("42", ["tea"])
    assert (result.stderr, result.code) == ("", 0)


def test_a_logout_leaves_nobody_to_list(every_shop: Shop) -> None:
    browser = visitor(every_shop.start(), 42, theme="dark")  # with nothing in it the app ends it
    browser.post("/logout")
    assert {item["user"] for item in every_shop.listed().values()} == {None}


def test_what_is_set_is_what_the_app_reads(every_shop: Shop) -> None:
    browser = visitor(every_shop.start(), 42, theme="dark", cart=["tea"])
    result = every_shop.run(
        "set", "--yes", sid_of(browser), "theme=light", "seen:=2.5", "cart:=[]", "_user_id=43"
    )
    assert result.code == 0, result.stderr
    seen = browser.get("/session").json
    assert (seen["theme"], seen["seen"], seen["cart"]) == ("light", 2.5, [])
    assert user_of(browser) == 43


def test_the_store_is_told_without_its_layout(every_shop: Shop) -> None:
    visitor(every_shop.start(), "ana")
    result = every_shop.run("list", "-o", "jsonl", "-b", every_shop.url)
    found = [(item["layout"], item["user"]) for item in result.json_lines()]
    assert found == [(every_shop.layout, "ana")], result.stderr
