"""`sessctl stats`: the same numbers for people, programs and monitoring."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.cli import DAY_MS, HOUR_MS, TERMINAL, Cli, now_ms, save, sid, stored
from tests.support.engines import SqliteEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import Engine

KEYS = [
    "backend", "layout", "scope", "taken_at", "sessions", "active", "expired", "unknown",
    "without_expiry", "by_cookie_date", "anonymous", "empty", "unreadable", "problems", "strangers",
    "sizes", "expires", "created", "seen", "users", "largest",
]  # fmt: skip


@pytest.fixture
def filled(store: Engine) -> Engine:
    """Seven sessions that all count differently; in Redis those that are over are gone."""
    save(store, sid("a"), 42, cart=["x" * 400])
    save(store, sid("b"), 42, left_ms=3 * DAY_MS)
    save(store, sid("c"), "ana", left_ms=40 * DAY_MS)
    save(store, sid("d"))
    save(store, sid("e"), note="ş")
    store.save(sid("f").encode(), b"{", now_ms() + HOUR_MS)
    save(store, sid("o"), 7, left_ms=-HOUR_MS)
    return store


def families(text: str) -> dict[str, dict[tuple[str, ...], float]]:
    """Samples by name and the values of their labels beside backend, layout and scope."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k not in ("backend", "layout")}
            labels.pop("scope")
            found.setdefault(sample.name, {})[tuple(labels.values())] = sample.value
    return found


def test_the_numbers(cli: Cli, filled: Engine) -> None:
    result = cli("stats", "-b", filled.url, "-o", "json")
    document = result.json()
    (item,) = document["items"]
    over = 1 if filled.name == "sqlite" else 0
    assert (document["schema"], document["kind"], list(item)) == ("sessctl/v1", "Stats", KEYS)
    assert (item["sessions"], item["active"], item["expired"]) == (6 + over, 6, over)
    assert (item["anonymous"], item["empty"], item["unreadable"]) == (3, 1, 1)
    assert item["problems"] == {"value.unreadable": 1}
    assert item["expires"] == {
        "past": over, "under_1h": 4, "under_1d": 0, "under_7d": 1, "under_30d": 0, "more": 1,
        "never": 0, "unknown": 0,
    }  # fmt: skip
    assert item["users"] == {
        "distinct": 2 + over, "error": 0,
        "top": [{"user": "42", "sessions": 2}, *[{"user": "7", "sessions": 1}] * over,
                {"user": "ana", "sessions": 1}],
    }  # fmt: skip
    sizes = [len(value) for value in stored_values(filled)]
    assert item["sizes"]["sum_bytes"] == sum(sizes)
    assert item["sizes"]["max_bytes"] == max(sizes)
    assert item["largest"][0] == {"sid": sid("a"), "user": "42", "size_bytes": max(sizes)}
    assert (item["created"], item["seen"], item["strangers"]) == (None, None, 0)
    assert (result.stderr, result.code) == ("", 0)


def stored_values(engine: Engine) -> list[bytes]:
    with engine.open() as store:
        from sessctl import Query

        return [session.raw for session in store.scan(Query())]


def test_a_key_without_an_end_and_strangers_are_told_apart(cli: Cli, cache: Any) -> None:
    cache.save(b"hint", stored(1), None)
    cache.save(b"ever", stored(1, left_ms=None), None)
    cache.client.rpush("sess:list", "x")
    (item,) = cli("stats", "-b", cache.url, "-o", "jsonl").json_lines()
    assert (item["by_cookie_date"], item["without_expiry"], item["strangers"]) == (1, 1, 1)
    assert (item["sessions"], item["expires"]["never"]) == (2, 1)


@pytest.mark.parametrize(
    ("flags", "count"),
    [(["--user", "42"], 2), (["--expires-within", "2h"], 4), (["-w", 'user ~ "a*"'], 1),
     (["--larger-than", "400"], 1), (["--all"], 6)],
)  # fmt: skip
def test_a_query_counts_what_it_lists(
    cli: Cli, filled: Engine, flags: list[str], count: int
) -> None:
    if flags == ["--all"]:
        flags = ["--active"]
    (item,) = cli("stats", "-b", filled.url, *flags, "-o", "jsonl").json_lines()
    listed = cli("list", "-b", filled.url, *flags, "--count").stdout
    assert (item["sessions"], listed) == (count, f"{count}\n")


def test_counting_alone_reads_nothing_else(cli: Cli, filled: Engine) -> None:
    (item,) = cli("stats", "-b", filled.url, "--count", "-o", "jsonl").json_lines()
    known = {key: value for key, value in item.items() if value is not None}
    assert list(item) == KEYS
    assert list(known) == ["backend", "layout", "scope", "taken_at", "sessions"]
    assert item["sessions"] == (7 if filled.name == "sqlite" else 6)
    rows = cli("stats", "-b", filled.url, "--count", "--fields", "metric,value").stdout
    assert rows == f"metric\tvalue\nsessions\t{item['sessions']}\n"
    shown = cli("stats", "-b", filled.url, "--count", "-o", "table").stdout
    assert shown.splitlines()[1:] == [f"  sessions   {item['sessions']}"]


