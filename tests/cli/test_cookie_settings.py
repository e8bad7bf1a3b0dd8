"""The settings of a cookie: from options, from the backend, and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie

if TYPE_CHECKING:
    from tests.support.cli import Cli

ENV = {"APP_SECRET": "tortoise-and-hare-81"}
SECRET = ["--secret-from", "env:APP_SECRET"]
EXPRESS = sign_cookie("abc", ENV["APP_SECRET"])[0].value


@pytest.mark.parametrize("command", ["decode", "verify", "sign"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "prefix"], "'prefix' is not KEY=VALUE"),
        (["-p", "=x"], "'=x' is not KEY=VALUE"),
        (["-p", "salt=a", "-p", "salt=b"], "'salt' is given twice"),
        (["--salt", "a", "-p", "salt=b"], "'salt' is given twice"),
        (["--salt", "x"], "express-session has no parameter 'salt'"),
        (["--digest", "sha512"], "express-session has no parameter 'digest'"),
        (["--parameter", "purpose=x"], "express-session has no parameter 'purpose'"),
    ],
)
def test_a_setting_that_means_nothing_is_wrong_use(
    cli: Cli, command: str, words: list[str], message: str
) -> None:
    result = cli(command, EXPRESS, *words, *SECRET, env=ENV)
    assert (result.stdout, result.code) == ("", 2)
    assert message in result.stderr


def test_a_time_to_live_is_refused_where_the_cookie_has_none(cli: Cli) -> None:
    result = cli("sign", "abc", "--ttl", "1h", *SECRET, env=ENV)
    assert (result.stdout, result.code) == ("", 2)
    assert "carries no expiry" in result.stderr


def test_a_backend_s_setting_that_the_format_does_not_take_is_left_out(cli: Cli) -> None:
    cli.config(
        '[backends.web]\nurl = "redis://127.0.0.1:1/0"\nsecrets = ["env:APP_SECRET"]\n'
        'salt = "cookie-session"\n'
    )
    assert cli("verify", EXPRESS, env=ENV).code == 0
    assert cli("sign", "abc", env=ENV).stdout == EXPRESS + "\n"


def test_validate_names_a_setting_that_the_backend_s_format_does_not_take(cli: Cli) -> None:
    cli.config(
        '[backends.web]\nurl = "redis://127.0.0.1:1/0"\n'
        'cookie_format = "express-session"\nsalt = "x"\n'
    )
    result = cli("config", "validate")
    assert result.code == 2
    assert "express-session has no parameter 'salt'" in result.stderr


def test_a_secret_with_an_id_is_named_by_its_reference(cli: Cli) -> None:
    result = cli("verify", EXPRESS, "--secret-from", "2=env:APP_SECRET", env=ENV)
    assert (result.json_lines()[0]["secret"], result.stderr, result.code) == (
        "env:APP_SECRET", "", 0,
    )  # fmt: skip


@pytest.mark.parametrize("reference", ["2=evn:APP_SECRET", "2=hunter2-canary", "=env:APP_SECRET"])
def test_a_mistyped_reference_with_an_id_is_not_the_secret(cli: Cli, reference: str) -> None:
    result = cli("verify", EXPRESS, "--secret-from", reference, env=ENV)
    assert (result.stdout, result.code) == ("", 2)
    assert "hunter2" not in result.stderr


def test_a_backend_s_secrets_may_have_ids(cli: Cli) -> None:
    cli.config(
        '[backends.web]\nurl = "redis://127.0.0.1:1/0"\n'
        'secrets = ["2=env:APP_SECRET", "1=env:OLD"]\n'
    )
    assert cli("verify", EXPRESS, env={**ENV, "OLD": "x"}).code == 0
    shown = cli("config", "show", env={**ENV, "OLD": "x"})
    assert "2=env:APP_SECRET (set)" in shown.stdout
