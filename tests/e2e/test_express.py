"""sessctl and a real Express application agree: who is logged in, until when, and who no longer.

The application runs under node with the libraries from npm; browsers talk to it over HTTP, sessctl
talks to its store. Everything is proved on connect-redis, on connect-sqlite3, on connect-pg-simple
with a PostgreSQL in Europe/Istanbul, and on express-mysql-session with a MariaDB at +05:30.
"""

from __future__ import annotations

import json
import sqlite3
import time
from abc import ABC, abstractmethod
from contextlib import closing
from datetime import datetime
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from sessctl import text
from tests.support.cli import HOUR_MS, Cli
from tests.support.run import sessctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.express import Browser, ExpressApp
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer
    from tests.support.run import Result

    Express = Callable[..., ExpressApp]

SECRET, ENV = "keyboard cat", {"APP_SECRET": "keyboard cat", "WRONG": "dog on the keyboard"}


class Shop(ABC):
    """An Express shop, its store, and sessctl pointed at it by the environment."""

    def __init__(self, layout: str, url: str, start: Express, cli: Cli) -> None:
        self.layout, self.url, self.start = layout, url, start
        self._cli = cli

    def run(self, *words: str, stdin: str = "", **env: str) -> Result:
        """Run a command on the shop's store."""
        return self._cli(*words, stdin=stdin, env={"SESSCTL_BACKEND": self.url, **ENV, **env})

    def run_apart(self, *words: str) -> Result:
        """Run a command in a process of its own."""
        return sessctl(*words, home=self._cli.home, env={"SESSCTL_BACKEND": self.url})

    def configure(self, text: str) -> None:
        """Write a backend `shop` with these further lines; commands use it from then on."""
        self._cli.config(f'[backends.shop]\nurl = "{self.url}"\nlayout = "{self.layout}"\n{text}\n')
        self.url = "shop"

    def listed(self, *words: str) -> dict[str, dict[str, Any]]:
        """The sessions of a listing, by their ids."""
        result = self.run("list", "--data", "-o", "jsonl", *words)
        assert result.code == 0, result.stderr
        return {item["sid"]: item for item in result.json_lines()}

    @abstractmethod
    def ends_ms(self, sid: str) -> float:
        """When a session ends, as the store itself has it."""


class RedisShop(Shop):
    redis: Redis

    def ends_ms(self, sid: str) -> float:
        return int(self.redis.pexpiretime(f"sess:{sid}"))  # type: ignore[arg-type]


class SqliteShop(Shop):
    path: Path

    def ends_ms(self, sid: str) -> float:
        with closing(sqlite3.connect(self.path)) as db:
            return float(
                db.execute("SELECT expired FROM sessions WHERE sid = ?", [sid]).fetchone()[0]
            )


class PostgresShop(Shop):
    server: PostgresServer

    def ends_ms(self, sid: str) -> float:
        instant = "expire AT TIME ZONE 'Europe/Istanbul'"
        query = f"SELECT extract(epoch FROM {instant}) * 1000 FROM session WHERE sid = %s"
        return float(self.server.query(query, sid)[0][0])


class MysqlShop(Shop):
    server: MariaServer

    def ends_ms(self, sid: str) -> float:
        query = "SELECT expires FROM shop.sessions WHERE session_id = %s"
        return float(self.server.query(query, sid)[0][0]) * 1000


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(home)
    monkeypatch.setattr(text, "_spellings", [])  # secrets of other tests in this process
    return Cli(home)


@pytest.fixture
def redis_shop(redis_url: str, express_redis: Express, cli: Cli) -> Iterator[RedisShop]:
    shop = RedisShop("connect-redis", redis_url, express_redis, cli)
    with Redis.from_url(redis_url) as shop.redis:
        yield shop


@pytest.fixture
def sqlite_shop(sqlite_path: Path, express_sqlite: Express, cli: Cli) -> SqliteShop:
    shop = SqliteShop("connect-sqlite3", f"sqlite:///{sqlite_path}", express_sqlite, cli)
    shop.path = sqlite_path
    return shop


