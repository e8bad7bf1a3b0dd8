"""`sessctl list`: stdout is the answer in the format asked for, stderr what it does not say."""

from __future__ import annotations

import csv
import io
import json
import stat
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.text import short_id
from tests.support.cli import DAY_MS, HOUR_MS, TERMINAL, now_ms, save, sid, stored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli
    from tests.support.engines import Engine, RedisEngine, SqliteEngine
    from tests.support.run import Result

KEYS = [
    *("backend", "sid", "layout", "location", "user", "state", "expires_at", "ttl_s"),
    *("created_at", "seen_at", "size_bytes", "data", "problem", "extra"),
]
ANA, BEN, OLD = sid("a"), sid("b"), sid("o")


@pytest.fixture
def three(shop: SqliteEngine) -> SqliteEngine:
    """Two live sessions and one that ended."""
    save(shop, ANA, 42, left_ms=2 * HOUR_MS, cart=["tea"])
    save(shop, BEN, "u-7", left_ms=DAY_MS, note="x" * 500)
    save(shop, OLD, 42, left_ms=-HOUR_MS)
    return shop


def answer(result: Result) -> Result:
    """A run that went well and had nothing to remark."""
    assert (result.stderr, result.code) == ("", 0)
    return result


def names(result: Result) -> list[str]:
    return result.stdout.splitlines()


def test_jsonl_is_one_item_a_line_with_the_keys_in_order(cli: Cli, three: SqliteEngine) -> None:
    items = answer(cli("list", "-b", three.url, "-o", "jsonl")).json_lines()
    assert [list(item) for item in items] == [KEYS] * 3


def test_an_item_says_what_the_store_holds(cli: Cli, store: Engine) -> None:
    ends = now_ms() + 2 * HOUR_MS
    raw = stored(42, left_ms=2 * HOUR_MS, cart=["tea"])
    store.save(ANA.encode(), raw, ends)
    (item,) = answer(cli("list", "-b", store.url, "-o", "jsonl", "--data")).json_lines()
    assert item["sid"] == ANA
    assert (item["user"], item["state"], item["problem"]) == ("42", "active", None)
    assert item["layout"] == {"redis": "connect-redis", "sqlite": "connect-sqlite3"}[store.name]
    assert item["location"].endswith(ANA)
    assert datetime.fromisoformat(item["expires_at"]).timestamp() * 1000 == pytest.approx(ends)
    assert item["expires_at"].endswith("Z")
    assert 7195 <= item["ttl_s"] <= 7200
    assert item["size_bytes"] == len(raw)
    assert item["data"] == {"passport": {"user": 42}, "cart": ["tea"]}
    assert item["extra"]["cookie"]["path"] == "/"


def test_data_is_there_only_when_asked_for(cli: Cli, three: SqliteEngine) -> None:
    items = answer(cli("list", "-b", three.url, "-o", "jsonl")).json_lines()
    assert [item["data"] for item in items] == [None] * 3


def test_json_is_one_document(cli: Cli, three: SqliteEngine) -> None:
    document = answer(cli("list", "-b", three.url, "-o", "json")).json()
    assert (document["schema"], document["kind"]) == ("sessctl/v1", "SessionList")
    assert [list(item) for item in document["items"]] == [KEYS] * 3


def test_every_item_of_the_document_stands_on_one_line(cli: Cli, three: SqliteEngine) -> None:
    lines = answer(cli("list", "-b", three.url, "-o", "json")).stdout.splitlines()
    assert len(lines) == 1 + 3 + 1


def test_json_is_ascii(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, "Søren", city="東京\x7f")
    result = answer(cli("list", "-b", shop.url, "-o", "jsonl", "--data"))
    assert result.stdout_bytes.isascii()
    assert b"\x7f" not in result.stdout_bytes
    assert result.json_lines()[0]["data"]["city"] == "東京\x7f"