@pytest.mark.parametrize(("flags", "code"), [([], 0), (["--strict"], 5)])
def test_strict_is_not_content_with_what_cannot_be_decoded(
    cli: Cli, filled: Engine, flags: list[str], code: int
) -> None:
    result = cli("stats", "-b", filled.url, *flags)
    assert ("unreadable\t\t1\n" in result.stdout, result.code) == (True, code)


@pytest.mark.parametrize(("output", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_rows_hold_one_number_each(cli: Cli, shop: Engine, output: str, delimiter: str) -> None:
    for number in range(3):
        save(shop, sid("a", number), "=1+1")
    result = cli("stats", "-b", shop.url, "-o", output)
    header, *rows = csv.reader(io.StringIO(result.stdout), delimiter=delimiter)
    assert header == ["backend", "layout", "scope", "metric", "label", "value"]
    found = {(row[3], row[4]): row[5] for row in rows}
    user = "'=1+1" if output == "csv" else "=1+1"
    assert (found["sessions", ""], found["expires", "under_1h"]) == ("3", "3")
    assert found["users_top", user] == "3"
    assert found["largest_bytes", sid("a")] == found["sizes_max_bytes", ""]


def test_top_users_are_as_many_as_are_asked_for(cli: Cli, shop: Engine) -> None:
    for number in range(30):
        save(shop, sid("a", number), f"u{number % 15}")
    for flags, count in (([], 10), (["--top", "3"], 3), (["--top", "0"], 0)):
        (item,) = cli("stats", "-b", shop.url, *flags, "-o", "jsonl").json_lines()
        assert (len(item["users"]["top"]), item["users"]["distinct"]) == (count, 15)


def test_several_backends_stand_beside_each_other(cli: Cli, filled: Engine, tmp_path: Path) -> None:
    other = SqliteEngine(tmp_path / "other")
    save(other, sid("z"), 1)
    cli.config(f'[backends.one]\nurl = "{filled.url}"\n[backends.two]\nurl = "{other.url}"\n')
    both = cli("stats", "--all-backends", "-o", "jsonl").json_lines()
    assert [item["backend"] for item in both] == ["one", "two"]
    assert both[1]["sessions"] == 1
    shown = cli("stats", "-b", "one", "-b", "two", "-o", "table").stdout
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("stats ")] == [
        "one", "two",
    ]  # fmt: skip
    text = cli("stats", "--all-backends", "-o", "openmetrics").stdout
    (family,) = (f for f in text_string_to_metric_families(text) if f.name == "sessctl_sessions")
    assert [sample.labels["backend"] for sample in family.samples] == ["one", "two"]
    other.client.close()


@pytest.mark.parametrize("output", ["name", "raw"])
def test_a_format_that_makes_no_sense_is_refused(cli: Cli, shop: Engine, output: str) -> None:
    result = cli("stats", "-b", shop.url, "-o", output)
    assert (result.stdout, result.code) == ("", 2)
    assert "openmetrics" in result.stderr


def test_ids_are_whole_for_programs_and_short_for_people(cli: Cli, filled: Engine) -> None:
    url = ("-b", filled.url)
    assert sid("a") in cli("stats", *url, "-o", "json").stdout
    assert sid("a") not in cli("stats", *url, "-o", "json", "--redact").stdout
    assert sid("a") not in cli("stats", *url, "-o", "tsv", "--redact").stdout
    assert sid("a") not in cli("stats", *url, "-o", "table").stdout
    assert sid("a") in cli("stats", *url, "-o", "table", "--show-ids").stdout
    assert sid("a") not in cli("stats", *url, "-o", "table", "--show-ids", "--redact").stdout


# -- OpenMetrics -----------------------------------------------------------------------------------


def test_openmetrics_are_read_by_the_parser_of_prometheus(cli: Cli, filled: Engine) -> None:
    result = cli("stats", "-b", filled.url, "-o", "openmetrics")
    (item,) = cli("stats", "-b", filled.url, "-o", "jsonl").json_lines()
    found = families(result.stdout)
    assert found["sessctl_sessions"] == {(): item["sessions"]}
    assert found["sessctl_sessions_by_state"] == {
        (state,): item[state] for state in ("active", "expired", "unknown")
    }
    for key in ("anonymous", "empty", "unreadable", "without_expiry", "by_cookie_date"):
        assert found[f"sessctl_sessions_{key}"] == {(): item[key]}
    assert found["sessctl_sessions_unreadable_by_code"] == {("value.unreadable",): 1}
    assert found["sessctl_users"] == {(): item["users"]["distinct"]}
    assert found["sessctl_session_size_bytes_gcount"] == {(): item["sessions"]}
    assert found["sessctl_session_size_bytes_gsum"] == {(): item["sizes"]["sum_bytes"]}
    sizes = found["sessctl_session_size_bytes_bucket"]
    assert (sizes["256.0",], sizes["1024.0",]) == (item["sessions"] - 1, item["sessions"])
    left = found["sessctl_session_ttl_seconds_bucket"]
    assert (left["0.0",], left["+Inf",]) == (item["expired"], item["sessions"])
    assert result.stdout.endswith("# EOF\n")
    assert (result.stderr, result.code) == ("", 0)


def test_openmetrics_hold_no_id_and_no_user(cli: Cli, filled: Engine) -> None:
    text = cli("stats", "-b", filled.url, "-o", "openmetrics", "--show-ids").stdout
    assert not re.search(f'ana|"42"|{sid("a")[:6]}', text)


def test_a_store_that_is_named_twice_is_one(cli: Cli, filled: Engine) -> None:
    text = cli("stats", "-b", filled.url, "-b", filled.url, "-o", "openmetrics").stdout
    (only,) = families(text)["sessctl_sessions"].values()
    assert only == text.count("\nsessctl_sessions{") * only


def test_two_files_of_one_name_are_two_stores(cli: Cli, tmp_path: Path) -> None:
    places = [tmp_path / "a" / "shop.db", tmp_path / "b" / "shop.db"]
    for place in places:
        place.parent.mkdir()
    urls = [part for place in places for part in ("-b", SqliteEngine(place).url)]
    text = cli("stats", *urls, "-o", "openmetrics").stdout
    assert [line for line in text.splitlines() if line.startswith("sessctl_sessions{")] == [
        f'sessctl_sessions{{backend="shop.db ({place})",layout="connect-sqlite3",'
        'scope="sessions"} 0'
        for place in places
    ]


def test_hostile_names_stay_inside_their_labels(cli: Cli, tmp_path: Path) -> None:
    odd = 'x"} 9\n# EOF\n\\\x1b[2J\u202e'
    engine = SqliteEngine(tmp_path / "shop.db", ddl="")
    with engine.client:
        quoted = odd.replace('"', '""')
        engine.client.execute(f'CREATE TABLE "{quoted}" (sid PRIMARY KEY, expired, sess)')
    config = f'[backends.web]\nurl = "sqlite:///{engine.path}"\nlayout = "connect-sqlite3"\n'
    cli.config(f"{config}table = '''x\"}} 9\n# EOF\n\\\\'''\n".replace("\\\\", "\\"))
    with engine.client:
        engine.client.execute('CREATE TABLE "x""} 9\n# EOF\n\\" (sid PRIMARY KEY, expired, sess)')
    result = cli("stats", "-o", "openmetrics")
    scopes = {
        sample.labels["scope"]
        for family in text_string_to_metric_families(result.stdout)
        for sample in family.samples
    }
    assert (scopes, result.code) == ({'x"} 9\\x0a# EOF\\x0a\\'}, 0)
    engine.client.close()


# -- people ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_block_fits_the_terminal(
    sessctl_tty: Any, shop: SqliteEngine, columns: int, tmp_path: Path
) -> None:
    for number in range(40):
        save(shop, sid("a", number), "a user with a very long name " * (number % 3 + 1))
    save(shop, sid("b"), "漢字" * 40, left_ms=-HOUR_MS)
    result = sessctl_tty("stats", "-b", shop.url, "--no-pager", "--no-color", cols=columns)
    from rich.cells import cell_len

    lines = result.text.split("\r\n")
    assert max(map(cell_len, lines)) <= columns
    assert ("█" in result.text, "< 1 hour" in result.text, result.code) == (True, True, 0)


