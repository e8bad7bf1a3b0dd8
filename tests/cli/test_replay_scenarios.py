"""`sessctl replay new|lint|schema`, and what stands in front of a scenario's name."""

from __future__ import annotations

import json
import stat
import sys
from typing import TYPE_CHECKING

import pytest

from sessctl.replay.load import load_scenario
from tests.support.scenarios import SHOP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli


def write(cli: Cli, text: str, name: str = "shop.yaml") -> Path:
    path = cli.home / name
    path.write_text(text)
    return path


def test_new_prints_a_scenario_that_is_one(cli: Cli) -> None:
    result = cli("replay", "new")
    assert (result.stderr, result.code) == ("", 0)
    assert result.stdout.startswith("# yaml-language-server: $schema=./scenario.schema.json\n")
    write(cli, result.stdout)
    checked = cli("replay", "lint", "shop.yaml")
    assert (checked.stdout, checked.stderr, checked.code) == (
        "", "note: shop.yaml: ok, 5 steps\n", 0,
    )  # fmt: skip


def test_new_writes_a_file_of_one_s_own(cli: Cli) -> None:
    result = cli("replay", "new", "shop.yaml")
    path = cli.home / "shop.yaml"
    assert (result.stdout, result.code) == ("", 0)
    assert "sessctl replay lint shop.yaml" in result.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_scenario(path).name == "what my app remembers"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_new_overwrites_nothing(cli: Cli, kind: str) -> None:
    path = cli.home / "shop.yaml"
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(cli.home / "elsewhere")
    result = cli("replay", "new", "shop.yaml")
    assert (result.stdout, result.code) == ("", 2)
    assert "shop.yaml exists already" in result.stderr
    assert not (cli.home / "elsewhere").exists()


def test_new_where_nothing_can_be_written(cli: Cli) -> None:
    result = cli("replay", "new", "gone/shop.yaml")
    assert (result.stdout, result.code) == ("", 2)
    assert "cannot write gone/shop.yaml (no such file or directory)" in result.stderr


def test_schema_prints_the_schema(cli: Cli) -> None:
    result = cli("replay", "schema")
    assert (result.stderr, result.code) == ("", 0)
    assert json.loads(result.stdout)["$defs"]["request"]


def test_schema_of_transcripts(cli: Cli) -> None:
    result = cli("replay", "schema", "--transcript")
    assert (result.stderr, result.code) == ("", 0)
    assert "verdict" in result.json()["properties"]


def test_schema_stands_beside_the_scenario_where_its_first_line_looks(cli: Cli) -> None:
    assert cli("replay", "schema", "--out-file", "scenario.schema.json").code == 0
    assert (cli.home / "scenario.schema.json").read_text() == cli("replay", "schema").stdout


BAD = "sessctl: 1\nsteps:\n  - gett: /x\n  - get: /\n    follow: no\n"


def test_lint_prints_a_mistake_a_line(cli: Cli) -> None:
    write(cli, BAD)
    result = cli("replay", "lint", "shop.yaml")
    assert (result.stderr, result.code) == ("", 1)
    assert result.stdout == (
        "shop.yaml:3:5: steps[0].gett: unknown key 'gett' in a step; did you mean 'get'?\n"
        "shop.yaml:5:13: steps[1].follow: 'no' where true or false is meant; "
        "write true or false\n"
    )


def test_lint_answers_programs(cli: Cli) -> None:
    write(cli, BAD)
    result = cli("replay", "lint", "shop.yaml", "-o", "json")
    document = result.json()
    assert (document["kind"], len(document["items"]), result.code) == ("ProblemList", 2, 1)
    assert document["items"][0] == {
        "file": "shop.yaml",
        "line": 3,
        "column": 5,
        "key": "steps[0].gett",
        "message": "unknown key 'gett' in a step",
        "hint": "did you mean 'get'?",
    }


def test_lint_of_several_files_judges_all(cli: Cli) -> None:
    write(cli, SHOP)
    write(cli, "a: b: c\n", "broken.yaml")
    result = cli("replay", "lint", "shop.yaml", "broken.yaml")
    assert result.stdout.startswith("broken.yaml:1:5: not YAML: mapping values")
    assert (result.stderr, result.code) == ("note: shop.yaml: ok, 10 steps\n", 1)


def test_lint_of_a_good_file_is_an_empty_list(cli: Cli) -> None:
    write(cli, SHOP)
    result = cli("replay", "lint", "shop.yaml", "-o", "json", "-q")
    assert (result.json()["items"], result.stderr, result.code) == ([], "", 0)


def test_lint_of_a_file_that_is_not_there_is_wrong_use(cli: Cli) -> None:
    result = cli("replay", "lint", "gone.yaml")
    assert (result.stdout, result.code) == ("", 2)
    assert "cannot read gone.yaml (no such file or directory)" in result.stderr
    assert "hint: sessctl replay new FILE" in result.stderr


def test_lint_tells_which_extra_a_run_will_need(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cssselect", None)  # as if it were not installed
    write(cli, SHOP)
    result = cli("replay", "lint", "shop.yaml")
    assert (result.stdout, result.code) == ("", 0)
    assert "css needs the extra 'replay'" in result.stderr
    assert "pip install 'sessctl[replay]'" in result.stderr


def test_lint_tells_of_files_outside(cli: Cli) -> None:
    (cli.home / "in").mkdir()
    write(cli, "sessctl: 1\nsteps: [{get: /}]", "login.yaml")
    write(cli, "sessctl: 1\nsteps: [{use: ../login.yaml}]", "in/shop.yaml")
    result = cli("replay", "lint", "in/shop.yaml")
    assert "outside of the scenario's folder" in result.stderr
    assert result.code == 0


def test_a_hostile_key_is_shown_inert(cli: Cli) -> None:
    write(cli, 'sessctl: 1\nsteps: [{get: /, "\\e[31m\\u202e": x}]')
    result = cli("replay", "lint", "shop.yaml")
    assert "\\x1b[31m\\u202e" in result.stdout
    assert b"\x1b" not in result.stdout_bytes


# -- the word behind `replay` ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [["shop.yaml"], ["shop.yaml", "-o", "json"], ["-o", "json", "shop.yaml"], ["-q", "lint.har"]],
)
def test_a_first_word_that_names_no_command_is_the_file(cli: Cli, words: list[str]) -> None:
    write(cli, BAD)
    write(cli, BAD, "lint.har")
    result = cli("replay", *words)
    assert "gett" in result.stderr
    assert (result.stdout, result.code) == ("", 2)


def test_commands_and_their_typos_stay_what_they_are(cli: Cli) -> None:
    assert cli("replay", "schema").code == 0
    result = cli("replay", "shcema")
    assert (result.code, "did you mean 'replay schema'?" in result.stderr) == (2, True)


def test_help_lists_the_file_among_the_commands(
    cli: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    cli("replay", "--help")
    assert "\n  FILE    Play a scenario" in capsys.readouterr().out
    cli("replay", "shop.yaml", "--help")
    assert "Usage: sessctl replay FILE [OPTIONS]\n" in capsys.readouterr().out


def test_the_topic_has_a_scenario_that_lints(cli: Cli) -> None:
    lines = cli("help", "scenarios").stdout.splitlines()
    first = lines.index(next(line for line in lines if line.startswith("  sessctl: 1")))
    example = "\n".join(line[2:] for line in lines[first : lines.index("", first)])
    write(cli, example + "\n")
    write(cli, "sessctl: 1\nsteps: [{get: /}]", "more.yaml")
    result = cli("replay", "lint", "shop.yaml")
    assert (result.stdout, result.code) == ("", 0)