@pytest.mark.parametrize(("output", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_separated_values_have_a_header_and_no_cut_cells(
    cli: Cli, three: SqliteEngine, output: str, delimiter: str
) -> None:
    text = answer(cli("list", "-b", three.url, "-o", output)).stdout
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    assert rows[0] == [key for key in KEYS if key not in ("data", "extra")]
    assert [row[1] for row in rows[1:]] == [ANA, BEN, OLD]


def test_tsv_is_the_default_in_a_pipe(cli: Cli, three: SqliteEngine) -> None:
    assert answer(cli("list", "-b", three.url)) == cli("list", "-b", three.url, "-o", "tsv")


def test_no_headers_leaves_the_header_out(cli: Cli, three: SqliteEngine) -> None:
    with_header = answer(cli("list", "-b", three.url)).stdout.splitlines()
    without = answer(cli("list", "-b", three.url, "--no-headers")).stdout.splitlines()
    assert without == with_header[1:]


def test_name_prints_whole_ids(cli: Cli, three: SqliteEngine) -> None:
    assert names(answer(cli("list", "-b", three.url, "-o", "name"))) == [ANA, BEN, OLD]


def test_a_terminal_gets_a_table_with_short_ids(cli: Cli, three: SqliteEngine) -> None:
    result = answer(cli("list", "-b", three.url, "--no-color", terminals=TERMINAL))
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["SID", "USER", "STATE", "EXPIRES", "LEFT", "SIZE"]
    assert [line.split()[0] for line in lines[1:]] == [short_id(s) for s in (ANA, BEN, OLD)]
    assert ANA not in result.stdout


def test_columns_of_a_table_stand_below_each_other(cli: Cli, shop: SqliteEngine) -> None:
    for number, user in enumerate(["a", "東京東京", "e\u0301clair", "x" * 90]):
        save(shop, sid("a", number), user)
    lines = answer(cli("list", "-b", shop.url, "-o", "table")).stdout.splitlines()
    assert {display_column(line, "active") for line in lines[1:]} == {
        display_column(lines[0], "STATE")
    }


def display_column(line: str, word: str) -> int:
    """The terminal column where a word begins; wide characters take two, marks none."""
    from unicodedata import combining, east_asian_width

    before = line[: line.index(word)]
    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in before)


def test_show_ids_puts_whole_ids_into_the_table(cli: Cli, three: SqliteEngine) -> None:
    assert ANA in answer(cli("list", "-b", three.url, "-o", "table", "--show-ids")).stdout


def test_wide_adds_columns(cli: Cli, three: SqliteEngine) -> None:
    head = answer(cli("list", "-b", three.url, "-o", "wide")).stdout.splitlines()[0].split()
    assert head == [
        *("BACKEND", "SID", "USER", "STATE", "EXPIRES", "LEFT", "SIZE"),
        *("CREATED", "SEEN", "LOCATION", "PROBLEM"),
    ]


def test_utc_is_said_in_the_table(cli: Cli, three: SqliteEngine) -> None:
    lines = answer(cli("list", "-b", three.url, "-o", "table", "--utc")).stdout.splitlines()
    assert all("Z  " in line for line in lines[1:])


@pytest.mark.parametrize("output", ["table", "tsv", "csv", "jsonl", "json", "name"])
def test_redact_shortens_ids_in_every_format(cli: Cli, three: SqliteEngine, output: str) -> None:
    result = answer(cli("list", "-b", three.url, "-o", output, "--redact"))
    assert short_id(ANA) in result.stdout
    assert ANA not in result.stdout


def test_redact_masks_data(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 1, csrfSecret="s3cret-csrf", theme="dark")
    (item,) = answer(cli("list", "-b", shop.url, "-o", "jsonl", "--data", "--redact")).json_lines()
    assert item["data"] == {"passport": {"user": 1}, "csrfSecret": "***", "theme": "dark"}


def test_redaction_can_come_from_the_environment(cli: Cli, three: SqliteEngine) -> None:
    result = cli("list", "-b", three.url, "-o", "name", env={"SESSCTL_REDACT": "1"})
    assert names(answer(result)) == [short_id(s) for s in (ANA, BEN, OLD)]


@pytest.mark.parametrize("output", ["table", "tsv", "csv"])
def test_fields_chooses_and_orders_columns(cli: Cli, three: SqliteEngine, output: str) -> None:
    text = answer(cli("list", "-b", three.url, "-o", output, "--fields", "state,user")).stdout
    words = [line.replace(",", " ").lower().split() for line in text.splitlines()]
    assert words == [["state", "user"], ["active", "42"], ["active", "u-7"], ["expired", "42"]]


def test_fields_chooses_and_orders_keys(cli: Cli, three: SqliteEngine) -> None:
    items = answer(
        cli("list", "-b", three.url, "-o", "jsonl", "--fields", "state,sid")
    ).json_lines()
    assert list(items[0].items()) == [("state", "active"), ("sid", ANA)]


@pytest.mark.parametrize("output", ["table", "jsonl", "csv"])
def test_a_wrong_field_lists_the_right_ones(cli: Cli, three: SqliteEngine, output: str) -> None:
    result = cli("list", "-b", three.url, "-o", output, "--fields", "sid,colour")
    assert (result.stdout, result.code) == ("", 2)
    assert "no field 'colour'" in result.stderr
    assert "expires" in result.stderr


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (["--user", "42"], [ANA, OLD]),
        (["--user", "u-7"], [BEN]),
        (["--expired"], [OLD]),
        (["--active"], [ANA, BEN]),
        (["--user", "42", "--active"], [ANA]),
        (["--expires-within", "3h"], [ANA]),
        (["--larger-than", "400"], [BEN]),
        (["--all"], [ANA, BEN, OLD]),
        (["--user", "4"], []),
    ],
)
def test_query_flags_combine_with_and(
    cli: Cli, three: SqliteEngine, query: list[str], found: list[str]
) -> None:
    assert names(answer(cli("list", "-b", three.url, "-o", "name", *query))) == found


