"""Help fits a screen, says what a person needs, and its examples work."""

from __future__ import annotations

import json
import shlex
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.cli.commands.help import TOPICS
from sessctl.cli.table import ALIASES, COMMANDS, FIRST
from sessctl.demo.sessions import build_demo
from sessctl.errors import ExitCode
from tests.support.cli import PIPES, TERMINAL, Cli
from tests.support.engines import SqliteEngine, with_layout
from tests.support.little_apps import logging_in
from tests.support.raw_http import RawServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sessctl.cli.table import Row
    from tests.support.run import Result

ROWS: dict[str, Row] = {}
for _name, _row in COMMANDS.items():
    ROWS[_name] = _row
    ROWS |= {f"{_name} {child}": row for child, row in _row.children.items()}
EXAMPLES = sorted({example for row in ROWS.values() for example in row.examples})


@pytest.mark.parametrize("path", ROWS)
def test_help_of_a_command_is_a_whole_screen(sessctl: Any, path: str) -> None:
    result = sessctl(*path.split(), "-h")
    lines = result.stdout.splitlines()
    assert (result.stderr, result.code) == ("", 0)
    assert len(lines) <= 48
    assert max(map(len, lines)) <= 100
    assert lines[0] == ROWS[path].summary
    assert f"Usage: sessctl {path}" in result.stdout
    assert "\nExamples:\n" in result.stdout
    assert "\nExit codes: 0 ok" in result.stdout
    assert result.stdout_bytes.isascii()


@pytest.mark.parametrize("path", ["list", "config show"])
def test_both_spellings_and_the_topic_print_the_same(sessctl: Any, path: str) -> None:
    results = [sessctl(*path.split(), "--help"), sessctl("help", *path.split())]
    assert results == [sessctl(*path.split(), "-h")] * 2


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("expire", "  SID...  Session ids, whole; - for stdin."),
        ("diff", "  A B  Ids, cookies, JSON files, or backends; - for stdin."),
        ("config use", "  BACKEND  A configured backend."),
    ],
)
def test_what_a_command_takes_is_explained_below_its_usage(
    sessctl: Any, path: str, lines: str
) -> None:
    usage, below = sessctl(*path.split(), "-h").stdout.splitlines()[2:4]
    assert (usage.startswith(f"Usage: sessctl {path} "), below) == (True, lines)


@pytest.mark.parametrize("path", ROWS)
def test_a_row_of_the_table_says_all_that_is_wanted(path: str) -> None:
    row = ROWS[path]
    assert row.summary.endswith(".")
    assert 1 <= len(row.examples) <= 4
    assert all("sessctl " in example for example in row.examples)
    assert {ExitCode(code) for code in row.exits} >= {ExitCode.OK, ExitCode.USAGE}
    assert set(row.see) <= set(ROWS)


def test_the_main_help_lists_every_command(sessctl: Any) -> None:
    result = sessctl("--help")
    most, more = result.stdout.split("\nMore:\n")
    assert [line.split()[0] for line in most.split("Most used:\n")[1].splitlines() if line] == list(
        FIRST
    )
    assert all(f"  {name} " in more for name in COMMANDS if name not in FIRST)
    assert max(map(len, result.stdout.splitlines())) <= 100
    assert (result.stderr, result.code) == ("", 0)


def test_the_main_help_explains_every_shared_option(sessctl: Any) -> None:
    text = sessctl("--help").stdout
    for option in (
        *("--backend", "--config", "--output", "--fields", "--show-ids", "--redact", "--dry-run"),
        *("--yes", "--confirm", "--force", "--no-input", "-q", "-v", "--color", "--no-color"),
        *("--no-pager", "--timeout", "--utc", "--traceback", "--help", "--version"),
    ):
        assert f"{option} " in text or f"{option}\n" in text


def test_without_a_command_help_goes_to_stderr(sessctl: Any) -> None:
    asked, not_asked = sessctl("--help"), sessctl()
    assert (not_asked.stdout, not_asked.code) == ("", 2)
    assert not_asked.stderr.splitlines() == asked.stdout.splitlines()


@pytest.mark.parametrize("group", [name for name, row in COMMANDS.items() if row.children])
def test_a_group_without_a_command_is_the_same(sessctl: Any, group: str) -> None:
    asked, not_asked = sessctl(group, "--help"), sessctl(group)
    assert (not_asked.stdout, not_asked.code) == ("", 2)
    assert not_asked.stderr.splitlines() == asked.stdout.splitlines()


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_version_is_one_line(sessctl: Any, flag: str) -> None:
    from sessctl import __version__

    result = sessctl(flag)
    assert (result.stdout, result.stderr, result.code) == (f"sessctl {__version__}\n", "", 0)


def test_version_stands_among_other_options_too(sessctl: Any) -> None:
    result = sessctl("-q", "--version")
    assert (result.stdout, result.code) == (sessctl("--version").stdout, 0)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lst", "list"),
        ("pruge", "purge"),
        ("verfy", "verify"),
        ("exipre", "expire"),
        ("forg", "forge"),
        ("config valdate", "config validate"),
        ("journal lst", "journal list"),
        ("replay lnt", "replay lint"),
    ],
)
def test_a_typo_gets_a_suggestion(cli: Cli, typed: str, meant: str) -> None:
    result = cli(*typed.split())
    assert (result.stdout, result.code) == ("", 2)
    assert result.stderr == (
        f"sessctl: error: no such command '{typed}'\n  hint: did you mean '{meant}'?\n"
    )


