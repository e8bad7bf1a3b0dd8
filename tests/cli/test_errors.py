"""What goes wrong is told once, with its place and a way out; nothing is lost and nothing traced.

sessctl: error: cannot reach redis at 127.0.0.1:1 (connection refused)
  backend: redis://127.0.0.1:1/0
  hint: is it running, and is the port right?
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.cli.report import report_bug
from sessctl.cli.run import Run
from sessctl.cli.streams import Streams
from tests.support.cli import (
    DAY_MS,
    HOUR_MS,
    Cli,
    fill,
    now_ms,
    save,
    sid,
    stored,
    wait_for_journal,
)
from tests.support.engines import with_layout
from tests.support.run import COMMAND, Result, clean_environment
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine, RedisEngine, SqliteEngine

ANA, OLD = sid("a"), sid("o")
PASSWORD = "opensesame-4711"
GONE = "redis://127.0.0.1:1/0"


def only_error(result: Result) -> str:
    """The one error of a run, in the house's shape; its first line without the lead."""
    first, *rest = result.stderr.splitlines()
    assert first.startswith("sessctl: error: ")
    message = first.removeprefix("sessctl: error: ")
    assert message[0] == message[0].lower()
    assert not message.endswith(".")
    assert all(line.startswith("  ") for line in rest)
    assert sum(line.startswith("  hint: ") for line in rest) == 1
    assert result.stdout == ""
    return message


def json_error(result: Result) -> dict[str, Any]:
    """The one error of a run with -o json: one line of JSON on standard error."""
    (line,) = result.stderr.splitlines()
    error = json.loads(line)["error"]
    assert list(error)[:4] == ["code", "exit", "message", "hint"]
    assert (error["exit"], result.stdout) == (result.code, "")
    assert error["hint"]
    return dict(error)


@pytest.fixture(scope="module")
def locked_server() -> Iterator[RedisServer]:
    """A Redis that wants a password, with a user who may only read."""
    acl = ["user reader on >reader-pw-77 ~sess:* +@read +@connection +time +dbsize"]
    with RedisServer(password=PASSWORD, acl=acl) as server:
        yield server


# -- cannot find out -------------------------------------------------------------------------------

