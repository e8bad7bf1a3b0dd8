"""How stores are read, where that is said: `--gentle`, `--max-unpacked`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import Access, open_store
from sessctl.limits import MIB, Budget
from tests.support.cli import HOUR_MS, Cli, fill, now_ms, sid, stored
from tests.support.engines import FilesEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine, RedisEngine, SqliteEngine


def scans(cache: RedisEngine) -> int:
    """How often SCAN was sent since the last CONFIG RESETSTAT."""
    found = cache.client.info("commandstats")
    return int(found["cmdstat_scan"]["calls"])


def test_a_gentle_listing_asks_redis_for_a_hundred_keys_at_once(
    cli: Cli, cache: RedisEngine
) -> None:
    names = fill(cache, "a", 950)
    calls = []
    for flags in ([], ["--gentle"]):
        cache.client.config_resetstat()
        result = cli("list", "-b", cache.url, "-o", "name", *flags)
        assert (sorted(result.stdout.split()), result.code) == (names, 0)
        calls.append(scans(cache))
    assert calls[0] <= 3
    assert calls[1] >= 9


def test_a_gentle_purge_takes_smaller_pages(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "o", 250, left_ms=-HOUR_MS)
    fill(shop, "a", 1)
    result = cli("purge", "--expired", "--gentle", "-b", shop.url)
    assert (result.counts, result.code) == ({"deleted": 250}, 0)
    (journal,) = cli.journals()
    assert journal.read_bytes().count(b'"kind":"page"') == 3


def test_files_are_ended_in_smaller_pages_too(cli: Cli, tmp_path: Path) -> None:
    engine = FilesEngine(tmp_path / "sessions")
    for number in range(150):
        engine.save(b"%032d" % number, stored(number), now_ms() - HOUR_MS)
    engine.save(b"a" * 32, stored(1), now_ms() + HOUR_MS)
    result = cli("purge", "--expired", "--gentle", "--confirm", "sessions", "-b", engine.url)
    assert (result.counts, result.code) == ({"deleted": 150}, 0), result.stderr
    (journal,) = cli.journals()
    assert journal.read_bytes().count(b'"kind":"page"') == 2


@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_a_value_over_the_limit_is_listed_and_names_the_flag(
    cli: Cli, store: Engine, output: str
) -> None:
    store.save(sid("a").encode(), stored(1, text="x" * 3000), now_ms() + HOUR_MS)
    store.save(sid("b").encode(), stored(2), now_ms() + HOUR_MS)
    words = ("list", "-b", store.url, "-o", output, "--data")
    result = cli(*words, "--max-unpacked", "2KiB")
    assert len(result.stdout.splitlines()) == 2 + (output == "table")
    assert "is over the limit of 2048 bytes (--max-unpacked)" in result.stderr
    assert ("x" * 100 in result.stdout, result.code) == (False, 0)
    assert cli(*words, "--max-unpacked", "4KiB").stderr == ""


def test_show_says_the_same_and_a_larger_limit_shows_it(cli: Cli, shop: SqliteEngine) -> None:
    large = stored(1, text="x" * (9 * MIB))
    shop.save(sid("a").encode(), large, now_ms() + HOUR_MS)
    words = ("show", sid("a"), "-b", shop.url, "-o", "json")
    item = cli(*words).json()["items"][0]
    assert (item["data"], item["problem"]["code"]) == (None, "input.limit")
    assert "--max-unpacked" in item["problem"]["message"]
    assert cli(*words, "--max-unpacked", "16MiB").json()["items"][0]["user"] == "1"


def test_the_library_takes_the_same(shop: SqliteEngine) -> None:
    fill(shop, "a", 3)
    access = Access(gentle=True, budget=Budget(value_bytes=20))
    with open_store(shop.url, access=access) as store:
        assert store.page_size == 100
        found = [session.problem for session in store.get([sid("a")])]
    assert [problem.code for problem in found if problem] == ["input.limit"]


def test_a_size_that_is_none_is_a_usage_error(cli: Cli, shop: SqliteEngine) -> None:
    result = cli("list", "-b", shop.url, "--max-unpacked", "much")
    assert (result.stdout, result.code) == ("", 2)