def test_a_terminal_without_unicode_gets_bars_of_ascii(
    sessctl_tty: Any, shop: SqliteEngine
) -> None:
    save(shop, sid("a"), 42)
    result = sessctl_tty("stats", "-b", shop.url, "--no-color", env={"LC_ALL": "C"})
    assert ("#####" in result.text, result.screen.isascii(), result.code) == (True, True, 0)


def test_colour_repeats_what_the_words_say(sessctl_tty: Any, shop: SqliteEngine) -> None:
    save(shop, sid("a"), 42)
    save(shop, sid("o"), 7, left_ms=-HOUR_MS)
    plain = sessctl_tty("stats", "-b", shop.url, "--no-color", "--no-pager")
    coloured = sessctl_tty("stats", "-b", shop.url, "--no-pager")
    assert re.sub(rb"\x1b\[[0-9;]*m", b"", coloured.screen) == plain.screen
    assert b"\x1b[31m1 expired (50 %)" in coloured.screen


def test_an_empty_store_is_told_in_few_words(cli: Cli, store: Engine) -> None:
    for output in ("table", "tsv", "json", "jsonl", "csv", "openmetrics"):
        result = cli("stats", "-b", store.url, "-o", output, terminals=TERMINAL)
        assert (result.stderr, result.code) == ("", 0)
    shown = cli("stats", "-b", store.url, "-o", "table").stdout
    assert "  sessions   0 in all, 0 active, 0 expired, 0 unknown" in shown.splitlines()
