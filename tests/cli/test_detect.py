"""`sessctl detect`: the formats a value could be of, ranked, with what speaks for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie
from tests.support.cli import TERMINAL

if TYPE_CHECKING:
    from tests.support.cli import Cli

KEYS = ["name", "format", "candidates", "notes", "problem", "input"]
SID = "ZpXqWYtAm5kR5J-gZwrEH1uYPOOucMrZ"
EXPRESS = sign_cookie(SID, "secret")[0].value
BODY, COMPANION = (one.value for one in sign_cookie({"a": 1}, "secret", "cookie-session"))


def test_an_item_ranks_the_formats_with_their_evidence(cli: Cli) -> None:
    result = cli("detect", f"connect.sid={EXPRESS}")
    (item,) = result.json_lines()
    assert list(item) == KEYS
    assert (item["name"], item["format"], item["input"]) == (
        "connect.sid", "express-session", None,
    )  # fmt: skip
    assert [one["format"] for one in item["candidates"]][:2] == ["express-session", "cookie-parser"]
    scores = [one["score"] for one in item["candidates"]]
    assert scores == sorted(scores, reverse=True)
    assert item["candidates"][0]["evidence"].startswith("s: with a signature of 43")
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("by", ["arguments", "stdin"])
def test_several_values_are_as_many_items(cli: Cli, by: str) -> None:
    texts = [EXPRESS, f"Cookie: theme=dark; session={BODY}; session.sig={COMPANION}"]
    result = cli("detect", *texts) if by == "arguments" else cli("detect", stdin="\n".join(texts))
    found = [(one["input"], one["name"], one["format"]) for one in result.json_lines()]
    assert found == [(1, None, "express-session"), (2, "session", "cookie-session")]
    assert (result.stderr, result.code) == ("", 0)


def test_the_companion_counts(cli: Cli) -> None:
    alone = cli("detect", BODY).json_lines()[0]["candidates"][0]["score"]
    result = cli("detect", BODY, "--companion", COMPANION)
    assert result.json_lines()[0]["candidates"][0]["score"] > alone


def test_a_name_chooses(cli: Cli) -> None:
    header = f"Cookie: a={BODY}; connect.sid={EXPRESS}"
    result = cli("detect", header, "--name", "a", "-o", "name")
    assert (result.stdout, result.stderr, result.code) == ("cookie-session\n", "", 0)


def test_a_stored_value_is_recognised(cli: Cli) -> None:
    result = cli("detect", '{"cookie":{"expires":null}}', "-o", "name")
    assert (result.stdout, result.stderr, result.code) == ("stored-json\n", "", 0)


def test_a_value_of_no_format_is_a_no(cli: Cli) -> None:
    result = cli("detect", "nonsense")
    (item,) = result.json_lines()
    assert (item["format"], item["candidates"], item["problem"]) == (None, [], None)
    assert (result.stderr, result.code) == ("", 1)


@pytest.mark.parametrize(("words", "code"), [(["", "x"], 5), (["", ""], 7)])
def test_nothing_to_look_at_is_a_problem_of_its_item(cli: Cli, words: list[str], code: int) -> None:
    result = cli("detect", *words)
    assert [(one["problem"] is None) for one in result.json_lines()] == [
        word != "" for word in words
    ]
    assert result.code == code


def test_one_value_that_is_none_is_an_error(cli: Cli) -> None:
    result = cli("detect", "")
    assert (result.stdout, result.code) == ("", 7)
    assert "no cookie in the input" in result.stderr


def test_people_get_a_table(cli: Cli) -> None:
    result = cli("detect", f"connect.sid={EXPRESS}", "--no-color", terminals=TERMINAL)
    lines = result.stdout.splitlines()
    assert lines[0] == "value connect.sid"
    assert lines[1].split()[:2] == ["95", "express-session"]
    assert SID not in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_at_a_terminal_it_says_what_to_type(cli: Cli) -> None:
    result = cli("detect", "--no-color", terminals=TERMINAL)
    assert (result.stdout, result.code) == ("", 2)
    assert "sessctl detect COOKIE" in result.stderr