def test_nothing_like_a_command_is_sent_to_the_help(cli: Cli) -> None:
    result = cli("xyzzy")
    assert (result.stdout, result.code) == ("", 2)
    assert "sessctl --help" in result.stderr


@pytest.mark.parametrize("beginning", ["pur", "li", "ver"])
def test_a_beginning_of_a_command_is_no_command(cli: Cli, beginning: str) -> None:
    result = cli(beginning)
    assert (result.stdout, result.code) == ("", 2)
    assert f"no such command '{beginning}'" in result.stderr


def test_an_option_s_beginning_is_no_option(cli: Cli) -> None:
    result = cli("list", "--expir", "-b", "redis://127.0.0.1:1")
    assert (result.stdout, result.code) == ("", 2)
    assert "no such option: --expir" in result.stderr


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_listed_in_the_help_of_its_command(sessctl: Any, alias: str) -> None:
    result = sessctl(ALIASES[alias], "-h")
    assert f"Also spelled: {alias}\n" in result.stdout
    assert f"{alias} ({ALIASES[alias]})" in sessctl("--help").stdout


# -- topics ----------------------------------------------------------------------------------------


def test_help_lists_its_topics(cli: Cli) -> None:
    result = cli("help")
    assert all(f"  {topic} " in result.stdout for topic in TOPICS)
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_a_screen(cli: Cli, topic: str) -> None:
    result = cli("help", topic)
    lines = result.stdout.splitlines()
    # The settings of all cookie formats are a list to search in.
    assert 3 <= len(lines) <= (120 if topic == "parameters" else 45)
    assert max(map(len, lines)) <= 100
    assert (result.stderr, result.code) == ("", 0)


def test_the_topic_of_exit_codes_is_the_table(cli: Cli) -> None:
    lines = cli("help", "exit-codes").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        [str(int(code)), code.name.lower()] for code in ExitCode
    ]


def test_the_topic_of_formats_names_what_this_version_knows(cli: Cli) -> None:
    text = cli("help", "formats").stdout
    for word in ("express-session", "connect-redis", "connect-sqlite3", "redis", "sqlite", "jsonl"):
        assert word in text


def test_an_unknown_topic_suggests_the_nearest(cli: Cli) -> None:
    result = cli("help", "secrts")
    assert (result.stdout, result.code) == ("", 2)
    assert "did you mean 'secrets'?" in result.stderr


# -- examples --------------------------------------------------------------------------------------


@pytest.fixture
def app() -> Iterator[RawServer]:
    """The application that the scenario of `replay new` is about."""
    with RawServer(logging_in()) as server:
        yield server


@pytest.fixture
def at_demo(cli: Cli, tmp_path: Path, app: RawServer) -> Any:
    """Types an example into a shell that stands in the demo's folder, and says yes."""
    shop = build_demo(tmp_path / "demo", now=datetime.now(UTC))
    secret = shop.secret_path.read_text()
    config = shop.config_path.read_text()
    cli.config(config)
    (cli.home / "orders.yaml").write_bytes(cli("replay", "new").stdout_bytes)
    (cli.home / "package.json").write_text('{"dependencies": {"connect-redis": "9.0.0"}}')
    for name in ("new.key", "old.key"):
        (cli.home / name).write_text(secret)
    (cli.home / "rockyou.txt").write_text("123456\npassword\n")
    (cli.home / "log.jsonl").write_text(json.dumps({"cookie": shop.cookie}) + "\n")
    asked = {"headers": [{"name": "Cookie", "value": shop.cookie}]}
    (cli.home / "shop.har").write_text(json.dumps({"log": {"entries": [{"request": asked}]}}))
    cli("expire", shop.hostile_sid, "--yes")
    stopped = cli("purge", "--expired", "--max-delete", "1", "--yes", "-o", "json")
    journal = stopped.json()["summary"]["journal"]
    (cli.home / "session.json").write_bytes(cli("show", shop.sid, "-o", "json").stdout_bytes)
    (cli.home / "sessions.jsonl").write_bytes(cli("export", "--user", "42").stdout_bytes)
    target = SqliteEngine(tmp_path / "target.db")
    other = with_layout(f"sqlite:///{tmp_path}/other.db", target.layout)
    shutil.copy(shop.database, tmp_path / "other.db")
    words = {
        "SID": shop.sid, "TARGET": target.url, "OTHER": other,
        "COOKIE": shop.cookie, "JOURNAL": journal, "REF": "env:SESSION_SECRET",
        "URL": app.url,
    }  # fmt: skip
    env = {
        "SESSION_SECRET": secret.rstrip("\n"),
        "APP_PASSWORD": "correct-horse-9",
        "EDITOR": "true",
    }

    def type_in(example: str) -> Result:
        piped = b""
        for part in example.partition(" > ")[0].split(" | "):
            if part == "cat cookie.txt":
                piped = shop.cookie.encode() + b"\n"
                continue
            program, *given = [words.get(word, word) for word in shlex.split(part)]
            assert program == "sessctl"
            result = cli(
                *given, env=env, stdin=piped or b"y\n", terminals=PIPES if piped else TERMINAL
            )
            piped = result.stdout_bytes
        return result

    return type_in


# Those with --serve run until Ctrl-C: test_demo_serve.py.
@pytest.mark.parametrize("example", [one for one in EXAMPLES if "--serve" not in one])
def test_an_example_works_on_the_demo(at_demo: Any, example: str) -> None:
    result = at_demo(example)
    assert ("error" in result.stderr, result.code) == (False, 0)
