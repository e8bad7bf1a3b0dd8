"""`sessctl sign`: a cookie made offline, in whatever form the next tool takes."""

from __future__ import annotations

import shlex
from http.cookiejar import MozillaCookieJar
from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie, verify_cookie

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli
    from tests.support.run import Result

SECRET = "tortoise-and-hare-81"
ENV = {"APP_SECRET": SECRET, "OLD_SECRET": "paper-lantern-1907"}
SID = "aB3-" * 7 + "x_9Z"
VALUE = sign_cookie(SID, SECRET)[0].value


def sign(cli: Cli, *words: str | Path, stdin: str = "") -> Result:
    return cli("sign", *words, "--secret-from", "env:APP_SECRET", stdin=stdin, env=ENV)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ([], VALUE),
        (["-o", "name"], "connect.sid"),
        (["-o", "header"], f"Cookie: connect.sid={VALUE}"),
        (["-o", "jsonl"], f'{{"name":"connect.sid","value":"{VALUE}"}}'),
        (["--name", "app.sid", "-o", "header"], f"Cookie: app.sid={VALUE}"),
    ],
)  # fmt: skip
def test_output(cli: Cli, output: list[str], text: str) -> None:
    result = sign(cli, SID, *output)
    assert (result.stdout, result.stderr, result.code) == (text + "\n", "", 0)


def test_json_is_one_document(cli: Cli) -> None:
    result = sign(cli, SID, "-o", "json")
    assert result.json() == {
        "schema": "sessctl/v1",
        "kind": "SignedCookieList",
        "items": [{"name": "connect.sid", "value": VALUE}],
    }
    assert (result.stderr, result.code) == ("", 0)


def test_curl_is_a_command_that_a_shell_reads_right(cli: Cli) -> None:
    result = sign(cli, SID, "-o", "curl")
    assert shlex.split(result.stdout)[:3] == ["curl", "--cookie", f"connect.sid={VALUE}"]
    assert (result.stderr, result.code) == ("", 0)


def test_cookies_txt_is_read_by_its_readers(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "cookies.txt"
    result = sign(cli, SID, "-o", "cookies-txt", "--out-file", target)
    jar = MozillaCookieJar(target)
    jar.load(ignore_discard=True, ignore_expires=True)
    assert [(one.name, one.value, one.domain) for one in jar] == [
        ("connect.sid", VALUE, "localhost")
    ]
    assert (result.stdout, result.stderr, result.code) == ("", "", 0)


def test_playwright_is_a_storage_state(cli: Cli) -> None:
    result = sign(cli, SID, "-o", "playwright")
    state = result.json()
    (cookie,) = state["cookies"]
    assert state["origins"] == []
    assert (cookie["name"], cookie["value"]) == ("connect.sid", VALUE)
    # What `browser.newContext({storageState})` insists on.
    kinds = {
        "domain": str, "path": str, "expires": int, "httpOnly": bool, "secure": bool,
        "sameSite": str,
    }  # fmt: skip
    assert {key: type(cookie[key]) for key in kinds} == kinds
    assert (result.stderr, result.code) == ("", 0)


def test_what_is_signed_verifies(cli: Cli) -> None:
    result = sign(cli, "any id with blanks & ümlauts %41")
    assert verify_cookie(result.stdout.rstrip("\n"), SECRET).valid
    assert (result.stderr, result.code) == ("", 0)


def test_the_newest_secret_signs(cli: Cli) -> None:
    result = cli(
        *("sign", SID, "--secret-from", "env:APP_SECRET", "--secret-from", "env:OLD_SECRET"),
        env=ENV,
    )
    assert (result.stdout, result.stderr, result.code) == (VALUE + "\n", "", 0)


def test_the_backend_gives_secret_and_name(cli: Cli) -> None:
    cli.config(
        '[backends.web]\nurl = "redis://127.0.0.1:1/0"\n'
        'secrets = ["env:APP_SECRET", "env:OLD_SECRET"]\ncookie_name = "shop.sid"\n'
    )
    result = cli("sign", SID, "-o", "header", env=ENV)
    assert (result.stdout, result.stderr, result.code) == (f"Cookie: shop.sid={VALUE}\n", "", 0)


def test_forge_is_sign(cli: Cli) -> None:
    result = cli("forge", SID, "--secret-from", "env:APP_SECRET", env=ENV)
    assert (result.stdout, result.stderr, result.code) == (VALUE + "\n", "", 0)


def test_the_id_comes_from_standard_input(cli: Cli) -> None:
    result = sign(cli, "-", stdin=SID + "\n")
    assert (result.stdout, result.stderr, result.code) == (VALUE + "\n", "", 0)


def test_the_id_comes_as_an_option_where_it_begins_with_a_dash(cli: Cli) -> None:
    result = sign(cli, "--sid=-dash" + SID[5:])
    assert verify_cookie(result.stdout.rstrip(), SECRET).decoded.sid == "-dash" + SID[5:]
    assert (result.stderr, result.code) == ("", 0)


@pytest.mark.parametrize("words", [[], [""], ["-"]])
def test_there_has_to_be_something_to_sign(cli: Cli, words: list[str]) -> None:
    result = sign(cli, *words)
    assert (result.stdout, result.code) == ("", 2)
    assert "nothing to sign" in result.stderr


@pytest.mark.parametrize("output", ["header", "value"])
def test_a_name_that_no_cookie_can_have_is_wrong_use(cli: Cli, output: str) -> None:
    result = sign(cli, SID, "--name", "x y;", "-o", output)
    assert (result.stdout, result.code) == ("", 2)
    assert "'x y;' cannot be a cookie's name" in result.stderr


def test_a_secret_is_needed(cli: Cli) -> None:
    result = cli("sign", SID)
    assert (result.stdout, result.code) == ("", 2)
    assert "no secret to sign with" in result.stderr
    assert "--secret-from env:NAME" in result.stderr


def test_data_does_not_fit_a_cookie_that_carries_an_id(cli: Cli) -> None:
    result = sign(cli, '{"user": 1}')
    assert (result.stdout, result.code) == ("", 2)
    assert "carries a session id, not data" in result.stderr


def test_an_unknown_output_lists_the_right_ones(cli: Cli) -> None:
    result = sign(cli, SID, "-o", "selenium")
    assert (result.stdout, result.code) == ("", 2)
    assert "playwright" in result.stderr
