"""`verify` and `decode` of many lines: the short way of plain cookies answers as the long one does.

Naming all fields turns the short way off and leaves the items as they are.
"""

from __future__ import annotations

import base64
import hmac
import random
from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie
from sessctl.cli.items import COOKIE_KEYS

if TYPE_CHECKING:
    from tests.support.cli import Cli

NEW, OLD = "tortoise-and-hare-81", "paper-lantern-1907"
ALL = ["--fields", ",".join(COOKIE_KEYS)]
REFERENCES = ["--secret-from", "env:NEW", "--secret-from", "env:OLD"]
ENV = {"NEW": NEW, "OLD": OLD}
SIDS = [base64.urlsafe_b64encode(bytes([i]) * 24).decode() for i in range(40)]


def _lines() -> list[str]:
    """Cookies of both secrets and of neither, in every spelling, and some that are damaged."""
    dice = random.Random(7)
    lines = []
    for sid in SIDS:
        wire = sign_cookie(sid, dice.choice([NEW, OLD, "of nobody"]))[0].value
        plain = wire.replace("%3A", ":").replace("%2B", "+").replace("%2F", "/")
        lines += [wire, plain, wire.replace("%3A", ":"), wire.lower(), plain + "=", plain[:-1]]
        place = dice.randrange(len(plain))
        lines += [plain[:place] + dice.choice("Aa+/-_.%s:\u00e9") + plain[place + 1 :]]
        lines += [f"connect.sid={wire}", f"  {plain}", plain + "\r", plain[:-3] + "%2f", ""]
    return [*lines, sign_cookie("short", NEW)[0].value, "s:.", "nonsense", "100%b%d", '{"a":1}']


@pytest.mark.parametrize("output", ["jsonl", "json"])
@pytest.mark.parametrize(
    "more",
    [[], ["--name", '%b,"sid":null,%d'], ["--format", "express-session"]],
)
def test_the_short_way_and_the_long_way_write_the_same(
    cli: Cli, output: str, more: list[str]
) -> None:
    stdin = "\n".join(_lines())
    asked = ["verify", "-", "-o", output, *REFERENCES, *more]
    short, long = (cli(*asked, *fields, stdin=stdin, env=ENV) for fields in ([], ALL))
    assert short.stdout_bytes == long.stdout_bytes
    assert (short.stderr, short.code) == (long.stderr, long.code)
    assert all(f'"secret":"env:{name}"'.encode() in short.stdout_bytes for name in ENV)


def test_a_batch_of_valid_plain_cookies_is_exit_0_and_one_forged_among_them_is_not(
    cli: Cli,
) -> None:
    good = [sign_cookie(sid, NEW)[0].value for sid in SIDS]
    mac = base64.b64encode(hmac.digest(b"of nobody", SIDS[0].encode(), "sha256")).decode()
    asked = ["verify", "-", "-o", "jsonl", *REFERENCES]
    assert cli(*asked, stdin="\n".join(good), env=ENV).code == 0
    forged = f"s:{SIDS[0]}.{mac.rstrip('=')}"
    found = cli(*asked, stdin="\n".join([*good, forged]), env=ENV)
    assert found.code == 1
    assert [item["verdict"] for item in found.json_lines()] == ["valid"] * 40 + ["bad_signature"]


@pytest.mark.parametrize("secrets", [[], REFERENCES], ids=["no secret", "secrets"])
def test_decode_has_the_same_short_way(cli: Cli, secrets: list[str]) -> None:
    asked = ["decode", "-", "-o", "jsonl", *secrets]
    short, long = (cli(*asked, *more, stdin="\n".join(_lines()), env=ENV) for more in ([], ALL))
    assert (short, short.code) == (long, 5)
