"""Encrypted cookies on the command line: what is shown with a secret, and what without."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import sign_cookie
from sessctl.cookies import jwt_keys
from tests.support.cli import TERMINAL

if TYPE_CHECKING:
    from tests.support.cli import Cli

NEW, OLD = "this-is-a-32-plus-character-secret-value!", "an-older-secret-that-is-long-enough-1234"
ENV = {"NEW": NEW, "OLD": OLD}
DATA = {"user": 7, "name": "Zoë"}
FORMATS = ["iron-session", "hapi-iron", "nextauth-v4", "authjs", "fastify-secure-session"]
every_format = pytest.mark.parametrize("format", FORMATS)


def item_of(result: Any) -> dict[str, Any]:
    (item,) = result.json_lines()
    return dict(item)


@every_format
def test_decode_shows_what_a_fitting_secret_opens(cli: Cli, format: str) -> None:
    cookie = sign_cookie(DATA, NEW, format)[0]
    closed = item_of(cli("decode", cookie.header))
    assert (closed["format"], closed["payload"], closed["verdict"]) == (format, None, "unverified")
    assert "--secret-from" in closed["notes"][-1]

    opened = item_of(cli("decode", cookie.header, "--secret-from", "env:NEW", env=ENV))
    assert {**opened["payload"], **DATA} == opened["payload"]
    assert (opened["verdict"], opened["signature"], opened["secret"]) == (
        "valid",
        "valid",
        "env:NEW",
    )
    other = cli("decode", cookie.header, "--secret-from", "env:OLD", env=ENV)
    assert (item_of(other)["payload"], other.code) == (None, 0)
    assert cli("verify", cookie.header, "--secret-from", "env:OLD", env=ENV).code == 1

    words = ["decode", cookie.header, "--secret-from", "env:NEW", "--no-color"]
    block = cli(*words, env=ENV, terminals=TERMINAL)
    assert '"user": 7' in block.stdout
    assert NEW not in block.stdout + block.stderr


@every_format
def test_sign_and_verify_agree(cli: Cli, format: str) -> None:
    words = ["--format", format, "--secret-from", "env:NEW", "--name", "shop"]
    signed = cli("sign", json.dumps(DATA), *words, "-o", "header", env=ENV)
    assert signed.stdout.startswith("Cookie: shop=")
    judged = cli("verify", signed.stdout.strip(), "--secret-from", "env:NEW", env=ENV)
    assert (item_of(judged)["format"], judged.code) == (format, 0)


def test_passwords_have_ids(cli: Cli) -> None:
    references = ["--secret-from", "1=env:OLD", "--secret-from", "2=env:NEW"]
    signed = cli("sign", json.dumps(DATA), "--format", "iron-session", *references, env=ENV)
    assert signed.stdout.startswith("Fe26.2*2*")
    found = item_of(cli("decode", signed.stdout.strip(), *references, env=ENV))
    assert (found["verdict"], found["secret"]) == ("valid", "env:NEW")
    unknown = cli("verify", signed.stdout.strip(), *references[:2], env=ENV)
    assert (item_of(unknown)["verdict"], unknown.code) == ("unknown_key", 1)


def test_a_cookie_is_read_without_the_extra_that_would_judge_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = sign_cookie(DATA, NEW, "jwt")[0].value
    monkeypatch.setitem(sys.modules, "joserfc.jwk", None)
    jwt_keys._keys_in.cache_clear()
    read = cli("decode", token, "--secret-from", "env:NEW", env=ENV)
    item = item_of(read)
    assert (item["payload"]["user"], item["verdict"], read.code) == (7, "unverified", 0)
    assert "not verified: the secret side of JWT needs the extra 'crypto'" in item["notes"][-1]
    judged = cli("verify", token, "--secret-from", "env:NEW", env=ENV)
    assert (judged.stdout, judged.code) == ("", 2)
    assert "pip install 'sessctl[crypto]'" in judged.stderr


def test_a_broken_key_is_wrong_use_and_is_not_shown(cli: Cli) -> None:
    token = sign_cookie(DATA, NEW, "jwt")[0].value
    key = "-----BEGIN PUBLIC KEY-----\nMIIBthisIsNoKeyAtAll\n-----END PUBLIC KEY-----\n"
    result = cli("verify", token, "--secret-from", "env:KEY", env={"KEY": key})
    assert (result.stdout, result.code) == ("", 2)
    assert "cannot be read as one" in result.stderr
    assert "thisIsNoKey" not in result.stderr
