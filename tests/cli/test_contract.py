"""What scripts rely on, row by row: commands, options, formats, keys, exit codes, configuration.

The tables below are the contract of the command line. A row is only ever taken out with a major
version.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from sessctl import __version__, sign_cookie
from sessctl.cli.commands.help import TOPICS
from sessctl.cli.completion.cursor import load_words
from sessctl.cli.options import GUARDS
from sessctl.cli.table import ALIASES, FIRST
from sessctl.config.model import BACKEND_KEYS
from sessctl.cookies.base import Signature, VerdictWord
from sessctl.errors import ExitCode
from sessctl.query.field import FIELD_NAMES
from tests.support.cli import HOUR_MS, TERMINAL, Cli, fill, now_ms, save, sid

if TYPE_CHECKING:
    from tests.support.engines import SqliteEngine
    from tests.support.run import Result

# Rows of the tables below that are on their way: `command`, or `command --option`, or
# `command -o format`. Who adds one takes it out here.
NOT_YET: frozenset[str] = frozenset()
# Left for a later version.
LATER = frozenset(["replay import", "replay probe", "replay export"])


def words(text: str) -> list[str]:
    """A row of words."""
    return text.split()


COMMAND_ROWS = (
    *("list", "show", "decode", "detect", "verify", "sign", "create", "set", "edit", "touch"),
    *("expire", "purge", "restore", "copy", "diff", "export", "import", "stats", "watch", "audit"),
    *("doctor", "demo", "completion", "help"),
    *("replay FILE", "replay import", "replay new", "replay probe", "replay schema"),
    *("replay lint", "replay export"),
    *("journal list", "journal show", "journal verify", "journal prune"),
    *("backends list", "backends ping", "backends capabilities"),
    *("config show", "config path", "config validate", "config use", "config init", "config edit"),
)
ALIAS_ROWS = {"ls": "list", "rm": "expire", "migrate": "copy", "forge": "sign"}
ON_TOP = words("list show decode verify sign expire purge restore replay demo")

_QUERY = (
    *("--user", "--expired", "--active", "--expires-within", "--older-than", "--idle"),
    *("--larger-than", "-w", "--where"),
)
_FORMAT = ("--format", "--name", "--secret-from", "--secret", "--salt", "--at", "-p")
_PACE = (
    *("--nice", "--rate", "--run-time", "--recheck", "--max-latency", "--max-lag", "--lag-from"),
    *("--wait-replicas", "--pause-file", "--max-pause"),
)
_JOURNAL = ("--max-delete", "--expect", "--journal", "--no-journal")
_READING = ("--gentle", "--max-unpacked")
OPTION_ROWS = {
    "decode": (*_FORMAT, "--companion", "--digest", "--max-age", "--lookup", "--no-lookup",
               "--redact", "--jobs", "-f", "--file", "--input-format"),
    "verify": (*_FORMAT, "--companion", "--digest", "--max-age", "--redact", "--wordlist",
               "--export", "--jobs", "-f", "--file", "--input-format"),
    "sign": (*_FORMAT, "--ttl", "--sid"),
    "create": ("--format", "--ttl", "--sid"),
    "list": (*_QUERY, *_READING, "--all-backends", "--allow-stale", "--data", "--count", "--sort",
             "-l", "--limit", "--strict", "--csv-raw"),
    "show": (*_READING, "--all-backends", "--allow-stale"),
    "stats": ("--where", "--count", "--top", "--strict", "--all-backends"),
    "purge": (*_QUERY, *_JOURNAL, *_PACE, *_READING, "--all", "--grace", "--resume", "--exact",
              "--journal-key-file"),
    "expire": ("--user", *_JOURNAL, *_PACE, "--all-backends", "--journal-key-file"),
    "restore": ("--last", "--ttl", "--certain-only", "--salvage", "--journal-key-file"),
    "touch": ("--ttl", "--until"),
    "set": ("--unset",),
    "copy": ("--move",),
    "audit": ("--fail-on",),
    "journal prune": ("--older-than", "-n", "-y"),
}  # fmt: skip
EVERYWHERE = (
    *("-b", "--backend", "--config", "-o", "--output", "--fields", "--show-ids", "--redact"),
    *("--no-input", "-q", "-v", "--color", "--no-color", "--no-pager", "--timeout", "--utc"),
    *("--traceback", "-h", "--help", "--no-headers", "--out-file"),
)
ON_WRITERS = ("-n", "--dry-run", "-y", "--yes", "--confirm", "--force")
WRITERS = ("expire", "purge", "restore")
STORE_COMMANDS = ("list", "show", "decode", "verify", "sign", *WRITERS)

OUTPUTS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
OUTPUT_ROWS = {
    **dict.fromkeys(("list", "decode", "verify", "expire", "purge", "restore"), OUTPUTS),
    "show": (*OUTPUTS, "raw"),
    "sign": ("header", "curl", "cookies-txt", "playwright", "json", "jsonl"),
    "create": ("header", "curl", "cookies-txt", "playwright"),
    "stats": ("openmetrics",),
}

SESSION_KEYS = words(
    "backend sid layout location user state expires_at ttl_s created_at seen_at size_bytes "
    "data problem extra"
)
COOKIE_KEYS = words(
    "name format candidates sid payload signature secret issued_at expires_at verdict "
    "session notes problem input"
)
OUTCOME_KEYS = words("sid outcome reason")
SUMMARY_KEYS = words("complete journal dry_run elapsed_s notes")
VERDICTS = words(
    "valid bad_signature decrypt_failed expired from_future not_yet_valid malformed "
    "missing_signature unknown_key name_mismatch purpose_mismatch version_not_allowed "
    "alg_not_allowed payload_error unsafe_pickle unverified"
)

EXIT_CODES = {
    0: "ok", 1: "no", 2: "usage", 3: "unreachable", 4: "refused", 5: "partial", 6: "journal",
    7: "unreadable", 70: "bug", 130: "interrupted", 141: "pipe_closed", 143: "terminated",
}  # fmt: skip
GUARD_ROWS = words("share zone no-ttl wrong-store cascade journal old-journal")
FIELD_ROWS = words("sid user created seen expires ttl idle size data.PATH")
TOPIC_ROWS = words("environment exit-codes formats queries time secrets scenarios")

CONFIG = """
default_backend = "dev"

