"""S22, S23: whatever stands in a store or a cookie, a terminal, a pipe and a spreadsheet are safe.

The whole corpus lies in one store: values that are nothing else, values inside good sessions, and
ids. Every format is printed, in pipes and to a terminal.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import DAY_MS, HOUR_MS, TERMINAL, Cli, now_ms, save, sid, stored
from tests.support.engines import SqliteEngine
from tests.support.run import COMMAND, Result, clean_environment
from tests.support.vectors import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine
    from tests.support.vectors import Case

# Beyond these sizes a case says nothing about escaping.
CASES = [case for case in hostile() if case.kind in ("value", "sid") and len(case.raw) < 20_000]
IDS = [case.raw for case in CASES if case.kind == "sid" and case.raw]
TEXTS = [
    *(case.raw.decode("utf-8", "replace") for case in CASES if case.kind == "value"),
    *("".join(map(chr, range(start, start + 32))) for start in (0, 0x7F, 0x2000, 0x2020, 0x2060)),
    "e" + "\u0301" * 40, "\U000e0041\U000e0042", "\ufeff\ufffe", "[bold]x[/bold] [link=http://h]y[/]",
]  # fmt: skip
NEEDLES = {needle for case in CASES for needle in case.needles}
FORMATS = ["table", "wide", "json", "jsonl", "csv", "tsv", "name"]


def fill_with_corpus(engine: Engine) -> None:
    ends = now_ms() + HOUR_MS
    for number, case in enumerate(c for c in CASES if c.kind == "value"):
        engine.save(b"raw-%04d" % number, case.raw, ends)
    for number, text in enumerate(TEXTS):
        save(engine, f"text-{number:04d}", text, name=text, **{text: text})
        save(engine, f"flash-{number:04d}", 7, flash={"info": [text]}, token=text)
    for raw in IDS:
        engine.save(raw, stored(1), ends)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteEngine]:
    """A store full of it, read by every test."""
    engine = SqliteEngine(tmp_path_factory.mktemp("corpus") / "corpus.db")
    fill_with_corpus(engine)
    yield engine
    engine.client.close()


def unsafe(text: str, *, layout: str = "\n") -> set[str]:
    """The characters in a text that a terminal or a reader could act on."""
    return {
        char
        for char in set(text) - set(layout)
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    }


def assert_harmless(result: Result, *, layout: str = "\n") -> None:
    for raw in (result.stdout_bytes, result.stderr_bytes):
        assert not [needle for needle in NEEDLES if needle in raw]
        assert unsafe(raw.decode(), layout=layout) == set()


def layout_of(output: str) -> str:
    return "\n\t" if output == "tsv" else "\n"


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("terminals", [(False, False, False), TERMINAL], ids=["pipe", "terminal"])
def test_a_listing_of_the_corpus(
    cli: Cli, corpus: SqliteEngine, output: str, terminals: tuple[bool, bool, bool]
) -> None:
    result = cli(
        *("list", "-b", corpus.url, "-o", output, "--data", "--show-ids", "-l", "9999"),
        *("--no-pager", "--no-color"),
        terminals=terminals,
    )
    assert_harmless(result, layout=layout_of(output))
    assert result.code == 0


@pytest.mark.parametrize("output", ["table", "jsonl", "csv", "tsv", "name"])
def test_a_listing_of_the_corpus_on_a_real_terminal(
    sessctl_tty: Any, corpus: SqliteEngine, output: str
) -> None:
    result = sessctl_tty(
        *("list", "-b", corpus.url, "-o", output, "--data", "--show-ids", "-l", "9999"),
        *("--no-pager", "--no-color"),
        rows=60,
        cols=200,
    )
    assert not [needle for needle in NEEDLES if needle in result.screen]
    shown = result.screen.decode().replace("\r\n", "\n")
    assert unsafe(shown, layout=layout_of(output)) == set()
    assert result.code == 0


@pytest.mark.parametrize("output", [*FORMATS, "raw"])
@pytest.mark.parametrize("redact", [[], ["--redact"]])
def test_showing_every_session_of_the_corpus(
    cli: Cli, corpus: SqliteEngine, output: str, redact: list[str]
) -> None:
    if output == "raw" and redact:
        redact = ["--show-ids"]  # raw bytes are raw bytes
    ids = cli("list", "-b", corpus.url, "-o", "jsonl", "-q").stdout_bytes
    result = cli(
        *("show", "-", "-b", corpus.url, "-o", output, "--no-pager", "--no-color", *redact),
        stdin=ids,
        terminals=(False, True, True),
    )
    assert_harmless(result, layout=layout_of(output))
    assert result.code == 0


@pytest.mark.parametrize("output", [*FORMATS[:-1], "openmetrics"])
@pytest.mark.parametrize("terminals", [(False, False, False), TERMINAL], ids=["pipe", "terminal"])
def test_numbers_of_the_corpus(
    cli: Cli, corpus: SqliteEngine, output: str, terminals: tuple[bool, bool, bool]
) -> None:
    result = cli(
        *("stats", "-b", corpus.url, "-o", output, "--top", "9999", "--show-ids"),
        *("--no-pager", "--no-color"),
        terminals=terminals,
    )
    assert_harmless(result, layout=layout_of(output))
    assert result.code == 0
    if output == "jsonl":
        assert result.json_lines()[0]["sessions"] == len(corpus.everything())


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("flags", [["--data", "--show-ids"], ["--data", "--redact"]])
def test_watching_the_corpus(cli: Cli, corpus: SqliteEngine, output: str, flags: list[str]) -> None:
    count = len(corpus.everything())
    result = cli(
        *("watch", "-b", corpus.url, "--initial", "--count", str(count), "-o", output, *flags)
    )
    assert_harmless(result, layout=layout_of(output))
    assert (result.stdout.count("\n") >= count, result.code) == (True, 0)


def test_watching_the_corpus_on_a_real_terminal(sessctl_tty: Any, corpus: SqliteEngine) -> None:
    result = sessctl_tty(
        *("watch", "-b", corpus.url, "--initial", "--no-color", "--show-ids", "--for", "100ms"),
        rows=60, cols=200,
    )  # fmt: skip
    assert not [needle for needle in NEEDLES if needle in result.screen]
    drawn = re.sub(rb"\x1b\[(\?25[lh]|2K|1A)", b"", result.screen)  # what rich draws with
    assert unsafe(drawn.decode(), layout="\r\n") == set()
    assert result.code == 0


@pytest.mark.parametrize("output", ["table", "jsonl", "csv"])
def test_the_paths_of_a_change_are_a_stranger_s_words(
    shop: SqliteEngine, home: Path, output: str
) -> None:
    for number in range(len(TEXTS)):
        save(shop, f"s{number:04d}", 7)
    with subprocess.Popen(
        [*COMMAND, "watch", "-b", shop.url, "--every", "500ms", "--count", str(len(TEXTS)),
         "-o", output],
        env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said = process.stderr.readline()
        with shop.client:
            shop.client.execute("BEGIN")
            for number, text in enumerate(TEXTS):
                save(shop, f"s{number:04d}", 7, **{text: text})
        out, err = process.communicate(timeout=60)
    result = Result(out, said + err, process.returncode)
    assert_harmless(result, layout=layout_of(output))
    assert (result.stdout.count("data") >= len(TEXTS), result.code) == (True, 0)


def test_every_session_of_the_corpus_is_listed(cli: Cli, corpus: SqliteEngine) -> None:
    result = cli("list", "-b", corpus.url, "-o", "jsonl", "--data")
    assert len(result.json_lines()) == len(corpus.everything())
    assert ("cannot be decoded" in result.stderr, result.code) == (True, 0)


def test_good_sessions_are_whole_among_bad_ones(cli: Cli, corpus: SqliteEngine) -> None:
    items = {
        i["sid"]: i for i in cli("list", "-b", corpus.url, "-o", "jsonl", "--data").json_lines()
    }
    for number, text in enumerate(TEXTS):
        item = items[f"text-{number:04d}"]
        assert (item["problem"], item["data"]["name"]) == (None, text)


@pytest.mark.parametrize("output", ["json", "jsonl"])
@pytest.mark.parametrize("flags", [[], ["--redact"], ["--fields", "sid,user,data"]])
def test_json_is_ascii_on_one_line_an_item(
    cli: Cli, corpus: SqliteEngine, output: str, flags: list[str]
) -> None:
    result = cli("list", "-b", corpus.url, "-o", output, "--data", *flags)
    assert re.fullmatch(rb"[\x20-\x7e\n]*", result.stdout_bytes)
    count = len(result.json()["items"]) + 2 if output == "json" else len(result.json_lines())
    assert result.stdout_bytes.count(b"\n") == count
    assert result.code == 0
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("output", ["csv", "tsv"])
def test_separated_values_have_as_many_rows_and_columns_as_they_should(
    cli: Cli, corpus: SqliteEngine, output: str
) -> None:
    result = cli("list", "-b", corpus.url, "-o", output, "--data")
    text = io.StringIO(result.stdout, newline="")
    quoting = csv.QUOTE_MINIMAL if output == "csv" else csv.QUOTE_NONE
    delimiter = "," if output == "csv" else "\t"
    rows = list(csv.reader(text, delimiter=delimiter, quoting=quoting))
    assert {len(row) for row in rows} == {14}
    assert len(rows) == len(corpus.everything()) + 1
    assert result.code == 0


def test_columns_of_the_table_stay_below_each_other(cli: Cli, corpus: SqliteEngine) -> None:
    from rich.cells import cell_len

    result = cli("list", "-b", corpus.url, "-o", "table")
    lines = result.stdout.splitlines()
    assert len(lines) == len(corpus.everything()) + 1
    # Widths are those of the first 200 rows; what is wider later pushes its own row only.
    head, *rows = lines[:201]
    at = cell_len(head[: head.index("STATE")])
    assert {cell_len(re.split("active( !)?  ", row)[0]) for row in rows} == {at}


FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
CELLS = [
    '=HYPERLINK("http://h","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1",
    "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x", "=cmd|' /C calc'!A0",
]  # fmt: skip


@pytest.mark.parametrize("text", CELLS)
def test_a_spreadsheet_gets_no_formula(cli: Cli, shop: SqliteEngine, text: str) -> None:
    save(shop, text, text)
    result = cli("list", "-b", shop.url, "-o", "csv")
    _, row = csv.reader(io.StringIO(result.stdout, newline=""))
    assert not [cell for cell in row if FORMULA.match(cell)]
    assert row[1].startswith("'")
    assert (result.stderr, result.code) == ("", 0)


def test_the_corpus_gives_a_spreadsheet_no_formula(cli: Cli, corpus: SqliteEngine) -> None:
    result = cli("list", "-b", corpus.url, "-o", "csv", "--data")
    cells = [cell for row in csv.reader(io.StringIO(result.stdout, newline="")) for cell in row]
    bad = [c for c in cells if FORMULA.match(c) and not re.fullmatch("[A-Za-z0-9_-]+", c)]
    assert bad == []
    assert result.code == 0


def test_an_id_that_begins_with_a_dash_is_no_formula(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, "-KilDHtAm5kR5J-gZwrEH1uYPOOucMrZ", 1)
    result = cli("list", "-b", shop.url, "-o", "csv", "--fields", "sid")
    assert result.stdout == "sid\n-KilDHtAm5kR5J-gZwrEH1uYPOOucMrZ\n"
    assert (result.stderr, result.code) == ("", 0)


def test_csv_raw_leaves_the_guard_out(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, "a", "=1+1")
    result = cli("list", "-b", shop.url, "-o", "csv", "--fields", "user", "--csv-raw")
    assert (result.stdout, result.stderr, result.code) == ("user\n=1+1\n", "", 0)


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("words", [["purge", "--all", "--force=share"], ["expire", "-"]])
def test_destroying_and_restoring_the_corpus(
    cli: Cli, shop: SqliteEngine, words: list[str], output: str
) -> None:
    fill_with_corpus(shop)
    before = shop.everything()
    ids = cli("list", "-b", shop.url, "-o", "jsonl", "-q").stdout_bytes
    ended = cli(*words, "-b", shop.url, "--yes", "-v", "-o", output, stdin=ids)
    assert (shop.everything(), ended.code) == ({}, 0)
    back = cli("restore", "--last", "-b", shop.url, "--yes", "-v", "-o", output)
    assert (shop.everything() == before, back.code) == (True, 0)
    for result in (ended, back):
        assert_harmless(result, layout=layout_of(output))


# No command line can carry a NUL, or 100 kB in one word.
ARGUMENTS = [c for c in hostile(kind="sid") if b"\x00" not in c.raw and c.id != "sid-long"]


@pytest.mark.parametrize("case", ARGUMENTS, ids=lambda case: case.id)
@pytest.mark.parametrize("command", [["show"], ["expire", "--yes"]])
def test_a_hostile_id_as_an_argument_touches_nothing_else(
    cli: Cli, shop: SqliteEngine, case: Case, command: list[str]
) -> None:
    save(shop, sid("a"), 1)
    before = shop.everything()
    result = cli(*command, "-b", shop.url, "--", case.text)
    assert shop.everything() == before
    assert (result.stdout, result.code in (1, 2)) == ("", True)
    assert_harmless(result)
    assert not [word for word in case.forbid if word in result.stderr]


COOKIES = [*hostile(kind="cookie"), *hostile(kind="jwt")]


@pytest.mark.parametrize("case", COOKIES, ids=lambda case: case.id)
@pytest.mark.parametrize("command", [["decode"], ["verify", "--secret-from", "env:KEY"]])
@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_a_hostile_cookie_is_never_valid(
    cli: Cli, case: Case, command: list[str], output: str
) -> None:
    result = cli(*command, "-o", output, stdin=case.raw, env={"KEY": "some-secret-91"})
    assert_harmless(result)
    assert not [word for word in case.forbid if word in result.stdout]
    assert '"signature":"valid"' not in result.stdout
    assert result.code in ((0, 5, 7) if command == ["decode"] else (1, 5, 7))


@pytest.mark.parametrize("case", hostile(kind="value"), ids=lambda case: case.id)
def test_a_hostile_value_is_decoded_or_refused(cli: Cli, case: Case) -> None:
    result = cli("decode", "--format", "stored-json", "-o", "jsonl", stdin=case.raw)
    assert_harmless(result)
    assert result.code in {"ok": (0, 5, 7), "error": (5, 7), "any": (0, 5, 7)}[case.expect]


@pytest.mark.parametrize(
    "where", ["file name", "table", "user flag", "backend name", "command", "option", "secret file"]
)
@pytest.mark.parametrize("flags", [[], ["-o", "json"]])
def test_errors_and_plans_are_escaped(
    cli: Cli, shop: SqliteEngine, where: str, flags: list[str]
) -> None:
    bad = "x\x1b]0;owned\x07\u202e\r\n"
    url = {"SESSCTL_BACKEND": shop.url}
    save(shop, sid("a"), bad)
    if where == "table":
        cli.config(f"[backends.x]\nurl = {json.dumps(shop.url)}\ntable = {json.dumps(bad)}\n")
    words = {
        "file name": ["list", "-b", f"sqlite:///{bad}.db"],
        "table": ["list"],
        "user flag": ["expire", "--user", bad, "--dry-run"],
        "backend name": ["list", "-b", bad],
        "command": [bad],
        "option": ["list", f"--{bad}"],
        "secret file": ["verify", "s%3Aa.b", "--secret-from", f"file:{bad}"],
    }[where]
    result = cli(*words, *flags, env={} if where == "table" else url)
    assert_harmless(result, layout="\n\t")
    assert result.code in ((0,) if where == "user flag" else (2, 3))


def test_the_question_is_escaped(sessctl_tty: Any, tmp_path: Any) -> None:
    engine = SqliteEngine(tmp_path / "x\x1b]0;owned\x07.db")
    save(engine, sid("a"), 1, left_ms=DAY_MS)
    result = sessctl_tty("expire", sid("a"), "-b", engine.url, say=[(b"[y/N] ", b"n\r")])
    engine.client.close()
    assert b"\x1b]0;" not in result.screen
    assert (b"End 1 session in x\\x1b]0;owned\\x07.db?" in result.screen, result.code) == (True, 4)


def test_the_title_and_bell_of_a_terminal_stay_alone(
    sessctl_tty: Any, corpus: SqliteEngine
) -> None:
    result = sessctl_tty("list", "-b", corpus.url, "-o", "wide", "--no-pager", cols=200)
    assert not set(result.screen) & set(b"\x07\x08\x0b\x0c\x0e\x0f\x05\x9b\x9d")
    assert result.code == 0
