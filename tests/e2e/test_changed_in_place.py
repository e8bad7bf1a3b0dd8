"""Real applications take what sessctl creates, changes and touches for their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import HOUR_MS
from tests.support.shops.base import data_of, sid_of, user_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.express import Browser, ExpressApp
    from tests.support.shops.base import Shop

CREATED = ["connect-redis", "connect-pg-simple", "session-file-store", "koa-session"]
# Further frameworks, encrypted values, values that are objects, live memory.
FURTHER = [
    *("fastify-session", "koa-generic-session", "connect-mongo", "connect-mongo, objects"),
    *("connect-mongo, encrypted", "session-file-store, encrypted", "connect-memcached"),
    *("connect-memcached, encrypted", "memorystore", "express-memory"),
    *("connect-session-sequelize", "prisma-session-store"),
]
CHANGED = ["connect-redis", "session-file-store"]


def created(shop: Shop, app: ExpressApp, *words: str) -> Browser:
    """A browser with the cookies of `sessctl create`."""
    secret = ("--secret-from", f"env:{shop.secret_name}")
    result = shop.run("create", "-o", "header", "--name", shop.cookie_name, *secret, *words)
    assert result.code == 0, result.stderr
    browser = app.browser()
    for pair in result.stdout.removeprefix("Cookie: ").rstrip("\n").split("; "):
        name, _, value = pair.partition("=")
        browser.cookies[name] = value
    return browser


def check_created(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    other = visitor(app, "ana", theme="light")
    browser = created(shop, app, "passport.user:=42", 'cart:=["tea",1.5]', "note=\u00e7ay")
    assert user_of(browser) == 42
    seen = data_of(shop, browser)
    assert (seen["cart"], seen["note"]) == (["tea", 1.5], "\u00e7ay")
    assert browser.post("/data", {"theme": "dark"}).status == 200
    listed = shop.listed()[sid_of(browser)]
    assert (listed["user"], listed["data"]["theme"]) == ("42", "dark")
    assert (user_of(other), data_of(shop, other)["theme"]) == ("ana", "light")
    lasting = created(shop, app, "--ttl", "30m", "passport.user:=43")
    assert user_of(lasting) == 43
    browser.post("/logout")
    assert (user_of(browser), user_of(lasting)) == (None, 43)


@pytest.mark.parametrize("layout", CREATED)
def test_a_created_session_is_logged_in(open_shop_on: OpenShop, layout: str) -> None:
    check_created(open_shop_on(layout))


@pytest.mark.long
@pytest.mark.parametrize("layout", FURTHER)
def test_a_created_session_is_logged_in_elsewhere(open_shop_on: OpenShop, layout: str) -> None:
    check_created(open_shop_on(layout))


@pytest.mark.parametrize("layout", CHANGED)
def test_the_app_goes_on_with_what_was_set_and_undone(open_shop_on: OpenShop, layout: str) -> None:
    shop = open_shop_on(layout)
    browser = visitor(shop.start(cookie={"maxAge": HOUR_MS}), 42, theme="dark", cart=["tea"])
    sid = sid_of(browser)
    before = browser.get("/session").json
    result = shop.run("set", "--unset", "theme", "--", sid, "cart.0=milk", 'more:={"n":1}')
    assert result.code == 0, result.stderr
    assert shop.ends_ms(sid) > 0
    changed = data_of(shop, browser)
    assert (changed["cart"], changed["more"], "theme" in changed) == (["milk"], {"n": 1}, False)
    own = browser.get("/session").json["cookie"]  # at each visit Node may read its clock twice
    assert HOUR_MS - 10 <= own["originalMaxAge"] <= HOUR_MS
    assert browser.post("/data", {"seen": 1}).status == 200  # what is newer stands
    assert shop.run("restore", "--last", "--yes", "-o", "json").json()["summary"]["newer"] == 1
    assert data_of(shop, browser)["cart"] == ["milk"]
    shop.run("set", "--", sid, "cart.0=coffee")
    assert shop.run("restore", "--last", "--yes").counts["restored"] == 1
    assert data_of(shop, browser)["cart"] == ["milk"]
    assert shop.run("touch", "--ttl", "5h", "--", sid).code == 0
    assert 4.9 * HOUR_MS < shop.listed()[sid]["ttl_s"] * 1000 <= 5 * HOUR_MS
    assert (user_of(browser), before["cart"]) == (42, ["tea"])