[backends.dev]
url = "redis://localhost:6379/0"
layout = "connect-redis"
prefix = "sess:"
user = ["user.id", "uid"]
secrets = ["env:SESSION_SECRET", "file:old.key"]
cookie_name = "connect.sid"
cookie_format = "express-session"
password = "env:REDIS_PASSWORD"
username = "app"
require_tls = false
ca_file = "ca.pem"
no_ttl = "cookie-date"
lifetime = "2h"
protected = true
read_only = false

[backends.table]
url = "postgresql://localhost/app"
schema = "public"
table = "session"
expires_zone = "UTC"
columns = { sid = "sid", data = "sess", expires = "expire" }

[backends.documents]
url = "mongodb://localhost/app"
cookie_format = "fastify-secure-session"
salt = "sixteen-letters!"
collection = "sessions"

[backends.files]
url = "file:///srv/app"
cookie_format = "fastify-session"
digest = "sha256"
directory = "sessions"

[journal]
keep = "30d"
directory = "journals"

[redact]
always = true
keys = ["nickname"]
shapes = ["[A-Z]{20}"]
"""

TABLE = load_words()


def spelled(path: str) -> set[str]:
    """Every spelling of every option that a command takes."""
    options = TABLE[path]["options"]
    return {word for one in options for word in (one if isinstance(one, str) else one[0]).split()}


def exists(row: str) -> bool:
    """Whether a row of the tables is there: a command, an option or an output format of one."""
    if row in ALIAS_ROWS:
        return ALIASES.get(row) == ALIAS_ROWS[row]
    path, space, output = row.partition(" -o ")
    if space:
        return output in TABLE.get(path, {}).get("outputs", ())
    path, space, option = row.partition(" -")
    if space:
        return path in TABLE and f"-{option}" in spelled(path)
    return row in TABLE


ROWS = [
    *COMMAND_ROWS,
    *ALIAS_ROWS,
    *(f"{path} {option}" for path, options in OPTION_ROWS.items() for option in options),
    *(f"{path} -o {output}" for path, outputs in OUTPUT_ROWS.items() for output in outputs),
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_contract_is_there_unless_it_is_on_its_way(row: str) -> None:
    assert exists(row) == (row not in NOT_YET | LATER)


def test_the_lists_of_what_is_missing_name_rows_of_the_contract() -> None:
    assert set(ROWS) >= NOT_YET | LATER


def test_the_commands_people_use_most_stand_on_top() -> None:
    assert list(FIRST) == ON_TOP


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", STORE_COMMANDS)
def test_shared_options_are_taken_behind_the_command(path: str) -> None:
    assert set(EVERYWHERE) <= spelled(path)


@pytest.mark.parametrize("path", WRITERS)
def test_commands_that_write_take_the_options_of_safety(path: str) -> None:
    assert set(ON_WRITERS) <= spelled(path)


GIVEN: list[list[str]] = [
    *(["--fields", "sid,user"], ["--show-ids"], ["--redact"], ["--no-input"], ["-q"], ["-v"]),
    *(["--color", "never"], ["--no-color"], ["--no-pager"], ["--timeout", "5s"], ["--utc"]),
    *(["--traceback"], ["--no-headers"], ["--gentle"], ["--max-unpacked", "1MiB"], ["-o", "csv"]),
]


@pytest.mark.parametrize("given", GIVEN, ids=" ".join)
def test_an_option_means_the_same_before_and_behind_the_command(
    cli: Cli, shop: SqliteEngine, given: list[str]
) -> None:
    save(shop, sid("a"), 42)
    before = cli(*given, "-b", shop.url, "list")
    behind = cli("list", *given, "-b", shop.url)
    assert (before.code, _timeless(before)) == (0, _timeless(behind))


def _timeless(result: Result) -> list[str]:
    """What was printed, without the seconds left, which run."""
    return [word for word in result.stdout.split("\t") if not word.isdigit()]


# -- output ----------------------------------------------------------------------------------------


@pytest.fixture
def run_for(cli: Cli, shop: SqliteEngine) -> Any:
    """Runs a command on a small store so that it has something to print."""
    save(shop, sid("a"), 42)
    save(shop, sid("o"), 42, left_ms=-HOUR_MS)
    cookie = sign_cookie(sid("a"), "some-secret-91")[0].value

    def run(path: str, output: str) -> Result:
        if path == "restore":
            cli("expire", sid("a"), "--yes", "-b", shop.url)
        secret, store = ("--secret", "some-secret-91"), ("-b", shop.url)
        words = {
            "list": ("list", "--active", *store),
            "show": ("show", sid("a"), *store),
            "decode": ("decode", cookie, *secret, *store),
            "verify": ("verify", cookie, *secret),
            "sign": ("sign", sid("a"), *secret),
            "expire": ("expire", sid("a"), "--yes", *store),
            "purge": ("purge", "--expired", *store),
            "restore": ("restore", "--last", "--yes", *store),
        }
        return cli(*words[path], "-o", output)

    return run


ITEM_KEYS = {
    **dict.fromkeys(("list", "show"), SESSION_KEYS),
    **dict.fromkeys(("decode", "verify"), COOKIE_KEYS),
    **dict.fromkeys(("expire", "purge", "restore"), OUTCOME_KEYS),
}


@pytest.mark.parametrize("path", ITEM_KEYS)
def test_an_item_has_these_keys_in_this_order(run_for: Any, path: str) -> None:
    document = run_for(path, "json").json()
    assert list(document)[:3] == ["schema", "kind", "items"]
    assert document["schema"] == "sessctl/v1"
    (item,) = document["items"]
    assert list(item) == ITEM_KEYS[path]


@pytest.mark.parametrize("path", ITEM_KEYS)
def test_json_lines_are_the_same_items_one_a_line(run_for: Any, path: str) -> None:
    result = run_for(path, "jsonl")
    first, *rest = result.json_lines()
    assert list(first) == ITEM_KEYS[path]
    assert result.stdout_bytes.isascii()
    if ITEM_KEYS[path] is OUTCOME_KEYS:
        assert list(rest[-1]["summary"])[-5:] == SUMMARY_KEYS


@pytest.mark.parametrize("path", ["expire", "purge", "restore"])
def test_a_document_of_outcomes_has_its_summary(run_for: Any, path: str) -> None:
    assert list(run_for(path, "json").json()["summary"])[-5:] == SUMMARY_KEYS


@pytest.mark.parametrize("output", ["csv", "tsv"])
@pytest.mark.parametrize("path", ITEM_KEYS)
def test_columns_are_the_keys(run_for: Any, path: str, output: str) -> None:
    result = run_for(path, output)
    dialect = "excel" if output == "csv" else "excel-tab"
    header, row = csv.reader(io.StringIO(result.stdout), dialect)
    assert [key for key in ITEM_KEYS[path] if key in header] == header
    assert len(row) == len(header)


@pytest.mark.parametrize("path", ["list", "show", "expire"])
def test_name_is_the_full_id(run_for: Any, path: str) -> None:
    assert run_for(path, "name").stdout == f"{sid('a')}\n"


@pytest.mark.parametrize(
    ("output", "start"),
    [
        ("header", "Cookie: connect.sid=s%3A"),
        ("curl", "curl --cookie "),
        ("cookies-txt", "# Netscape HTTP Cookie File"),
        ("playwright", "{"),
    ],
)
def test_sign_has_forms_that_are_ready_to_use(run_for: Any, output: str, start: str) -> None:
    result = run_for("sign", output)
    assert (result.stdout.startswith(start), result.code) == (True, 0)


@pytest.mark.parametrize("path", ITEM_KEYS)
@pytest.mark.parametrize("output", ["table", "wide"])
def test_people_get_no_full_id(run_for: Any, path: str, output: str) -> None:
    result = run_for(path, output)
    assert (result.code, sid("a") in result.stdout + result.stderr) == (0, False)


def test_verdicts_and_signatures_are_these_words() -> None:
    assert [word.value for word in VerdictWord] == VERDICTS
    assert [word.value for word in Signature] == ["valid", "invalid", "unverified", "none"]


# -- exit codes, guards, queries, topics -----------------------------------------------------------


def test_exit_codes_and_their_names() -> None:
    assert {int(code): code.name.lower() for code in ExitCode} == EXIT_CODES


RUNS: list[tuple[list[str], int]] = [
    (["list"], 0),
    (["list", "--count"], 0),
    (["list", "--user", "nobody"], 0),
    (["show", "x" * 32], 1),
    (["show", sid("a")], 0),
    (["decode", "%%%"], 7),
    (["decode", "s%3Aabc.AAAA"], 0),
    (["verify", "s%3Aabc.AAAA"], 2),
    (["verify", "s%3Aabc.AAAA", "--secret", "some-secret-91"], 1),
    (["purge"], 2),
    (["purge", "--all"], 4),
    (["purge", "--expired"], 0),
    (["purge", "--expired", "--dry-run"], 0),
    (["expire", "x" * 32, "--yes"], 1),
    (["expire", sid("a")], 4),
    (["expire", "--user", "42", "--no-input"], 4),
    (["restore", "--last", "--yes"], 2),
    (["restore", "no-such-file"], 6),
    (["list", "-w", "user =="], 2),
    (["list", "--fields", "nope"], 2),
    (["list", "-o", "nope"], 2),
    (["list", "--config", "no-such-file"], 2),
    (["help", "nope"], 2),
    (["completion", "nope"], 2),
]


@pytest.mark.parametrize(("typed", "code"), RUNS, ids=lambda value: str(value)[:40])
def test_a_run_ends_with_its_code(
    cli: Cli, shop: SqliteEngine, typed: list[str], code: int
) -> None:
    save(shop, sid("a"), 42)
    result = cli(*typed, env={"SESSCTL_BACKEND": shop.url})
    assert result.code == code, result.stderr
    if code in (2, 4):
        assert "hint: " in result.stderr


@pytest.mark.parametrize("typed", [["decode", "-"], ["verify", "-", "--secret", "some-secret-91"]])
def test_of_a_batch_some_that_cannot_be_read_are_5_and_all_are_7(
    cli: Cli, typed: list[str]
) -> None:
    good = sign_cookie(sid("a"), "some-secret-91")[0].value
    assert cli(*typed, stdin=f"{good}\n%%%\n").code == 5
    assert cli(*typed, stdin="%%%\n%%%%\n").code == 7


def test_guards_are_these_and_named_one_at_a_time(cli: Cli, shop: SqliteEngine) -> None:
    assert list(GUARDS) == GUARD_ROWS
    for guard in GUARD_ROWS:
        assert cli("purge", "--expired", f"--force={guard}", "-b", shop.url, "-n").code == 0
    assert cli("purge", "--expired", "--force=all", "-b", shop.url).code == 2


def test_fields_of_conditions() -> None:
    assert list(FIELD_NAMES) == FIELD_ROWS


@pytest.mark.parametrize(
    "condition",
    [
        *(
            'user == "42"',
            'user != "42"',
            'user ~ "4*"',
            "ttl < 30m",
            "ttl <= 1h30m",
            "size > 8KiB",
        ),
        *("size >= 512", "expires > now-2h", "expires < 2026-01-02", "expires > @1710000000"),
        *('data.role in ("guest", "bot")', "not exists(data.cart)", "len(data.items) > 2"),
        *("(size > 1 and ttl < 7d) or data.admin == true", "data.n == null", "data.n == 1.5"),
    ],
)
def test_a_condition_of_the_contract_is_understood(
    cli: Cli, shop: SqliteEngine, condition: str
) -> None:
    result = cli("list", "-w", condition, "-b", shop.url)
    assert (result.stderr, result.code) == ("", 0)


def test_topics_of_help() -> None:
    assert set(TOPIC_ROWS) <= set(TOPICS)


# -- configuration and environment -----------------------------------------------------------------


def test_every_key_of_the_configuration_is_known(cli: Cli) -> None:
    cli.config(CONFIG)
    result = cli("config", "validate")
    assert ("error" in result.stdout + result.stderr, result.code) == (False, 0)
    shown = cli("config", "show", "-o", "json").stdout
    for word in ("connect.sid", "cookie-date", "30d", "nickname"):
        assert word in shown


def test_the_configuration_above_has_every_key_of_a_backend() -> None:
    later = {"extension", "store_secrets", "sentinel_username", "sentinel_password"}
    later.add("cache")  # of Django's cached_db alone: tests/contract/test_django.py
    assert {key for key in BACKEND_KEYS if f"\n{key} = " not in CONFIG} <= later


def test_an_unknown_key_is_an_error_with_the_nearest(cli: Cli) -> None:
    cli.config('[backends.dev]\nurll = "redis://localhost"\n')
    result = cli("config", "validate")
    assert (result.code, "'url'" in result.stderr) == (2, True)


def test_environment_variables(cli: Cli, shop: SqliteEngine) -> None:
    fill(shop, "a", 1)
    by_url = cli("list", "-o", "jsonl", env={"SESSCTL_BACKEND": shop.url})
    assert by_url.json_lines()[0]["sid"] == sid("a")
    redacted = cli("list", "-o", "jsonl", env={"SESSCTL_BACKEND": shop.url, "SESSCTL_REDACT": "1"})
    assert redacted.json_lines()[0]["sid"] != sid("a")
    named = cli.config(f'[backends.x]\nurl = "{shop.url}"\n', "other.toml")
    assert cli("list", "--count", env={"SESSCTL_CONFIG": str(named)}).stdout == "1\n"


def test_the_topic_of_the_environment_names_them_all(cli: Cli) -> None:
    text = cli("help", "environment").stdout
    for name in (
        *("SESSCTL_BACKEND", "SESSCTL_CONFIG", "SESSCTL_REDACT", "SESSCTL_PAGER", "PAGER"),
        *("NO_COLOR", "FORCE_COLOR", "TERM", "XDG_CONFIG_HOME", "XDG_STATE_HOME"),
    ):
        assert name in text


# -- errors ----------------------------------------------------------------------------------------


def test_an_error_in_json_is_one_line_with_a_code(cli: Cli) -> None:
    result = cli("list", "-b", "redis://127.0.0.1:1/0", "-o", "json")
    (line,) = result.stderr.splitlines()
    error = json.loads(line)["error"]
    assert (error["code"], error["exit"], result.code) == ("store.unreachable", 3, 3)
    assert set(error) >= {"code", "exit", "message", "hint"}


def test_without_a_backend_the_ways_on_are_named(cli: Cli) -> None:
    result = cli("list")
    assert result.code == 2
    for way in ("-b URL", "sessctl demo"):
        assert way in result.stderr


def test_many_of_the_same_are_one_line_with_three_samples(cli: Cli, shop: SqliteEngine) -> None:
    for number in range(20):
        shop.save(sid("d", number).encode(), b"{", now_ms() + HOUR_MS)
    result = cli("list", "-b", shop.url, "-o", "jsonl")
    (line,) = result.stderr.splitlines()
    assert line.count("dddddd~") == 3
    assert "20 sessions" in line


def test_many_missing_sessions_are_one_line_with_three_samples(
    cli: Cli, shop: SqliteEngine
) -> None:
    result = cli("show", *(sid("x", number) for number in range(20)), "-b", shop.url)
    line = result.stderr.splitlines()[0]
    assert (line.count("xxxxxx~"), "20 of these" in line, result.code) == (3, True, 1)


def test_the_version_is_told_before_and_behind_a_command(cli: Cli) -> None:
    lines = (["-V"], ["list", "-V"], ["config", "show", "--version"])
    assert {cli(*typed).stdout for typed in lines} == {f"sessctl {__version__}\n"}


def test_an_empty_list_has_a_note_only_on_a_terminal(cli: Cli, shop: SqliteEngine) -> None:
    piped = cli("list", "-b", shop.url)
    seen = cli("list", "-b", shop.url, terminals=TERMINAL)
    assert (piped.stderr, "no sessions match" in seen.stderr) == ("", True)
