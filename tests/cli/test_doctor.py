"""`doctor`, `backends ping|capabilities`: what works, what does not, what to type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import DAY_MS, TERMINAL, Cli, save, sid
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from tests.support.engines import Engine, RedisEngine, SqliteEngine
    from tests.support.run import Result

GONE = "redis://127.0.0.1:1/0"
CANARY = "CANARY-hunter2"


def checks(result: Result, area: str) -> dict[str, dict[str, Any]]:
    return {one["check"]: one for one in result.json()["items"] if one["area"] == area}


def backend(url: str, layout: str, more: str = "", name: str = "web") -> str:
    return f'[backends.{name}]\nurl = "{url}"\nlayout = "{layout}"\n{more}\n'


# -- doctor ----------------------------------------------------------------------------------------


def test_with_nothing_configured_it_says_the_next_step(cli: Cli) -> None:
    result = cli("doctor", "-o", "json")
    assert result.code == 0
    assert "sessctl config init" in checks(result, "config")["backends"]["fix"]
    assert checks(result, "install")["python"]["status"] == "ok"
    assert result.json()["summary"]["fail"] == 0


def test_a_password_in_an_option_is_worth_a_warning_here_too(cli: Cli) -> None:
    result = cli("doctor", "-b", f"redis://:{CANARY}@127.0.0.1:1/0", "-b", "nope")
    assert result.stderr.startswith("warning: a password in -b shows in the process list")
    assert (CANARY in result.stdout + result.stderr, result.code) == (False, 3)


def test_a_store_in_good_order_is_ok(cli: Cli, store: Engine) -> None:
    save(store, sid("a"), 42)
    layout = "connect-redis" if store.url.startswith("redis") else "connect-sqlite3"
    cli.config(backend(store.url, layout, 'secrets = ["env:S"]'))
    result = cli("doctor", "-o", "json", env={"S": "a secret"})
    found = checks(result, "web")
    assert {one["status"] for one in found.values()} == {"ok"}
    assert found["layout"]["message"] == f"the sessions are {layout}'s"
    assert (result.stderr, result.code) == ("", 0)


def test_every_mistake_has_a_fix(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, sid("a"), 42)
    cli.config(
        backend(shop.url, "connect-session-knex", f'secrets = ["env:NOT_SET", "{CANARY}"]')
        + backend(GONE, "connect-redis", name="gone")
        + backend("redis://h", "connect-redis", 'table = "x"', name="wrong")
    )
    result = cli("doctor", "-o", "json")
    web, gone, wrong = (checks(result, area) for area in ("web", "gone", "wrong"))
    failed = [one for one in result.json()["items"] if one["status"] == "fail"]
    assert "NOT_SET" in failed[0]["message"]
    assert web["layout"]["fix"].startswith('layout = "connect-sqlite3"')
    assert "connection refused" in gone["store"]["message"]
    assert "'table'" in wrong["settings"]["message"]
    assert all(one["fix"] for one in failed)
    assert result.code == 3
    assert CANARY not in result.stdout + result.stderr


def test_findings_are_a_no_and_an_unreachable_store_is_not_known(
    cli: Cli, shop: SqliteEngine
) -> None:
    save(shop, sid("a"))
    cli.config(backend(shop.url, "connect-sqlite3", 'secrets = ["env:NOT_SET"]'))
    assert cli("doctor").code == 1
    assert cli("doctor", "-b", GONE).code == 3


def test_a_broken_config_is_a_finding(cli: Cli) -> None:
    cli.config("[backends.a]\nurll = 1\n")
    result = cli("doctor", "-o", "json")
    assert "unknown key 'backends.a.urll'" in checks(result, "config")["file"]["message"]
    assert result.code == 1


def test_an_open_journal_folder_is_warned_of(cli: Cli) -> None:
    folder = cli.home / "state" / "sessctl" / "journals"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    found = checks(cli("doctor", "-o", "json"), "journal")["folder"]
    assert (found["status"], found["fix"]) == ("warn", f"chmod 700 {folder}")


def test_people_read_words_and_not_colours(cli: Cli) -> None:
    shown = cli("doctor", "--no-color", terminals=TERMINAL)
    assert shown.stdout.startswith("install\n  ok    sessctl ")
    assert "\n  warn  no backend is configured\n        fix: sessctl config init" in shown.stdout
    assert shown.stdout.splitlines()[-1].endswith(" ok, 1 warn, 0 fail")
    assert "\x1b" not in shown.stdout


def test_a_missing_variable_hinders_only_its_own_backend(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, sid("a"))
    cli.config('[backends.far]\nurl = "env:NO_SUCH_URL"\n' + backend(shop.url, "connect-sqlite3"))
    assert cli("list", "-b", "web", "-o", "name").stdout == f"{sid('a')}\n"
    result = cli("list", "-b", "far")
    assert (result.stdout, result.code) == ("", 2)
    assert "the url of backend 'far' leads nowhere" in result.stderr
    listed = cli("backends", "list", "-o", "json").json()["items"]
    assert [one["url"] for one in listed] == ["env:NO_SUCH_URL", shop.url.partition("?")[0]]
    assert "(leads nowhere)" in cli("config", "show").stdout


# -- ping ------------------------------------------------------------------------------------------


def test_ping_says_who_answers(cli: Cli, cache: RedisEngine) -> None:
    save(cache, sid("a"), 42, left_ms=DAY_MS)
    cli.config(backend(cache.url, "connect-redis"))
    result = cli("backends", "ping", "-o", "json")
    (item,) = result.json()["items"]
    assert list(item) == [
        *("backend", "url", "reached", "latency_ms", "server", "version", "login", "tls"),
        *("layout", "seen", "sessions", "clock_ahead_ms", "problem"),
    ]
    assert (item["server"], item["tls"], item["seen"]) == ("Redis", "none", ["connect-redis"])
    assert item["version"][0].isdigit()
    assert (item["sessions"], item["problem"], item["login"]) == (1, None, None)
    assert 0 < item["latency_ms"] < 10_000
    assert (result.stderr, result.code) == ("", 0)


def test_ping_tells_how_the_connection_is_protected(cli: Cli) -> None:
    with RedisServer(tls=True) as server:
        more = f'ca_file = "{server.ca_file}"'
        cli.config(backend(f"rediss://localhost:{server.port}/0", "connect-redis", more))
        (item,) = cli("backends", "ping", "-o", "json").json()["items"]
    assert (item["tls"], item["problem"]) == ("verified", None)


def test_a_user_who_may_not_ask_for_the_version_is_answered(cli: Cli) -> None:
    rights = "user ops on >hunter2-9f3e ~* +@read +@connection +time +role +dbsize +scan -info"
    with RedisServer(acl=[rights]) as server:
        cli.config(backend(server.url_for("ops", "hunter2-9f3e"), "connect-redis"))
        (item,) = cli("backends", "ping", "-o", "json").json()["items"]
    assert (item["server"], item["version"], item["login"]) == ("Redis", None, "ops")
    assert (item["reached"], item["problem"]) == (True, None)


def test_ping_goes_on_after_one_that_does_not_answer(cli: Cli, shop: SqliteEngine) -> None:
    cli.config(backend(GONE, "connect-redis", name="a") + backend(shop.url, "connect-sqlite3"))
    result = cli("backends", "ping", "-o", "json")
    gone, web = result.json()["items"]
    assert (gone["reached"], gone["problem"]["code"]) == (False, "store.unreachable")
    assert (web["reached"], web["server"]) == (True, "SQLite")
    assert (result.code, "a: cannot reach redis" in result.stderr) == (3, True)
    assert cli("backends", "ping", "-b", "web").code == 0


@pytest.mark.parametrize("words", [["ping"], ["capabilities"]])
def test_without_a_backend_the_error_names_three_ways(cli: Cli, words: list[str]) -> None:
    result = cli("backends", *words)
    assert (result.stdout, result.code) == ("", 2)
    for way in ("sessctl config init", "-b URL", "sessctl demo"):
        assert way in result.stderr


@pytest.mark.parametrize("output", ["table", "wide", "json", "jsonl", "csv", "tsv", "name"])
@pytest.mark.parametrize("words", [["ping"], ["capabilities"]])
def test_no_password_is_in_any_output(cli: Cli, words: list[str], output: str) -> None:
    cli.config(backend(f"redis://ops:{CANARY}@127.0.0.1:1/0", "connect-redis"))
    result = cli("backends", *words, "-o", output, "-v")
    assert CANARY not in result.stdout + result.stderr
    assert result.code == 3


def test_a_wrong_layout_is_told(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, sid("a"))
    cli.config(backend(shop.url, "connect-session-knex"))
    result = cli("backends", "ping", "-o", "table")
    assert (
        "the layout is connect-session-knex, its sessions look like connect-sqlite3"
        in result.stderr
    )


# -- capabilities ----------------------------------------------------------------------------------


def test_capabilities_are_told_in_words_and_to_programs(cli: Cli, shop: SqliteEngine) -> None:
    cli.config(backend(shop.url, "connect-sqlite3", "read_only = true"))
    (item,) = cli("backends", "capabilities", "-o", "json").json()["items"]
    assert (item["backend"], item["engine"], item["layout"]) == ("web", "sqlite", "connect-sqlite3")
    has = {name: answer["has"] for name, answer in item["capabilities"].items()}
    assert has == {
        "expires_by_itself": False, "stores_created": False, "stores_seen": False,
        "orders_by_expiry": False, "sifts": True, "counts_fast": True, "confirms_writes": False,
        "creates": True, "decrypts": False, "writes": False,
    }  # fmt: skip
    rows = [line.split("\t") for line in cli("backends", "capabilities").stdout.splitlines()]
    assert rows[0] == ["backend", "capability", "has", "meaning"]
    assert rows[-1] == ["web", "writes", "false", "the configuration says read_only"]
    table = cli("backends", "capabilities", terminals=TERMINAL, env={"NO_COLOR": "1"}).stdout
    assert max(map(len, table.splitlines())) <= 100


def test_the_library_does_what_the_commands_do(cli: Cli, shop: SqliteEngine) -> None:
    from sessctl import diagnose, discover

    cli.config(backend(shop.url, "connect-sqlite3"))
    (cli.home / "package.json").write_text(json.dumps({"dependencies": {"connect-redis": "9"}}))
    areas = {check.area for check in diagnose(folder=cli.home, environ={"HOME": str(cli.home)})}
    assert areas == {"install", "config", "journal", "web"}
    (proposal,) = discover(cli.home).proposals
    assert proposal.table() == {"url": "redis://localhost:6379/0", "layout": "connect-redis"}
