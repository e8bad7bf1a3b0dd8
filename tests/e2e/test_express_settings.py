"""What the first stores have of their own: prefixes, tables, keys without TTL, many writers."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import HOUR_MS
from tests.support.shops.base import short, sid_of, user_of, visitor
from tests.support.shops.mysql import MysqlShop
from tests.support.shops.postgres import PostgresShop
from tests.support.shops.redis import RedisShop
from tests.support.shops.sqlite import SqliteShop

if TYPE_CHECKING:
    from tests.e2e.conftest import OpenShop
    from tests.support.express import Browser, ExpressApp
    from tests.support.shops.base import Shop


@pytest.fixture
def redis_shop(open_shop_on: OpenShop) -> RedisShop:
    return open_shop_on("connect-redis")


@pytest.fixture
def sqlite_shop(open_shop_on: OpenShop) -> SqliteShop:
    return open_shop_on("connect-sqlite3")


@pytest.fixture
def mysql_shop(open_shop_on: OpenShop) -> MysqlShop:
    return open_shop_on("express-mysql-session")


@pytest.fixture(params=["connect-sqlite3", "connect-pg-simple", "express-mysql-session"])
def table_shop(request: pytest.FixtureRequest, open_shop_on: OpenShop) -> Shop:
    return open_shop_on(request.param)


# -- expiry in Redis -------------------------------------------------------------------------------


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
    redis_shop.wait_until_expired(2)
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


@pytest.mark.quick_on("connect-pg-simple")
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
@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("layout", ["connect-pg-simple", "express-mysql-session"])
def test_the_app_never_fails_while_its_table_is_listed_and_purged(
    layout: str, open_shop_on: OpenShop
) -> None:
    shop = open_shop_on(layout)
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