def test_an_id_that_is_named_twice_is_one_session(cli: Cli, three: SqliteEngine) -> None:
    where = f'sid in ("{ANA}", "{BEN}", "{ANA}")'
    assert names(answer(cli("list", "-b", three.url, "-o", "name", "-w", where))) == [ANA, BEN]


def test_expired_and_active_exclude_each_other(cli: Cli, three: SqliteEngine) -> None:
    result = cli("list", "-b", three.url, "--expired", "--active")
    assert (result.stdout, result.code) == ("", 2)
    assert "both expired and active" in result.stderr


@pytest.mark.parametrize("flag", ["--older-than", "--idle"])
def test_a_condition_on_what_the_layout_does_not_store_is_refused(
    cli: Cli, three: SqliteEngine, flag: str
) -> None:
    result = cli("list", "-b", three.url, flag, "1h")
    assert (result.stdout, result.code) == ("", 2)
    assert "connect-sqlite3 does not store" in result.stderr


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ("size", [OLD, ANA, BEN]),
        ("-size", [BEN, ANA, OLD]),
        ("expires", [OLD, ANA, BEN]),
        ("-expires", [BEN, ANA, OLD]),
        ("user,-expires", [ANA, OLD, BEN]),
        ("-sid", [OLD, BEN, ANA]),
    ],
)
def test_sort(cli: Cli, three: SqliteEngine, keys: str, order: list[str]) -> None:
    assert names(answer(cli("list", "-b", three.url, "-o", "name", "--sort", keys))) == order


@pytest.mark.parametrize("keys", ["user", "-user"])
def test_missing_values_sort_last_in_both_directions(
    cli: Cli, three: SqliteEngine, keys: str
) -> None:
    save(three, sid("0"), None)
    assert names(answer(cli("list", "-b", three.url, "-o", "name", "--sort", keys)))[-1] == sid("0")


def test_a_wrong_sort_key_lists_the_right_ones(cli: Cli, three: SqliteEngine) -> None:
    result = cli("list", "-b", three.url, "--sort", "age")
    assert (result.stdout, result.code) == ("", 2)
    assert "cannot sort by 'age'" in result.stderr
    assert "created" in result.stderr


def test_limit_cuts_and_says_so(cli: Cli, three: SqliteEngine) -> None:
    result = cli("list", "-b", three.url, "-o", "name", "--sort", "-size", "-l", "2")
    assert (names(result), result.code) == ([BEN, ANA], 0)
    assert "the first 2 are shown" in result.stderr


def test_a_limit_that_cuts_nothing_is_silent(cli: Cli, three: SqliteEngine) -> None:
    assert len(names(answer(cli("list", "-b", three.url, "-o", "name", "-l", "3")))) == 3


def test_a_terminal_shows_a_hundred_and_a_pipe_all(cli: Cli, shop: SqliteEngine) -> None:
    for number in range(103):
        save(shop, sid("a", number))
    piped = answer(cli("list", "-b", shop.url))
    shown = cli("list", "-b", shop.url, "--no-pager", terminals=TERMINAL)
    assert (len(piped.stdout.splitlines()), len(shown.stdout.splitlines())) == (104, 101)
    assert "the first 100 are shown" in shown.stderr
    assert shown.code == 0


def test_count_is_a_number_alone(cli: Cli, three: SqliteEngine) -> None:
    assert answer(cli("list", "-b", three.url, "--count", "--active")).stdout == "2\n"


def test_count_in_json(cli: Cli, three: SqliteEngine) -> None:
    document = answer(cli("list", "-b", three.url, "--count", "-o", "json")).json()
    assert document == {"schema": "sessctl/v1", "kind": "Count", "count": 3}


@pytest.mark.parametrize(
    ("output", "text"),
    [("jsonl", ""), ("name", ""), ("tsv", "\t".join(k for k in KEYS if k not in "data extra"))],
)
def test_an_empty_result_is_fine_and_silent_in_a_pipe(
    cli: Cli, shop: SqliteEngine, output: str, text: str
) -> None:
    assert answer(cli("list", "-b", shop.url, "-o", output)).stdout.strip() == text