WRONG: dict[str, tuple[list[str], int, str, str]] = {
    # name: (words, exit code, error code, what the message says)
    "unknown scheme": (["list", "-b", "redsi://h/0"], 2, "usage", "no engine for 'redsi://'"),
    "no host": (["list", "-b", "redis://a b/0"], 2, "usage", "the redis URL"),
    "bad port": (["list", "-b", "redis://h:99999/0"], 2, "usage", "no valid port"),
    "bad database": (["list", "-b", "redis://127.0.0.1/x"], 2, "usage", "is a number"),
    "unknown option": (["list", "-b", "redis://h/0?tls=1"], 2, "usage", "no option 'tls'"),
    "dead server": (["list", "-b", GONE], 3, "store.unreachable", "connection refused"),
    "unknown host": (["list", "-b", "redis://no-such-host.invalid/0"], 3, "store.unreachable", ""),
    "no file": (["list", "-b", "sqlite:///no.db"], 3, "store.unreachable", "does not exist"),
    "a folder": (["list", "-b", "sqlite:////tmp"], 3, "store.unreachable", "is not a file"),
    "mongodb path": (["list", "-b", "mongodb://h/a/b"], 2, "usage", "no valid database"),
    "bad duration": (["list", "--expires-within", "soon", "-b", GONE], 2, "usage", "soon"),
    "bad size": (["list", "--larger-than", "big", "-b", GONE], 2, "usage", "big"),
    "bad timeout": (["list", "--timeout", "fast", "-b", GONE], 2, "usage", "fast"),
    "bad number": (["list", "--limit", "many", "-b", GONE], 2, "usage", "many"),
    "negative number": (["list", "--limit", "-1", "-b", GONE], 2, "usage", "-1"),
    "bad flag": (["list", "--nope", "-b", GONE], 2, "usage", "no such option: --nope"),
    "bad colour": (["list", "--color", "pink", "-b", GONE], 2, "usage", "pink"),
    "no such command": (["lst"], 2, "usage", "no such command 'lst'"),
    "no such child": (["config", "shw"], 2, "usage", "no such command 'config shw'"),
    "one too many": (["purge", "--expired", "now", "-b", GONE], 2, "usage", "unexpected extra"),
    "no backend": (["list"], 2, "config.invalid", "no backend is configured"),
    "unknown backend": (["list", "-b", "prod"], 2, "config.invalid", "no backend 'prod'"),
    "two backends": (["purge", "--all", "-b", GONE, "-b", GONE], 2, "usage", "one backend"),
    "no folder": (["list", "-b", GONE, "--out-file", "no/x"], 2, "usage", "cannot write no/x"),
    "no secret file": (
        ["verify", "s%3Aa.b", "--secret-from", "file:no-key"],
        2,
        "usage",
        "cannot read the secret file no-key",
    ),
    "no variable": (
        ["verify", "s%3Aa.b", "--secret-from", "env:NOPE"],
        2,
        "usage",
        "no variable 'NOPE'",
    ),
    "not a cookie": (["decode", "nonsense"], 7, "cookie.unreadable", "not a cookie"),
    "not a journal": (["restore", "/dev/null", "-b", GONE], 6, "journal.failed", "/dev/null"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_one_error_with_a_hint_and_the_right_code(cli: Cli, kind: str) -> None:
    words, code, _, message = WRONG[kind]
    result = cli(*words)
    assert message in only_error(result)
    assert result.code == code


@pytest.mark.parametrize("kind", WRONG)
def test_with_json_the_error_is_one_line(cli: Cli, kind: str) -> None:
    words, code, name, message = WRONG[kind]
    error = json_error(cli(*words, "-o", "json"))
    assert (error["code"], error["exit"]) == (name, code)
    assert message in error["message"]


def test_the_place_of_an_error_is_named(cli: Cli) -> None:
    cli.config(f'[backends.prod]\nurl = "{GONE}"\n')
    result = cli("list", "-b", "prod")
    assert "\n  backend: prod (project file)\n" in result.stderr
    assert (result.stdout, result.code) == ("", 3)


def test_the_place_of_an_error_is_in_the_json(cli: Cli) -> None:
    cli.config(f'[backends.prod]\nurl = "{GONE}"\n')
    result = cli("list", "-b", "prod", "-o", "jsonl")
    assert json_error(result)["backend"] == "prod (project file)"


def test_a_wrong_password_is_denied_access(cli: Cli, locked_server: RedisServer) -> None:
    result = cli("list", "-b", locked_server.url_for(None, "wrong-password-1"))
    lines = result.stderr.splitlines(keepends=True)
    assert lines[0].startswith("warning: a password in -b shows in the process list")
    denied = Result(b"", "".join(lines[1:]).encode(), result.code)
    assert "redis" in only_error(denied)
    assert (result.stdout, result.code) == ("", 3)


@pytest.mark.parametrize("url", ["none", "empty"])
def test_a_missing_password_is_denied_access(
    cli: Cli, locked_server: RedisServer, url: str
) -> None:
    at = "" if url == "none" else ":@"
    result = cli("list", "-b", f"redis://{at}127.0.0.1:{locked_server.port}/0")
    only_error(result)
    assert result.code == 3


def test_a_right_that_is_missing_is_denied_before_anything_is_changed(
    cli: Cli, locked_server: RedisServer
) -> None:
    locked_server.cli("SET", f"sess:{ANA}", stored(1).decode(), "EX", "3600")
    url = locked_server.url_for("reader", "reader-pw-77")
    assert cli("list", "-b", url, "-o", "name").stdout == f"{ANA}\n"
    named = with_layout(url, "connect-redis")
    result = cli("expire", ANA, "--yes", env={"SESSCTL_BACKEND": named})
    assert locked_server.cli("EXISTS", f"sess:{ANA}") == "1"
    assert (f"{ANA}\tfailed\t" in result.stdout, result.code) == (True, 5)
    assert "Traceback" not in result.stderr


def test_what_is_not_a_database_is_said(cli: Cli) -> None:
    (cli.home / "notes.db").write_text("This is not a database, it is a note.\n" * 50)
    result = cli("list", "-b", "sqlite:///notes.db")
    assert "is not a SQLite database" in only_error(result)
    assert result.code == 3


def test_a_table_that_is_not_there_is_said_with_those_that_are(
    cli: Cli, shop: SqliteEngine
) -> None:
    shop.client.execute("ALTER TABLE sessions RENAME TO web")
    result = cli("list", "-b", shop.url)
    assert "no table 'sessions'" in only_error(result)
    assert ("it has web" in result.stderr, result.code) == (True, 3)


def test_a_column_that_is_not_there_is_said_with_those_that_are(
    cli: Cli, shop: SqliteEngine
) -> None:
    shop.client.execute("ALTER TABLE sessions RENAME COLUMN expired TO until")
    result = cli("list", "-b", shop.url)
    assert "has no column 'expired'" in only_error(result)
    assert ("sid, until, sess" in result.stderr, result.code) == (True, 3)


def test_a_locked_file_is_said(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, OLD, left_ms=-HOUR_MS)
    shop.client.execute("BEGIN EXCLUSIVE")
    result = cli("list", "-b", shop.url)
    shop.client.execute("ROLLBACK")
    assert "is locked by another process" in only_error(result)
    assert result.code == 3


def test_a_delete_that_fails_is_counted_and_partial(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, OLD, left_ms=-HOUR_MS)
    shop.client.execute("BEGIN IMMEDIATE")  # readers pass, writers wait and give up
    result = cli("purge", "--expired", "-b", shop.url, "-o", "jsonl")
    shop.client.execute("ROLLBACK")
    assert result.json_lines()[0]["outcome"] == "failed"
    assert "locked" in result.json_lines()[0]["reason"]
    assert (len(shop.everything()), result.code) == (1, 5)
    assert "Ended 0 sessions (1 failed)." in result.stderr


def test_a_key_of_another_type_is_no_session_and_not_deleted(cli: Cli, cache: RedisEngine) -> None:
    cache.client.hset("sess:" + ANA, "data", "{}")
    result = cli("expire", ANA, "-b", cache.url, "--yes")
    assert cache.client.exists("sess:" + ANA) == 1
    assert "no session" in result.stderr
    assert (result.stdout, result.code) == ("", 1)


def test_a_damaged_value_can_be_ended_and_brought_back(cli: Cli, store: Engine) -> None:
    store.save(ANA.encode(), b"\xff\x00not json", now_ms() + HOUR_MS)
    before = store.everything()
    ended = cli("expire", ANA, "-b", store.url, "--yes")
    assert (store.everything(), ended.code) == ({}, 0)
    assert "Ended 1 session." in ended.stderr
    cli("restore", "--last", "-b", store.url, "--yes")
    assert store.everything() == before


# -- ids that look like options --------------------------------------------------------------------

DASHED = "-KilDHtAm5kR5J-gZwrEH1uYPOOucMrZ"


@pytest.mark.parametrize("letter", ["K", "b", "o", "n", "q", "v", "-"])
@pytest.mark.parametrize("command", ["show", "expire"])
def test_an_id_that_begins_with_a_dash_gets_the_hint(
    cli: Cli, shop: SqliteEngine, command: str, letter: str
) -> None:
    save(shop, f"-{letter}" + DASHED[2:])
    url = {"SESSCTL_BACKEND": shop.url}
    result = cli(command, f"-{letter}" + DASHED[2:], env=url)
    assert len(shop.everything()) == 1
    assert result.code == 2
    only_error(result)
    assert "starts with a dash goes after --: sessctl" in result.stderr


@pytest.mark.parametrize("command", [["show"], ["expire", "--yes"]])
def test_after_two_dashes_it_is_an_id(cli: Cli, shop: SqliteEngine, command: list[str]) -> None:
    save(shop, DASHED)
    result = cli(*command, "-b", shop.url, "--", DASHED)
    assert (DASHED in result.stdout, result.code) == (True, 0)
    assert "error" not in result.stderr


def test_a_whole_id_in_the_wrong_place_is_not_repeated(cli: Cli) -> None:
    result = cli("list", ANA)
    assert ANA not in only_error(result)
    assert result.code == 2


# -- closed pipes and full disks -------------------------------------------------------------------


def run_shell(home: Path, script: str, **variables: str) -> Result:
    """A shell pipeline; `$S` is the command."""
    command = " ".join([*COMMAND])
    done = subprocess.run(
        ["bash", "-c", script],
        env=clean_environment(home, {"S": command, **variables}),
        cwd=home,
        capture_output=True,
        timeout=60,
    )
    return Result(done.stdout, done.stderr, done.returncode)


@pytest.mark.parametrize("output", ["jsonl", "tsv", "json", "name"])
def test_a_listing_whose_reader_goes_away_ends_quietly(
    home: Path, shop: SqliteEngine, output: str
) -> None:
    fill(shop, "a", 3000)
    script = f'set -o pipefail; $S list -b "$URL" -o {output} | head -1 >/dev/null'
    result = run_shell(home, script, URL=shop.url)
    assert (result.stdout, result.stderr, result.code) == ("", "", 0)


def test_a_tour_whose_reader_goes_away_ends_quietly(home: Path) -> None:
    result = run_shell(home, "set -o pipefail; $S demo -q | head -1")
    assert (result.stdout.startswith("A small web shop"), result.code) == (True, 0)
    assert "error" not in result.stderr


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def test_a_purge_whose_reader_is_gone_finishes_its_page(home: Path, shop: SqliteEngine) -> None:
    fill(shop, "o", 7000, left_ms=-HOUR_MS)  # more outcomes than the output's buffer holds
    fill(shop, "live", 1)
    writer = closed_pipe()
    done = subprocess.run(
        [*COMMAND, "purge", "--expired", "-b", shop.url, "-o", "jsonl"],
        env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
        stdout=writer, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(writer)
    left = len(shop.everything()) - 1
    assert done.returncode == 141
    assert 0 < left < 7000
    assert left % 500 == 0
    assert f"Ended {7000 - left:,} sessions." in done.stderr.decode()
    assert "to go on: sessctl purge --resume " in done.stderr.decode()
    assert_true_journal(home, ended=7000 - left, complete=False)


def test_a_small_purge_whose_reader_is_gone_says_what_it_did(
    home: Path, shop: SqliteEngine
) -> None:
    fill(shop, "o", 3, left_ms=-HOUR_MS)
    writer = closed_pipe()
    done = subprocess.run(
        [*COMMAND, "purge", "--expired", "-b", shop.url],
        env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
        stdout=writer, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert (shop.everything(), done.returncode) == ({}, 141)
    assert "Ended 3 sessions." in done.stderr.decode()


def test_a_full_disk_is_one_error(home: Path, shop: SqliteEngine) -> None:
    save(shop, ANA)
    result = run_shell(home, '$S list -b "$URL" >/dev/full', URL=shop.url)
    assert only_error(result) == "cannot write the output (no space left on device)"
    assert result.code == 6


@pytest.mark.parametrize("words", ["--version", "--help", "list --help", "help exit-codes"])
def test_a_full_disk_is_never_a_traceback(home: Path, words: str) -> None:
    result = run_shell(home, f"$S {words} >/dev/full")
    assert ("Traceback" in result.stderr, result.code) == (False, 6)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_no_bug(home: Path, shop: SqliteEngine, closed: str) -> None:
    save(shop, OLD, left_ms=-HOUR_MS)
    before = shop.path.read_bytes()
    result = run_shell(home, f'$S list -b "$URL" {closed}', URL=shop.url)
    assert (shop.path.read_bytes(), result.stderr, result.code) == (before, "", 0)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "--out-file is empty"),
        (".", "is a directory"),
        ("/", "is a directory"),
        ("config", "is a directory"),
        ("x" * 300, "file name too long"),
    ],
)
def test_an_out_file_that_cannot_be_one_is_wrong_use(cli: Cli, path: str, message: str) -> None:
    (cli.home / "config").mkdir()
    result = cli("decode", "s:abc.def", "--out-file", path)
    assert message in only_error(result)
    assert "hint: --out-file" in result.stderr
    assert (result.stdout, result.code, os.listdir(cli.home)) == ("", 2, ["config"])


def test_an_out_file_is_there_whole_or_not_at_all(home: Path) -> None:
    result = run_shell(home, f"$S list -b {GONE} --out-file out.json; code=$?; ls -A; exit $code")
    assert (result.stdout.split(), result.code) == ([], 3)
    assert "cannot reach redis" in result.stderr


# -- signals ---------------------------------------------------------------------------------------


def assert_true_journal(home: Path, *, ended: int, complete: bool) -> None:
    """The journal holds what was ended, says so, and knows whether the run came to its end."""
    result = Cli(home)("journal", "list", "-o", "jsonl")
    (item,) = result.json_lines()
    assert (item["sessions"] >= ended, item["complete"], item["problem"]) == (
        True, complete, None,
    )  # fmt: skip


@pytest.fixture
def interrupted(store: Engine, home: Path) -> Any:
    """Stop a purge between the journal and the delete of its first page, signal it, let it go."""

    def run(*signals: int) -> Result:
        left_ms = -HOUR_MS if store.name == "sqlite" else HOUR_MS
        fill(store, "o", 1200, left_ms=left_ms)
        hold(store)
        words = ["--all", "--max-delete", "5000", "--yes"]
        process = subprocess.Popen(
            [*COMMAND, "purge", *words, "-b", store.url],
            env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        wait_for_journal(home)
        for number in signals:
            process.send_signal(number)
        release(store)
        out, err = process.communicate(timeout=60)
        return Result(out, err, process.returncode)

    return run


def hold(store: Engine) -> None:
    """Readers pass, writers wait."""
    if store.name == "sqlite":
        store.client.execute("BEGIN IMMEDIATE")
    else:
        store.client.execute_command("CLIENT", "PAUSE", 60_000, "WRITE")


def release(store: Engine) -> None:
    if store.name == "sqlite":
        store.client.execute("ROLLBACK")
    else:
        store.client.execute_command("CLIENT", "UNPAUSE")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_page_and_says_how_to_go_on(
    interrupted: Any, store: Engine, home: Path, number: int, code: int
) -> None:
    result = interrupted(number)
    left = len(store.everything())
    assert result.code == code
    assert left == 700
    assert result.counts == {"deleted": 500}
    assert "stopping after this page; once more stops now\n" in result.stderr
    assert "Ended 500 sessions. Undo: sessctl restore --last" in result.stderr
    assert "stopped: interrupted; to go on: sessctl purge --resume " in result.stderr
    assert_true_journal(home, ended=500, complete=False)


def test_the_same_command_again_ends_the_rest(
    interrupted: Any, store: Engine, sessctl: Any
) -> None:
    interrupted(signal.SIGINT)
    result = sessctl("purge", "--all", "--max-delete", "5000", "--yes", "-b", store.url)
    assert (store.everything(), result.counts, result.code) == ({}, {"deleted": 700}, 0)
    assert "Ended 700 sessions." in result.stderr


def test_an_interrupted_run_can_be_undone(interrupted: Any, store: Engine, sessctl: Any) -> None:
    interrupted(signal.SIGINT)
    words = ["--last", "--lapsed"] if store.name == "sqlite" else ["--last"]
    result = sessctl(
        *("restore", *words, "-b", store.url),
        *("--confirm", "shop.db" if store.name == "sqlite" else "127.0.0.1/0"),
    )
    assert len(store.everything()) == 1200
    assert (result.counts, result.code) == ({"restored": 500}, 0)
    assert "Restored 500 sessions." in result.stderr


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        yield listener


def redis_at(listener: socket.socket) -> str:
    return f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def test_an_interrupted_listing_ends_quietly(home: Path, silent: socket.socket) -> None:
    process = subprocess.Popen(
        [*COMMAND, "list", "-b", redis_at(silent), "--timeout", "60s"],
        env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    connection, _ = silent.accept()
    with connection:
        assert connection.recv(1)  # it has greeted, and waits for the answer
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (out, err, process.returncode) == (b"", b"", 130)


@pytest.mark.parametrize("words", [("list",), ("__complete", "bash", "+s", "sessctl s")])
def test_an_interruption_of_the_start_is_quiet_too(
    home: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """Ctrl-C while modules are still being imported: one of them presses it."""
    first = "typer" if words == ("list",) else "json"
    press = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / f"{first}.py").write_text(press)
    result = subprocess.run(
        [*COMMAND, *words], capture_output=True, cwd=home, check=False,
        env=clean_environment(home, {"PYTHONPATH": str(tmp_path)}),
    )  # fmt: skip
    assert (result.stdout, result.stderr, result.returncode) == (b"", b"", 130)


def test_a_server_that_does_not_answer_times_out(cli: Cli, silent: socket.socket) -> None:
    result = cli("list", "-b", redis_at(silent), "--timeout", "100ms")
    only_error(result)
    assert result.code == 3


# -- our own bugs ----------------------------------------------------------------------------------

CANARY = "CANARY-4e1f-hunter2"


@pytest.fixture
def buggy(tmp_path: Path) -> dict[str, str]:
    """An environment with a third-party engine that breaks in a way nobody foresaw."""
    folder = tmp_path / "plugin"
    info = folder / "boom-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: boom\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sessctl.engines]\nboom = boom:Engine\n")
    (folder / "boom.py").write_text(
        "class Engine:\n"
        "    kind = 'redis'\n"
        "    @classmethod\n"
        "    def open(cls, url, layout, access):\n"
        "        password = url.password.reveal_text()\n"
        "        raise RuntimeError(f'lost my mind over {password}')\n"
    )
    return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, sys.path)])}


