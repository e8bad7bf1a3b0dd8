"""sessctl and real Koa and Fastify applications agree.

What holds for every shop is tested by the functions of `test_express.py` themselves; here they run
on the shops of other frameworks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.test_express import (  # noqa: F401 - collected here, with the `shop` below
    test_a_dry_run_logs_nobody_out,
    test_a_moved_end_keeps_a_session_beyond_its_old_one,
    test_a_session_ends_when_its_store_says,
    test_a_session_that_is_put_is_accepted_by_the_app,
    test_expire_logs_one_browser_out_and_no_other,
    test_expire_of_a_user_logs_them_out_everywhere,
    test_restore_logs_the_browser_in_again_with_the_same_cookie,
)
from tests.support.cli import HOUR_MS
from tests.support.shops import NODE_SHOPS
from tests.support.shops.base import sid_of, user_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.shops.base import Shop


@pytest.fixture(params=NODE_SHOPS)
def shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


@pytest.fixture
def every_shop(shop: Shop) -> Shop:
    return shop


def header(browser) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def test_every_session_is_listed_as_the_app_has_it(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    expected = {}
    for user, shown in ((42, "42"), ("ana", "ana"), ({"id": 7}, "7"), (None, None)):
        browser = visitor(app, user, note="\u00e7ay <b>", nested={"a": [1, 2.5, None]})
        expected[sid_of(browser)] = (shown, browser.get("/session").json)
    listed = shop.listed()
    assert {sid: (item["user"], item["data"]) for sid, item in listed.items()} == expected
    assert {item["state"] for item in listed.values()} == {"active"}


def test_the_browser_s_cookies_lead_to_its_session_and_verify(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    sid = sid_of(browser)
    shown = shop.run("decode", header(browser))
    right = shop.run("verify", header(browser), "--secret-from", f"env:{shop.secret_name}")
    wrong = shop.run("verify", header(browser), "--secret-from", "env:WRONG")
    (item,) = shown.json_lines()
    assert (item["sid"], item["session"]["user"], shown.code) == (sid, "42", 0)
    assert (right.json_lines()[0]["verdict"], right.code) == ("valid", 0)
    assert (wrong.json_lines()[0]["verdict"], wrong.code) == ("bad_signature", 1)


def test_a_logout_leaves_nothing_to_list(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    browser.post("/logout")
    assert {item["user"] for item in shop.listed().values()} <= {None}


def test_keys_beside_the_sessions_stay(shop: Shop) -> None:
    """An id that holds its prefix can name nothing outside of it."""
    browser = visitor(shop.start(), 42)
    shop.redis.set("neighbour", b'{"_expire":1}')
    result = shop.run("expire", "--yes", "--", "neighbour", sid_of(browser))
    named = [item for item in result.stderr.splitlines() if "Ended" in item]
    assert (shop.redis.exists("neighbour"), len(named)) == (1, 1), result.stderr
    assert user_of(browser) is None
