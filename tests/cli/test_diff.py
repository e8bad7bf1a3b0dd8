"""`diff`: sessions, cookies, files and backends; 0 the same, 1 they differ, the rest is neither."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import sign_cookie
from tests.cli.test_hostile_output import assert_harmless, fill_with_corpus
from tests.support.cli import HOUR_MS, TERMINAL, Cli, fill, now_ms, save, sid, stored
from tests.support.engines import SqliteEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import RedisEngine

ANA, BEN, OLD = sid("a"), sid("b"), sid("o")


@pytest.fixture
def other(tmp_path: Path) -> Iterator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "other.db")
    yield engine
    engine.client.close()


def paths(lines: list[Any]) -> dict[str, tuple[str, Any, Any]]:
    return {one["path"]: (one["change"], one["before"], one["after"]) for one in lines[:-1]}


def test_two_sessions_path_by_path(cli: Cli, shop: SqliteEngine) -> None:
    ends = now_ms() + HOUR_MS
    shop.save(ANA.encode(), stored(42, cart=["tea", 1, True], theme="dark"), ends)
    shop.save(BEN.encode(), stored(42, cart=["tea", 1.0, 1, "x"], flash={}), ends)
    result = cli("diff", ANA, BEN, "-b", shop.url, "-o", "jsonl")
    found = {
        path: told for path, told in paths(result.json_lines()).items() if "cookie" not in path
    }
    assert found == {
        "data.cart[2]": ("changed", True, 1),
        "data.cart[3]": ("added", None, "x"),
        "data.theme": ("removed", "dark", None),
        "data.flash": ("added", None, {}),
    }
    assert (result.stderr, result.code) == ("", 1)


def test_the_same_session_twice_is_no_difference(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42)
    for output in ("jsonl", "tsv", "table"):
        result = cli("diff", ANA, ANA[:8], "-b", shop.url, "-o", output)
        assert (result.stderr, result.code) == ("", 0)
    shown = cli("diff", ANA, ANA, "-b", shop.url, terminals=TERMINAL)
    assert ("no differences" in shown.stderr, shown.code) == (True, 0)


def test_a_session_and_a_file(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42, cart=["tea"])
    (cli.home / "kept.json").write_bytes(
        cli("show", ANA, "-b", shop.url, "-o", "json").stdout_bytes
    )
    assert cli("diff", "kept.json", ANA, "-b", shop.url).code == 0
    (cli.home / "plain.json").write_text('{"passport":{"user":42},"cart":["milk"]}')
    result = cli("diff", ANA, "plain.json", "-b", shop.url, "-o", "jsonl")
    assert paths(result.json_lines()) == {"data.cart[0]": ("changed", "tea", "milk")}
    piped = cli("diff", ANA, "-", "-b", shop.url, stdin='{"cart":["tea"],"passport":{"user":42}}')
    assert (piped.stderr, piped.code) == ("", 0)


def test_two_cookies_need_no_backend(cli: Cli) -> None:
    one, two = (
        sign_cookie({"user": user, "n": 1}, "keyboard cat", "cookie-session")[0].value
        for user in (7, 8)
    )
    result = cli("diff", one, two, "-o", "jsonl")
    assert paths(result.json_lines()) == {"data.user": ("changed", 7, 8)}
    assert cli("diff", one, one).code == 0


def test_a_cookie_leads_to_its_session(cli: Cli, shop: SqliteEngine) -> None:
    ends = now_ms() + HOUR_MS
    raw = stored(42)
    shop.save(ANA.encode(), raw, ends)
    shop.save(BEN.encode(), raw.replace(b"42", b"43"), ends)
    one, two = (sign_cookie(name, "keyboard cat")[0].value for name in (ANA, BEN))
    found = paths(cli("diff", one, two, "-b", shop.url, "-o", "jsonl").json_lines())
    assert found["data.passport.user"] == ("changed", 42, 43)
    assert found["cookie.sid"] == ("changed", ANA, BEN)
    assert cli("diff", one, ANA, "-b", shop.url).code == 0


def test_people_see_no_secret_and_no_whole_id(cli: Cli, shop: SqliteEngine) -> None:
    ends = now_ms() + HOUR_MS
    for name, secret in ((ANA, "first-secret"), (BEN, "other-secret")):
        shop.save(name.encode(), stored(42, auth={"pin": secret}, ids={"a\u202e": secret}), ends)
    one, two = (sign_cookie(name, "keyboard cat")[0].value for name in (ANA, BEN))
    for words in ([], ["-o", "table"], ["-o", "json", "--redact"]):
        terminals = TERMINAL if not words else (False, False, False)
        result = cli("diff", one, two, "-b", shop.url, *words, terminals=terminals)
        assert "data.auth.pin" in result.stdout
        assert not any(word in result.stdout.partition("ids")[0] for word in ("-secret", ANA, BEN))
        assert_harmless(result, layout="\n\x1b") if not words else assert_harmless(result)
    whole = cli("diff", one, two, "-b", shop.url, "-o", "json").stdout
    assert ("first-secret" in whole, ANA in whole) == (True, True)


# -- backends --------------------------------------------------------------------------------------


def test_two_backends(cli: Cli, shop: SqliteEngine, other: SqliteEngine) -> None:
    fill(shop, "s", 3)
    shutil_copy(shop, other)
    save(shop, ANA, 42)
    save(other, BEN, 42)
    save(shop, OLD, 42, left_ms=-HOUR_MS)  # over: as good as absent
    other.touch(sid("s", 1).encode(), now_ms() + 2 * HOUR_MS)
    result = cli("diff", "-b", shop.url, "-b", other.url, "-o", "json")
    told = {one["sid"]: (one["change"], one["paths"]) for one in result.json()["items"]}
    assert told == {
        ANA: ("removed", []),
        BEN: ("added", []),
        sid("s", 1): ("changed", ["expires_at"]),
    }
    assert result.json()["summary"] == {"same": 2, "added": 1, "removed": 1, "changed": 1}
    assert (result.stderr, result.code) == ("", 1)
    named = cli("diff", shop.url, other.url, "-o", "name")
    assert (set(named.stdout.split()), named.code) == (set(told), 1)
    one = cli("diff", sid("s", 1), "-b", shop.url, "-b", other.url, "-o", "name")
    assert (one.stdout, one.code) == ("expires_at\n", 1)


def shutil_copy(one: SqliteEngine, other: SqliteEngine) -> None:
    other.client.close()
    shutil.copy(one.path, other.path)
    other.__init__(other.path, "")  # type: ignore[misc]


def test_after_a_copy_two_layouts_are_the_same(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    folder = f"file://{tmp_path}/files?layout=session-file-store"
    save(shop, ANA, 42, n=1.0)
    save(shop, BEN, {"id": 7})
    for target in (cache.url, folder):
        assert cli("copy", "-b", shop.url, "--to", target, "--yes").code == 0
        result = cli("diff", "-b", shop.url, "-b", target, "-o", "jsonl")
        assert result.json_lines() == [
            {"summary": {"same": 2, "added": 0, "removed": 0, "changed": 0}}
        ]
        assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("words", [["jsonl"], ["tsv", "--redact"], ["table"]], ids=" ".join)
def test_the_corpus_is_compared_harmlessly(
    cli: Cli, shop: SqliteEngine, other: SqliteEngine, words: list[str]
) -> None:
    fill_with_corpus(shop)
    save(other, "text-0000", 1)
    for pair in (("-b", shop.url, "-b", other.url), ("text-0000", "flash-0001", "-b", shop.url)):
        result = cli("diff", *pair, "-o", *words)
        assert_harmless(result, layout="\n\t" if words[0] == "tsv" else "\n")
        assert result.code == 1


# -- what is neither -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([ANA, "z" * 32], 2, "no session zzzzzz~"),
        ([ANA], 2, "what is to be compared?"),
        ([], 2, "what is to be compared?"),
        ([ANA, "broken.json"], 7, "not JSON"),
        ([ANA, "corrupt"], 7, "not JSON"),
        ([ANA, "two.json"], 2, "holds 2 sessions"),
    ],
)
def test_what_stops_it_is_no_difference(
    cli: Cli, shop: SqliteEngine, words: list[str], code: int, said: str
) -> None:
    save(shop, ANA, 42)
    shop.save(b"corrupt", b'{"cookie"', now_ms() + HOUR_MS)
    (cli.home / "broken.json").write_text("{")
    (cli.home / "two.json").write_text(json.dumps({"items": [{}, {}]}))
    result = cli("diff", *words, "-b", shop.url)
    assert (result.stdout, result.code, said in result.stderr) == ("", code, True), result.stderr


def test_a_store_that_is_away_is_no_difference(cli: Cli, shop: SqliteEngine) -> None:
    result = cli("diff", "-b", shop.url, "-b", "redis://127.0.0.1:1/0?layout=connect-redis")
    assert (result.stdout, result.code) == ("", 3)