@pytest.fixture
def buggy_config(home: Path) -> None:
    text = f'[backends.x]\nurl = "boom://u:{CANARY}@h/0"\nlayout = "connect-redis"\n'
    (home / "sessctl.toml").write_text(text)
    (home / "sessctl.toml").chmod(0o600)


@pytest.mark.usefixtures("buggy_config")
def test_an_internal_error_is_70_with_a_report(
    sessctl: Any, home: Path, buggy: dict[str, str]
) -> None:
    result = sessctl("list", env=buggy)
    (report,) = (home / "state" / "sessctl" / "reports").iterdir()
    assert only_error(result) == "internal error: RuntimeError"
    assert str(report) in result.stderr
    assert result.code == 70


@pytest.mark.usefixtures("buggy_config")
def test_the_report_has_the_traceback_and_no_secret(
    sessctl: Any, home: Path, buggy: dict[str, str]
) -> None:
    sessctl("list", env=buggy)
    (report,) = (home / "state" / "sessctl" / "reports").iterdir()
    # The line of code is there, the text that it makes is not.
    assert "raise RuntimeError(f'lost my mind over {password}')\n" in report.read_text()
    assert "RuntimeError: lost" not in report.read_text()
    assert CANARY not in report.read_text()
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_report_tells_no_data_of_the_error_or_of_those_before_it(cli: Cli) -> None:
    data = "ana@shop.test"

    def stumble(data: str) -> None:
        try:
            raise KeyError(data)
        except KeyError as exc:
            try:
                raise LookupError(data)
            except LookupError:
                raise RuntimeError(data) from exc

    err = io.BytesIO()
    run = Run(Streams(io.BytesIO(), io.BytesIO(), err, clean_environment(cli.home)))
    with pytest.raises(RuntimeError) as caught:
        stumble(data)
    words = ["-b", "redis://u:hunter2@h/0", "decode", "s%3Aabc"]
    assert report_bug(caught.value, run, words) == 70
    (path,) = (cli.home / "state" / "sessctl" / "reports").iterdir()
    text = path.read_text()
    assert "command decode\n" in text
    assert [text.count(f"{name}\n") for name in ("KeyError", "RuntimeError")] == [1, 1]
    assert text.count(", in stumble\n") == 2
    assert "raise RuntimeError(data) from exc" in text
    for word in (data, "hunter2", "s%3Aabc"):
        assert word not in text + err.getvalue().decode()


