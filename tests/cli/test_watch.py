"""`sessctl watch`: events as they happen, on terminals and in pipes, and how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.recorder import READING, recorded
from tests.support.cli import HOUR_MS, Cli, save, sid
from tests.support.engines import RedisEngine
from tests.support.run import COMMAND, clean_environment
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine, SqliteEngine

FAST = ("--every", "500ms")


class Watching:
    """A watch in a process of its own, its output in pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def said(self) -> str:
        """The next line beside the answer."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().decode()

    def event(self) -> Any:
        """The next event: it comes out at once, and not when a buffer is full."""
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ended(self) -> int:
        return self.process.wait(timeout=60)


@pytest.fixture
def watching(home: Path) -> Any:
    @contextmanager
    def start(url: str, *words: str) -> Iterator[Watching]:
        process = subprocess.Popen(
            [*COMMAND, "watch", "-b", url, *FAST, *words], env=clean_environment(home), cwd=home,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with process:
            try:
                yield Watching(process)
            finally:
                if process.poll() is None:
                    process.kill()

    return start


def test_what_happens_is_told_line_by_line(watching: Any, store: Engine) -> None:
    save(store, sid("a"), 42)
    save(store, sid("b"), 7)
    with watching(store.url, "--count", "4") as watch:
        assert watch.said() == "note: watching 2 sessions\n"
        save(store, sid("c"), 1)
        event = watch.event()
        assert list(event) == ["event", "at", "session", "changed"]
        assert (event["event"], event["session"]["sid"]) == ("appeared", sid("c"))
        assert (event["session"]["user"], event["session"]["data"]) == ("1", None)
        save(store, sid("a"), 42, left_ms=2 * HOUR_MS, cart=[1])
        event = watch.event()
        assert (event["event"], event["session"]["sid"]) == ("changed", sid("a"))
        assert event["changed"] == ["data.cart"]
        save(store, sid("b"), 7, left_ms=3 * HOUR_MS)
        event = watch.event()
        assert (event["event"], event["session"]["sid"]) == ("renewed", sid("b"))
        store.drop(sid("c").encode())
        event = watch.event()
        assert (event["event"], event["session"]["sid"]) == ("ended", sid("c"))
        assert event["session"]["user"] == "1"
        assert watch.ended() == 0


def test_watching_only_reads(watching: Any, cache: RedisEngine) -> None:
    save(cache, sid("a"), 42)
    with recorded(cache.server.port) as commands, watching(cache.url, "--count", "1") as watch:
        watch.said()
        save(cache, sid("b"), 7)
        watch.event()
        assert watch.ended() == 0
    others = {"SET", "PEXPIREAT", "PSUBSCRIBE"}  # the application's, and listening
    assert {words[0].upper() for words in commands} <= READING | others


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it(watching: Any, shop: Engine, number: int, code: int) -> None:
    with watching(shop.url, "-o", "json") as watch:
        watch.said()
        watch.process.send_signal(number)
        out, err = watch.process.communicate(timeout=60)
        assert (json.loads(out)["items"], err, watch.process.returncode) == ([], b"", code)


def test_a_closed_pipe_ends_it_quietly_though_nothing_happens(
    watching: Any, shop: SqliteEngine
) -> None:
    with watching(shop.url) as watch:
        watch.said()
        watch.process.stdout.close()
        assert (watch.ended(), watch.said()) == (0, "")


def test_a_store_that_goes_away_is_no_end_of_sessions(watching: Any) -> None:
    with RedisServer() as server:
        engine = RedisEngine(server)
        save(engine, sid("a"), 42)
        with watching(engine.url, "--timeout", "300ms", "--retries", "99") as watch:
            watch.said()
            server.pause()
            assert "; looking again in 500ms (1 of 99)" in watch.said()
            server.resume()
            save(engine, sid("b"), 7)
            event = watch.event()
            assert (event["event"], event["session"]["sid"]) == ("appeared", sid("b"))
        engine.client.close()


def test_a_store_that_stays_away_ends_it(watching: Any) -> None:
    with RedisServer() as server:
        engine = RedisEngine(server)
        save(engine, sid("a"), 42)
        engine.client.close()
        with watching(engine.url, "--retries", "1") as watch:
            watch.said()
            server.stop()
            out, err = watch.process.communicate(timeout=60)
    assert (out, watch.process.returncode) == (b"", 3)
    warning, error = err.decode().splitlines()[:2]
    assert warning.startswith("warning: cannot reach redis at 127.0.0.1:")
    assert warning.endswith("; looking again in 500ms (1 of 1)")
    assert error.startswith("sessctl: error: cannot reach redis at 127.0.0.1:")


# -- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("output", ["json", "jsonl", "csv", "tsv", "name", "table", "wide"])
def test_every_format_tells_what_is_there(cli: Cli, store: Engine, output: str) -> None:
    save(store, sid("a"), 42)
    result = cli("watch", "-b", store.url, "--initial", "--count", "1", "-o", output, "-q")
    lines = result.stdout.splitlines()
    if output == "json":
        assert (result.json()["kind"], len(result.json()["items"])) == ("EventList", 1)
    elif output == "name":
        assert lines == [sid("a")]
    elif output in ("csv", "tsv"):
        cells = lines[1].split("\t" if output == "tsv" else ",")
        assert lines[0].split("\t" if output == "tsv" else ",")[:4] == [
            "event", "at", "backend", "sid",
        ]  # fmt: skip
        assert (cells[0], cells[3]) == ("appeared", sid("a"))
    else:
        assert " appeared  aaaaaa~" in result.stdout or '"appeared"' in result.stdout
    assert (result.stderr, result.code) == ("", 0)


def test_data_comes_along_where_it_is_asked_for(cli: Cli, store: Engine) -> None:
    save(store, sid("a"), 42, token="t-1", eyJhbGciOiJIUzI1NiJ9abcdEFGH12=1)
    words = ("watch", "-b", store.url, "--initial", "--count", "1", "--data")
    (event,) = cli(*words).json_lines()
    assert event["session"]["data"]["token"] == "t-1"
    (event,) = cli(*words, "--redact").json_lines()
    assert event["session"]["data"]["token"] == "***"
    assert event["session"]["sid"].startswith("aaaaaa~")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--every", "100ms"], "--every 500ms is the least"),
        (["--every", "soon"], "write 90s"),
        (["--for", "x"], "write 90s"),
        (["-o", "openmetrics"], "-o takes table"),
        (["--fields", "nope"], "fields are event"),
        (["--older-than", "1h"], "--expires-within"),
    ],
)
def test_wrong_use_is_told_before_anything_is_watched(
    cli: Cli, shop: Engine, words: list[str], hint: str
) -> None:
    result = cli("watch", "-b", shop.url, *words)
    assert (result.stdout, hint in result.stderr, result.code) == ("", True, 2)


# -- terminals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_sees_the_latest_events(
    sessctl_tty: Any, shop: SqliteEngine, columns: int
) -> None:
    for number in range(40):
        save(shop, sid("a", number), f"u{number:02d}[b]")
    result = sessctl_tty(
        *("watch", "-b", shop.url, *FAST, "--initial", "--no-color"),
        cols=columns, rows=24, say=[(b"40 sessions", b"q")],
    )  # fmt: skip
    last = result.text.rpartition("watching ")[2].split("\x1b[?25h")[0]
    lines = last.split("\r\n")
    assert ("40 appeared, 0 changed" in last, "u39[b]" in last, "u03[b]" in last) == (
        True, True, False,
    )  # fmt: skip
    assert max(map(len, lines[1:])) < columns
    assert len(lines) <= 24
    assert ("q ends it" in last, result.code) == (True, 0)


def test_ctrl_c_leaves_the_screen_as_it_was_and_exits_130(
    sessctl_tty: Any, shop: SqliteEngine
) -> None:
    save(shop, sid("a"), 42)
    result = sessctl_tty("watch", "-b", shop.url, *FAST, say=[(b"1 session", b"\x03")])
    assert (result.screen.rstrip().endswith(b"\x1b[?25h"), result.code) == (True, 130)
    assert b"Traceback" not in result.screen


def test_the_time_is_over_on_a_terminal(sessctl_tty: Any, shop: SqliteEngine) -> None:
    result = sessctl_tty("watch", "-b", shop.url, *FAST, "--for", "100ms", env={"NO_COLOR": "1"})
    assert (b"0 sessions" in result.screen, result.code) == (True, 0)
    assert b"\x1b[1m" not in result.screen


def test_a_terminal_that_only_prints_gets_lines(sessctl_tty: Any, shop: SqliteEngine) -> None:
    save(shop, sid("a"), 42)
    result = sessctl_tty(
        *("watch", "-b", shop.url, *FAST, "--initial", "--count", "1"), env={"TERM": "dumb"}
    )
    assert (b"  appeared  aaaaaa~" in result.screen, b"\x1b" in result.screen) == (True, False)
    assert result.code == 0


def test_trouble_is_seen_on_the_screen(sessctl_tty: Any) -> None:
    with RedisServer() as server:
        engine = RedisEngine(server)
        save(engine, sid("a"), 42)

        def stop_after_a_look() -> None:
            while "cmdstat_scan" not in engine.client.info("commandstats"):
                time.sleep(0.05)
            server.stop()

        stopping = Thread(target=stop_after_a_look)
        stopping.start()
        result = sessctl_tty("watch", "-b", engine.url, *FAST, "--retries", "1", "--no-color")
        stopping.join()
        engine.client.close()
    assert (b"500ms (1 of 1)" in result.screen, result.code) == (True, 3)
    assert b"sessctl: error: cannot reach redis" in result.screen
