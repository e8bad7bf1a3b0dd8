"""The store beside the browser: what the shop wrote at each step, and nothing else.

On connect-redis and on connect-pg-simple.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import open_store
from sessctl.cookies.api import decode_cookie
from sessctl.replay.join import StoreWatcher
from sessctl.replay.look import Fate, Look
from tests.support.express import ExpressApp
from tests.support.replay import SCENARIOS, play, runner, study

if TYPE_CHECKING:
    from sessctl.replay.transcript import Transcript

Shop = Callable[..., tuple[ExpressApp, StoreWatcher]]


@pytest.fixture(params=["redis", "pg"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Start a shop with a watcher of its store."""
    fixture, layout = {
        "redis": ("redis_url", "connect-redis"),
        "pg": ("postgres_url", "connect-pg-simple"),
    }[request.param]
    url = request.getfixturevalue(fixture)
    with ExitStack() as running:

        def start(**options: Any) -> tuple[ExpressApp, StoreWatcher]:
            where = {"redisUrl": url} if request.param == "redis" else {"pgUrl": url}
            app = running.enter_context(
                ExpressApp(
                    app="shop.js",
                    secrets=["keyboard cat"],
                    store=request.param,
                    **where,
                    **options,
                )
            )
            if request.param == "pg":  # the library makes its table when it is first asked
                app.browser().get("/count")
                with request.getfixturevalue("postgres_server").connect() as database:
                    database.execute("TRUNCATE session")
            store = running.enter_context(open_store(url, layout=layout))
            return app, StoreWatcher(store, sid_of)

        yield start


def sid_of(cookies: Mapping[str, str]) -> str | None:
    value = cookies.get("connect.sid")
    return None if value is None else decode_cookie(value, name="connect.sid").sid


def looks(run: Transcript) -> dict[str, Look]:
    """What was seen at the last exchange of each step, by the step's name."""
    found = {one.step.name: one.exchanges[-1].look for one in run.steps}
    assert None not in found.values()
    return found  # type: ignore[return-value]


def told(look: Look) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """A session that was only read is renewed by these libraries; connect-pg-simple counts in whole
    seconds, so that one may come out unchanged."""
    changes = {
        one.path: (one.old, one.new) for one in look.changes if not one.path.startswith("$.cookie")
    }
    only_read = look.fate in (Fate.RENEWED, Fate.UNCHANGED)
    return "read" if only_read else look.fate, changes


def test_each_step_shows_what_the_app_wrote(shop: Shop) -> None:
    app, watcher = shop(regenerate=True)
    seen = looks(play(runner(SCENARIOS / "shop.yaml", app.url, watcher=watcher)))
    welcome = "Welcome, tj!"
    assert {name: told(look) for name, look in seen.items()} == {
        "about": ("none", {}),
        "count 1": ("created", {"$.count": (None, 1)}),
        "count 2": ("changed", {"$.count": (1, 2)}),
        "log in": (
            "created",
            {"$.count": (2, None), "$.user": (None, "tj"), "$.flash": (None, welcome)},
        ),
        "flash": ("changed", {"$.flash": (welcome, None)}),
        "flash gone": ("read", {}),
        "account": ("read", {}),
        "put a pear into the cart": ("read", {}),  # the page after the redirect
        "cart": ("read", {}),
        "cart again": ("read", {}),
        "log out": ("gone", {}),
        "account after logout": ("none", {}),
    }


def test_a_form_and_the_page_after_it_are_seen_apart(shop: Shop) -> None:
    app, watcher = shop()
    run = play(runner(SCENARIOS / "shop.yaml", app.url, watcher=watcher))
    step = next(one for one in run.steps if one.step.name == "put a pear into the cart")
    form, page = [one.look for one in step.exchanges]
    assert form is not None
    assert page is not None
    assert told(form) == ("changed", {"$.cart": (None, [{"item": "pear", "qty": 2}])})
    assert told(page) == ("read", {})


def test_a_login_that_regenerates_is_another_session(shop: Shop) -> None:
    app, watcher = shop(regenerate=True)
    seen = looks(play(runner(SCENARIOS / "shop.yaml", app.url, watcher=watcher)))
    before, login = seen["count 2"], seen["log in"]
    assert login.replaced == before.sid != login.sid
    assert login.sessions == (1, 1)  # the one of before is gone
    assert seen["account"].sid == login.sid


def test_a_login_that_keeps_the_session_changes_it(shop: Shop) -> None:
    app, watcher = shop()
    seen = looks(play(runner(SCENARIOS / "shop.yaml", app.url, watcher=watcher)))
    assert told(seen["log in"]) == (
        "changed",
        {"$.user": (None, "tj"), "$.flash": (None, "Welcome, tj!")},
    )
    assert seen["log in"].replaced == ""


def test_a_renewal_says_by_how_much(shop: Shop) -> None:
    app, watcher = shop(cookie={"maxAge": 60_000})
    steps = """
  - {name: log in, post: /login, form: {user: tj}}
  - {name: flash, get: /}
  - wait: 1500ms
  - {name: account, get: /account}
"""
    run = play(runner(steps, app.url, watcher=watcher))
    look = run.steps[-1].exchanges[-1].look
    assert look is not None
    assert look.fate is Fate.RENEWED
    assert look.expiry_moved_ms is not None
    assert 500 <= look.expiry_moved_ms <= 60_000


def test_sessions_for_nobody_are_counted(shop: Shop) -> None:
    app, watcher = shop(saveUninitialized=True)
    steps = """
  - repeat: {times: 5, steps: [{name: about, get: /about, cookies: none}, {jar: clear}]}
"""
    run = play(runner(steps, app.url, watcher=watcher))
    seen = [one.exchanges[0].look for one in run.steps if one.exchanges]
    assert [one and one.sessions for one in seen] == [(n, n + 1) for n in range(5)]
    assert {one and one.fate for one in seen} == {Fate.CREATED}


def test_a_race_is_looked_at_as_a_whole(shop: Shop) -> None:
    """A look around each request would put them in a row."""
    app, watcher = shop()
    steps = """
  - {name: log in, post: /login, form: {user: tj}}
  - parallel: {times: 6, step: {get: /count}}
"""
    run = play(runner(steps, app.url, watcher=watcher))
    seen = [one.look for one in run.steps[1].exchanges]
    assert seen[:-1] == [None] * 5
    assert seen[-1] is not None
    assert seen[-1].fate is Fate.CHANGED
    ((path, old, new),) = [(one.path, one.old, one.new) for one in seen[-1].changes
                           if not one.path.startswith("$.cookie")]  # fmt: skip
    assert (path, old) == ("$.count", None)
    assert 1 <= new <= 6


def test_reading_extends_no_life(shop: Shop) -> None:
    app, watcher = shop(cookie={"maxAge": 60_000})
    run = play(runner("\n  - {post: /login, form: {user: tj}}\n", app.url, watcher=watcher))
    exchange = run.steps[0].exchanges[0]
    assert exchange.look is not None
    assert exchange.look.after is not None
    cookies = {one.name: one.value for one in exchange.cookies}
    for _ in range(3):
        seen = watcher._before(cookies)
        assert seen.session is not None
        assert seen.session.expires_ms == exchange.look.after.expires_ms


def test_the_store_is_named_in_the_verdict(shop: Shop) -> None:
    app, watcher = shop()
    player = runner(SCENARIOS / "shop.yaml", app.url, watcher=watcher)
    found = study(player, store="redis").finding
    assert found is not None
    assert found.sentence == (
        "stateful: 7 of 12 steps depend on state carried by connect.sid, "
        "kept at the server (redis, session found)"
    )