@pytest.mark.usefixtures("buggy_config")
def test_traceback_shows_it_without_secrets(sessctl: Any, buggy: dict[str, str]) -> None:
    result = sessctl("list", "--traceback", env=buggy)
    assert "Traceback (most recent call last)" in result.stderr
    assert CANARY not in result.stderr
    assert (result.stdout, result.code) == ("", 70)


@pytest.mark.usefixtures("buggy_config")
def test_an_internal_error_in_json_is_one_line(sessctl: Any, buggy: dict[str, str]) -> None:
    result = sessctl("list", "-o", "json", env=buggy)
    error = json_error(result)
    assert (error["code"], error["exit"], result.code) == ("internal", 70, 70)


def test_a_plug_in_that_does_not_load_is_named(
    sessctl: Any, tmp_path: Path, buggy: dict[str, str]
) -> None:
    (tmp_path / "plugin" / "boom.py").write_text("import no_such_module\n")
    result = sessctl("list", "-b", "boom://h/0", env=buggy)
    assert "the plug-in 'boom' (boom 1.0) failed to load" in only_error(result)
    assert result.code == 2


# -- the journal -----------------------------------------------------------------------------------


def test_a_journal_that_cannot_be_written_stops_the_run_before_it_deletes(
    cli: Cli, store: Engine
) -> None:
    save(store, ANA)
    (cli.home / "state").write_text("a file where the folder should be")
    result = cli("expire", ANA, "-b", store.url, "--yes", "-q")
    assert len(store.everything()) == 1
    assert result.code == 6
    assert "cannot write the journal" in result.stderr


def test_a_journal_folder_that_others_may_write_is_refused(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, ANA)
    place = cli.home / "undo"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    cli.user_config(f'[backends.w]\nurl = "{shop.url}"\n[journal]\ndirectory = "{place}"\n')
    result = cli("expire", ANA, "--yes", "-q")
    assert (len(shop.everything()), result.code) == (1, 6)
    assert f"chmod 700 {place}" in result.stderr


def test_nothing_is_lost_when_the_server_dies(cli: Cli) -> None:
    with RedisServer() as server:
        server.cli("SET", f"sess:{ANA}", stored(1, left_ms=DAY_MS).decode(), "EX", "3600")
        url = server.url
    result = cli("expire", ANA, "-b", url, "--yes")
    assert "cannot reach redis" in only_error(result)
    assert (cli.journals(), result.code) == ([], 3)