def test_an_empty_document_has_no_items(cli: Cli, shop: SqliteEngine) -> None:
    assert answer(cli("list", "-b", shop.url, "-o", "json")).json()["items"] == []


def test_an_empty_result_is_told_at_a_terminal(cli: Cli, shop: SqliteEngine) -> None:
    result = cli("list", "-b", shop.url, "--no-color", terminals=TERMINAL)
    assert (result.stderr, result.code) == ("note: no sessions match\n", 0)


@pytest.fixture
def damaged(three: SqliteEngine) -> SqliteEngine:
    three.save(sid("z").encode(), b'{"cookie":{', now_ms() + HOUR_MS)
    return three


def test_a_damaged_session_is_an_item_with_its_problem(cli: Cli, damaged: SqliteEngine) -> None:
    result = cli("list", "-b", damaged.url, "-o", "jsonl", "--data")
    item = result.json_lines()[-1]
    assert (len(result.json_lines()), result.code) == (4, 0)
    assert (item["sid"], item["data"]) == (sid("z"), None)
    assert list(item["problem"]) == ["code", "message"]
    assert item["problem"]["code"] == "value.unreadable"
    assert "1 session cannot be decoded" in result.stderr
    assert sid("z") not in result.stderr


def test_a_damaged_session_has_the_state_of_its_column(cli: Cli, damaged: SqliteEngine) -> None:
    result = cli("list", "-b", damaged.url, "-o", "jsonl")
    assert (result.json_lines()[-1]["state"], result.code) == ("active", 0)
    assert "cannot be decoded" in result.stderr


@pytest.mark.parametrize("output", ["table", "tsv", "jsonl", "name"])
def test_strict_makes_a_damaged_session_exit_5(cli: Cli, store: Engine, output: str) -> None:
    save(store, ANA, 1)
    store.save(sid("z").encode(), b'{"cookie":{', now_ms() + HOUR_MS)
    result = cli("list", "-b", store.url, "-o", output, "--strict", "--show-ids")
    assert result.code == 5
    assert "1 session cannot be decoded" in result.stderr
    assert {name for name in (ANA, sid("z")) if name in result.stdout} == {ANA, sid("z")}


def test_strict_is_content_with_good_sessions(cli: Cli, three: SqliteEngine) -> None:
    assert len(answer(cli("list", "-b", three.url, "-o", "jsonl", "--strict")).json_lines()) == 3


def test_a_key_of_another_type_is_noted_and_left_out(cli: Cli, cache: RedisEngine) -> None:
    save(cache, ANA, 1)
    cache.client.rpush("sess:queue", "x")
    result = cli("list", "-b", cache.url, "-o", "jsonl")
    assert ([item["sid"] for item in result.json_lines()], result.code) == ([ANA], 0)
    assert result.stderr == "note: 1 not a session, left out: sess:queue (list)\n"


def test_quiet_silences_notes_and_leaves_the_answer(cli: Cli, damaged: SqliteEngine) -> None:
    loud, quiet = cli("list", "-b", damaged.url), cli("list", "-b", damaged.url, "-q")
    assert (quiet.stdout, quiet.stderr, quiet.code) == (loud.stdout, "", 0)


def test_several_backends_are_one_listing(
    cli: Cli, three: SqliteEngine, cache: RedisEngine
) -> None:
    save(cache, sid("r"), 42)
    items = answer(
        cli("list", "-b", three.url, "-b", cache.url, "--user", "42", "-o", "jsonl")
    ).json_lines()
    assert [(item["layout"], item["sid"]) for item in items] == [
        ("connect-sqlite3", ANA),
        ("connect-sqlite3", OLD),
        ("connect-redis", sid("r")),
    ]


def test_all_backends_are_those_of_the_configuration(
    cli: Cli, three: SqliteEngine, cache: RedisEngine
) -> None:
    save(cache, sid("r"), 42)
    cli.config(f'[backends.web]\nurl = "{three.url}"\n[backends.api]\nurl = "{cache.url}"\n')
    result = answer(cli("list", "--all-backends", "--user", "42", "-o", "jsonl"))
    assert [item["backend"] for item in result.json_lines()] == ["web", "web", "api"]
    assert answer(cli("list", "--all-backends", "--count")).stdout == "4\n"


