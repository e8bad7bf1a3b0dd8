"""`decode` and `verify` of many cookies: every form of input, and any number of processes.

What comes out is the same whatever the number; a process that is killed loses no line in silence.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessctl import sign_cookie
from sessctl.cli.items import COOKIE_KEYS
from tests.support.cli import TERMINAL, save, sid
from tests.support.run import COMMAND, clean_environment

if TYPE_CHECKING:
    from tests.support.cli import Cli
    from tests.support.engines import SqliteEngine
    from tests.support.run import Result

SECRET = "tortoise-and-hare-81"
VERIFY = ["verify", "--secret-from", "env:KEY"]
ENV = {"KEY": SECRET}


def cookie(number: int, secret: str = SECRET) -> str:
    return sign_cookie(sid("a", number), secret)[0].value


def recording(*headers: tuple[str, str]) -> str:
    entries = [
        {message: {"headers": [{"name": "Set-Cookie" if message == "response" else "Cookie",
                                "value": value}]}}
        for message, value in headers
    ]  # fmt: skip
    return json.dumps({"log": {"entries": entries}})


INPUTS = {
    "lines": f"connect.sid={cookie(1)}\nSet-Cookie: connect.sid={cookie(2)}; Path=/\n",
    "jsonl": "".join(
        json.dumps({"name": "connect.sid", "value": cookie(number)}) + "\n" for number in (1, 2)
    ),
    "har": recording(
        ("request", f"theme=dark; connect.sid={cookie(1)}"),
        ("response", f"connect.sid={cookie(2)}; Path=/; HttpOnly"),
    ),
    "cookies-txt": "".join(
        f"#HttpOnly_{host}.example\tFALSE\t/\tTRUE\t0\tconnect.sid\t{cookie(number)}\n"
        for number, host in ((1, "a"), (2, "b"))
    ),
}
PLACES = {
    **{name: [1, 2] for name in INPUTS},
    "har": [{"entry": 0, "message": "request"}, {"entry": 1, "message": "response"}],
}


@pytest.mark.parametrize("form", INPUTS)
@pytest.mark.parametrize("command", [["decode"], VERIFY], ids=["decode", "verify"])
def test_every_form_of_input_is_read_with_its_positions(
    cli: Cli, command: list[str], form: str
) -> None:
    (cli.home / "cookies").write_text(INPUTS[form])
    piped = cli(*command, stdin=INPUTS[form], env=ENV)
    named = cli(*command, "-f", "cookies", "--input-format", form, env=ENV)
    assert piped == named
    items = piped.json_lines()
    assert [item["input"] for item in items] == PLACES[form]
    assert [(item["name"], item["sid"]) for item in items] == [
        ("connect.sid", sid("a", 1)), ("connect.sid", sid("a", 2)),
    ]  # fmt: skip
    assert [list(item) for item in items] == [list(COOKIE_KEYS)] * 2
    assert (piped.stderr, piped.code) == ("", 0)


@pytest.mark.parametrize("form", INPUTS)
def test_every_format_of_output_has_every_cookie(cli: Cli, form: str) -> None:
    for output in ("json", "csv", "tsv", "name", "table", "wide"):
        result = cli("decode", "-o", output, "--show-ids", stdin=INPUTS[form])
        assert (result.stdout.count(sid("a", 1)), result.code) == (1, 0), result.stdout
        assert result.stdout.count(sid("a", 2)) == 1


@pytest.mark.parametrize(("form", "words"), [("lines", "line 2"), ("har", "entry 1, response")])
def test_people_see_where_a_cookie_stood(cli: Cli, form: str, words: str) -> None:
    seen = (False, True, True)
    result = cli("decode", "-", "--no-color", stdin=INPUTS[form], terminals=seen)
    assert f"cookie connect.sid  {words}\n" in result.stdout
    assert sid("a", 1) not in result.stdout


def test_what_sign_writes_is_read_again(cli: Cli) -> None:
    signed = cli("sign", '{"user":42}', "--format", "cookie-session", "-o", "jsonl",
                 "--secret-from", "env:KEY", env=ENV)  # fmt: skip
    first, second = cli("decode", stdin=signed.stdout).json_lines()
    assert (first["name"], first["payload"], first["input"]) == ("session", {"user": 42}, 1)
    assert (second["name"], second["input"]) == ("session.sig", 2)
    jar = cli("sign", sid("a"), "-o", "cookies-txt", "--secret-from", "env:KEY", env=ENV)
    assert cli(*VERIFY, stdin=jar.stdout, env=ENV).json_lines()[0]["verdict"] == "valid"


def test_some_that_cannot_be_read_are_5_and_all_are_7(cli: Cli) -> None:
    good = json.dumps({"cookie": cookie(1)})
    mixed = cli(*VERIFY, stdin=f'{good}\n{{"a":1}}\nnonsense\n', env=ENV)
    problems = [item["problem"] and item["problem"]["code"] for item in mixed.json_lines()]
    assert problems == [None, "input.unreadable", "input.unreadable"]
    assert mixed.stderr == "note: 2 of 3 lines could not be decoded\n"
    assert mixed.code == 5
    broken = recording(("request", "theme=dark"), ("response", "lang=de"))
    none = cli("decode", stdin=broken)
    assert [item["input"]["entry"] for item in none.json_lines()] == [0, 1]
    assert none.stderr == "note: 2 of 2 messages could not be decoded\n"
    assert none.code == 7
    some = cli("decode", stdin=recording(("request", f"connect.sid={cookie(1)}"))[:-2])
    assert [item["problem"] is None for item in some.json_lines()] == [True, False]
    assert some.code == 5


def test_with_a_name_only_what_has_that_cookie_counts(cli: Cli) -> None:
    har = recording(("request", "theme=dark"), ("request", f"connect.sid={cookie(1)}"))
    result = cli(*VERIFY, "--name", "connect.sid", stdin=har, env=ENV)
    assert ([item["input"]["entry"] for item in result.json_lines()], result.code) == ([1], 0)


@pytest.mark.parametrize(
    ("given", "stdin", "code", "message"),
    [
        ([cookie(1), "-f", "x"], "", 2, "a cookie and a file are both given"),
        (["-", "-f", "x"], "", 2, "a cookie and a file are both given"),
        (["-f", "none"], "", 2, "cannot read none (no such file or directory)"),
        (["-f", "."], "", 2, "cannot read . (is a directory)"),
        (["-f", ""], "", 2, "--file is empty"),
        ([cookie(1), "--jobs", "2"], "", 2, "--jobs is for many cookies"),
        ([cookie(1), "--input-format", "har"], "", 2, "--input-format is for many cookies"),
        (["--input-format", "xml"], "x", 2, "no input format 'xml'"),
        (["--jobs", "0"], "x", 2, "0"),
        (["--input-format", "har"], "x", 7, "not a HAR"),
        ([], recording(), 7, "there is no cookie in the input"),
        ([], "# Netscape HTTP Cookie File\n", 7, "there is no cookie in the input"),
    ],
)
@pytest.mark.parametrize("command", [["decode"], VERIFY], ids=["decode", "verify"])
def test_what_is_refused(
    cli: Cli, command: list[str], given: list[str], stdin: str, code: int, message: str
) -> None:
    result = cli(*command, *given, stdin=stdin, env=ENV)
    assert (message in result.stdout + result.stderr, result.code) == (True, code)
    assert "Traceback" not in result.stderr


HOSTILE = [
    json.dumps({"cookie": "connect.sid=\x1b]0;owned\x07\u202e\ud800"}),
    '{"cookie":"' + "A" * 70_000 + '"}',
    '{"cookie":"=1+1","x":' + "[" * 50_000,
    '{"name":"=cmd|\'/c calc\'!A1","value":"s:\u009b31m.x"}',
    "\x00\xff\x1b[2J",
]


@pytest.mark.parametrize("output", ["jsonl", "json", "csv", "tsv", "name", "table"])
def test_hostile_lines_reach_no_terminal(cli: Cli, output: str) -> None:
    """S20, S22, S23: each is an item, of a bounded size, escaped."""
    good = json.dumps({"cookie": cookie(1)})
    stdin = "\n".join([good, *HOSTILE, good]).encode("utf-8", "surrogatepass")
    seen = (False, output == "table", False)
    result = cli("decode", "-o", output, "--no-color", stdin=stdin, terminals=seen)
    text = result.stdout + result.stderr
    assert not set(text) & {"\x1b", "\x07", "\u202e", "\u009b", "\x00"}, result.stdout
    assert result.code == 5
    assert "\n=" not in result.stdout


# -- processes -------------------------------------------------------------------------------------


def many(count: int = 6_000) -> str:
    """Cookies of two formats, of another secret, damaged; in lines of every kind: 1 MiB."""
    lines = []
    token = sign_cookie({"sub": "é", "n": 1.5}, SECRET, "jwt")[0].value
    for number in range(count // 100):
        lines += [cookie(number), f"connect.sid={cookie(number)}", "", f"Cookie: x={token}", token]
        lines += [cookie(number, "of nobody"), cookie(number)[:-3], "nonsense", "\u202e", "  "]
    return "\n".join(lines * 10) + "\n"


@pytest.mark.parametrize(
    "more",
    [
        *(["-o", "json"], ["-o", "name"], ["-o", "csv", "--fields", "input,verdict,secret"]),
        ["-o", "tsv", "--redact"],
    ],
    ids=" ".join,
)
def test_the_output_is_the_same_with_any_number_of_processes(cli: Cli, more: list[str]) -> None:
    stdin = many()
    one, three = (cli(*VERIFY, *more, "--jobs", jobs, stdin=stdin, env=ENV) for jobs in "13")
    assert one.stdout_bytes == three.stdout_bytes
    assert (one.stderr, one.code) == (three.stderr, three.code) == (
        "note: 1240 of 4800 lines could not be decoded\n", 5,
    )  # fmt: skip
    assert one.stdout_bytes.count(b"\n") > 2_000


def test_json_lines_are_shared_too_and_masked(cli: Cli) -> None:
    cli.config('[redact]\nalways = true\nkeys = ["nickname"]\n')
    token = sign_cookie({"nickname": "ana", "n": 1}, SECRET, "jwt")[0].value
    stdin = "".join(json.dumps({"cookie": token, "n": n}) + "\n" for n in range(4_000))
    one, two = (cli("decode", "--jobs", jobs, stdin=stdin) for jobs in "12")
    assert one == two
    assert one.json_lines()[-1]["payload"]["nickname"] == "***"
    assert (len(one.json_lines()), one.code) == (4_000, 0)


def test_what_is_wrong_with_a_line_is_said_as_by_one_process(cli: Cli) -> None:
    stdin = f"{cookie(1)}\n" * 8_000
    asked = [*VERIFY, "--max-age", "1h"]
    one, two = (cli(*asked, "--jobs", jobs, stdin=stdin, env=ENV) for jobs in "12")
    assert (one, one.code) == (two, 2)
    assert "carries no time of its own" in two.stderr


def test_why_one_process_does_all_is_said(cli: Cli, shop: SqliteEngine) -> None:
    save(shop, sid("a", 1), 42)
    stdin = f"{cookie(1)}\n{cookie(1)}\n"
    looked = cli("decode", "--jobs", "2", "-b", shop.url, stdin=stdin)
    assert "note: one process does all: sessions are looked up" in looked.stderr
    assert [item["session"]["user"] for item in looked.json_lines()] == ["42", "42"]
    seen = cli(
        "decode", "-", "--jobs", "2", "--no-color", stdin=stdin, terminals=(False, True, True)
    )
    assert "note: one process does all: blocks are for people" in seen.stderr
    assert "no lines to share" in cli("decode", "--jobs", "2", stdin=INPUTS["har"]).stderr
    assert cli("decode", "--jobs", "1", stdin=INPUTS["har"]).stderr == ""


class Running:
    """`verify --jobs 2` of lines without end, and its processes."""

    def __init__(self, home: Path, *more: str) -> None:
        self.feeder = subprocess.Popen(["yes", cookie(1)], stdout=subprocess.PIPE)
        self.process = subprocess.Popen(
            [*COMMAND, *VERIFY, "--jobs", "2", *more],
            stdin=self.feeder.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True, env=clean_environment(home, ENV), cwd=home, bufsize=0,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.begun = self.process.stdout.read(100_000)  # they work
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        self.workers = [int(pid) for pid in children.read_text().split()]

    def end(self) -> Result:
        from tests.support.run import Result

        out, err = self.process.communicate(timeout=60)
        self.feeder.kill()
        self.feeder.wait()
        assert self.feeder.stdout is not None
        self.feeder.stdout.close()
        return Result(self.begun + (out or b""), err, self.process.returncode)

    def are_gone(self) -> bool:
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in self.workers):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def test_ctrl_c_ends_all_processes_and_no_secret_is_in_sight(home: Path) -> None:
    running = Running(home)
    assert len(running.workers) == 2
    for pid in running.workers:
        assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        # KEY is the user's own variable, which children inherit; nothing is added to it.
        assert Path(f"/proc/{pid}/environ").read_bytes().count(SECRET.encode()) <= 1
    os.killpg(running.process.pid, signal.SIGINT)  # as a terminal does
    result = running.end()
    assert (result.code, b"Traceback" in result.stderr_bytes) == (130, False)
    assert running.are_gone()


def test_a_process_that_is_killed_is_an_error_and_no_line_before_is_lost(home: Path) -> None:
    running = Running(home)
    os.kill(running.workers[1], signal.SIGKILL)
    result = running.end()
    assert "a process that judged cookies has ended before its time" in result.stderr
    assert (result.code, "Traceback" in result.stderr) == (5, False)
    numbers = [item["input"] for item in result.json_lines()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert f"from line {len(numbers) + 1} on, not judged" in result.stderr
    assert running.are_gone()


def test_a_reader_that_goes_away_ends_all_processes(home: Path) -> None:
    running = Running(home)
    assert running.process.stdout is not None
    running.process.stdout.close()
    running.process.stdout = None
    assert running.end().code == 0
    assert running.are_gone()


def test_no_cookie_at_a_terminal_is_asked_for(cli: Cli) -> None:
    result = cli("decode", "--jobs", "2", terminals=TERMINAL)
    assert ("no cookie to read" in result.stderr, result.code) == (True, 2)


@pytest.mark.long
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_memory_does_not_grow_with_the_batch(home: Path, jobs: str) -> None:
    """S18: ten times the lines, in the process itself and in its workers."""
    peaks = []
    for count in (10_000, 100_000):
        path = home / "lines.txt"
        path.write_text(f"connect.sid={cookie(1)}\n" * count)
        peaks.append(_peaks(home, str(path), jobs))
    assert all(many < few + 5 for few, many in zip(*peaks, strict=True)), peaks


def _peaks(home: Path, path: str, jobs: str) -> list[float]:
    """MiB of the process and of the largest of its children."""
    script = (
        # Its own as tests/faults/footprint.py has it: getrusage counts the parent that forked it.
        "import resource, sys\n"
        "from sessctl.cli.app import main\n"
        "main(sys.argv[1:])\n"
        "lines = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(int(lines['VmHWM'].split()[0]) / 1024, file=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [COMMAND[0], "-c", script, "decode", "-f", path, "-o", "jsonl", "--jobs", jobs],
        env=clean_environment(home), cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        check=True,
    )  # fmt: skip
    return [float(line) for line in done.stderr.split()]
