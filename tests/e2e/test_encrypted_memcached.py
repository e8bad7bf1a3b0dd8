"""connect-memcached with a `secret`: what it encrypts is read, moved and put back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.support.cli import HOUR_MS
from tests.support.shops.base import sid_of, user_of, visitor

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop


def test_encrypted_sessions_are_read_moved_ended_and_restored(open_shop_on: OpenShop) -> None:
    shop = open_shop_on("connect-memcached, encrypted")
    app = shop.start(cookie={"maxAge": HOUR_MS})
    browser = visitor(app, 42, theme="dark")
    sid, store = sid_of(browser), shop.store()
    item = shop.listed()[sid]
    assert (item["user"], item["data"]["theme"]) == ("42", "dark")
    (session,) = store.get([sid])
    assert b"theme" not in session.raw
    ends_ms = store.now_ms() + 2 * HOUR_MS
    assert store.set_expiry([session], ends_ms)[0].outcome is Outcome.STORED
    assert shop.ends_ms(sid) == ends_ms
    assert user_of(browser) == 42
    assert shop.run("expire", "--yes", "--", sid).code == 0
    stranger = app.browser()
    stranger.cookies |= browser.cookies
    assert user_of(stranger) is None
    assert shop.run("restore", "--last", "--yes").code == 0
    assert user_of(shop.sign(app, sid)) == 42


def test_without_the_secret_it_is_said(open_shop_on: OpenShop) -> None:
    shop = open_shop_on("connect-memcached, encrypted")
    sid = sid_of(visitor(shop.start(), 42))
    with open_store(shop.url) as store:
        (session,) = store.get([sid])
    assert (session.user, session.problem and "no secret" in session.problem.message) == (
        None,
        True,
    )
