"""What Tab offers, asked as the shells ask, and typed into the shells themselves."""

from __future__ import annotations

import os
import re
import socket
import stat
import time
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.cli.completion.answer import answer, split_line
from sessctl.cli.completion.scripts import SCRIPTS
from sessctl.cli.table import COMMANDS
from tests.support.cli import HOUR_MS, Cli, now_ms, save, sid, stored
from tests.support.completions import generated
from tests.support.run import clean_environment
from tests.support.shells import Shell, fish_offers

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import SqliteEngine

PLAIN = "ab-_.:cd" + "0" * 24
# Ids that an application or an attacker may have put into a store.
HOSTILE = [
    *("$(touch pwned)", "`touch pwned`", "a;touch pwned", "a b", "a'b", 'a"b', "a\\b", "a\nb"),
    *("a\tb", "a\x1b[2Jb", "=ls", "~root", "-rf", "a*b", "a?b", "{a,b}", "a&touch pwned", "a|b"),
    *("a>b", "a#b", "!!", "%self", "é", "a$HOME", "(a)", "[a]", "@a", "^a"),
]


PATIENT = {"SESSCTL_COMPLETE_MS": "30000"}  # a machine that tests much is slow


@pytest.fixture
def asked(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What may come at the end of a line: {word: meaning}."""
    monkeypatch.chdir(home)

    def ask(line: str, env: dict[str, str] | None = None) -> dict[str, str]:
        words, current = split_line(f"sessctl {line}")
        environ = clean_environment(home, env)
        return _words(answer(["zsh", f"+{current}", *words], environ, home))

    return ask


@pytest.fixture
def asked_apart(sessctl: Any) -> Any:
    """The same in a process of its own, which a store is given its time in."""

    def ask(line: str, env: dict[str, str] | None = None) -> dict[str, str]:
        words, current = split_line(f"sessctl {line}")
        result = sessctl("__complete", "zsh", f"+{current}", *words, env=PATIENT | (env or {}))
        assert (result.stderr, result.code) == ("", 0)
        return _words(result.stdout.splitlines())

    return ask


def _words(lines: list[str]) -> dict[str, str]:
    return dict(line.split("\t") for line in lines[1:])


def test_generated_files_are_fresh() -> None:
    """After a change of the commands: `python -m tests.support.completions`."""
    stale = [path.name for path, text in generated().items() if path.read_text() != text]
    assert stale == []


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_printed(cli: Cli, shell: str) -> None:
    result = cli("completion", shell)
    assert (result.stdout, result.stderr, result.code) == (SCRIPTS[shell], "", 0)


def test_an_unknown_shell_is_a_usage_error(cli: Cli) -> None:
    result = cli("completion", "bsh")
    assert (result.stdout, result.code) == ("", 2)
    assert "did you mean 'bash'?" in result.stderr


def test_every_command_and_alias_is_offered(asked: Any) -> None:
    assert set(asked("")) == {*COMMANDS, "ls", "rm", "forge"} | set(asked("mig"))
    assert set(asked("li")) == {"list"}


@pytest.mark.parametrize(
    ("line", "some", "none"),
    [
        ("list --ex", {"--expired", "--expires-within"}, {"--active"}),
        ("ls --ex", {"--expired"}, set()),
        ("-b shop list -", {"-b", "--where", "-w", "--count"}, {"--dry-run"}),
        ("journal ", {"list", "show", "verify", "prune"}, {"purge"}),
        ("replay ", {"new", "lint", "schema"}, set()),
        ("replay shop.yaml --wh", {"--why"}, set()),
        ("show x -o ", {"raw", "json", "table"}, {"curl"}),
        ("sign x --output=", {"--output=curl", "--output=playwright"}, {"--output=table"}),
        ("purge --force s", {"share"}, {"zone"}),
        ("purge --journal ", {"full", "ids"}, set()),
        ("list --color ", {"auto", "always", "never"}, set()),
        ("decode --format ", {"express-session", "jwt"}, set()),
        ("list --fields sid,", {"sid,user", "sid,ttl_s"}, {"sid,sid"}),
        ("decode --fields ", {"verdict", "payload"}, {"ttl_s"}),
        ("list --sort -", {"-size", "-expires"}, {"size"}),
        ("list --sort user,-s", {"user,-size", "user,-sid"}, set()),
        ("list -w 'user == 1 and t", {"user == 1 and ttl"}, set()),
        ("list -w 'not exists(d", {"not exists(data."}, set()),
        ("sign x --secret-from ", {"env:", "file:", "prompt"}, set()),
        ("list -b red", {"redis://", "rediss://"}, {"sqlite://"}),
        ("list -b 'redis://h/0?layout=connect-m", {"redis://h/0?layout=connect-memcached"}, set()),
        ("doctor --fields status,", {"status,fix"}, {"status,status"}),
        ("copy --conflict ", {"skip", "newer", "overwrite"}, set()),
        ("audit --fail-on ", {"info", "critical"}, set()),
        ("verify x --export ", {"hashcat"}, set()),
        ("help e", {"environment", "exit-codes", "expire"}, {"time"}),
        ("demo fix", {"fixation"}, set()),
        ("completion ", {"bash", "zsh", "fish", "powershell"}, set()),
    ],
)
def test_the_right_words_are_offered(asked: Any, line: str, some: set[str], none: set[str]) -> None:
    offered = set(asked(line))
    assert (some - offered, none & offered) == (set(), set())


@pytest.mark.parametrize(
    "line", ["list --timeout ", "list -w '", "set x key:=", "nonsense ", "list -w 'user == \"t"]
)
def test_nothing_is_made_up(asked: Any, line: str) -> None:
    offered = asked(line)
    assert "time" not in offered
    assert not any(word.startswith("key:=") for word in offered)


def test_backends_are_those_of_the_configuration(asked: Any, cli: Cli) -> None:
    cli.config(
        '[backends.shop]\nurl = "sqlite:///shop.db"\nlayout = "connect-sqlite3"\n'
        '[backends."$(touch pwned)"]\nurl = "sqlite:///x.db"\n'
    )
    assert asked("list -b ") == {"shop": "connect-sqlite3"}
    (cli.home / "other.toml").write_text('[backends.other]\nurl = "sqlite:///o.db"\n')
    assert asked("--config other.toml list --backend=") == {"--backend=other": ""}


def test_environment_variables_are_offered_as_secrets(asked: Any) -> None:
    env = {"SESSION_SECRET": "x-1", "BAD$(id)": "y"}
    assert asked("verify x --secret-from env:SESS", env=env) == {"env:SESSION_SECRET": ""}


@pytest.mark.parametrize(
    "words", [[], ["zsh"], ["nonsense", "+"], ["bash", "+x"], ["zsh", "+", "-b"]]
)
def test_nothing_that_is_asked_wrongly_is_answered_with_an_error(
    sessctl: Any, words: list[str]
) -> None:
    result = sessctl("__complete", *words)
    assert (result.stderr, result.code) == ("", 0)


def test_a_broken_configuration_is_silent(sessctl: Any, cli: Cli) -> None:
    cli.config("[backends.x\n")
    result = sessctl("__complete", "zsh", "+", "list", "-b")
    assert (result.stdout, result.stderr, result.code) == ("words\n", "", 0)


# -- session ids -----------------------------------------------------------------------------------


@pytest.fixture
def offered_sids(asked_apart: Any, cli: Cli, shop: SqliteEngine) -> Any:
    """The ids that `show` is offered on a store with these sessions; `more` is configuration."""

    def offered(more: str = "", typed: str = "") -> dict[str, str]:
        url = f'url = "{shop.url}"\nlayout = "connect-sqlite3"\n'
        cli.config(f"[backends.shop]\n{url}{more}")
        found: dict[str, str] = asked_apart(f"show {typed}")
        return found

    return offered


def test_ids_come_with_user_and_time_left(offered_sids: Any, shop: SqliteEngine) -> None:
    save(shop, sid("a"), 42)
    save(shop, sid("o"), left_ms=-HOUR_MS)
    found = offered_sids()
    assert re.fullmatch(r"user 42, 59m.*left|user 42, 1h left", found[sid("a")])
    assert found[sid("o")] == "no user, expired"
    assert set(offered_sids(typed="aa")) == {sid("a")}


def test_at_most_fifty_are_offered(offered_sids: Any, shop: SqliteEngine) -> None:
    for number in range(80):
        shop.save(sid("a", number).encode(), stored(1), now_ms() + HOUR_MS)
    assert len(offered_sids()) == 50


@pytest.mark.parametrize(
    "more", ["protected = true\n", 'password = "prompt"\n', 'password = "keyring:a/b"\n']
)
def test_a_protected_backend_and_one_that_asks_offer_none(
    offered_sids: Any, shop: SqliteEngine, more: str
) -> None:
    save(shop, sid("a"))
    assert offered_sids(more) == {}


def test_ids_are_kept_for_a_moment_where_only_their_owner_can_read(
    offered_sids: Any, shop: SqliteEngine, home: Path
) -> None:
    shop.save(sid("a").encode(), stored(7, token="data-of-the-session"), now_ms() + HOUR_MS)
    first = offered_sids()
    (kept,) = (home / "state" / "sessctl" / "completion").iterdir()
    assert (stat.S_IMODE(kept.stat().st_mode), stat.S_IMODE(kept.parent.stat().st_mode)) == (
        0o600,
        0o700,
    )
    assert b"data-of-the-session" not in kept.read_bytes()
    shop.client.execute("DELETE FROM sessions")
    os.utime(kept, (time.time() + 4,) * 2)
    assert offered_sids() == first != {}
    os.utime(kept, (1, 1))
    assert offered_sids() == {}


def test_a_store_that_does_not_answer_is_given_up_silently(asked_apart: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"redis://127.0.0.1:{port}/0?layout=connect-redis"
        assert asked_apart(f"show -b '{url}' ", {"SESSCTL_COMPLETE_MS": "300"}) == {}


def test_nobody_has_to_have_their_store_asked(
    asked_apart: Any, cli: Cli, shop: SqliteEngine
) -> None:
    save(shop, sid("a"))
    line = f"show -b '{shop.url}' "
    assert list(asked_apart(line)) == [sid("a")]
    assert asked_apart(line, {"SESSCTL_COMPLETE_MS": "0"}) == {}


def test_hostile_ids_and_users_are_left_out_or_escaped(
    offered_sids: Any, shop: SqliteEngine
) -> None:
    for name in HOSTILE:
        shop.save(name.encode(), stored(1), now_ms() + HOUR_MS)
    save(shop, PLAIN, "\x1b[2J%F{red}\n$(id)")
    ((word, meaning),) = offered_sids().items()
    assert word == PLAIN
    assert meaning.startswith(r"user \x1b[2J%F{red}\x0a$(id)")
    assert set(offered_sids(typed="-- ")) == {PLAIN, "-rf"}


# -- the shells themselves -------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_tab_in_a_terminal(shell: str, home: Path) -> None:
    lines = {
        "sessctl li": ["list"],
        "sessctl list --exp": ["list", "--expire"],
        "sessctl purge --force=sh": ["purge", "--force=share"],
        "sessctl list --fields sid,us": ["list", "--fields", "sid,user"],
        "sessctl -b x journal ver": ["-b", "x", "journal", "verify"],
        "sessctl verify x --secret-from fi": ["verify", "x", "--secret-from", "file:"],
        "sessctl replay lint ./shop.y": ["replay", "lint", "./shop.yaml"],
        "sessctl nonsense": ["nonsense"],
    }
    (home / "shop.yaml").write_text("")
    assert Shell(shell, home).complete(*lines) == [["sessctl", *words] for words in lines.values()]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_two_tabs_show_what_is_possible(shell: str, home: Path) -> None:
    screen = Shell(shell, home).screen([b"sessctl purge --journal \t\t\x15\r"])
    assert re.search(r"\bfull +ids\b", screen)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_store_cannot_type_into_a_shell(
    shell: str, home: Path, cli: Cli, shop: SqliteEngine
) -> None:
    for name in HOSTILE:
        shop.save(name.encode(), stored("$(touch pwned)"), now_ms() + HOUR_MS)
    save(shop, PLAIN, "`touch pwned`\n$(touch pwned)")
    cli.config(f'[backends.shop]\nurl = "{shop.url}"\nlayout = "connect-sqlite3"\n')
    shown = Shell(shell, home).complete("sessctl show ", "sessctl show a", env=PATIENT)
    assert shown == [["sessctl", "show", PLAIN]] * 2
    assert not (home / "pwned").exists()


def test_fish_offers_words_with_their_meaning(home: Path) -> None:
    assert fish_offers("sessctl li", home) == {"list": COMMANDS["list"].summary}
    assert set(fish_offers("sessctl list -o js", home)) == {"json", "jsonl"}
    assert set(fish_offers("sessctl list --output=js", home)) == {"--output=json", "--output=jsonl"}
    (home / "shop.yaml").write_text("")
    assert set(fish_offers("sessctl replay lint sh", home)) == {"shop.yaml"}


def test_fish_is_given_no_hostile_id(home: Path, cli: Cli, shop: SqliteEngine) -> None:
    for name in HOSTILE:
        shop.save(name.encode(), stored(1), now_ms() + HOUR_MS)
    save(shop, PLAIN, 42)
    cli.config(f'[backends.shop]\nurl = "{shop.url}"\nlayout = "connect-sqlite3"\n')
    assert set(fish_offers("sessctl show ", home, PATIENT)) == {PLAIN}
    assert not (home / "pwned").exists()


def test_powershell_s_script_quotes_what_it_puts_in() -> None:
    """There is no PowerShell here; its script is read instead."""
    script = SCRIPTS["powershell"]
    assert "Register-ArgumentCompleter -Native -CommandName sessctl" in script
    assert "& sessctl __complete powershell" in script
    assert "Invoke-Expression" not in script.split("\n\n", 1)[1]  # only in the comment on top
    assert script.isascii()
    for opening, closing in ("()", "{}", "[]"):
        assert script.count(opening) == script.count(closing)
