"""`verify` and `decode` of many lines: the short way of plain cookies answers as the long one does.

Naming all fields turns the short way off and leaves the items as they are.
"""

from __future__ import annotations

import base64
import hmac
import json
import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import sign_cookie
from sessctl.cli.items import COOKIE_KEYS
from sessctl.cookies.api import as_secrets
from sessctl.cookies.base import PlainlyJudged
from sessctl.cookies.registry import cookie_format

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


def _flask_lines() -> list[str]:
    """Flask's cookies of both secrets and of neither, of any age and content, some damaged."""
    dice = random.Random(11)
    contents: list[dict[str, Any]] = [
        {"_user_id": "42", "_fresh": True, "_id": "f" * 128},
        {"n": 1, "b": None, "list": [1, [2, {"x": "a\"b\\c/\n\t\x1b"}]], "big": 2**70},
        {"f": 1.5}, {"f": 1e16}, {"e": "Zo\u00eb"}, {"t": {"__tuple__": [1]}}, {" t": [1]}, {},
        {"alg": "none"}, {"del": "\x7f"}, {"%b": "%d"}, {"long": "x" * 5000}, {"y": "ab" * 200},
        {"deep": [[[[[[[]]]]]]]},
    ]  # fmt: skip
    lines = []
    for content in contents:
        for age_s in (0, 5_000_000, -5_000):
            secret = dice.choice([NEW, OLD, "of nobody"])
            at = datetime.fromtimestamp(NOW_S - age_s, UTC)
            value = sign_cookie(content, secret, "flask", now=at)[0].value
            place = dice.randrange(len(value))
            lines += [value, value[:place] + dice.choice("A+._-%") + value[place + 1 :]]
            lines += [value + "=", value[:-1] + "B", f"session={value}", value + "\u00e9"]
    old = sign_cookie({"a": "b" * 9}, NEW, "flask", parameters={"epoch": "1293840000"})[0].value
    blanks = sign_cookie({"a": "b" * 9}, NEW, "starlette")[0].value
    return [*lines, *lines, old, blanks, sign_cookie("x" * 20, NEW, "flask-session-sid")[0].value]


NOW_S = 1_767_225_600


@pytest.mark.parametrize("more", [[], ["--format", "flask"], ["--max-age", "7d"]])
def test_payloads_are_the_same_the_short_way_and_the_long_way(cli: Cli, more: list[str]) -> None:
    asked = ["verify", "-", "-o", "jsonl", *REFERENCES, "--at", f"@{NOW_S}", *more]
    stdin = "\n".join(_flask_lines())
    short, long = (cli(*asked, *fields, stdin=stdin, env=ENV) for fields in ([], ALL))
    assert short.stdout_bytes.split(b"\n") == long.stdout_bytes.split(b"\n")
    assert (short.stderr, short.code) == (long.stderr, long.code)
    words = {item["verdict"] for item in short.json_lines()}
    assert {"valid", "expired", "from_future", "bad_signature"} <= words


def test_an_app_s_own_salt_makes_no_forged_cookie_valid(cli: Cli) -> None:
    at = datetime.fromtimestamp(NOW_S, UTC)
    good, forged = (
        [sign_cookie({"user_id": n}, secret, "flask", parameters={"salt": "own"}, now=at)[0].value
         for n in range(4)]
        for secret in (NEW, "of nobody")
    )  # fmt: skip
    asked = ["verify", "-", "-o", "jsonl", *REFERENCES, "--at", f"@{NOW_S}", "--salt", "own"]
    found = cli(*asked, stdin="\n".join([*good, *forged]), env=ENV).json_lines()
    assert [item["verdict"] for item in found] == ["valid"] * 4 + ["bad_signature"] * 4


def test_a_usual_session_takes_the_short_way() -> None:
    format = cookie_format("flask")
    assert isinstance(format, PlainlyJudged)
    at = datetime.fromtimestamp(NOW_S, UTC)
    judge = format.plain_judge(as_secrets([NEW, OLD]), now=at, max_age=None).judge
    payload = b'{"_fresh":true,"_user_id":"42","n":7}'
    value = sign_cookie(json.loads(payload), OLD, "flask", now=at)[0].value
    found = judge(value.encode())
    assert found is not None
    assert found[1] == (payload, b'"2026-01-01T00:00:00.000Z"')
    assert (
        judge(sign_cookie({"f": 0.1, "x": "yyyyy"}, OLD, "flask", now=at)[0].value.encode()) is None
    )


@pytest.mark.parametrize("secrets", [[], REFERENCES], ids=["no secret", "secrets"])
def test_decode_has_the_same_short_way(cli: Cli, secrets: list[str]) -> None:
    asked = ["decode", "-", "-o", "jsonl", *secrets]
    short, long = (cli(*asked, *more, stdin="\n".join(_lines()), env=ENV) for more in ([], ALL))
    assert (short, short.code) == (long, 5)
