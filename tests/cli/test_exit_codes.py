"""One run for every exit code that this version can end with."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.errors import ExitCode
from tests.support.cli import HOUR_MS, Cli, fill, now_ms, save, sid, wait_for_journal
from tests.support.run import COMMAND, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import SqliteEngine

COOKIE = "s%3A" + sid("a") + "." + "A" * 43


def ok(cli: Cli, shop: SqliteEngine) -> int:
    return cli("list", "-b", shop.url).code


def no(cli: Cli, shop: SqliteEngine) -> int:
    return cli("verify", COOKIE, "--secret", "some-secret-91").code


def usage(cli: Cli, shop: SqliteEngine) -> int:
    return cli("list", "-b", shop.url, "--nope").code


def unreachable(cli: Cli, shop: SqliteEngine) -> int:
    return cli("list", "-b", "redis://127.0.0.1:1/0").code


def refused(cli: Cli, shop: SqliteEngine) -> int:
    save(shop, sid("a"))
    return cli("purge", "--all", "-b", shop.url).code


def partial(cli: Cli, shop: SqliteEngine) -> int:
    shop.save(b"damaged", b"{", now_ms() + HOUR_MS)
    return cli("list", "-b", shop.url, "--strict").code


def journal(cli: Cli, shop: SqliteEngine) -> int:
    return cli("restore", "/dev/null", "-b", shop.url).code


def unreadable(cli: Cli, shop: SqliteEngine) -> int:
    return cli("decode", "nonsense").code


def bug(cli: Cli, shop: SqliteEngine) -> int:
    """A broken plug-in is the one bug that can be had on purpose."""
    folder = cli.home / "plugin"
    info = folder / "boom-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: boom\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sessctl.cookie_formats]\nboom = boom:Format\n")
    (folder / "boom.py").write_text(
        "class Format:\n    name = 'boom'\n    def decode(self, value, budget): return value.no\n"
    )
    done = subprocess.run(
        [*COMMAND, "decode", "--format", "boom", COOKIE],
        env=clean_environment(cli.home, {"PYTHONPATH": str(folder)}), cwd=cli.home,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
    )  # fmt: skip
    return done.returncode


def _signalled(cli: Cli, shop: SqliteEngine, number: int) -> int:
    fill(shop, "o", 3, left_ms=-HOUR_MS)
    shop.client.execute("BEGIN IMMEDIATE")
    with subprocess.Popen(
        [*COMMAND, "purge", "--expired", "-b", shop.url],
        env=clean_environment(cli.home), cwd=cli.home, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        wait_for_journal(cli.home)
        process.send_signal(number)
        shop.client.execute("ROLLBACK")
        return process.wait(timeout=60)


def interrupted(cli: Cli, shop: SqliteEngine) -> int:
    return _signalled(cli, shop, signal.SIGINT)


def terminated(cli: Cli, shop: SqliteEngine) -> int:
    return _signalled(cli, shop, signal.SIGTERM)


def pipe_closed(cli: Cli, shop: SqliteEngine) -> int:
    fill(shop, "o", 3, left_ms=-HOUR_MS)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "purge", "--expired", "-b", shop.url],
        env=clean_environment(cli.home), cwd=cli.home, stdin=subprocess.DEVNULL,
        stdout=writer, stderr=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    os.close(writer)
    return done.returncode


RUNS: dict[ExitCode, Any] = {
    ExitCode.OK: ok,
    ExitCode.NO: no,
    ExitCode.USAGE: usage,
    ExitCode.UNREACHABLE: unreachable,
    ExitCode.REFUSED: refused,
    ExitCode.PARTIAL: partial,
    ExitCode.JOURNAL: journal,
    ExitCode.UNREADABLE: unreadable,
    ExitCode.BUG: bug,
    ExitCode.INTERRUPTED: interrupted,
    ExitCode.PIPE_CLOSED: pipe_closed,
    ExitCode.TERMINATED: terminated,
}


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: code.name.lower())
def test_exit_code(cli: Cli, shop: SqliteEngine, code: ExitCode) -> None:
    assert RUNS[code](cli, shop) == code


def test_no_two_outcomes_share_a_code() -> None:
    assert len({int(code) for code in ExitCode}) == len(RUNS)


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: code.name.lower())
def test_every_code_has_a_meaning(code: ExitCode) -> None:
    assert code.meaning


def test_python_s_own_1_is_never_seen(home: Path) -> None:
    """An interpreter that cannot even find its folder is no negative answer."""
    done = subprocess.run(
        [*COMMAND, "list", "-b", "sqlite:///x.db"],
        env=clean_environment(home, {"XDG_STATE_HOME": "/dev/null"}), cwd="/",
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, b"Traceback" in done.stderr) == (3, False)
