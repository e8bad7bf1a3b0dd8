"""`${name}`: values put in, secrets fetched and never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sessctl.errors import ConfirmationNeeded, UsageError
from sessctl.replay.variables import fill, fill_data, names_in, shown, variables
from sessctl.text import Secret
from tests.support.scenarios import scenario

CANARY = "CANARY-hunter2-9f3e"


class Nobody:
    """Nobody to ask."""

    printed: dict[str, bytes] = {}

    def prompt(self, label: str) -> str:
        raise ConfirmationNeeded(f"nobody can be asked for the {label}")

    def stdin(self) -> bytes:
        return b""


class Somebody(Nobody):
    def prompt(self, label: str) -> str:
        return f"typed at {label}"


def values(lines: str, asker: Nobody | None = None, **given: str) -> dict[str, str | Secret]:
    body = "\n".join(f"  {line}" for line in lines.splitlines())
    found = scenario(f"sessctl: 1\nvars:\n{body}\nsteps: [{{get: /}}]\n", Path(__file__).parent)
    return variables(
        found.variables, environ={"PASS": CANARY}, asker=asker or Nobody(), given=given
    )


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("", ""), ("plain", "plain"), ("${a}", "1"), ("x${a}${b-c}y", "12y".join(["x", ""])),
        ("$a {a} $", "$a {a} $"), ("$${a}", "${a}"), ("$${${a}}", "${1}"),
    ],
)  # fmt: skip
def test_a_text_with_its_values(text: str, filled: str) -> None:
    assert fill(text, {"a": "1", "b-c": "2"}) == filled


def test_a_value_is_not_read_again() -> None:
    assert fill("${a}", {"a": "${b}", "b": "x"}) == "${b}"


@pytest.mark.parametrize("text", ["${", "${}", "${1a}", "${a b}", "${a"])
def test_what_is_no_variable_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="without a name"):
        names_in(text)


def test_a_variable_without_a_value_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        fill("${usr}", {"user": "tj"})
    assert (caught.value.message, caught.value.hint) == (
        "'${usr}' has no value yet", "did you mean 'user'?",
    )  # fmt: skip


def test_in_a_pattern_a_value_stands_for_itself() -> None:
    assert fill("^${a}$", {"a": "1.5"}, quote=re.escape) == r"^1\.5$"


def test_data_is_filled_in_its_texts_and_keys_only() -> None:
    assert fill_data({"${a}": [1, True, None, "${a}"]}, {"a": "x"}) == {"x": [1, True, None, "x"]}


def test_secrets_are_fetched_and_not_shown() -> None:
    found = values("user: tj\npassword: {env: PASS}\nline: '${user}:${password}'\n")
    assert fill("${line}", found) == f"tj:{CANARY}"
    assert shown("${user} ${line}", found) == "tj ***"
    assert CANARY not in repr(found)


def test_a_given_value_wins_and_a_secret_is_then_not_fetched() -> None:
    found = values("password: {env: NOT_SET}", password="given", more="x")
    assert found == {"password": Secret("given"), "more": "x"}


def test_a_secret_can_be_asked_for() -> None:
    assert fill("${pin}", values("pin: {prompt: PIN}", Somebody())) == "typed at PIN"


def test_a_secret_that_is_not_there_names_where_it_should_be() -> None:
    with pytest.raises(UsageError, match="no variable 'NOT_SET'"):
        values("password: {env: NOT_SET}")
    with pytest.raises(ConfirmationNeeded, match="PIN"):
        values("pin: {prompt: PIN}")


def test_a_secret_in_a_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "pw").write_text(f"{CANARY}\n")
    text = "sessctl: 1\nvars: {p: {file: pw}}\nsteps: [{get: /}]"
    found = variables(scenario(text, tmp_path).variables, environ={}, asker=Nobody())
    assert fill("${p}", found) == CANARY
