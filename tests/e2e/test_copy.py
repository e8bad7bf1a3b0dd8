"""A team changes its store, and nobody is logged out: real Express apps on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import open_store
from sessctl.admin.follow import Follow
from sessctl.admin.journal import JournalWriter, head_for
from sessctl.admin.placing import Placing
from sessctl.session import Query
from tests.support.cli import HOUR_MS
from tests.support.shops.base import data_of, sid_of, user_of, visitor

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.e2e.conftest import OpenShop
    from tests.support.express import Browser, ExpressApp

CHANGES = [
    ("express-memory", "connect-redis"),
    ("connect-redis", "connect-pg-simple"),
    ("session-file-store", "connect-redis"),
]


def at(app: ExpressApp, browser: Browser) -> Browser:
    """The same browser, its requests now going to another app."""
    again = app.browser()
    again.cookies |= browser.cookies
    return again


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_a_logged_in_browser_stays_logged_in(open_shop_on: OpenShop, old: str, new: str) -> None:
    before, after = open_shop_on(old), open_shop_on(new)
    app = before.start(cookie={"maxAge": HOUR_MS})
    phone = visitor(app, 42, theme="dark", cart=["tea", {"n": 1.5, "t": "çay \u2028"}])
    laptop, stranger = visitor(app, {"id": 7, "role": "admin"}), visitor(app)
    seen, sid = data_of(before, phone), sid_of(phone)
    later = after.start(cookie={"maxAge": HOUR_MS})
    visitor(later)  # its library makes its table at the first visit
    ends_at = before.listed()[sid]["expires_at"]
    result = before.run("copy", "--to", after.backend, "--yes")
    assert (result.counts, result.code) == ({"copied": 3}, 0), result.stderr
    assert after.listed()[sid]["expires_at"] == ends_at
    assert [user_of(at(later, one)) for one in (phone, laptop, stranger)] == [
        42, {"id": 7, "role": "admin"}, None,
    ]  # fmt: skip
    assert data_of(after, at(later, phone)) == seen
    assert at(later, phone).get("/session").json["cookie"]["originalMaxAge"] >= HOUR_MS - 10


def follow(source: Store, target: Store, folder: Path) -> Follow:
    journal = JournalWriter(folder, head_for(target, "copy", Query(), backend="target"))
    return Follow(source, target, Placing(target, journal=journal), target_journal=journal)


def test_what_people_do_during_a_live_copy_arrives(open_shop_on: OpenShop, tmp_path: Path) -> None:
    """Between the passes one person logs in, one goes on shopping, one logs out."""
    before, after = open_shop_on("connect-redis"), open_shop_on("connect-pg-simple")
    app, later = before.start(cookie={"maxAge": HOUR_MS}), after.start(cookie={"maxAge": HOUR_MS})
    shopper, leaver, idler = visitor(app, 42), visitor(app, 7), visitor(app, 8)
    people = [shopper, leaver, idler]
    visitor(later)  # its library makes its table at the first visit
    gone = sid_of(leaver)
    acts = [
        lambda: people.append(visitor(app, "ana")),
        lambda: shopper.post("/cart", {"item": "tea", "qty": 2}),
        lambda: leaver.post("/logout"),
    ]
    said: list[str] = []
    with (
        open_store(before.url, "connect-redis") as source,
        open_store(after.url, "connect-pg-simple", write=True) as target,
    ):
        work = follow(source, target, tmp_path / "journals")
        work.say = said.append
        work.sleep = lambda _: acts.pop(0)() if acts else None
        for _ in work.run(Query()):
            pass
        assert not target.get([gone])
    assert work.summary.complete
    assert (said[0], said[-1]) == ("pass 1: 3 copied", f"pass {len(said)}: nothing changed")
    assert work.summary.counts["ended"] == 1
    assert [user_of(at(later, one)) for one in people] == [42, None, 8, "ana"]
    assert at(later, shopper).get("/cart").json == shopper.get("/cart").json
