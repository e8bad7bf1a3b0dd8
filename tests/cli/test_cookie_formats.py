"""The cookies of the other libraries on the command line: read, judged and made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sessctl import sign_cookie
from tests.support.cli import TERMINAL

if TYPE_CHECKING:
    from tests.support.cli import Cli
    from tests.support.run import Result

ENV = {"APP_SECRET": "tortoise-and-hare-81", "OLD_SECRET": "paper-lantern-1907"}
SECRET = ["--secret-from", "env:APP_SECRET"]
PAYLOAD = {"user": 42, "name": "Zo\u00eb"}


def made(format: str, content: Any = PAYLOAD, secret: str = "APP_SECRET") -> tuple[str, ...]:
    return tuple(one.value for one in sign_cookie(content, ENV[secret], format))


def item_of(result: Result) -> dict[str, Any]:
    (item,) = result.json_lines()
    return dict(item)


def test_a_companion_comes_as_an_option_or_in_the_header(cli: Cli) -> None:
    value, companion = made("cookie-session")
    for words in (
        [f"session={value}", "--companion", companion],
        [f"Cookie: session.sig={companion}; session={value}"],
    ):
        result = cli("verify", *words, *SECRET, env=ENV)
        item = item_of(result)
        assert (item["format"], item["payload"]) == ("cookie-session", PAYLOAD)
        assert (item["verdict"], item["secret"]) == ("valid", "env:APP_SECRET")
        assert (result.stderr, result.code) == ("", 0)


def test_without_its_companion_it_has_no_signature(cli: Cli) -> None:
    value, _ = made("cookie-session")
    read = cli("decode", f"session={value}")
    assert (item_of(read)["signature"], item_of(read)["payload"]) == ("none", PAYLOAD)
    judged = cli("verify", f"session={value}", *SECRET, env=ENV)
    assert (item_of(judged)["verdict"], judged.code) == ("missing_signature", 1)
    waived = cli("verify", f"session={value}", "-p", "signed=false", *SECRET, env=ENV)
    assert (item_of(waived)["verdict"], waived.code) == ("valid", 0)
    assert "whoever writes it" in item_of(waived)["notes"][0]


def test_the_name_is_part_of_what_is_signed(cli: Cli) -> None:
    value, companion = made("cookie-session")
    words = ["verify", value, "--companion", companion, *SECRET]
    assert cli(*words, env=ENV).code == 0  # the library's own name, where none is given
    moved = cli(*words, "--name", "admin", env=ENV)
    assert (item_of(moved)["verdict"], moved.code) == ("bad_signature", 1)


def test_the_digest_is_an_option_or_the_backend_s(cli: Cli) -> None:
    words = ["sign", '{"a": 1}', "--format", "cookie-session", "-o", "header", *SECRET]
    header = cli(*words, "--digest", "sha256", env=ENV).stdout.strip()
    assert cli("verify", header, *SECRET, env=ENV).code == 1
    assert cli("verify", header, "--digest", "sha256", *SECRET, env=ENV).code == 0
    cli.config(
        '[backends.web]\nurl = "redis://127.0.0.1:1/0"\nsecrets = ["env:APP_SECRET"]\n'
        'cookie_format = "cookie-session"\ndigest = "sha256"\n'
    )
    assert cli("verify", header, env=ENV).code == 0
    assert cli("sign", '{"a": 1}', "-o", "header", env=ENV).stdout.strip() == header
    wrong = cli("verify", header, "--digest", "md5", env=ENV)
    assert (wrong.code, "no digest 'md5'" in wrong.stderr) == (2, True)


def test_both_cookies_are_signed(cli: Cli) -> None:
    words = ["sign", '{"a":1}', "--format", "cookie-session", "--name", "s", *SECRET]
    assert cli(*words, "-o", "name", env=ENV).stdout == "s\ns.sig\n"
    assert [one["name"] for one in cli(*words, "-o", "jsonl", env=ENV).json_lines()] == [
        "s", "s.sig",
    ]  # fmt: skip
    header = cli(*words, "-o", "header", env=ENV).stdout
    assert cli("verify", header.strip(), *SECRET, env=ENV).code == 0


@pytest.mark.parametrize("format", ["koa-session", "client-sessions"])
def test_a_time_to_live_ends_the_cookie(cli: Cli, format: str) -> None:
    at = "2026-11-20T18:00:00Z"
    words = ["sign", '{"a":1}', "--format", format, "--ttl", "1h", "--at", at, *SECRET]
    header = cli(*words, "-o", "header", env=ENV).stdout.strip()
    item = item_of(cli("decode", header))
    assert (item["issued_at"], item["expires_at"]) == (
        "2026-11-20T18:00:00.000Z", "2026-11-20T19:00:00.000Z",
    )  # fmt: skip
    for instant, more, word in (
        ("18:59", [], "valid"),
        ("19:01", [], "expired"),
        ("18:20", ["--max-age", "30m"], "valid"),
        ("18:40", ["--max-age", "30m"], "expired"),
    ):
        judged = cli("verify", header, *SECRET, "--at", f"2026-11-20T{instant}:00Z", *more, env=ENV)
        assert (item_of(judged)["verdict"], judged.code) == (word, 0 if word == "valid" else 1)
        assert item_of(judged)["signature"] == "valid"


def test_what_is_encrypted_is_shown_with_its_secret(cli: Cli) -> None:
    (value,) = made("client-sessions")
    closed = item_of(cli("decode", f"session_state={value}"))
    assert (closed["payload"], closed["signature"]) == (None, "unverified")
    assert "give the secret to read it" in closed["notes"][0]
    opened = item_of(cli("decode", f"session_state={value}", *SECRET, env=ENV))
    assert (opened["payload"], opened["verdict"]) == (PAYLOAD, "valid")


@pytest.mark.parametrize(
    ("content", "text"), [('["a",1]', ["a", 1]), ('{"a":1}', {"a": 1}), ("alice", "alice")]
)
def test_a_value_of_cookie_parser_is_text_or_json(cli: Cli, content: str, text: Any) -> None:
    signed = cli("sign", content, "--format", "cookie-parser", *SECRET, env=ENV)
    result = cli("verify", signed.stdout.strip(), "--format", "cookie-parser", *SECRET, env=ENV)
    assert (item_of(result)["payload"], item_of(result)["verdict"]) == (text, "valid")


def test_an_unsigned_value_is_never_valid_by_itself(cli: Cli) -> None:
    result = cli("verify", 'user=j:{"admin":true}', *SECRET, env=ENV)
    assert (item_of(result)["verdict"], item_of(result)["signature"]) == (
        "missing_signature", "none",
    )  # fmt: skip
    assert (result.stderr, result.code) == ("", 1)


def test_a_bare_id_is_read_and_not_judged(cli: Cli) -> None:
    cookie = "PHPSESSID=77dcdfe979873f3c3fba26e35ab97161"
    read = item_of(cli("decode", cookie))
    assert (read["format"], read["sid"]) == ("opaque", "77dcdfe979873f3c3fba26e35ab97161")
    assert read["notes"] == ["looks like php: as PHP makes them"]
    judged = cli("verify", cookie, *SECRET, env=ENV)
    assert (item_of(judged)["verdict"], judged.code) == ("unverified", 1)


def test_a_prefix_of_fastify_is_a_parameter(cli: Cli) -> None:
    words = ["--format", "fastify-session", "-p", "prefix=s:", *SECRET]
    signed = cli("sign", "a" * 32, *words, env=ENV).stdout.strip()
    item = item_of(cli("verify", signed, *words, env=ENV))
    assert (item["verdict"], item["sid"]) == ("valid", "a" * 32)
    without = cli("verify", signed, "--format", "fastify-session", *SECRET, env=ENV)
    assert (item_of(without)["verdict"], without.code) == ("bad_signature", 1)


def test_a_batch_may_hold_cookies_of_every_library(cli: Cli) -> None:
    koa, companion = made("koa-session")
    lines = [
        made("express-session", "a" * 32)[0],
        f"Cookie: koa.sess={koa}; koa.sess.sig={companion}",
        made("client-sessions")[0],
        made("fastify-session", "b" * 32, "OLD_SECRET")[0],
    ]
    both = [*SECRET, "--secret-from", "env:OLD_SECRET"]
    result = cli("verify", *both, stdin="\n".join(lines) + "\n", env=ENV)
    found = [(one["format"], one["secret"]) for one in result.json_lines()]
    assert found == [
        ("express-session", "env:APP_SECRET"),
        ("koa-session", "env:APP_SECRET"),
        ("client-sessions", "env:APP_SECRET"),
        ("fastify-session", "env:OLD_SECRET"),
    ]
    assert (result.stderr, result.code) == ("", 0)


def test_people_see_the_payload_and_its_times(cli: Cli) -> None:
    value, companion = made("koa-session")
    header = f"Cookie: koa.sess={value}; koa.sess.sig={companion}"
    result = cli("verify", header, *SECRET, "--no-color", env=ENV, terminals=TERMINAL)
    for words in ("cookie koa.sess", "koa-session", "valid, signed with env:APP_SECRET", "expires",
                  '"user": 42'):  # fmt: skip
        assert words in result.stdout
    assert (result.stderr, result.code) == ("", 0)
