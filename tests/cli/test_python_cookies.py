"""Cookies of Django, Tornado, Pyramid and Bottle on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import TERMINAL

if TYPE_CHECKING:
    from tests.support.cli import Cli

ENV = {"NEW": "a new secret", "OLD": "an old secret"}
DATA = '{"_auth_user_id": "7", "name": "Zoë"}'
FORMATS = ["django-signed-cookies", "django-session-data", "django-signing", "tornado", "pyramid"]
SECRETS = ("--secret-from", "env:OLD", "--secret-from", "env:NEW")
# Bottle's own, of the secret "correct horse battery staple": it would run os.system("true").
RUNS = '"!0sCfc3j6siV75A1N4/p13C5MEFtFbwC3oHV6HER+xR8=?Y29zCnN5c3RlbQooUyd0cnVlJwp0Ui4="'


def item_of(result: Any) -> dict[str, Any]:
    (item,) = result.json_lines()
    return dict(item)


@pytest.mark.parametrize("format", FORMATS)
def test_sign_verify_and_decode_agree(cli: Cli, format: str) -> None:
    signed = cli(
        "sign", DATA, "--format", format, "--secret-from", "env:NEW", "-o", "header", env=ENV
    )
    text = signed.stdout.strip()
    judged = cli("verify", text, *SECRETS, env=ENV)
    item = item_of(judged)
    assert (judged.code, item["format"], item["verdict"]) == (0, format, "valid")
    assert (item["secret"], "not the newest" in str(item["notes"])) == ("env:NEW", True)
    assert format not in [one["format"] for one in item["candidates"]]
    payload = item["payload"]
    assert (json.loads(payload) if format == "tornado" else payload) == json.loads(DATA)
    assert cli("verify", text, *SECRETS[:2], env=ENV).code == 1
    block = cli("decode", text, *SECRETS, "--no-color", env=ENV, terminals=TERMINAL)
    assert "_auth_user_id" in block.stdout
    assert ENV["NEW"] not in block.stdout + block.stderr


def test_a_pickle_that_runs_something_is_a_no(cli: Cli) -> None:
    env = {"KEY": "correct horse battery staple"}
    verdict = cli("verify", RUNS, "--secret-from", "env:KEY", env=env)
    item = item_of(verdict)
    assert (verdict.code, item["verdict"], item["signature"]) == (1, "unsafe_pickle", "valid")
    assert "would have 'os.system' run by whoever loads it" in str(item["notes"])
    assert item["payload"]["__object__"] == "os.system"
    refused = cli("sign", DATA, "--format", "bottle", "--secret-from", "env:KEY", env=env)
    assert (refused.code, refused.stdout) == (2, "")
    assert "pickles are read and never written" in refused.stderr


def test_key_versions_of_tornado_are_the_ids_of_its_secrets(cli: Cli) -> None:
    secrets = ["--secret-from", "0=env:OLD", "--secret-from", "3=env:NEW"]
    signed = cli(
        "sign", "42", "--format", "tornado", *secrets, "-p", "key_version=3", env=ENV
    ).stdout.strip()
    item = item_of(cli("verify", signed, *secrets, env=ENV))
    assert (item["verdict"], item["payload"], item["secret"]) == ("valid", "42", "env:NEW")
    unknown = cli("verify", signed, *secrets[:2], env=ENV)
    assert (unknown.code, item_of(unknown)["verdict"]) == (1, "unknown_key")


def test_an_older_secret_is_found_in_a_list(cli: Cli, tmp_path: Any) -> None:
    words = tmp_path / "words.txt"
    words.write_text("dog\nan old secret\n")
    signed = cli(
        "sign", DATA, "--format", "django-signed-cookies", "--secret-from", "env:OLD", env=ENV
    ).stdout.strip()
    found = cli("verify", signed, "--wordlist", str(words), "-o", "json")
    assert '"found":true' in found.stdout.replace(" ", "")


def test_a_batch_says_what_one_cookie_says(cli: Cli) -> None:
    """The short way and the long one write the same lines."""
    lines = []
    for format in ("django-signed-cookies", "django-signed-cookies", "django-session-data"):
        for data in (DATA, '{"a":[1,2]}', '{"cart":"%s"}' % ("x" * 200)):
            for secret in ("NEW", "OLD", "NONE"):
                lines.append(
                    cli(
                        "sign", data, "--format", format, "--secret-from", f"env:{secret}",
                        "--at", "@1767225600", env={**ENV, "NONE": "of nobody"},
                    ).stdout.strip()
                )  # fmt: skip
    together = cli("verify", "-", *SECRETS, env=ENV, stdin="\n".join(lines) + "\n")
    for number, (line, item) in enumerate(zip(lines, together.json_lines(), strict=True), 1):
        alone = item_of(cli("verify", line, *SECRETS, env=ENV))
        assert {**alone, "input": number} == item
