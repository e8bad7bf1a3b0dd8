"""Cookies of aiohttp_session, Litestar, Beaker and PASETO on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import TERMINAL

if TYPE_CHECKING:
    from tests.support.cli import Cli

ENV = {"NEW": "a-secret-of-32-characters-sharp!", "OLD": "another-of-32-characters-flat---"}
DATA = '{"user": 7, "name": "Zoë"}'
FORMATS = ["aiohttp-fernet", "aiohttp-nacl", "litestar", "beaker", "paseto-v4"]


def item_of(result: Any) -> dict[str, Any]:
    (item,) = result.json_lines()
    return dict(item)


@pytest.mark.parametrize("format", FORMATS)
def test_sign_verify_and_decode_agree(cli: Cli, format: str) -> None:
    signed = cli(
        "sign", DATA, "--format", format, "--secret-from", "env:NEW", "-o", "header", env=ENV
    )
    text = signed.stdout.strip()
    secrets = ["--secret-from", "env:OLD", "--secret-from", "env:NEW"]
    judged = cli("verify", text, *secrets, env=ENV)
    item = item_of(judged)
    assert (judged.code, item["format"], item["verdict"]) == (0, format, "valid")
    assert (item["secret"], "not the newest" in str(item["notes"])) == ("env:NEW", True)
    assert cli("verify", text, *secrets[:2], env=ENV).code == 1
    block = cli("decode", text, *secrets, "--no-color", env=ENV, terminals=TERMINAL)
    assert '"user": 7' in block.stdout
    assert ENV["NEW"] not in block.stdout + block.stderr
    hidden = cli("decode", text, *secrets, "--redact", "-o", "json", env=ENV)
    assert text.partition("=")[2] not in hidden.stdout


def test_two_secrets_of_beaker_have_ids(cli: Cli) -> None:
    secrets = ["--secret-from", "validate=env:NEW", "--secret-from", "encrypt=env:OLD"]
    signed = cli("sign", DATA, "--format", "beaker", *secrets, env=ENV).stdout.strip()
    item = item_of(cli("verify", signed, *secrets, env=ENV))
    assert (item["verdict"], item["payload"]["user"]) == ("valid", 7)
    closed = item_of(cli("decode", signed))
    assert (closed["format"], closed["payload"]) == ("beaker", None)
    assert "--secret-from encrypt=env:OTHER" in closed["notes"][-1]
    refused = cli("sign", DATA, "--format", "beaker", *secrets, "-p", "serializer=pickle", env=ENV)
    assert (refused.code, refused.stdout) == (2, "")
    assert "pickles are read and never written" in refused.stderr


def test_an_unsigned_cookie_is_a_no_unless_the_app_takes_such(cli: Cli) -> None:
    text = 'Cookie: AIOHTTP_SESSION="{\\"created\\": 1767225600\\054 \\"session\\": {\\"a\\": 1}}"'
    verdict = cli("verify", text, "--secret-from", "env:NEW", env=ENV)
    assert (verdict.code, item_of(verdict)["verdict"]) == (1, "missing_signature")
    told = cli("verify", text, "--secret-from", "env:NEW", "-p", "signed=false", env=ENV)
    item = item_of(told)
    assert (told.code, item["verdict"], item["signature"]) == (0, "valid", "none")
    assert item["payload"] == {"created": 1767225600, "session": {"a": 1}}


def test_a_token_s_footer_is_shown_as_text(cli: Cli) -> None:
    token = cli(
        "sign", json.dumps({"user": 7}), "--format", "paseto-v4", "--secret-from", "env:NEW",
        "-p", "footer=\x1b[2Jkid", "--ttl", "1h", env=ENV,
    ).stdout.strip()  # fmt: skip
    block = cli("decode", token, "--no-color", terminals=TERMINAL)
    assert "its footer says: \\x1b[2Jkid" in block.stdout.replace("\n", "")
    assert "\x1b" not in block.stdout
