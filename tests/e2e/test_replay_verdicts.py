"""What replay says of real applications is true: step by step, which cookie, and where it is kept.

The scenarios stand in `tests/scenarios`, the applications in `tests/peers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.replay.evidence import Kept
from sessctl.replay.sender import Options
from tests.support.express import ExpressApp
from tests.support.peer import PythonApp
from tests.support.replay import SCENARIOS, finding, runner, study, verdicts
from tests.support.servers import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.replay.study import Finding

Shop = Callable[..., ExpressApp]

SHOP_VERDICTS = {
    "about": "same",
    "count 1": "same",
    "count 2": "depends on state",
    "log in": "same",
    "flash": "depends on state",
    "flash gone": "depends on state",
    "account": "depends on state",
    "put a pear into the cart": "depends on state",
    "cart": "depends on state",
    "cart again": "depends on state",
    "log out": "same",
    "account after logout": "same",
}
STORES = {
    "memory": {"store": "memory"},
    "memory, new id at login": {"store": "memory", "regenerate": True},
    "a session for everybody": {"store": "memory", "saveUninitialized": True, "resave": True},
    "a new cookie with each answer": {
        "store": "memory",
        "rolling": True,
        "cookie": {"maxAge": 60_000},
    },
    "redis": {"store": "redis", "regenerate": True},
    "pg": {"store": "pg", "regenerate": True},
    "cookie-session": {"store": "cookie-session"},
}


@pytest.fixture
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    """Start shops; those on Redis and PostgreSQL find them empty."""
    with ExitStack() as running:

        def start(**options: Any) -> ExpressApp:
            if options["store"] == "redis":
                options["redisUrl"] = request.getfixturevalue("redis_url")
            if options["store"] == "pg":
                options["pgUrl"] = request.getfixturevalue("postgres_url")
            app = ExpressApp(app="shop.js", secrets=["keyboard cat"], **options)
            return running.enter_context(app)

        yield start


def said(found: Finding) -> list[str]:
    return [one.text for one in found.evidence]


@pytest.mark.parametrize("why", [False, True], ids=["", "why"])
@pytest.mark.parametrize("options", STORES.values(), ids=STORES)
def test_the_shop_is_judged_step_by_step(shop: Shop, options: dict[str, Any], why: bool) -> None:
    app = shop(**options)
    found = finding(runner(SCENARIOS / "shop.yaml", app.url), why=why)
    assert verdicts(found) == SHOP_VERDICTS
    assert found.unmet == ()
    in_cookie = options["store"] == "cookie-session"
    name = "session" if in_cookie else "connect.sid"
    where = "in the cookie" if in_cookie else "at the server"
    assert found.sentence == (
        f"stateful: 7 of 12 steps depend on state carried by {name}, kept {where}"
    )
    if why:
        changed = [one.key for one in found.steps if one.depends]
        assert found.carrier.steps == {name: tuple(changed)}


def test_the_evidence_for_the_server_and_for_the_cookie(shop: Shop) -> None:
    at_server = finding(runner(SCENARIOS / "shop.yaml", shop(store="memory").url))
    assert said(at_server) == [
        "connect.sid decodes to a session id (express-session)",
        "steps 5 and 6 are answered differently while the cookie's value stays the same",
        "the cookie of before is worth nothing after the logout",
    ]
    in_cookie = finding(runner(SCENARIOS / "shop.yaml", shop(store="cookie-session").url))
    assert said(in_cookie) == [
        "session decodes to a payload (cookie-session)",
        "the cookie's value changes between steps 5 and 6, as the answer does",
        "with the cookie of step 5 again the state goes back to it",
        "the cookie of before still works after the logout",
    ]


@pytest.mark.parametrize("store", ["memory", "cookie-session"])
def test_the_session_is_told_from_a_csrf_cookie_and_a_theme(shop: Shop, store: str) -> None:
    app = shop(store=store, csrf=True)
    found = finding(runner(SCENARIOS / "forms.yaml", app.url), why=True)
    name = "session" if store == "cookie-session" else "connect.sid"
    assert (found.carrier.name, found.carrier.csrf) == (name, ("csrf",))
    assert found.carrier.steps["theme"] == ("2", "4")
    assert found.carrier.steps["csrf"] == ("3", "4", "5", "6", "7")
    assert found.kept is (Kept.COOKIE if store == "cookie-session" else Kept.SERVER)


def test_several_cookies_without_why_are_not_guessed_at(shop: Shop) -> None:
    app = shop(store="memory", csrf=True)
    found = finding(runner(SCENARIOS / "forms.yaml", app.url))
    assert found.carrier.name is None
    assert found.carrier.why == "3 cookies were sent; --why tells which it is"
    assert found.sentence.endswith("carried by a cookie that is not told")


def test_flask_keeps_the_session_in_the_cookie() -> None:
    with PythonApp("flask") as app:
        found = finding(runner(SCENARIOS / "flask.yaml", app.url), why=True)
    assert verdicts(found) == {
        "about": "same",
        "count 1": "same",
        "count 2": "depends on state",
        "log in": "same",
        "flash": "depends on state",
        "flash gone": "depends on state",
        "account": "depends on state",
        "log out": "same",
        "account after logout": "same",
    }
    assert found.unmet == ()
    assert "the cookie of before still works after the logout" in said(found)
    assert "with the cookie of step 2 again the state goes back to it" not in said(found)


def test_django_keeps_the_session_at_the_server(tmp_path: Path) -> None:
    with PythonApp("django", str(tmp_path / "db.sqlite3")) as app:
        found = finding(runner(SCENARIOS / "django.yaml", app.url), why=True)
        assert verdicts(found) == {
            "about": "same",
            "count 1": "same",
            "count 2": "depends on state",
            "login form": "same",
            "log in": "depends on state",  # without the CSRF cookie nobody gets in
            "admin": "depends on state",
            "users": "depends on state",
            "log out": "depends on state",
            "admin after logout": "same",
        }
        assert found.unmet == ()
        assert found.carrier.csrf == ("csrftoken",)
        assert "the cookie of before is worth nothing after the logout" in said(found)


@pytest.mark.parametrize(
    "number", [*range(4), *(pytest.param(n, marks=pytest.mark.long) for n in range(4, 40))]
)
def test_an_app_without_state_is_stateless_whatever_its_pages_show(
    control_app: PythonApp, number: int
) -> None:
    found = finding(runner(SCENARIOS / "stateless.yaml", control_app.url))
    assert found.sentence == "stateless: no step depends on state"
    assert {one.verdict.differences for one in found.steps} == {()}


@pytest.fixture(scope="module")
def control_app() -> Iterator[PythonApp]:
    with PythonApp("stateless") as app:
        yield app


def test_one_browser_s_cart_is_not_another_s() -> None:
    """Two clients, a forged cookie, and a browser that was closed; on the other Express peer."""
    with ExpressApp(store="memory", secrets=["keyboard cat"]) as app:
        found = finding(runner(SCENARIOS / "two-browsers.yaml", app.url))
    assert found.unmet == ()
    assert [one.step.name or one.key for one in found.steps if one.depends] == ["my cart", "10"]


# -- restarts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("store", "after", "evidence"),
    [
        ("memory", "same", "it is gone after the restart: it was in the memory of the app"),
        ("redis", "depends on state", "it is still there after the restart"),
        ("cookie-session", "depends on state", "it is still there after the restart"),
    ],
)
def test_a_restart_tells_memory_from_what_lasts(
    shop: Shop, store: str, after: str, evidence: str
) -> None:
    port = free_port()
    running = [shop(store=store, port=port)]

    async def restart() -> None:
        running[-1].stop()
        running.append(shop(store=store, port=port))

    options = Options(hooks={"restart": restart})
    found = finding(runner(SCENARIOS / "restart.yaml", running[0].url, options=options))
    assert verdicts(found) == {
        "log in": "same",
        "account": "depends on state",
        "account after restart": after,
    }
    assert evidence in said(found)
    # That it lasts proves nothing by itself: files, Redis and the cookie all do.
    assert found.kept is (Kept.COOKIE if store == "cookie-session" else Kept.SERVER)


# -- runs ------------------------------------------------------------------------------------------


def test_a_study_stops_when_nobody_got_in(shop: Shop) -> None:
    app = shop(store="memory")
    steps = """
  - {name: log in, post: /login, form: {user: tj}, expect: {status: 200}}
  - {name: account, get: /account}
"""
    whole = study(runner(steps, app.url))
    assert whole.finding is not None
    assert [run.mode.title for run in whole.transcripts] == ["stateful"]
    assert whole.finding.sentence.startswith("not compared: the run with cookies failed")
    (unmet,) = whole.finding.unmet
    assert unmet.endswith("(stateful): status: expected 200, found 302")


def test_one_run_of_a_kind_says_so(shop: Shop) -> None:
    app = shop(store="memory")
    whole = study(runner(SCENARIOS / "shop.yaml", app.url), control=False)
    assert whole.finding is not None
    assert whole.finding.has_control is False
    titles = [run.mode.title for run in whole.transcripts]
    assert titles == ["stateful", "stateless", "earlier cookies"]
