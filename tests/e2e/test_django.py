"""sessctl and a real Django agree: who is logged in at the admin, until when, and who no longer.

Browsers fill in the admin's form; sessctl talks to the store. One application serves the tests of a
store: each has sessions of its own in it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Cli
from tests.support.shops import DJANGO_SHOPS, shop_class
from tests.support.shops.django import DjangoShop, logged_in, user_of, with_cookie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.express import Browser

QUICK = ("django-db", "django-cache", "django-cached_db")


def stores(*layouts: str) -> list[object]:
    """The shops of these layouts; most of them are of the long set."""
    chosen = [name for name in DJANGO_SHOPS if shop_class(name).layout in layouts]
    return [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in chosen
    ]


in_tables = pytest.mark.parametrize("open", stores("django-db", "django-cached_db"), indirect=True)
in_caches = pytest.mark.parametrize("open", stores("django-cache"), indirect=True)
in_both = pytest.mark.parametrize("open", stores("django-cached_db"), indirect=True)


class Open:
    """A shop, its application, and its customers."""

    def __init__(self, shop: DjangoShop) -> None:
        self.shop, self.app = shop, shop.start()

    def log_in(self, user: str = "admin") -> tuple[Browser, str]:
        """A browser that is logged in, and the id of its session."""
        browser = logged_in(self.app, user)
        return browser, browser.cookie("sessionid")

    def user_id(self, sid: str) -> str:
        return str(self.shop.session(sid).user)


@pytest.fixture(scope="module", params=stores("django-db", "django-cache", "django-cached_db"))
def open(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Open]:
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.chdir(home)
        kind = shop_class(request.param)
        assert issubclass(kind, DjangoShop)
        yield Open(kind(request, Cli(home), running))


def test_every_session_is_listed_as_the_app_has_it(open: Open) -> None:
    browser, sid = open.log_in()
    assert browser.get("/store?theme=dark&note=%C3%A7ay").status == 200
    seen = browser.get("/me").json
    item = open.shop.listed()[sid]
    assert seen["key"] == sid
    assert item["data"] == seen["data"]
    assert item["data"].keys() >= {"_auth_user_id", "_auth_user_hash", "theme"}
    assert (item["user"], item["state"]) == (seen["data"]["_auth_user_id"], "active")
    left_s = datetime.fromisoformat(item["expires_at"]).timestamp() - time.time()
    assert abs(left_s - 14 * 86_400) < 60


def test_the_browser_s_cookie_leads_to_its_session(open: Open) -> None:
    browser, sid = open.log_in()
    result = open.shop.run("decode", f"sessionid={browser.cookie('sessionid')}")
    (item,) = result.json_lines()
    assert (item["format"], item["sid"]) == ("opaque", sid)
    assert item["session"]["user"] == open.user_id(sid)
    assert (result.stderr, result.code) == ("", 0)


def test_expire_of_a_user_logs_them_out_everywhere_and_restore_logs_them_in(open: Open) -> None:
    phone, sid = open.log_in()
    laptop, _ = open.log_in()
    other, _ = open.log_in("ana")
    user = open.user_id(sid)
    listed = open.shop.run("list", "--user", user, "-o", "name").stdout.split()
    assert sid in listed
    ended = open.shop.run("expire", "--user", user, "--yes")
    assert (f"Ended {len(listed)} sessions." in ended.stderr, ended.code) == (True, 0)
    assert [user_of(browser) for browser in (phone, laptop, other)] == [None, None, "ana"]
    back = open.shop.run("restore", "--last", "--yes")
    assert (back.counts, back.code) == ({"restored": len(listed)}, 0), back.stderr
    assert user_of(with_cookie(open.app, sid)) == "admin"


@in_tables
def test_purge_takes_what_clearsessions_would_take_and_nothing_else(open: Open) -> None:
    _, live = open.log_in()
    _, gone = open.log_in("ana")
    with_cookie(open.app, gone).get("/store?ends=1")
    open.shop.wait_until_expired(1)
    before = set(open.shop.listed())
    result = open.shop.run("purge", "--expired", "--grace", "0s")
    assert (result.counts, result.code) == ({"deleted": 1}, 0), result.stderr
    assert before - set(open.shop.listed()) == {gone}
    assert user_of(with_cookie(open.app, live)) == "admin"
    with_cookie(open.app, live).get("/clear")  # Django finds nothing left to clear
    assert set(open.shop.listed()) == before - {gone}


@in_caches
def test_a_cache_gets_no_new_sessions_and_pickles_are_never_written(open: Open) -> None:
    browser, sid = open.log_in()
    created = open.shop.run("create", "--user", open.user_id(sid), "a=1", "--yes")
    assert "layout 'django-cache' makes no new sessions" in created.stderr
    changed = open.shop.run("set", sid, "theme=dark", "--yes")
    refusal = getattr(open.shop, "refusal", None)
    assert (refusal or "Changed 1 session") in changed.stderr
    assert (created.code, changed.code) == (4, 2 if refusal else 0)
    seen = browser.get("/me").json
    assert (seen["user"], "theme" in seen["data"]) == ("admin", refusal is None)


@in_tables
def test_a_value_is_changed_and_made_with_the_secret_key(open: Open) -> None:
    browser, sid = open.log_in()
    refused = open.shop.run("set", sid, "theme=dark", "--yes", SESSCTL_BACKEND=open.shop.keyless)
    assert "cannot be signed without one of the store's secrets" in refused.stderr
    open.shop.configure('store_secrets = ["env:SECRET_KEY"]')
    changed = open.shop.run("set", sid, "theme=dark", "--yes")
    assert changed.code == 0, changed.stderr
    assert browser.get("/me").json["data"]["theme"] == "dark"
    undone = open.shop.run("restore", "--last", "--yes")
    assert undone.counts == {"restored": 1}, undone.stderr
    assert "theme" not in browser.get("/me").json["data"]


@in_tables
def test_a_session_that_is_made_is_logged_in_if_there_is_one_to_copy_the_proof_from(
    open: Open,
) -> None:
    _, sid = open.log_in("ana")
    open.shop.configure('store_secrets = ["env:SECRET_KEY"]')
    user = open.user_id(sid)
    made = open.shop.run("create", "--user", user, "-o", "header", "--yes")
    assert made.code == 0, made.stderr
    name, _, key = made.stdout.removeprefix("Cookie: ").rstrip("\n").partition("=")
    assert (name, len(key)) == ("sessionid", 32)
    assert user_of(with_cookie(open.app, key)) == "ana"
    nobody = open.shop.run("create", "--user", "99", "--yes")
    assert "looks at _auth_user_backend and _auth_user_hash" in nobody.stderr
    assert nobody.code == 2


@in_tables
def test_a_touch_moves_the_end_for_the_app_too(open: Open) -> None:
    browser, sid = open.log_in()
    result = open.shop.run("touch", sid, "--ttl", "1h", "--yes")
    assert result.code == 0, result.stderr
    left_s = open.shop.ends_ms(sid) / 1000 - time.time()
    assert abs(left_s - 3600) < 60
    assert user_of(browser) == "admin"


@pytest.mark.long
def test_without_use_tz_the_zone_has_to_be_named(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        patch.chdir(home)
        kind = shop_class("django-db")
        assert issubclass(kind, DjangoShop)
        shop = kind(request, Cli(home), running)
        app = shop.start(USE_TZ=False, TIME_ZONE="America/New_York")
        sid = logged_in(app).cookie("sessionid")
        assert "in which zone are the dates?" in shop.run("list").stderr
        shop.configure('expires_zone = "America/New_York"')
        left_s = datetime.fromisoformat(shop.listed()[sid]["expires_at"]).timestamp() - time.time()
        assert abs(left_s - 14 * 86_400) < 60
        assert shop.run("touch", sid, "--ttl", "1h", "--yes").code == 0
        assert user_of(with_cookie(app, sid)) == "admin"
        purged = shop.run("purge", "--expired")
        assert (purged.counts, user_of(with_cookie(app, sid))) == ({}, "admin")


# -- a row and its copy ----------------------------------------------------------------------------


@in_both
def test_a_session_ends_in_the_table_and_in_the_cache(open: Open) -> None:
    browser, sid = open.log_in()
    assert open.shop.copies_of(sid) == [sid]
    ended = open.shop.run("expire", sid, "--yes")
    assert ("Ended 1 session." in ended.stderr, ended.code) == (True, 0)
    assert open.shop.copies_of(sid) == []
    assert user_of(browser) is None


@in_both
def test_of_the_row_alone_the_copy_stays_logged_in_and_is_ended_all_the_same(open: Open) -> None:
    """What `django-db` would do, and a row deleted by hand: the application believes the copy."""
    browser, sid = open.log_in()
    alone = open.shop.rows()
    assert open.shop.run("expire", sid, "--yes", SESSCTL_BACKEND=alone).code == 0
    assert user_of(browser) == "admin"
    listed = open.shop.run("list", "-o", "jsonl")
    (item,) = [one for one in listed.json_lines() if one["sid"] == sid]
    assert item["location"] == f"{open.shop.copies}{sid}"
    assert "the cache holds sessions whose rows are gone" in listed.stderr
    ended = open.shop.run("expire", "--user", item["user"], "--yes", "-o", "json")
    outcomes = {one["sid"]: one["outcome"] for one in ended.json()["items"]}
    assert (outcomes[sid], set(outcomes.values()), ended.code) == ("deleted", {"deleted"}, 0)
    assert user_of(browser) is None
    assert open.shop.run("restore", "--last", "--yes").code == 0
    assert user_of(with_cookie(open.app, sid)) == "admin"
