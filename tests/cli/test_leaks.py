"""S26: a secret that sessctl was given appears in nothing that it writes.

Every test hides one canary in one place and looks for it, raw, percent-encoded and in its parts, in
stdout, stderr, the journals, the reports and every other file that a run leaves.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from sessctl import sign_cookie
from tests.support.cli import DAY_MS, Cli, save, sid, stored
from tests.support.servers import RedisServer
from tests.support.vectors import hostile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.engines import SqliteEngine
    from tests.support.run import Result
    from tests.support.vectors import Case

CANARY = "CANARY hunter2/@:%é-9f3e"
SPELLINGS = {CANARY, quote(CANARY), quote(CANARY, safe=""), quote_plus(CANARY), "hunter2"}
ANA = sid("a")
COOKIE = sign_cookie(ANA, CANARY)[0].value
FORGED = sign_cookie(ANA, "another secret")[0].value


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    """A Redis whose password is the canary."""
    with RedisServer(password=CANARY) as running:
        running.cli("SET", f"sess:{ANA}", stored(42, left_ms=DAY_MS).decode(), "EX", "86400")
        yield running


def assert_hidden(cli: Cli, *results: Result) -> None:
    """No spelling of the canary is in the output, or in a file below the home directory."""
    written = {
        path: path.read_text(errors="replace")
        for path in (cli.home / "state").rglob("*")
        if path.is_file()
    }
    for spelling in SPELLINGS:
        for result in results:
            assert spelling not in result.stdout
            assert spelling not in result.stderr
        for path, text in written.items():
            assert spelling not in text, path


FLAGS = [[], ["-v"], ["-vv", "--traceback"], ["-o", "json"]]


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "--nope"],
        ["list", "--fields", "nope"],
        ["show", ANA],
        ["show", "unknown-session-id"],
        ["expire", ANA, "--dry-run"],
        ["decode", COOKIE],
    ],
)
@pytest.mark.parametrize("place", ["-b", "environment", "config"])
def test_the_password_of_a_url(
    cli: Cli, server: RedisServer, words: list[str], flags: list[str], place: str
) -> None:
    if place == "-b":
        result = cli(*words, *flags, "-b", server.url)
    elif place == "environment":
        result = cli(*words, *flags, env={"SESSCTL_BACKEND": server.url})
    else:
        cli.config(f"[backends.x]\nurl = {json.dumps(server.url)}\n")
        result = cli(*words, *flags)
    assert_hidden(cli, result)
    assert result.code in (0, 1, 2)


@pytest.mark.parametrize("reference", ["inline", "env:PW", "file:pw", "dotenv:.env#PW"])
def test_the_password_of_a_backend_through_a_whole_purge_and_restore(
    cli: Cli, server: RedisServer, reference: str
) -> None:
    server.cli("SET", "sess:leak-test-session", stored(7, left_ms=DAY_MS).decode(), "EX", "86400")
    (cli.home / "pw").write_text(CANARY + "\n")
    (cli.home / ".env").write_text(f'PW="{CANARY}"\n')
    password = json.dumps(CANARY if reference == "inline" else reference)
    cli.config(
        f'[backends.x]\nurl = "redis://127.0.0.1:{server.port}/0"\nlayout = "connect-redis"\n'
        f"password = {password}\n"
        f"secrets = [{password}]\n"
    )
    env = {"PW": CANARY}
    ended = cli("expire", "--user", "7", "--yes", "-v", "-o", "jsonl", env=env)
    back = cli("restore", "--last", "--yes", "-v", "-o", "jsonl", env=env)
    journals = cli("journal", "list", "-o", "json", env=env)
    assert (ended.code, back.code, journals.code) == (0, 0, 0)
    assert len(cli.journals()) == 1
    assert_hidden(cli, ended, back, journals)


@pytest.mark.parametrize("flags", FLAGS)
def test_a_password_that_is_wrong(cli: Cli, cache_with_password: str, flags: list[str]) -> None:
    result = cli("list", *flags, "-b", cache_with_password)
    assert_hidden(cli, result)
    assert (result.stdout, result.code) == ("", 3)


@pytest.fixture
def cache_with_password(server: RedisServer) -> str:
    """The server's address with a password that is the canary and something more."""
    return server.url_for(None, CANARY + "-not")


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize(
    "url",
    [
        "redis://u:{}@127.0.0.1:1/0",
        "rediss://u:{}@127.0.0.1:1/0",
        "redis://u:{}@h:99999/0",
        "redis://u:{}@[::1/0",
        "redis://u:{}@h/0?nope=1",
        "redis://h/0?password={}",
        "sqlite:///no.db?password={}",
        "redsi://u:{}@h/0",
        "postgresql://u:{}@h/db",
        "://u:{}@h",
        "u:{}@h/0",
    ],
)
@pytest.mark.parametrize("encode", [str, lambda text: quote(text, safe="")])
def test_a_url_that_does_not_work(cli: Cli, url: str, encode: object, flags: list[str]) -> None:
    text = url.format(encode(CANARY))  # type: ignore[operator]
    result = cli("list", *flags, "-b", text)
    assert_hidden(cli, result)
    assert (result.stdout, result.code != 0, result.code != 70) == ("", True, True)


WRONG_PLACES = [
    ["{}"],
    ["list", "{}"],
    ["purge", "--expired", "{}"],
    ["config", "{}"],
    ["help", "{}"],
    ["list", "--limit", "{}"],
    ["list", "--limit={}"],
    ["list", "--sort", "{}"],
    ["list", "--fields", "{}"],
    ["list", "--timeout", "{}"],
    ["list", "--color", "{}"],
    ["list", "-o", "{}"],
    ["list", "--config", "{}"],
    ["list", "--expires-within", "{}"],
    ["list", "--larger-than", "{}"],
    ["list", "--force", "{}"],
    ["show", "{}"],
    ["expire", "{}", "--yes"],
    ["restore", "{}"],
    ["verify", "s%3Aa.b", "--secret-from", "{}"],
    ["verify", "s%3Aa.b", "--at", "{}", "--secret-from", "env:HOME"],
    ["decode", "{}"],
    ["decode", "--format", "{}", "s%3Aa.b"],
]