@pytest.fixture
def postgres_shop(
    postgres_url: str, postgres_server: PostgresServer, express_postgres: Express, cli: Cli
) -> PostgresShop:
    shop = PostgresShop("connect-pg-simple", postgres_url, express_postgres, cli)
    shop.server = postgres_server
    return shop


@pytest.fixture
def mysql_shop(
    maria_url: str, maria_server: MariaServer, express_mysql: Express, cli: Cli
) -> MysqlShop:
    shop = MysqlShop("express-mysql-session", maria_url, express_mysql, cli)
    shop.server = maria_server
    return shop


STORES = {
    "connect-redis": "redis_shop",
    "connect-sqlite3": "sqlite_shop",
    "connect-pg-simple": "postgres_shop",
    "express-mysql-session": "mysql_shop",
}


@pytest.fixture(params=STORES.values(), ids=STORES.keys())
def shop(request: pytest.FixtureRequest) -> Shop:
    found: Shop = request.getfixturevalue(request.param)
    return found


def visitor(app: ExpressApp, user: Any = None, **data: Any) -> Browser:
    """A browser with a session: logged in as a user, or with a view of a page."""
    browser = app.browser()
    answer = browser.get("/views") if user is None else browser.post("/login", {"user": user})
    assert answer.status == 200
    if data:
        assert browser.post("/data", data).status == 200
    return browser


def sid_of(browser: Browser) -> str:
    return str(browser.get("/me").json["sid"])


def user_of(browser: Browser) -> Any:
    answer = browser.get("/me")
    assert answer.status == 200
    return answer.json["user"]


# -- list ------------------------------------------------------------------------------------------

PEOPLE = [
    (42, "42", {}),
    ("ana", "ana", {"theme": "dark", "nested": {"a": [1, 2.5, None, True]}}),
    ({"id": 7, "role": "admin"}, "7", {"note": "çay \u2028 <b>"}),
    ("64b7f0c2a1d3e4f5a6b7c8d9", "64b7f0c2a1d3e4f5a6b7c8d9", {}),
    (None, None, {"token": "t-1"}),
]


