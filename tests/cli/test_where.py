"""`-w`: conditions on any field, to list and to purge, on every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.cli import DAY_MS, HOUR_MS, save, sid

if TYPE_CHECKING:
    from tests.support.cli import Cli
    from tests.support.engines import Engine, SqliteEngine

ANA, BEN, BOT, ODD = sid("a"), sid("b"), sid("c"), sid("d")


@pytest.fixture
def four(store: Engine) -> Engine:
    save(store, ANA, 42, left_ms=HOUR_MS // 4, role="admin", cart=["tea"])
    save(store, BEN, "42", left_ms=DAY_MS, role="guest", note="x" * 5000)
    save(store, BOT, "bot-7", left_ms=DAY_MS, role="bot")
    store.save(ODD.encode(), b"{damaged", None)
    return store


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ('user == "42"', {ANA, BEN}),
        ("user == 42 and ttl < 30m", {ANA}),
        ('user ~ "bot-*"', {BOT}),
        ('data.role in ("guest", "bot")', {BEN, BOT}),
        ("not exists(data.cart)", {BEN, BOT}),  # the damaged one is not among them
        ("size > 4KiB", {BEN}),
        (f'sid in ("{ANA}", "{BOT}") and data.role != "bot"', {ANA}),
        ("expires < now+2h and len(data.cart) == 1", {ANA}),
    ],
)
def test_it_lists_what_matches(cli: Cli, four: Engine, where: str, expected: set[str]) -> None:
    result = cli("list", "-b", four.url, "-o", "name", "-w", where)
    assert (set(result.stdout.split()), result.code) == (expected, 0)
    counted = cli("list", "-b", four.url, "--count", "--where", where)
    assert counted.stdout == f"{len(expected)}\n"


@pytest.mark.parametrize("where", ["expires == null", "not ttl > 1s", "not exists(ttl)"])
def test_a_purge_by_the_end_leaves_what_has_none_that_can_be_read(
    cli: Cli, four: Engine, where: str
) -> None:
    before = four.everything()
    result = cli("purge", "-b", four.url, "--yes", "-w", where, "-o", "json")
    assert (four.everything(), result.code) == (before, 0)


def test_it_narrows_the_flags(cli: Cli, four: Engine) -> None:
    result = cli("list", "-b", four.url, "-o", "name", "--user", "42", "-w", "ttl > 1h")
    assert result.stdout.split() == [BEN]


def test_a_bad_expression_is_wrong_use_with_its_column(cli: Cli, shop: SqliteEngine) -> None:
    result = cli("list", "-b", shop.url, "-w", "ttl < 8KiB")
    assert "'ttl' is a duration, '8KiB' is not (column 7)" in result.stderr
    assert "write ttl < 30m" in result.stderr
    assert result.code == 2


@pytest.mark.parametrize("where", ["idle > 2h", "created < now-7d", "seen > today"])
def test_a_field_that_the_layout_does_not_store_is_said(
    cli: Cli, shop: SqliteEngine, where: str
) -> None:
    result = cli("list", "-b", shop.url, "-w", where)
    assert ("connect-sqlite3 does not store" in result.stderr, result.code) == (True, 2)


def test_purge_takes_what_matches_and_says_what_that_is(cli: Cli, four: Engine) -> None:
    where = 'data.role in ("guest", "bot")'
    result = cli("purge", "-b", four.url, "-w", where, "--yes", "--max-delete", "10")
    assert (result.counts, result.code) == ({"deleted": 2}, 0)
    assert where in result.stderr
    left = cli("list", "-b", four.url, "-o", "name")
    assert set(left.stdout.split()) == {ANA, ODD}


def test_an_interrupted_purge_is_resumed_with_its_condition(cli: Cli, shop: SqliteEngine) -> None:
    for number in range(1200):
        save(shop, sid("g", number), 7, role="guest")
    save(shop, ANA, 42, role="admin")
    words = ("--yes", "--max-delete", "5000", "--run-time", "1ms")
    stopped = cli("purge", "-b", shop.url, "-w", 'data.role == "guest"', *words)
    assert "to go on: sessctl purge --resume" in stopped.stderr
    path = cli.journals()[0]
    again = cli("purge", "--resume", path, "-b", shop.url, "--yes", "--max-delete", "5000")
    assert again.code == 0
    assert cli("list", "-b", shop.url, "-o", "name").stdout.split() == [ANA]