@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.parametrize("words", WRONG_PLACES, ids=lambda words: "-".join(words))
def test_a_url_in_the_wrong_place(
    cli: Cli, shop: SqliteEngine, words: list[str], output: str
) -> None:
    url = f"redis://u:{quote(CANARY, safe='')}@127.0.0.1:1/0"
    given = [word.format(url) for word in words]
    result = cli(*given, "-o", output, env={"SESSCTL_BACKEND": shop.url})
    for spelling in SPELLINGS:
        assert spelling not in result.stderr
        assert words[0] == "decode" or spelling not in result.stdout
    assert result.code != 70


@pytest.mark.parametrize("case", hostile(kind="url"), ids=lambda case: case.id)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("place", ["-b", "environment", "config"])
def test_the_corpus_of_urls_fails_and_shows_no_part_of_its_password(
    cli: Cli, case: Case, flags: list[str], place: str
) -> None:
    if place == "-b":
        result = cli("list", "--timeout", "1s", *flags, "-b", case.text)
    elif place == "environment":
        result = cli("list", "--timeout", "1s", *flags, env={"SESSCTL_BACKEND": case.text})
    else:
        cli.config(f"[backends.x]\nurl = {json.dumps(case.text)}\n")
        result = cli("list", "--timeout", "1s", *flags)
    assert (result.stdout, result.code in (2, 3, 4)) == ("", True)
    for word in case.forbid:
        assert word not in result.stderr
    for needle in case.needles:
        assert needle not in result.stderr_bytes


VERDICTS = [(COOKIE, 0), (FORGED, 1), ("nonsense", 7)]


@pytest.mark.parametrize("flags", [[], ["-v", "--traceback"], ["-o", "json"], ["-o", "table"]])
@pytest.mark.parametrize("reference", ["env:KEY", "file:key", "dotenv:.env#KEY", "stdin"])
@pytest.mark.parametrize(("cookie", "code"), VERDICTS)
def test_the_signing_secret(
    cli: Cli, cookie: str, code: int, reference: str, flags: list[str]
) -> None:
    (cli.home / "key").write_text(CANARY + "\n")
    (cli.home / ".env").write_text(f'KEY="{CANARY}"\n')
    result = cli(
        *("verify", cookie, "--secret-from", reference, *flags),
        env={"KEY": CANARY},
        stdin=CANARY + "\n",
    )
    assert_hidden(cli, result)
    assert result.code == code


@pytest.mark.parametrize("output", ["value", "header", "curl", "cookies-txt", "playwright", "json"])
def test_the_secret_of_a_signed_cookie(cli: Cli, output: str) -> None:
    result = cli("sign", ANA, "--secret", CANARY, "-o", output, "-v")
    assert_hidden(cli, result)
    assert (COOKIE in result.stdout, result.code) == (True, 0)


@pytest.mark.parametrize("words", [["verify", COOKIE], ["sign", ANA], ["sign", ""]])
def test_a_secret_on_the_command_line_before_a_mistake(cli: Cli, words: list[str]) -> None:
    result = cli(*words, f"--secret={CANARY}", "--nope")
    assert_hidden(cli, result)
    assert (result.stdout, result.code) == ("", 2)


def test_the_parts_of_a_secret_that_has_lines(cli: Cli) -> None:
    (cli.home / "key").write_text("hunter2-first\nhunter2-second\n")
    cli.config('[backends.x]\nurl = "redis://127.0.0.1:1"\nsecrets = ["file:key"]\n')
    results = [cli("verify", COOKIE, "-v"), cli("config", "show", "-v"), cli("list", "-v")]
    assert_hidden(cli, *results)
    assert [result.code for result in results] == [1, 0, 3]


def test_the_name_of_a_file_that_holds_a_secret_is_no_secret(cli: Cli) -> None:
    result = cli("verify", COOKIE, "--secret-from", "file:keys/not-there")
    assert "keys/not-there" in result.stderr
    assert (result.stdout, result.code) == ("", 2)


def test_a_password_in_b_is_warned_of(cli: Cli, server: RedisServer) -> None:
    result = cli("list", "-b", server.url, "-o", "name")
    assert result.stderr == (
        "warning: a password in -b shows in the process list; use SESSCTL_BACKEND or a config\n"
    )
    assert result.code == 0


def test_session_data_is_not_in_errors_or_notes(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA, 42, token=CANARY)
    shop.save(sid("z").encode(), stored(1, token=CANARY)[:-9], 4_000_000_000_000)
    results = [
        cli("list", "-b", shop.url, "-v"),
        cli("show", sid("z"), "-b", shop.url, "-o", "table"),
        cli("expire", "--user", "42", "-b", shop.url, "--yes", "-v", "-o", "jsonl"),
    ]
    for result in results:
        assert "hunter2" not in result.stdout + result.stderr
        assert result.code == 0


@pytest.mark.parametrize("command", [["show"], ["expire", "--yes"], ["expire", "--dry-run"]])
def test_whole_ids_are_not_in_errors_plans_or_notes(
    cli: Cli, shop: SqliteEngine, command: list[str]
) -> None:
    save(shop, ANA, 42)
    for name in (ANA, sid("x")):
        result = cli(*command, name, "-b", shop.url, "-v", "-q" if "--yes" in command else "-v")
        assert name not in result.stderr
        assert result.code in (0, 1)
