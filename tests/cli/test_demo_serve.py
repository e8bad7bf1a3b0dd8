"""`sessctl demo --serve`: the shop opens, says what to try, and closes when it is told to."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessctl.cli.table import COMMANDS
from tests.support.express import Browser
from tests.support.run import COMMAND, clean_environment
from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cli import Cli


class Served:
    """A shop in a process of its own, and what it said before its first visitor."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.said = ""
        assert process.stdout is not None
        while "Ctrl-C closes it.\n" not in self.said:
            line = process.stdout.readline().decode()
            assert line, self.said
            self.said += line
        self.port = int(re.findall(r"http://127\.0\.0\.1:(\d+)\n", self.said)[0])

    def end(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; the exit code, and what it said on standard error."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors.decode()


@contextmanager
def served(home: Path, *words: str, **env: str) -> Iterator[Served]:
    (home / "tmp").mkdir(exist_ok=True)
    process = subprocess.Popen(
        [*COMMAND, "demo", "--serve", *words],
        env=clean_environment(home, {"TMPDIR": str(home / "tmp"), **env}), cwd=home,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            yield Served(process)
        finally:
            process.kill()


def logged_in(port: int) -> Browser:
    browser = Browser(port)
    assert browser.post("/login", {"username": "mara", "password": "tea"}).status == 302
    return browser


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_runs_until_it_is_told_to_stop(home: Path, number: int, code: int) -> None:
    with served(home, "--store", "memory") as shop:
        assert logged_in(shop.port).get("/account.json").json["name"] == "Mara"
        assert shop.end(number) == (code, "closing the shop; once more stops now\n")
        with pytest.raises(ConnectionRefusedError):
            HTTPConnection("127.0.0.1", shop.port).request("GET", "/")


def test_the_commands_it_names_work_on_its_sessions(cli: Cli) -> None:
    with served(cli.home) as shop:
        browser = logged_in(shop.port)
        (config,) = re.findall(r"export SESSCTL_CONFIG=(\S+)\n", shop.said)
        (folder,) = re.findall(r"rm -r (\S+)  when", shop.said)
        env = {"SESSCTL_CONFIG": shlex.split(config)[0]}
        listed = cli("list", "-o", "jsonl", env=env).json_lines()
        assert [item["user"] for item in listed] == ["42"]
        verdict = cli("verify", f"connect.sid={browser.cookie()}", "-o", "json", env=env)
        assert (verdict.json()["items"][0]["signature"], verdict.code) == ("valid", 0)
        assert cli("expire", "--user", "42", "--yes", env=env).code == 0
        assert browser.get("/account.json").status == 401
        secret = (Path(folder) / "session-secret").read_text().strip()
        assert secret not in shop.said
        assert {path.stat().st_mode & 0o077 for path in Path(folder).iterdir()} == {0}
        assert shop.end()[0] == 130


def test_a_store_and_a_secret_of_one_s_own_outlive_it(cli: Cli) -> None:
    url = f"sqlite:///{cli.home / 'shop.db'}"
    words = ("--store", url, "--secret-from", "env:SHOP_SECRET", "--port", str(free_port()))
    with served(cli.home, *words, SHOP_SECRET="keyboard cat") as shop:
        browser = logged_in(shop.port)
        assert f"sessctl list -b {url}\n" in shop.said
        shop.end()
    with served(cli.home, *words, SHOP_SECRET="keyboard cat"):
        assert browser.get("/account.json").json["name"] == "Mara"
    assert list((cli.home / "tmp").iterdir()) == []


def test_a_secret_of_one_s_own_is_named_and_not_copied(cli: Cli) -> None:
    with served(cli.home, "--secret-from", "env:SHOP_SECRET", SHOP_SECRET="keyboard cat") as shop:
        browser = logged_in(shop.port)
        (folder,) = (cli.home / "tmp").iterdir()
        texts = [path.read_bytes() for path in folder.iterdir()]
        assert [text for text in texts if b"keyboard cat" in text] == []
        env = {"SESSCTL_CONFIG": str(folder / "sessctl.toml"), "SHOP_SECRET": "keyboard cat"}
        assert cli("verify", browser.cookie(), env=env).code == 0


def test_settings_are_taken(home: Path) -> None:
    with served(home, "--store", "memory", "--set", "rolling=yes", "--set", "name=b") as shop:
        browser = Browser(shop.port)
        browser.get("/views")
        assert len(browser.get("/cart").set_cookie) == 1
        assert browser.get("/.json").json["instance"] == "b"


def test_the_examples_with_a_shop_open_one(home: Path) -> None:
    examples = [one for one in COMMANDS["demo"].examples if "--serve" in one]
    assert examples
    for example in examples:
        words = shlex.split(example)[3:]
        port = str(free_port())
        with served(home, *[port if word == "3000" else word for word in words]) as shop:
            assert Browser(shop.port).get("/health").status == 200


def test_a_reader_that_goes_away_closes_it(home: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "demo", "--serve", "--store", "memory"],
        env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
        stdout=writer, stderr=subprocess.PIPE, timeout=60,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["--port", "1"], 2, "need --serve"),
        (["--set", "rolling=yes"], 2, "need --serve"),
        (["--serve", "--port", "99999"], 2, "cannot listen on 127.0.0.1:99999"),
        (["--serve", "--set", "roling=yes"], 2, "did you mean 'rolling'?"),
        (["--serve", "--store", "disk"], 2, "no such store"),
        (["--serve", "--store", "redis://u:hidden@127.0.0.1:1/0"], 3, "cannot reach redis"),
        (["--serve", "--secret-from", "env:NOT_SET"], 2, "NOT_SET"),
    ],
)
def test_what_cannot_be_opened_is_said(cli: Cli, words: list[str], code: int, error: str) -> None:
    folder = cli.home / "tmp"
    folder.mkdir()
    result = cli("demo", *words, env={"TMPDIR": str(folder)})
    assert (result.stdout, result.code) == ("", code)
    assert error in result.stderr
    assert "hidden" not in result.stderr
