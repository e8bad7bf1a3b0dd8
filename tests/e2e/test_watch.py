"""What customers of a real shop do, as `watch` and `stats` see it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

from sessctl import stats, watch
from sessctl.admin.watch import Pace
from tests.support.cli import HOUR_MS
from tests.support.shops.base import short, sid_of, visitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import OpenShop
    from tests.support.shops.base import Shop

_LOOKS = 40  # half a second each; an event is there long before


class Clicks:
    """Between two looks somebody clicks; time goes on no faster than the clicks."""

    def __init__(self, *clicks: Callable[[], object]) -> None:
        self._left = list(clicks)
        self._rested = 0.0
        self.now_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self._rested += seconds
        if self._rested >= 0.4 and self._left:
            self._rested = 0.0
            self._left.pop(0)()

    def pace(self) -> Pace:
        return Pace(0.5, _LOOKS * 0.5, clock=lambda: self.now_s, sleep=self.sleep)


@pytest.fixture(params=["connect-redis", "connect-sqlite3"])
def shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


def test_every_click_is_the_event_that_it_is(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    ana, new = visitor(app, "ana"), app.browser()
    known = sid_of(ana)
    clicks = Clicks(
        lambda: new.post("/login", {"user": 42}),
        lambda: ana.post("/cart", {"item": "apple", "qty": 2}),
        lambda: ana.get("/touch"),
        lambda: ana.post("/flash", {"type": "info", "message": "Saved"}),
        lambda: new.post("/logout", {}),
    )
    found = []
    for event in islice(watch(shop.store(), pace=clicks.pace()), 6):
        assert event.session is not None
        found.append((str(event.change), event.session.user, event.changed))
        assert (event.sid == known) == (event.session.user == "ana")
    assert found == [
        ("appeared", "42", ()),
        ("changed", "ana", ("data.shoppingCart",)),
        ("renewed", "ana", ()),
        ("changed", "ana", ("data.flash",)),
        ("appeared", None, ()),  # passport regenerates the session of who logs out
        ("ended", "42", ()),
    ]


def test_a_session_that_runs_out_has_expired_and_not_ended(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    short(app, 42)
    store = shop.store()
    (event,) = islice(watch(store, pace=Pace(0.5, 30)), 1)
    assert (event.change, event.session and event.session.user) == ("expired", "42")


def test_numbers_are_those_of_the_shop(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    visitors = [visitor(app, 42), visitor(app, 42), visitor(app, "ana"), visitor(app)]
    visitors[0].post("/cart", {"item": "apple", "qty": 2})
    found = stats(shop.store())
    assert (found.sessions, found.active, found.anonymous, found.empty) == (4, 4, 1, 0)
    assert found.users.top == (("42", 2), ("ana", 1))
    assert (found.expires["under_1h"], found.unreadable) == (4, 0)
    assert found.largest[0].sid == sid_of(visitors[0])