def test_every_session_is_listed_as_the_app_has_it(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    expected: dict[str, tuple[str | None, Any]] = {}
    for user, shown, data in PEOPLE:
        browser = visitor(app, user, **data)
        browser.post("/cart", {"item": "apple", "qty": 2})
        browser.post("/flash", {"type": "info", "message": "Saved"})
        seen = browser.get("/session").json
        # express-session reads its clock twice while it makes a cookie: 1 ms may go.
        assert HOUR_MS - 10 <= seen.pop("cookie")["originalMaxAge"] <= HOUR_MS
        expected[sid_of(browser)] = (shown, seen)
    listed = shop.listed()
    assert {sid: (item["user"], item["data"]) for sid, item in listed.items()} == expected
    assert {item["state"] for item in listed.values()} == {"active"}
    assert {item["layout"] for item in listed.values()} == {shop.layout}


@pytest.mark.parametrize("max_age_ms", [None, 60_000, 30 * 24 * HOUR_MS])
def test_a_session_ends_when_its_store_says(shop: Shop, max_age_ms: int | None) -> None:
    """Without an end of the cookie every store takes a day."""
    cookie = {} if max_age_ms is None else {"maxAge": max_age_ms}
    browser = visitor(shop.start(cookie=cookie), 42)
    sid = sid_of(browser)
    item = shop.listed()[sid]
    ends_ms = datetime.fromisoformat(item["expires_at"]).timestamp() * 1000
    assert abs(ends_ms - shop.ends_ms(sid)) < 2
    assert abs(ends_ms - time.time() * 1000 - (max_age_ms or 24 * HOUR_MS)) < 5000
    assert abs(item["ttl_s"] - (max_age_ms or 24 * HOUR_MS) / 1000) < 5


def test_a_visit_moves_the_end(shop: Shop) -> None:
    browser = visitor(shop.start(cookie={"maxAge": HOUR_MS}), 42)
    sid = sid_of(browser)
    before = shop.ends_ms(sid)
    deadline = time.monotonic() + 10
    while shop.ends_ms(sid) < before + 1000 and time.monotonic() < deadline:
        browser.get("/touch")
    item = shop.listed()[sid]
    assert datetime.fromisoformat(item["expires_at"]).timestamp() * 1000 >= before + 1000


def test_a_logout_leaves_nothing_to_list(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    browser.post("/logout")
    assert {item["user"] for item in shop.listed().values()} == {None}


def test_show_is_what_the_app_has(shop: Shop) -> None:
    browser = visitor(shop.start(), "ana", theme="dark")
    seen = browser.get("/session").json
    cookie = seen.pop("cookie")
    result = shop.run("show", "-o", "json", "--", sid_of(browser))
    (item,) = result.json()["items"]
    assert item["data"] == seen
    assert item["extra"]["cookie"]["httpOnly"] == cookie["httpOnly"]
    assert (result.stderr, result.code) == ("", 0)


# -- cookies ---------------------------------------------------------------------------------------


def test_the_browser_s_cookie_leads_to_its_session(shop: Shop) -> None:
    browser = visitor(shop.start(), 42, cart=["tea"])
    result = shop.run("decode", f"connect.sid={browser.cookie()}")
    (item,) = result.json_lines()
    assert item["sid"] == sid_of(browser)
    assert (item["session"]["user"], item["session"]["data"]["cart"]) == ("42", ["tea"])
    assert (result.stderr, result.code) == ("", 0)


def test_the_browser_s_cookie_verifies(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    right = shop.run("verify", browser.cookie(), "--secret-from", "env:APP_SECRET")
    wrong = shop.run("verify", browser.cookie(), "--secret-from", "env:WRONG")
    assert (right.json_lines()[0]["verdict"], right.stderr, right.code) == ("valid", "", 0)
    assert (wrong.json_lines()[0]["verdict"], wrong.stderr, wrong.code) == ("bad_signature", "", 1)


def test_the_set_cookie_line_of_the_app_is_read_whole(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS, "sameSite": "lax"})
    (line,) = app.browser().get("/views").set_cookie
    result = shop.run("verify", f"Set-Cookie: {line}", "--secret-from", "env:APP_SECRET")
    assert (result.json_lines()[0]["name"], result.stderr, result.code) == ("connect.sid", "", 0)


def test_many_cookies_of_the_app_all_verify(shop: Shop) -> None:
    """Signatures hold every character of base64, so the wire form is escaped in every way."""
    app = shop.start()
    lines = [f"connect.sid={visitor(app).cookie()}" for _ in range(60)]
    result = shop.run("verify", "--secret-from", "env:APP_SECRET", stdin="\n".join(lines))
    assert [item["verdict"] for item in result.json_lines()] == ["valid"] * 60
    assert (result.stderr, result.code) == ("", 0)


def test_a_signed_cookie_is_accepted_by_the_app(shop: Shop) -> None:
    app = shop.start()
    sid = sid_of(visitor(app, 42))
    result = shop.run("sign", "--secret-from", "env:APP_SECRET", "--", sid)
    stranger = app.browser()
    stranger.cookies["connect.sid"] = result.stdout.rstrip("\n")
    assert user_of(stranger) == 42
    assert (result.stderr, result.code) == ("", 0)


def test_a_cookie_signed_with_a_wrong_secret_is_accepted_by_nobody(shop: Shop) -> None:
    app = shop.start()
    sid = sid_of(visitor(app, 42))
    forged = shop.run("sign", "--secret-from", "env:WRONG", "--", sid).stdout.rstrip("\n")
    stranger = app.browser()
    stranger.cookies["connect.sid"] = forged
    assert user_of(stranger) is None
    result = shop.run("verify", forged, "--secret-from", "env:APP_SECRET")
    assert (result.json_lines()[0]["verdict"], result.stderr, result.code) == (
        "bad_signature", "", 1,
    )  # fmt: skip


def test_a_rotation_is_the_same_for_both(shop: Shop) -> None:
    before = visitor(shop.start(secrets=["old secret"]), 42)
    app = shop.start(secrets=["new secret", "old secret"])
    env = {"NEW": "new secret", "OLD": "old secret"}
    both = ("--secret-from", "env:NEW", "--secret-from", "env:OLD")
    judged = shop.run("verify", before.cookie(), *both, **env)
    assert (judged.json_lines()[0]["secret"], judged.stderr, judged.code) == ("env:OLD", "", 0)
    stranger = app.browser()
    sid = judged.json_lines()[0]["sid"]
    stranger.cookies["connect.sid"] = shop.run("sign", *both, "--", sid, **env).stdout.rstrip("\n")
    assert user_of(stranger) == 42
    newest = shop.run("verify", stranger.cookie(), *both, **env)
    assert (newest.json_lines()[0]["secret"], newest.code) == ("env:NEW", 0)


# -- expire and restore ----------------------------------------------------------------------------


def test_expire_logs_one_browser_out_and_no_other(shop: Shop) -> None:
    app = shop.start()
    phone, laptop, other = visitor(app, 42), visitor(app, 42), visitor(app, "ana")
    result = shop.run("expire", "--yes", "--", sid_of(phone))
    assert [user_of(browser) for browser in (phone, laptop, other)] == [None, 42, "ana"]
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


def test_expire_of_a_user_logs_them_out_everywhere(shop: Shop) -> None:
    app = shop.start()
    phone, laptop, other = visitor(app, 42), visitor(app, 42), visitor(app, 421)
    result = shop.run("expire", "--user", "42", "--yes")
    assert [user_of(browser) for browser in (phone, laptop, other)] == [None, None, 421]
    assert ("Ended 2 sessions." in result.stderr, result.code) == (True, 0)


def test_a_dry_run_logs_nobody_out(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    result = shop.run("expire", "--user", "42", "--dry-run")
    assert user_of(browser) == 42
    assert ("Would end 1 session." in result.stderr, result.code) == (True, 0)


def test_restore_logs_the_browser_in_again_with_the_same_cookie(shop: Shop) -> None:
    app = shop.start(cookie={"maxAge": HOUR_MS})
    browser = visitor(app, 42, theme="dark")
    cookie, seen = browser.cookie(), browser.get("/session").json
    assert shop.run("expire", "--user", "42", "--yes").code == 0
    gone = app.browser()
    gone.cookies["connect.sid"] = cookie
    assert user_of(gone) is None
    result = shop.run("restore", "--last", "--yes")
    again = app.browser()
    again.cookies["connect.sid"] = cookie
    assert user_of(again) == 42
    assert again.get("/session").json["theme"] == seen["theme"]
    assert ("Restored 1 session." in result.stderr, result.code) == (True, 0)


def test_restore_does_not_undo_a_newer_login(shop: Shop) -> None:
    """A request in flight wrote the session back meanwhile: what the app wrote stands."""
    app = shop.start()
    browser = visitor(app, 42)
    slow = Thread(target=browser.get, args=["/slow?ms=1500&change=yes"])
    slow.start()
    time.sleep(0.4)  # nothing outside the app shows that it has loaded the session
    assert shop.run("expire", "--user", "42", "--yes").code == 0
    slow.join()
    result = shop.run("restore", "--last", "--yes")
    assert browser.get("/session").json["slow"] == 1
    assert (result.counts, result.code) == ({"newer": 1}, 0)


@pytest.mark.parametrize(("change", "comes_back"), [("yes", True), ("no", False)])
def test_a_request_in_flight_brings_its_session_back_only_if_it_changes_it(
    shop: Shop, change: str, comes_back: bool
) -> None:
    """As `stores.md` says of both stores: re-created whole by set, left deleted by touch."""
    browser = visitor(shop.start(), 42)
    sid = sid_of(browser)
    slow = Thread(target=browser.get, args=[f"/slow?ms=1500&change={change}"])
    slow.start()
    time.sleep(0.4)  # nothing outside the app shows that it has loaded the session
    result = shop.run("expire", "--yes", "--", sid)
    assert (shop.listed(), result.code) == ({}, 0)
    slow.join()
    assert (sid in shop.listed()) == comes_back


def test_recheck_ends_what_a_request_in_flight_wrote_back(shop: Shop) -> None:
    browser = visitor(shop.start(), 42)
    sid = sid_of(browser)
    slow = Thread(target=browser.get, args=["/slow?ms=1500&change=yes"])
    slow.start()
    time.sleep(0.4)  # nothing outside the app shows that it has loaded the session
    result = shop.run("expire", "--yes", "--recheck", "2s", "-o", "json", "--", sid)
    slow.join()
    assert shop.listed() == {}
    summary = result.json()["summary"]
    assert (summary["deleted"], summary["re-created"], result.code) == (1, 1, 0)
    assert "1 written back by requests in flight" in result.stderr
    undone = shop.run("restore", "--last", "--yes")
    assert (set(shop.listed()), undone.code) == ({sid}, 0)


# -- purge -----------------------------------------------------------------------------------------


def short(app: ExpressApp, user: Any) -> Browser:
    """A browser whose session ends within a second."""
    browser = visitor(app, user)
    assert browser.post("/maxage", {"ms": 300}).status == 200
    return browser


def wait_until_expired(shop: Shop, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(shop.listed("--expired")) < count and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture(params=list(STORES.values())[1:], ids=list(STORES)[1:])
def table_shop(request: pytest.FixtureRequest) -> Shop:
    """The stores that leave expired sessions behind."""
    found: Shop = request.getfixturevalue(request.param)
    return found


def test_purge_takes_exactly_the_expired_rows(table_shop: Shop) -> None:
    app = table_shop.start(cookie={"maxAge": HOUR_MS})
    live = [visitor(app, 42), visitor(app, "ana"), visitor(app)]
    gone = [short(app, 42), short(app, "ben")]
    users = [user_of(browser) for browser in live]
    wait_until_expired(table_shop, len(gone))
    result = table_shop.run("purge", "--expired", "--grace", "0s")
    assert set(table_shop.listed()) == {sid_of(browser) for browser in live}
    assert [user_of(browser) for browser in live] == users
    assert (result.counts, result.code) == ({"deleted": 2}, 0)


def test_redis_leaves_nothing_to_purge_where_it_has_a_ttl(redis_shop: RedisShop) -> None:
    app = redis_shop.start(cookie={"maxAge": HOUR_MS})
    live = visitor(app, 42)
    sid = redis_shop.run("decode", short(app, 42).cookie(), "--no-lookup").json_lines()[0]["sid"]
    deadline = time.monotonic() + 20
    while redis_shop.redis.exists(f"sess:{sid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    result = redis_shop.run("purge", "--expired", "--grace", "0s")
    assert user_of(live) == 42
    assert "redis removes expired sessions by itself" in result.stderr
    assert (result.counts, result.code) == ({}, 0)


@pytest.fixture
def without_ttl(redis_shop: RedisShop) -> tuple[list[Browser], list[str]]:
    """Browsers with a live session, and the ids of those past by their cookie's date."""
    app = redis_shop.start(disableTTL=True, cookie={"maxAge": HOUR_MS})
    live = [visitor(app, 42), visitor(app)]
    gone = [redis_shop.run("decode", short(app, user).cookie(), "--no-lookup") for user in (42, 7)]
    wait_until_expired(redis_shop, 2)
    return live, [result.json_lines()[0]["sid"] for result in gone]


def test_keys_without_ttl_are_counted_and_left(
    redis_shop: RedisShop, without_ttl: tuple[list[Browser], list[str]]
) -> None:
    result = redis_shop.run("purge", "--expired", "--grace", "0s")
    assert set(without_ttl[1]) <= set(redis_shop.listed())
    assert len(redis_shop.listed()) == 4
    assert "2 past by cookie date only (--force=no-ttl takes them)" in result.stderr
    assert (result.counts, result.code) == ({}, 0)


def test_keys_without_ttl_go_where_the_configuration_says_so(
    redis_shop: RedisShop, without_ttl: tuple[list[Browser], list[str]]
) -> None:
    live, gone = without_ttl
    redis_shop.configure('no_ttl = "cookie-date"')
    result = redis_shop.run("purge", "--expired", "--grace", "0s", "-o", "jsonl")
    assert sorted(item["sid"] for item in result.json_lines()[:-1]) == sorted(gone)
    assert set(redis_shop.listed()) == {sid_of(browser) for browser in live}
    assert ("2 by cookie date only" in result.stderr, result.code) == (True, 0)


# -- settings --------------------------------------------------------------------------------------


def test_a_prefix_of_the_app_s_own(redis_shop: RedisShop) -> None:
    mine = visitor(redis_shop.start(prefix="shop:[1]:"), 42)
    other = visitor(redis_shop.start(prefix="sess:"), 42)
    redis_shop.configure('prefix = "shop:[1]:"')
    assert set(redis_shop.listed()) == {sid_of(mine)}
    result = redis_shop.run("expire", "--user", "42", "--yes")
    assert [user_of(mine), user_of(other)] == [None, 42]
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


def test_a_table_of_the_app_s_own(table_shop: Shop) -> None:
    if isinstance(table_shop, PostgresShop):  # its constraint has one name, whatever the table's
        table_shop.server.query("CREATE SCHEMA web AUTHORIZATION app")
        mine = visitor(table_shop.start(schemaName="web", table="web"), 42)
    else:
        mine = visitor(table_shop.start(table="web"), 42)
    other = visitor(table_shop.start(), 42)
    table_shop.configure(
        'schema = "web"\ntable = "web"' if isinstance(table_shop, PostgresShop) else 'table = "web"'
    )
    assert set(table_shop.listed()) == {sid_of(mine)}
    result = table_shop.run("expire", "--user", "42", "--yes")
    assert [user_of(mine), user_of(other)] == [None, 42]
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


def test_a_cookie_name_of_the_app_s_own(shop: Shop) -> None:
    app = shop.start(name="shop.sid")
    sid = sid_of(visitor(app, 42))
    shop.configure('cookie_name = "shop.sid"\nsecrets = ["env:APP_SECRET"]')
    result = shop.run("sign", "-o", "header", "--", sid)
    name, _, value = result.stdout.removeprefix("Cookie: ").rstrip("\n").partition("=")
    stranger = app.browser()
    stranger.cookies[name] = value
    assert (name, user_of(stranger)) == ("shop.sid", 42)
    assert (result.stderr, result.code) == ("", 0)


def test_columns_of_the_app_s_own(mysql_shop: MysqlShop) -> None:
    names = {"session_id": "Sitzungs-Id", "expires": "until", "data": "the data"}
    mine = visitor(mysql_shop.start(table="web", columnNames=names), 42)
    mysql_shop.configure(
        'table = "web"\ncolumns = { sid = "Sitzungs-Id", expires = "until", data = "the data" }'
    )
    assert set(mysql_shop.listed()) == {sid_of(mine)}
    result = mysql_shop.run("expire", "--user", "42", "--yes")
    assert user_of(mine) is None
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


def test_a_database_in_wal_mode_is_read_and_changed(sqlite_shop: SqliteShop) -> None:
    app = sqlite_shop.start(concurrentDb=True)
    phone, other = visitor(app, 42), visitor(app, "ana")
    result = sqlite_shop.run("expire", "--yes", "--", sid_of(phone))
    assert [user_of(phone), user_of(other)] == [None, "ana"]
    assert ("Ended 1 session." in result.stderr, result.code) == (True, 0)


# -- together --------------------------------------------------------------------------------------


def left_behind(shop: Shop, count: int) -> None:
    """Sessions that ended an hour ago, as the library would have written them."""
    ended_ms = int(time.time() * 1000) - HOUR_MS
    ended = datetime.fromtimestamp(ended_ms / 1000).astimezone().isoformat()
    value = json.dumps({"cookie": {"originalMaxAge": 1000, "expires": ended}, "x": "y" * 300})
    names = [f"left-behind-{number:06d}" for number in range(count)]
    if isinstance(shop, SqliteShop):
        with closing(sqlite3.connect(shop.path, timeout=10)) as db, db:
            rows = [(name, float(ended_ms), value) for name in names]
            db.executemany("INSERT INTO sessions (sid, expired, sess) VALUES (?, ?, ?)", rows)
    elif isinstance(shop, PostgresShop):
        sql = "INSERT INTO session (sid, expire, sess) VALUES (%s, to_timestamp(%s), %s)"
        with shop.server.connect() as db, db.cursor() as cursor:
            cursor.executemany(sql, [(name, ended_ms / 1000, value) for name in names])
    elif isinstance(shop, MysqlShop):
        sql = "INSERT INTO sessions (session_id, expires, data) VALUES (%s, %s, %s)"
        with closing(shop.server.connect()) as db, db.cursor() as cursor:
            cursor.executemany(sql, [(name, ended_ms // 1000, value) for name in names])
            db.commit()
    elif isinstance(shop, RedisShop):
        shop.redis.mset({f"sess:{name}": value for name in names})


WAL = pytest.mark.parametrize("wal", [False, True], ids=["journal", "wal"])
LISTING = [("list", "--data", "-o", "jsonl"), ("list", "--count", "--expired"), ("list",)]
PURGING = [("purge", "--expired", "--force=no-ttl", "--yes", "-q"), ("list", "-o", "name")]


@WAL
def test_the_app_never_fails_while_sqlite_is_listed(sqlite_shop: SqliteShop, wal: bool) -> None:
    app = sqlite_shop.start(concurrentDb=wal)
    click_while_running(sqlite_shop, app, LISTING, people=4, left=4000)


@WAL
def test_the_app_never_fails_while_sqlite_is_purged(sqlite_shop: SqliteShop, wal: bool) -> None:
    """A request at a time: two at once share connect-sqlite3's one connection, and then SQLite
    refuses it the lock at once, whoever the other writer is (`sqlite3 FILE 'DELETE ...'` too)."""
    app = sqlite_shop.start(concurrentDb=wal)
    click_while_running(sqlite_shop, app, PURGING, people=1, left=0)


def test_the_app_never_fails_while_redis_is_listed_and_purged(redis_shop: RedisShop) -> None:
    app = redis_shop.start(disableTTL=True)
    click_while_running(redis_shop, app, [*LISTING, *PURGING], people=4, left=0)


@pytest.mark.parametrize("name", ["postgres_shop", "mysql_shop"])
def test_the_app_never_fails_while_its_table_is_listed_and_purged(
    request: pytest.FixtureRequest, name: str
) -> None:
    shop: Shop = request.getfixturevalue(name)
    click_while_running(shop, shop.start(), [*LISTING, *PURGING], people=4, left=0)


def click_while_running(
    shop: Shop, app: ExpressApp, commands: list[tuple[str, ...]], *, people: int, left: int
) -> None:
    """People click as fast as they can; nobody is refused, kept waiting or logged out."""
    browsers = [visitor(app, number) for number in range(people)]
    left_behind(shop, 4000)
    stop, answers = Event(), list[tuple[int, float]]()

    def click(browser: Browser) -> None:
        while not stop.is_set():
            started = time.monotonic()
            status = browser.get("/views").status
            answers.append((status, time.monotonic() - started))

    threads = [Thread(target=click, args=[browser]) for browser in browsers]
    for thread in threads:
        thread.start()
    try:
        # Processes of their own: threads of this one would wait for each other.
        results = [shop.run_apart(*words) for words in commands]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert [(result.code, "error" in result.stderr) for result in results] == [
        (0, False) for _ in commands
    ]
    assert {status for status, _ in answers} == {200}
    assert max(waited_s for _, waited_s in answers) < 1.0  # node's driver gives up after that
    assert len(answers) > 20
    assert [user_of(browser) for browser in browsers] == list(range(people))
    assert len(shop.listed()) == people + left
    assert app.errors() == ""
