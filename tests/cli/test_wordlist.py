"""`verify --wordlist` and `--export hashcat`: a gate for CI that gives no secret away."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie
from tests.support.cli import TERMINAL, Cli, sid
from tests.support.run import COMMAND, clean_environment

if TYPE_CHECKING:
    from tests.support.run import Result

CANARY = "CANARY-hunter2-9f3e"
COOKIE = sign_cookie(sid("a"), CANARY)[0].value
STRONG = sign_cookie(sid("a"), os.urandom(32))[0].value
KEYS = ["format", "found", "line", "wordlist", "tried", "complete", "jobs", "elapsed_s", "notes"]


@pytest.fixture
def words(cli: Cli) -> Path:
    """A list whose third line is the secret."""
    path = cli.home / "words.txt"
    path.write_text(f"123456\nletmein\n{CANARY}\nqwerty\n")
    return path


def assert_hidden(cli: Cli, *results: Result) -> None:
    for result in results:
        assert "hunter2" not in result.stdout + result.stderr
    written = [path for path in (cli.home / "state").rglob("*") if path.is_file()]
    assert [path for path in written if "hunter2" in path.read_text(errors="replace")] == []


# -- the answer ------------------------------------------------------------------------------------


def test_a_secret_of_the_list_is_named_by_its_line(cli: Cli, words: Path) -> None:
    found = cli("verify", COOKIE, "--wordlist", words)
    item = json.loads(found.stdout)
    assert list(item) == KEYS
    assert (item["found"], item["line"], item["tried"], found.code) == (True, 3, 3, 1)
    assert (item["format"], item["wordlist"]) == ("express-session", str(words))
    assert_hidden(cli, found)


def test_a_secret_that_is_in_no_list_passes(cli: Cli, words: Path) -> None:
    found = cli("verify", STRONG, "--wordlist", words)
    item = json.loads(found.stdout)
    assert (item["found"], item["line"], item["complete"], found.code) == (False, None, True, 0)


@pytest.mark.parametrize("output", ["table", "wide", "json", "jsonl", "csv", "tsv"])
@pytest.mark.parametrize("flags", [[], ["-vv", "--traceback"], ["--redact"], ["--no-color"]])
def test_the_secret_is_in_no_output(cli: Cli, words: Path, output: str, flags: list[str]) -> None:
    for terminals in (TERMINAL, (False, False, False)):
        found = cli("verify", COOKIE, "--wordlist", words, "-o", output, *flags,
                    terminals=terminals)  # fmt: skip
        assert (found.code, "3" in found.stdout) == (1, True)
        assert_hidden(cli, found)


def test_a_person_is_told_what_to_do(cli: Cli, words: Path) -> None:
    weak = cli("verify", f"connect.sid={COOKIE}", "--wordlist", words, terminals=TERMINAL)
    assert f"GUESSED: line 3 of {words} made this signature" in weak.stdout
    strong = cli("verify", STRONG, "--wordlist", words, terminals=TERMINAL)
    assert ("not in this list" in strong.stdout, strong.code) == (True, 0)


def test_fields_are_chosen(cli: Cli, words: Path) -> None:
    found = cli("verify", COOKIE, "--wordlist", words, "-o", "csv", "--fields", "line,found")
    assert list(csv.reader(io.StringIO(found.stdout))) == [["line", "found"], ["3", "true"]]
    wrong = cli("verify", COOKIE, "--wordlist", words, "-o", "csv", "--fields", "secret")
    assert (wrong.stdout, wrong.code) == ("", 2)


def test_the_list_may_come_from_a_pipe(cli: Cli, words: Path) -> None:
    found = cli("verify", COOKIE, "--wordlist", "-", stdin=words.read_bytes())
    assert (json.loads(found.stdout)["line"], found.code) == (3, 1)


def test_the_cookie_may_come_from_a_pipe(cli: Cli, words: Path) -> None:
    found = cli("verify", "--wordlist", words, stdin=f"Cookie: connect.sid={COOKIE}\n")
    assert (json.loads(found.stdout)["line"], found.code) == (3, 1)


def test_a_hostile_name_is_shown_as_text(cli: Cli, words: Path) -> None:
    path = cli.home / "\x1b[31mred\n"
    words.rename(path)
    for output in ("table", "json", "csv", "tsv"):
        found = cli("verify", COOKIE, "--wordlist", path, "-o", output)
        assert ("\x1b" in found.stdout, found.code) == (False, 1)


# -- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "stdin", "code", "message"),
    [
        ([COOKIE, "--wordlist", "none"], "", 2, "cannot read the list none"),
        ([COOKIE, "--wordlist", "/tmp"], "", 2, "cannot read the list /tmp (is a directory)"),
        ([COOKIE, "--wordlist="], "", 2, "--wordlist is empty"),
        ([COOKIE, "--jobs", "2"], "", 2, "--jobs is for many cookies"),
        ([COOKIE, "--wordlist", "words.txt", "--jobs", "0"], "", 2, "0"),
        ([COOKIE, "--wordlist", "words.txt", "--max-age", "1h"], "", 2, "does not depend on times"),
        ([COOKIE, "--wordlist", "words.txt", "-o", "name"], "", 2, "no output format 'name'"),
        ([COOKIE, "--wordlist", "words.txt", "--export", "hashcat"], "", 2, "one after the other"),
        ([COOKIE, "--export", "john"], "", 2, "no export 'john'"),
        ([COOKIE, "--export", "hashcat", "--redact"], "", 2, "which redaction hides"),
        (["-", "--wordlist", "-"], COOKIE, 2, "only one of the two"),
        (["--wordlist", "words.txt"], f"{COOKIE}\n{COOKIE}\n", 2, "one cookie at a time"),
        (["qak2xh7st6z7z59egq1dkr7ot7d295h4", "--wordlist", "words.txt"], "", 2,
         "opaque has no signature"),
        (["nonsense", "--wordlist", "words.txt"], "", 7, "not a cookie"),
        (["nonsense", "--export", "hashcat"], "", 7, "not a cookie"),
        (["s:abc.!", "--wordlist", "words.txt"], "", 7, "no secret made it"),
    ],
)  # fmt: skip
def test_what_is_refused(cli: Cli, words: Path, args, stdin: str, code: int, message: str) -> None:
    result = cli("verify", *args, stdin=stdin)
    assert (result.stdout, result.code) == ("", code)
    assert message in result.stderr


# -- a backend -------------------------------------------------------------------------------------


def backend(secret: str, **more: str) -> str:
    lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
    return f'[backends.x]\nurl = "redis://127.0.0.1:1/0"\nsecrets = ["{secret}"]\n{lines}'


def test_the_cookie_of_a_backend_is_read_as_its_settings_say(cli: Cli, words: Path) -> None:
    cookie = sign_cookie({"a": 1}, CANARY, "cookie-session", name="shop",
                         parameters={"digest": "sha512"})  # fmt: skip
    header = "; ".join(f"{one.name}={one.value}" for one in cookie)
    cli.config(backend("env:KEY", cookie_name="shop", digest="sha512"))
    found = cli("verify", f"Cookie: {header}", "-b", "x", "--wordlist", words, env={"KEY": CANARY})
    assert (json.loads(found.stdout)["line"], found.code) == (3, 1)
    assert_hidden(cli, found)


def test_a_cookie_of_another_secret_proves_nothing(cli: Cli, words: Path) -> None:
    """A gate must not open because somebody gave it the wrong cookie."""
    cli.config(backend("env:KEY"))
    for args, env in ((["-b", "x"], {"KEY": "another"}), (["--secret", "another"], {})):
        found = cli("verify", STRONG, *args, "--wordlist", words, env=env)
        assert (found.stdout, found.code) == ("", 2)
        assert "none of the secrets at hand made this cookie" in found.stderr


def test_secrets_that_are_not_at_hand_are_not_needed(cli: Cli, words: Path) -> None:
    cli.config(backend("env:KEY"))
    found = cli("verify", COOKIE, "-b", "x", "--wordlist", words)
    item = json.loads(found.stdout)
    assert (item["line"], found.code) == (3, 1)
    assert item["notes"] == [
        "not compared with the secrets of the backend: the environment has no variable 'KEY'"
    ]


# -- jobs ------------------------------------------------------------------------------------------


def test_the_secret_is_not_in_the_arguments_of_a_process(tmp_path: Path, words: Path) -> None:
    """And Ctrl-C ends all of them at once."""
    with subprocess.Popen(
        [*COMMAND, "verify", COOKIE, "--wordlist", "/dev/zero", "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env=clean_environment(tmp_path), cwd=tmp_path,
    ) as process:  # fmt: skip
        try:
            workers = wait_for_children(process.pid, 2)
            for pid in workers:
                assert COOKIE.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()  # an endless list has no other end
    item = json.loads(out)
    assert (item["complete"], item["found"], process.returncode) == (False, False, 130)
    assert b"Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def wait_for_children(pid: int, count: int) -> list[str]:
    path, deadline = Path(f"/proc/{pid}/task/{pid}/children"), time.monotonic() + 60
    while time.monotonic() < deadline:
        found = path.read_text().split()
        if len(found) == count and all(
            # Before its exec a child has its parent's arguments.
            b"sessctl.cookies.wordlist" in Path(f"/proc/{one}/cmdline").read_bytes()
            for one in found
        ):
            return found
        time.sleep(0.02)
    msg = f"no {count} children"
    raise TimeoutError(msg)


def test_a_slow_format_says_what_to_expect(cli: Cli, words: Path) -> None:
    cookie = sign_cookie({"a": 1}, "a-secret-of-32-characters-or-more", "fastify-secure-session")
    found = cli("verify", cookie[0].header, "--wordlist", words)
    assert found.code == 0
    assert "fastify-secure-session makes its key slowly: about " in found.stderr
    assert " an hour with " in found.stderr


# -- hashcat ---------------------------------------------------------------------------------------


def test_the_line_and_nothing_else_is_the_answer(cli: Cli) -> None:
    found = cli("verify", COOKIE, "--export", "hashcat")
    assert found.stdout.count("\n") == 1
    assert found.stdout.endswith(f":{sid('a')}\n")
    assert (
        "hashcat mode 1450; with this line in hash.txt: "
        "hashcat -m 1450 -a 0 hash.txt WORDLIST" in found.stderr
    )
    assert found.code == 0


def test_an_export_fetches_no_secret(cli: Cli) -> None:
    cli.config(backend("env:NOT-SET"))
    assert cli("verify", COOKIE, "-b", "x", "--export", "hashcat").code == 0
    assert cli("verify", COOKIE, "--secret-from", "env:NO", "--export", "hashcat").code == 0


def test_a_program_gets_the_mode_too(cli: Cli) -> None:
    token = sign_cookie({"sub": "7"}, CANARY, "jwt")[0].value
    item = json.loads(cli("verify", token, "--export", "hashcat", "-o", "jsonl").stdout)
    assert item == {
        "format": "jwt", "mode": 16500, "hash": token,
        "command": "hashcat -m 16500 -a 0 hash.txt WORDLIST",
    }  # fmt: skip


def test_a_format_without_a_mode_is_refused(cli: Cli) -> None:
    cookie = sign_cookie({"a": 1}, "a-secret-of-32-characters-or-more", "iron-session")[0]
    found = cli("verify", cookie.header, "--export", "hashcat")
    assert (found.stdout, found.code) == ("", 2)
    assert "hashcat has no mode for iron-session" in found.stderr
    assert "--wordlist" in found.stderr


# -- rotation --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["verify", "decode"])
def test_an_older_secret_is_shown_as_one(cli: Cli, command: str) -> None:
    env = {"NEW": "a-newer-secret", "OLD": CANARY}
    args = [command, COOKIE, "--secret-from", "env:NEW", "--secret-from", "env:OLD"]
    item = json.loads(cli(*args, env=env).stdout)
    assert (item["secret"], item["verdict"]) == ("env:OLD", "valid")
    assert any("signed with env:OLD, not the newest secret" in note for note in item["notes"])
    shown = cli(*args, env=env, terminals=TERMINAL)
    assert "valid, signed with env:OLD" in shown.stdout
    assert "not the newest secret" in shown.stdout
    assert_hidden(cli, shown)


def test_a_batch_says_of_each_cookie_whether_its_secret_is_old(cli: Cli) -> None:
    new = sign_cookie(sid("b"), "a-newer-secret")[0].value
    found = cli("verify", "--secret", "a-newer-secret", "--secret", CANARY,
                stdin="\n".join([COOKIE, new, COOKIE, new]) + "\n")  # fmt: skip
    items = [json.loads(line) for line in found.stdout.splitlines()]
    assert [item["secret"] for item in items] == ["--secret[1]", "--secret[0]"] * 2
    assert [len(item["notes"]) for item in items] == [1, 0, 1, 0]