def test_the_table_of_several_backends_names_them(
    cli: Cli, three: SqliteEngine, cache: RedisEngine
) -> None:
    cli.config(f'[backends.web]\nurl = "{three.url}"\n[backends.api]\nurl = "{cache.url}"\n')
    lines = answer(cli("list", "--all-backends", "-o", "table")).stdout.splitlines()
    assert lines[0].split()[:2] == ["SID", "BACKEND"]
    assert lines[1].split()[1] == "web"


def test_without_b_the_only_configured_backend_is_meant(cli: Cli, three: SqliteEngine) -> None:
    cli.config(f'[backends.web]\nurl = "{three.url}"\n')
    assert answer(cli("list", "--count")).stdout == "3\n"


def test_with_several_backends_the_default_is_meant(cli: Cli, three: SqliteEngine) -> None:
    cli.config(
        f'default_backend = "web"\n[backends.web]\nurl = "{three.url}"\n'
        '[backends.dead]\nurl = "redis://127.0.0.1:1/0"\n'
    )
    assert answer(cli("list", "--count")).stdout == "3\n"


def test_without_any_backend_the_ways_to_name_one_are_said(cli: Cli) -> None:
    result = cli("list")
    assert (result.stdout, result.code) == ("", 2)
    assert "-b URL" in result.stderr
    assert "sessctl demo" in result.stderr


def test_a_url_in_the_environment_names_the_backend(cli: Cli, three: SqliteEngine) -> None:
    assert answer(cli("list", "--count", env={"SESSCTL_BACKEND": three.url})).stdout == "3\n"


@pytest.mark.parametrize("place", ["before", "after"])
def test_shared_options_stand_before_or_after_the_command(
    cli: Cli, three: SqliteEngine, place: str
) -> None:
    shared = ["-b", three.url, "-o", "name"]
    words = [*shared, "list"] if place == "before" else ["list", *shared]
    assert names(answer(cli(*words))) == [ANA, BEN, OLD]


def test_ls_is_list(cli: Cli, three: SqliteEngine) -> None:
    assert answer(cli("ls", "-b", three.url)) == cli("list", "-b", three.url)


def test_an_unknown_format_lists_the_right_ones(cli: Cli, three: SqliteEngine) -> None:
    result = cli("list", "-b", three.url, "-o", "yaml")
    assert (result.stdout, result.code) == ("", 2)
    assert "no output format 'yaml'" in result.stderr
    assert "jsonl" in result.stderr


def test_out_file_is_for_its_owner_only(cli: Cli, three: SqliteEngine, tmp_path: Path) -> None:
    target = tmp_path / "sessions.jsonl"
    assert answer(cli("list", "-b", three.url, "-o", "jsonl", "--out-file", target)).stdout == ""
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len([json.loads(line) for line in target.read_text().splitlines()]) == 3


def test_numbers_and_texts_are_two_spellings_of_one_user(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42)
    save(shop, BEN, "42")
    assert names(answer(cli("list", "-b", shop.url, "--user", "42", "-o", "name"))) == [ANA, BEN]


@pytest.mark.parametrize(
    ("user", "shown"),
    [(None, None), ({"id": 7, "role": "admin"}, "7"), ({"_id": "64b7"}, "64b7"), (True, None)],
)
def test_the_user_of_an_item(cli: Cli, shop: SqliteEngine, user: Any, shown: str | None) -> None:
    save(shop, ANA, user)
    (item,) = answer(cli("list", "-b", shop.url, "-o", "jsonl")).json_lines()
    assert item["user"] == shown


def test_who_names_the_data_gets_it(cli: Cli, store: Engine) -> None:
    save(store, sid("a"), 42, cart=["tea"])
    result = answer(cli("list", "-b", store.url, "-o", "jsonl", "--fields", "sid,data,extra"))
    (item,) = result.json_lines()
    assert (item["sid"], item["data"]["cart"]) == (sid("a"), ["tea"])
    assert item["extra"]["expiry"] == "store"
    assert item["extra"]["cookie"]["httpOnly"] is True


def test_a_table_shows_the_data_masked(cli: Cli, store: Engine) -> None:
    save(store, sid("a"), 42, cart=["tea"], token="canary-1")
    lines = answer(cli("list", "-b", store.url, "-o", "table", "--data")).stdout.splitlines()
    assert lines[0].endswith("DATA")
    assert '"user":42' in lines[1]
    wide = answer(cli("list", "-b", store.url, "-o", "table", "--fields", "data")).stdout
    assert "canary-1" not in wide


def test_sort_takes_one_backend(cli: Cli, three: SqliteEngine, cache: RedisEngine) -> None:
    result = cli("list", "-b", three.url, "-b", cache.url, "--sort", "size")
    assert (result.stdout, result.code) == ("", 2)
    assert "--sort takes one backend" in result.stderr
