"""`sessctl config` and `sessctl backends`: what is configured, where it stands, never a secret."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import TERMINAL, Cli, save, sid

if TYPE_CHECKING:
    from tests.support.engines import SqliteEngine

CANARY = "CANARY-hunter2-9f3e"
FULL = f"""
default_backend = "dev"
[backends.dev]
url = "redis://ops:{CANARY}@localhost:6379/0"
layout = "connect-redis"
prefix = "shop:"
secrets = ["env:APP_SECRET", "env:NOT_SET", "file:key", "file:no-key", "{CANARY}-inline"]
[backends.prod]
url = "rediss://cache.internal:6380/0"
password = "{CANARY}-pw"
protected = true
no_ttl = "cookie-date"
[journal]
keep = "7d"
[redact]
keys = ["shoeSize"]
"""
ENV = {"APP_SECRET": f"{CANARY}-env"}


@pytest.fixture
def full(cli: Cli) -> Cli:
    """A configuration with a secret in every place that can hold one."""
    cli.user_config(FULL)
    (cli.home / "key").write_text(f"{CANARY}-file\n")
    return cli


@pytest.mark.parametrize("output", ["table", "json", "jsonl"])
@pytest.mark.parametrize("command", [["config", "show"], ["backends", "list"]])
def test_no_secret_is_ever_shown(full: Cli, command: list[str], output: str) -> None:
    result = full(*command, "-o", output, "-v", env=ENV)
    assert CANARY not in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_show_says_of_references_whether_they_are_set(full: Cli) -> None:
    result = full("config", "show", "-o", "json", env=ENV)
    dev = result.json()["backends"]["dev"]
    assert dev["url"] == "redis://ops:***@localhost:6379/0"
    assert dev["secrets"] == [
        "env:APP_SECRET (set)",
        "env:NOT_SET (not set)",
        "file:key (found)",
        "file:no-key (missing)",
        "***",
    ]
    assert result.json()["backends"]["prod"]["password"] == "***"
    assert (result.stderr, result.code) == ("", 0)


def test_show_tells_programs_the_sections_too(full: Cli) -> None:
    shown = full("config", "show", "-o", "json").json()
    assert shown["journal"] == {"keep": "7d", "directory": None, "source": "user config"}
    assert shown["redact"] == {
        "always": False, "keys": ["shoeSize"], "shapes": [], "source": "user config",
    }  # fmt: skip


def test_show_tells_the_defaults_of_sections_that_are_not_written(cli: Cli) -> None:
    shown = cli("config", "show", "-o", "json").json()
    assert shown["journal"] == {"keep": "30d", "directory": None, "source": None}
    assert shown["redact"] == {"always": False, "keys": [], "shapes": [], "source": None}


def test_show_names_the_file_of_every_value(cli: Cli) -> None:
    cli.config('[backends.near]\nurl = "redis://localhost/1"\n')
    cli.user_config(
        '[backends.near]\nurl = "redis://localhost/9"\n[backends.far]\nurl = "redis://localhost/2"\n'
    )
    result = cli("config", "show")
    assert "[backends.near]  # project file\nurl = redis://localhost/1\n" in result.stdout
    assert "[backends.far]  # user config\nurl = redis://localhost/2\n" in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_show_prints_a_sqlite_url_that_can_be_typed_again(cli: Cli, shop: SqliteEngine) -> None:
    cli.config(f'[backends.web]\nurl = "{shop.url}"\n')
    result = cli("config", "show", "-o", "json")
    assert result.json()["backends"]["web"]["url"] == shop.url
    assert (result.stderr, result.code) == ("", 0)


def test_show_without_any_file_says_so(cli: Cli) -> None:
    result = cli("config", "show")
    assert (result.stdout, result.code) == ("", 0)
    assert "there is no configuration" in result.stderr


def test_path_prints_the_files_that_are_read_and_the_user_s_own(cli: Cli) -> None:
    path = cli.config('[backends.web]\nurl = "redis://localhost/1"\n')
    result = cli("config", "path")
    own = cli.home / "config" / "sessctl" / "config.toml"
    assert (result.stdout, result.stderr, result.code) == (f"{path}\n{own}\n", "", 0)


def test_path_says_to_programs_which_files_are_read(cli: Cli) -> None:
    path = cli.config('[backends.web]\nurl = "redis://localhost/1"\n')
    own = cli.home / "config" / "sessctl" / "config.toml"
    result = cli("config", "path", "-o", "json")
    assert result.json() == {
        "schema": "sessctl/v1",
        "kind": "ConfigPathList",
        "items": [{"path": str(path), "read": True}, {"path": str(own), "read": False}],
    }
    listed = cli("config", "path", "-o", "csv", "--fields", "path", "--no-headers")
    assert (listed.stdout, listed.code) == (f"{path}\n{own}\n", 0)


def test_path_at_a_terminal_says_what_is_not_there(cli: Cli) -> None:
    result = cli("config", "path", "--no-color", terminals=TERMINAL)
    assert result.stdout == f"{cli.home}/config/sessctl/config.toml (not there)\n"


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_a_file_that_is_named_is_read_alone(cli: Cli, how: str) -> None:
    cli.config('[backends.web]\nurl = "redis://localhost/1"\n')
    other = cli.config('[backends.other]\nurl = "redis://localhost/2"\n', "other.toml")
    words, env = (
        (["--config", other], {}) if how == "flag" else ([], {"SESSCTL_CONFIG": str(other)})
    )
    result = cli("config", "path", *words, env=env)
    assert (result.stdout, result.stderr, result.code) == (f"{other}\n", "", 0)
    listed = cli("backends", "list", "-o", "name", *words, env=env)
    assert (listed.stdout, listed.stderr, listed.code) == ("other\n", "", 0)


def test_a_pyproject_holds_settings_too(cli: Cli) -> None:
    cli.config('[tool.sessctl.backends.web]\nurl = "redis://localhost/1"\n', "pyproject.toml")
    result = cli("backends", "list", "-o", "name")
    assert (result.stdout, result.stderr, result.code) == ("web\n", "", 0)


def test_validate_is_content_with_a_good_file(cli: Cli) -> None:
    cli.config('[backends.web]\nurl = "redis://localhost/1"\nlayout = "connect-redis"\n')
    result = cli("config", "validate")
    assert (result.stdout, result.stderr, result.code) == ("ok: 1 backend in 1 file(s)\n", "", 0)


def test_validate_warns_of_references_that_lead_nowhere(full: Cli) -> None:
    result = full("config", "validate", env=ENV)
    assert result.stderr == (
        "warning: dev: env:NOT_SET (not set)\nwarning: dev: file:no-key (missing)\n"
    )
    assert (result.stdout, result.code) == ("ok: 2 backends in 1 file(s)\n", 0)


def test_validate_warns_of_a_variable_that_is_empty(cli: Cli) -> None:
    cli.config('[backends.web]\nurl = "redis://h"\nsecrets = ["env:EMPTY"]\n')
    result = cli("config", "validate", env={"EMPTY": ""})
    assert (result.stderr, result.code) == ("warning: web: env:EMPTY (empty)\n", 0)


def test_validate_answers_programs_too(full: Cli) -> None:
    result = full("config", "validate", "-o", "json", env=ENV)
    assert result.json() == {
        "schema": "sessctl/v1",
        "kind": "ConfigCheck",
        "backends": ["dev", "prod"],
        "files": [str(full.home / "config" / "sessctl" / "config.toml")],
        "warnings": ["dev: env:NOT_SET (not set)", "dev: file:no-key (missing)"],
    }
    assert result.code == 0


@pytest.mark.parametrize("words", [["path"], ["validate"], ["show"]])
def test_an_output_that_a_command_does_not_have_is_wrong_use(cli: Cli, words: list[str]) -> None:
    result = cli("config", *words, "-o", "wide")
    assert (result.stdout, result.code) == ("", 2)
    assert "-o takes table" in result.stderr


BAD = {
    "unknown key": ('[backends.a]\nurl = "redis://h"\nprefx = "x"', "backends.a.prefx", "'prefix'"),
    "unknown section": ('[journals]\nkeep = "1d"', "unknown key 'journals'", "'journal'"),
    "unknown journal key": ('[journal]\nkep = "1d"', "journal.kep", "'keep'"),
    "wrong type": ('[backends.a]\nurl = "redis://h"\nprotected = 2', "backends.a.protected", ""),
    "wrong word": ('[backends.a]\nurl = "redis://h"\nno_ttl = "maybe"', "backends.a.no_ttl", ""),
    "no url": ('[backends.a]\nlayout = "connect-redis"', "url", ""),
    "url without a scheme": ('[backends.a]\nurl = "localhost"', "backends.a.url is not a URL", ""),
    "unknown scheme": ('[backends.a]\nurl = "redsi://h"', "no engine for 'redsi://'", "redis"),
    "unknown layout": (
        '[backends.a]\nurl = "redis://h"\nlayout = "conect-redis"',
        "conect-redis",
        "'connect-redis'",
    ),
    "setting of another layout": (
        '[backends.a]\nurl = "redis://h"\nlayout = "connect-redis"\ntable = "x"',
        "'table'",
        "prefix",
    ),
    "layout of another engine": (
        '[backends.a]\nurl = "redis://h"\nlayout = "connect-sqlite3"',
        "layout 'connect-sqlite3' does not live in a redis store",
        "connect-redis",
    ),
    "unknown cookie format": (
        '[backends.a]\nurl = "redis://h"\ncookie_format = "expres-session"',
        "cookie_format: no cookie format 'expres-session'",
        "'express-session'",
    ),
    "lifetime that is none": (
        '[backends.a]\nurl = "redis://h"\nlifetime = "1 month"',
        "lifetime: '1 month' is not a duration",
        "90s",
    ),
    "program in a project file": (
        '[backends.a]\nurl = "redis://h"\nsecrets = ["cmd:pass show x"]',
        "backends.a names a program to run (cmd:), which a project file may not",
        "your own config",
    ),
    "dotenv without a variable": (
        '[backends.a]\nurl = "redis://h"\npassword = "dotenv:.env"',
        "a dotenv reference names a file and a variable",
        "dotenv:.env#NAME",
    ),
    "keyring without a user": (
        '[backends.a]\nurl = "redis://h"\nsecrets = ["keyring:x"]',
        "a keyring reference names a service and a user",
        "keyring:SERVICE/USER",
    ),
    "reference to nothing": (
        '[backends.a]\nurl = "redis://h"\nsecrets = ["env:"]',
        "'env:' names nothing",
        "env:NAME",
    ),
    "not TOML": ("[backends.a\n", "not TOML", ""),
    "no such default": ('default_backend = "x"', "default_backend names 'x'", ""),
    "bad duration": ('[journal]\nkeep = "soon"', "journal.keep", ""),
    "bad pattern": ('[redact]\nshapes = ["("]', "redact.shapes", ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_mistake_in_the_file_is_named_with_its_place(cli: Cli, kind: str) -> None:
    text, message, hint = BAD[kind]
    path = cli.config(text + "\n")
    result = cli("config", "validate")
    assert (result.stdout, result.code) == ("", 2)
    assert message in result.stderr
    assert hint in result.stderr
    assert str(path) in result.stderr or "project file" in result.stderr


@pytest.mark.parametrize("kind", ["unknown key", "wrong type", "not TOML", "no such default"])
def test_a_mistake_in_the_file_stops_every_command_that_reads_it(cli: Cli, kind: str) -> None:
    cli.config(BAD[kind][0] + "\n")
    result = cli("list", "-o", "json")
    error = json.loads(result.stderr)["error"]
    assert (error["code"], error["exit"]) == ("config.invalid", 2)
    assert (result.stdout, result.code) == ("", 2)


def test_an_unknown_backend_suggests_the_nearest(cli: Cli) -> None:
    cli.config('[backends.production]\nurl = "redis://localhost/1"\n')
    result = cli("list", "-b", "prodution")
    assert (result.stdout, result.code) == ("", 2)
    assert "no backend 'prodution' is configured" in result.stderr
    assert "did you mean 'production'?" in result.stderr


def test_several_backends_and_no_default_are_listed(cli: Cli) -> None:
    cli.config('[backends.a]\nurl = "redis://h/1"\n[backends.b]\nurl = "redis://h/2"\n')
    result = cli("list")
    assert (result.stdout, result.code) == ("", 2)
    assert "which backend? configured: a, b" in result.stderr


def test_a_config_file_that_is_not_there_is_named(cli: Cli) -> None:
    result = cli("list", "--config", "no/such.toml")
    assert (result.stdout, result.code) == ("", 2)
    assert "no config file at no/such.toml" in result.stderr


def test_a_file_that_anybody_may_write_is_ignored_with_a_note(cli: Cli) -> None:
    path = cli.config('[backends.web]\nurl = "redis://localhost/1"\n')
    path.chmod(0o666)
    result = cli("backends", "list", "-o", "name")
    assert (result.stdout, result.code) == ("", 0)
    assert result.stderr == f"note: {path} is ignored: anybody may write it\n"


def test_an_inline_secret_that_others_can_read_is_refused(cli: Cli) -> None:
    path = cli.config(f'[backends.web]\nurl = "redis://h"\npassword = "{CANARY}"\n')
    path.chmod(0o644)
    result = cli("config", "show")
    assert (result.stdout, result.code) == ("", 2)
    assert f"chmod 600 {path}" in result.stderr
    assert CANARY not in result.stderr


def test_backends_list_connects_to_nothing(full: Cli) -> None:
    result = full("backends", "list", "-o", "jsonl", env=ENV)
    assert [(i["name"], i["default"], i["protected"]) for i in result.json_lines()] == [
        ("dev", True, False),
        ("prod", False, True),
    ]
    assert (result.stderr, result.code) == ("", 0)


def test_backends_list_at_a_terminal_is_a_table(full: Cli) -> None:
    result = full("backends", "list", "--no-color", terminals=TERMINAL, env=ENV)
    head, first, _ = result.stdout.splitlines()
    assert head.split()[:3] == ["NAME", "URL", "LAYOUT"]
    assert first.split()[:3] == ["dev", "redis://ops:***@localhost:6379/0", "connect-redis"]
    assert (result.stderr, result.code) == ("", 0)


def test_redact_settings_apply_to_what_people_see(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, sid("a"), 1, shoeSize=44, theme="dark")
    cli.config(f'[backends.web]\nurl = "{shop.url}"\n[redact]\nkeys = ["shoeSize"]\n')
    result = cli("show", sid("a"), "-o", "table")
    assert '"shoeSize": "***", "theme": "dark"' in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_a_repository_does_not_decide_over_the_journal_or_redaction(
    cli: Cli, shop: SqliteEngine
) -> None:
    save(shop, sid("a"), 1, shoeSize=44, token="t-123")
    cli.user_config('[redact]\nalways = true\nkeys = ["shoeSize"]\n')
    path = cli.config(
        f'[backends.web]\nurl = "{shop.url}"\n[redact]\nalways = false\n'
        f'[journal]\nkeep = "1s"\ndirectory = "{cli.home}/undo"\n'
    )
    result = cli("list", "--data", "-o", "jsonl")
    (item,) = result.json_lines()
    assert (item["data"]["shoeSize"], item["data"]["token"]) == ("***", "***")
    assert f"[journal] in {path} is ignored" in result.stderr
    ended = cli("expire", sid("a"), "--yes", "-q")
    assert (ended.code, len(cli.journals()), (cli.home / "undo").exists()) == (0, 1, False)


@pytest.mark.parametrize("output", ["jsonl", "tsv", "name"])
def test_redact_always_reaches_programs(cli: Cli, shop: SqliteEngine, output: str) -> None:
    save(shop, sid("a"), 1, token="t-123")
    cli.config(f'[backends.web]\nurl = "{shop.url}"\n[redact]\nalways = true\n')
    result = cli("list", "--data", "-o", output)
    assert sid("a") not in result.stdout
    assert "t-123" not in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_prefix_table_and_columns_come_from_the_file(cli: Cli, shop: SqliteEngine) -> None:
    shop.client.execute("CREATE TABLE web (id PRIMARY KEY, until, body)")
    shop.client.execute("INSERT INTO web VALUES ('odd', 4e12, '{\"cookie\":{},\"user\":5}')")
    cli.config(
        f'[backends.web]\nurl = "{shop.url}"\nlayout = "connect-sqlite3"\ntable = "web"\n'
        'columns = { sid = "id", expires = "until", data = "body" }\n'
    )
    result = cli("list", "-o", "jsonl")
    (item,) = result.json_lines()
    assert (item["sid"], item["user"], item["location"]) == ("odd", "5", "web.id=odd")
    assert (result.stderr, result.code) == ("", 0)


def test_the_user_path_comes_from_the_file(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, sid("a"), 1, login={"mail": "ana@shop.test"})
    cli.config(f'[backends.web]\nurl = "{shop.url}"\nuser = "login.mail"\n')
    result = cli("list", "--user", "ana@shop.test", "-o", "name")
    assert (result.stdout, result.stderr, result.code) == (sid("a") + "\n", "", 0)
