"""`sessctl show`: one session whole, for people and for programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sessctl.text import short_id
from tests.support.cli import HOUR_MS, TERMINAL, now_ms, save, sid, stored

if TYPE_CHECKING:
    from tests.support.cli import Cli
    from tests.support.engines import Engine, RedisEngine, SqliteEngine

ANA, BEN = sid("a"), sid("b")


@pytest.fixture
def two(store: Engine) -> Engine:
    """Two live sessions, one with something secret in it."""
    save(store, ANA, 42, left_ms=2 * HOUR_MS, csrfSecret="s3cret-csrf", cart=["tea"])
    save(store, BEN, "u-7")
    return store


def test_a_pipe_gets_the_item_with_its_data(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA, "-b", two.url)
    (item,) = result.json_lines()
    assert (item["sid"], item["user"], item["state"]) == (ANA, "42", "active")
    assert item["data"]["csrfSecret"] == "s3cret-csrf"
    assert (result.stderr, result.code) == ("", 0)


def test_an_item_of_show_is_an_item_of_list(cli: Cli, two: Engine) -> None:
    shown = cli("show", ANA, "-b", two.url, "-o", "jsonl").json_lines()[0]
    listed = cli("list", "-b", two.url, "-o", "jsonl", "--data", "--user", "42").json_lines()[0]
    for item in (shown, listed):
        assert item.pop("ttl_s") in (7199, 7198, 7197)
    assert list(shown.items()) == list(listed.items())


def test_several_sessions_come_in_the_order_asked_for(cli: Cli, two: Engine) -> None:
    result = cli("show", BEN, ANA, "-b", two.url, "-o", "json")
    assert [item["sid"] for item in result.json()["items"]] == [BEN, ANA]
    assert (result.stderr, result.code) == ("", 0)


def test_a_terminal_gets_a_block_without_secrets(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA, "-b", two.url, "--no-color", terminals=TERMINAL)
    assert result.stdout.startswith(f"session {short_id(ANA)}  active\n")
    assert '"csrfSecret": "***"' in result.stdout
    assert ANA not in result.stdout
    assert "s3cret-csrf" not in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_show_ids_puts_the_whole_id_into_the_block(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA, "-b", two.url, "-o", "table", "--show-ids")
    assert result.stdout.startswith(f"session {ANA}  active\n")
    assert (result.stderr, result.code) == ("", 0)


def test_raw_is_the_stored_value_and_nothing_else(cli: Cli, two: Engine) -> None:
    raw = stored(1, note="été\n")
    two.save(ANA.encode(), raw, now_ms() + HOUR_MS)
    result = cli("show", ANA, "-b", two.url, "-o", "raw")
    assert (result.stdout_bytes, result.stderr, result.code) == (raw, "", 0)


def test_raw_at_a_terminal_is_escaped(cli: Cli, two: Engine) -> None:
    two.save(ANA.encode(), b'{"cookie":{},"x":"\x1b]0;owned\x07"}', now_ms() + HOUR_MS)
    result = cli("show", ANA, "-b", two.url, "-o", "raw", terminals=TERMINAL)
    assert result.stdout == '{"cookie":{},"x":"\\x1b]0;owned\\x07"}\n'
    assert (result.stderr, result.code) == ("", 0)


def test_redact_masks_the_item(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA, "-b", two.url, "--redact")
    (item,) = result.json_lines()
    assert (item["sid"], item["data"]["csrfSecret"]) == (short_id(ANA), "***")
    assert ANA not in result.stdout
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("text", [short_id(ANA), ANA[:6], ANA[:30]])
def test_the_short_form_or_a_beginning_is_enough(cli: Cli, two: Engine, text: str) -> None:
    result = cli("show", text, "-b", two.url, "-o", "name")
    assert (result.stdout, result.stderr, result.code) == (ANA + "\n", "", 0)


def test_a_beginning_of_five_characters_is_not_enough(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA[:5], "-b", two.url)
    assert (result.stdout, result.code) == ("", 1)
    assert "no session" in result.stderr


def test_an_ambiguous_beginning_lists_the_candidates(cli: Cli, two: Engine) -> None:
    save(two, sid("a", 7))
    result = cli("show", ANA[:10], "-b", two.url)
    assert (result.stdout, result.code) == ("", 2)
    assert "2 sessions begin like that" in result.stderr
    assert short_id(ANA) in result.stderr
    assert short_id(sid("a", 7)) in result.stderr


def test_an_exact_id_wins_over_longer_ones(cli: Cli, store: Engine) -> None:
    save(store, "abcdef")
    save(store, "abcdefgh")
    result = cli("show", "abcdef", "-b", store.url, "-o", "name")
    assert (result.stdout, result.stderr, result.code) == ("abcdef\n", "", 0)


def test_an_unknown_id_is_a_no(cli: Cli, two: Engine) -> None:
    result = cli("show", sid("x"), "-b", two.url)
    assert (result.stdout, result.code) == ("", 1)
    assert result.stderr.startswith(f"sessctl: error: no session {short_id(sid('x'))}\n")
    assert sid("x") not in result.stderr


def test_what_is_there_is_shown_and_what_is_not_is_named(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA, sid("x"), BEN, sid("y"), "-b", two.url, "-o", "name")
    assert (result.stdout, result.code) == (f"{ANA}\n{BEN}\n", 1)
    missing = f"{short_id(sid('x'))}, {short_id(sid('y'))}"
    assert f"2 of these sessions are not there: {missing}\n" in result.stderr


def test_a_short_form_that_is_nowhere_is_named_as_it_was_given(cli: Cli, two: Engine) -> None:
    result = cli("show", short_id(sid("x")), "-b", two.url)
    assert (result.stdout, result.code) == ("", 1)
    assert f"no session {short_id(sid('x'))}\n" in result.stderr


def test_raw_is_not_given_while_redacting(cli: Cli, two: Engine) -> None:
    result = cli("show", ANA, "-b", two.url, "-o", "raw", "--redact")
    assert (result.stdout, result.code) == ("", 2)
    assert "raw cannot be redacted" in result.stderr


def test_an_unknown_id_in_json_is_one_line_on_stderr(cli: Cli, two: Engine) -> None:
    result = cli("show", sid("x"), "-b", two.url, "-o", "json")
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["exit"]) == ("session.unknown", 1)
    assert (result.stdout, result.code) == ("", 1)


def test_ids_come_from_standard_input(cli: Cli, two: Engine) -> None:
    given = f"{BEN}\n\n{json.dumps({'sid': ANA})}\n"
    result = cli("show", "-", "-b", two.url, "-o", "name", stdin=given)
    assert (result.stdout, result.stderr, result.code) == (f"{BEN}\n{ANA}\n", "", 0)


def test_a_listing_can_be_piped_into_show(cli: Cli, two: Engine) -> None:
    listed = cli("list", "-b", two.url, "-o", "jsonl").stdout_bytes
    result = cli("show", "-", "-b", two.url, "-o", "name", stdin=listed)
    assert (sorted(result.stdout.split()), result.stderr, result.code) == ([ANA, BEN], "", 0)


def test_an_id_that_is_not_utf8_is_found_by_its_item(cli: Cli, store: Engine) -> None:
    store.save(b"odd-\xff\xfe-id", stored(5), now_ms() + HOUR_MS)
    listed = cli("list", "-b", store.url, "-o", "jsonl")
    assert listed.json_lines()[0]["extra"]["sid_b64"] == "b2RkLf/+LWlk"
    result = cli("show", "-", "-b", store.url, stdin=listed.stdout_bytes)
    assert (result.json_lines()[0]["user"], result.stderr, result.code) == ("5", "", 0)


def test_a_damaged_value_is_shown_with_its_problem(cli: Cli, store: Engine) -> None:
    store.save(ANA.encode(), b'{"cookie":{}', now_ms() + HOUR_MS)
    result = cli("show", ANA, "-b", store.url)
    (item,) = result.json_lines()
    assert (item["data"], item["problem"]["code"]) == (None, "value.unreadable")
    assert (result.stderr, result.code) == ("", 0)


def test_a_damaged_value_is_shown_to_people_with_its_problem(cli: Cli, store: Engine) -> None:
    store.save(ANA.encode(), b'{"cookie":{}', now_ms() + HOUR_MS)
    result = cli("show", ANA, "-b", store.url, "-o", "table")
    assert "\n  problem    not JSON" in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_a_key_without_ttl_is_judged_by_its_cookie_date(cli: Cli, cache: RedisEngine) -> None:
    cache.save(ANA.encode(), stored(1, left_ms=-HOUR_MS), None)
    result = cli("show", ANA, "-b", cache.url)
    (item,) = result.json_lines()
    assert (item["state"], item["extra"]["expiry"]) == ("expired", "cookie-date")
    assert (result.stderr, result.code) == ("", 0)


def test_a_key_without_any_end_is_active(cli: Cli, cache: RedisEngine) -> None:
    cache.save(ANA.encode(), stored(1, left_ms=None), None)
    result = cli("show", ANA, "-b", cache.url)
    (item,) = result.json_lines()
    assert (item["state"], item["expires_at"], item["ttl_s"]) == ("active", None, None)
    assert (result.stderr, result.code) == ("", 0)


def test_an_end_that_cannot_be_read_is_unknown(cli: Cli, shop: SqliteEngine) -> None:
    shop.save(ANA.encode(), stored(1), None)
    result = cli("show", ANA, "-b", shop.url)
    (item,) = result.json_lines()
    assert (item["state"], item["expires_at"]) == ("unknown", None)
    assert (result.stderr, result.code) == ("", 0)


def test_the_session_is_found_in_whichever_backend_has_it(
    cli: Cli, shop: SqliteEngine, cache: RedisEngine
) -> None:
    save(cache, ANA, 42)
    result = cli("show", ANA, "-b", shop.url, "-b", cache.url)
    assert result.json_lines()[0]["layout"] == "connect-redis"
    assert (result.stderr, result.code) == ("", 0)


def test_show_needs_an_id(cli: Cli, two: Engine) -> None:
    result = cli("show", "-b", two.url)
    assert (result.stdout, result.code) == ("", 2)
    assert "missing argument" in result.stderr
