"""A store tells its layout: `detect -b URL`, and what a URL alone is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import DAY_MS, HOUR_MS, save, sid, stored

if TYPE_CHECKING:
    from tests.support.cli import Cli
    from tests.support.engines import Engine, RedisEngine, SqliteEngine

ANA, BEN = sid("a"), sid("b")
LAYOUTS = {
    "redis": ("connect-redis", "sess:*"),
    "sqlite": ("connect-sqlite3", "sessions"),
}


def bare(engine: Engine) -> str:
    """The store's URL, which says nothing of a layout."""
    return engine.url.partition("?")[0]


@pytest.fixture
def two_apps(cache: RedisEngine) -> RedisEngine:
    """An app with the usual prefix, one with its own, and a cache beside them."""
    save(cache, ANA, 42, left_ms=DAY_MS)
    client = cache.client
    for number in range(30):
        client.set(f"shop-eu-{sid('e', number)}", stored(7, left_ms=HOUR_MS), px=HOUR_MS)
        client.set(f"cache:page:{number}", b'{"cookie":{"a":1},"html":"<p>"}')
        client.rpush(f"queue:{number}", b"x")
    return cache


def test_a_store_tells_its_layout_with_the_evidence(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42)
    result = cli("detect", "-b", bare(store), "-o", "json")
    (item,) = [one for one in result.json()["items"] if one["sure"]]
    layout, place = LAYOUTS[store.name]
    assert (item["layout"], item["place"], item["sure"]) == (layout, place, True)
    assert "1 of 1 values have cookie.originalMaxAge" in item["evidence"]
    assert item["url"] == f"{bare(store)}?layout={layout}"
    assert (result.stderr, result.code) == ("", 0)


def test_a_url_alone_reads_where_it_is_sure(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42)
    (item,) = cli("list", "-b", bare(store), "-o", "jsonl").json_lines()
    assert (item["sid"], item["layout"]) == (ANA, LAYOUTS[store.name][0])
    assert cli("show", ANA, "-b", bare(store)).code == 0


def test_nothing_is_written_on_a_guess_however_sure(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42)
    before = store.everything()
    for words in (["purge", "--all"], ["expire", "--user", "42"], ["expire", ANA]):
        result = cli(*words, "-b", bare(store), "--yes")
        assert "nothing is written on a guess" in result.stderr
        assert f"?layout={LAYOUTS[store.name][0]}'" in result.stderr
        assert result.code == 4
    assert store.everything() == before


def test_a_layout_in_the_url_is_enough_to_write(cli: Cli, store: Engine) -> None:
    save(store, ANA, 42)
    result = cli("expire", ANA, "--yes", "-b", f"{bare(store)}?layout={LAYOUTS[store.name][0]}")
    assert (store.everything(), result.code) == ({}, 0)


def test_two_apps_in_one_redis_are_told_apart(cli: Cli, two_apps: RedisEngine) -> None:
    items = cli("detect", "-b", bare(two_apps), "-o", "jsonl").json_lines()
    sure = {
        (one["layout"], one["place"], one["url"].partition("?")[2]) for one in items if one["sure"]
    }
    assert sure == {
        ("connect-redis", "sess:*", "layout=connect-redis"),
        ("connect-redis", "shop-eu-*", "layout=connect-redis&prefix=shop-eu-"),
    }
    shown = cli("detect", "-b", bare(two_apps), "-o", "table").stdout
    assert "sure  connect-redis at shop-eu-*" in shown


def test_two_apps_are_listed_apart(cli: Cli, two_apps: RedisEngine) -> None:
    items = cli("list", "-b", bare(two_apps), "-o", "jsonl").json_lines()
    places = [item["location"].removesuffix(item["sid"]) for item in items]
    assert (places.count("sess:"), places.count("shop-eu-")) == (1, 30)
    assert cli("list", "-b", bare(two_apps), "--count").stdout == "31\n"
    (found,) = cli("show", sid("e", 3), "-b", bare(two_apps)).json_lines()
    assert found["user"] == "7"


def test_settings_in_the_url_choose_one_of_them(cli: Cli, two_apps: RedisEngine) -> None:
    url = f"{bare(two_apps)}?layout=connect-redis&prefix=shop-eu-"
    assert cli("list", "-b", url, "--count").stdout == "30\n"
    assert cli("expire", sid("e", 3), "--yes", "-b", url).code == 0
    assert cli("list", "-b", url, "--count").stdout == "29\n"


def test_an_empty_store_is_none_that_is_known(cli: Cli, cache: RedisEngine) -> None:
    result = cli("detect", "-b", bare(cache), "-o", "jsonl")
    assert (result.stdout, result.code) == ("", 1)
    listed = cli("list", "-b", bare(cache), "-o", "jsonl")
    assert (listed.stdout, listed.stderr, listed.code) == ("", "", 0)


def test_a_table_of_another_name_is_found(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42)
    shop.client.execute("ALTER TABLE sessions RENAME TO web_sessions")
    shop.client.execute("CREATE TABLE notes (sid, expired, sess)")
    items = cli("detect", "-b", bare(shop), "-o", "jsonl").json_lines()
    assert [one["place"] for one in items if one["sure"]] == ["web_sessions"]
    assert {one["evidence"] for one in items if one["place"] == "notes"} == {
        "the columns fit; it is empty"
    }
    assert cli("list", "-b", bare(shop), "-o", "name").stdout.split() == [ANA]


def test_values_of_no_library_are_no_layout(cli: Cli, cache: RedisEngine) -> None:
    for number in range(20):
        cache.client.set(f"sess:{sid('x', number)}", b'{"cookie":{"a":1}}')
    result = cli("detect", "-b", bare(cache), "-o", "jsonl")
    assert (result.stdout, result.code) == ("", 1)


def test_a_value_and_a_store_are_two_questions(cli: Cli, shop: SqliteEngine) -> None:
    assert cli("detect", "abc", "-b", shop.url).code == 2
