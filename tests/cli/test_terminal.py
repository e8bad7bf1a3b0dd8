"""A human at a terminal and a script in a pipe get the right thing without flags."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.text import short_id
from tests.support.cli import HOUR_MS, Cli, fill, save, sid

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import SqliteEngine

ESC = b"\x1b["
PAGER = "sh -c 'echo PAGED; cat'"


@pytest.fixture
def ten(shop: SqliteEngine) -> SqliteEngine:
    fill(shop, "a", 10)
    return shop


# -- colour ----------------------------------------------------------------------------------------

COLOURS: list[tuple[list[str], dict[str, str], bool]] = [
    # (flags, environment, colour on a terminal)
    ([], {}, True),
    ([], {"NO_COLOR": "1"}, False),
    ([], {"NO_COLOR": ""}, True),
    ([], {"TERM": "dumb"}, False),
    ([], {"FORCE_COLOR": "1"}, True),
    (["--no-color"], {}, False),
    (["--no-color"], {"FORCE_COLOR": "1"}, False),
    (["--color", "never"], {}, False),
    (["--color", "never"], {"FORCE_COLOR": "1"}, False),
    (["--color", "always"], {"NO_COLOR": "1"}, True),
    (["--color", "auto"], {"NO_COLOR": "1"}, False),
]


@pytest.mark.parametrize(("flags", "env", "coloured"), COLOURS)
def test_colour_on_a_terminal(
    sessctl_tty: Any, ten: SqliteEngine, flags: list[str], env: dict[str, str], coloured: bool
) -> None:
    result = sessctl_tty("list", "-b", ten.url, "--no-pager", *flags, env=env)
    assert (ESC in result.screen, result.code) == (coloured, 0)


@pytest.mark.parametrize(
    ("flags", "env", "coloured"),
    [
        ([], {}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (["--color", "always"], {}, True),
        (["--no-color"], {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_in_a_pipe(
    cli: Cli, ten: SqliteEngine, flags: list[str], env: dict[str, str], coloured: bool
) -> None:
    result = cli("list", "-b", ten.url, "-o", "table", *flags, env=env)
    assert (ESC in result.stdout_bytes, result.stderr, result.code) == (coloured, "", 0)


@pytest.mark.parametrize("output", ["json", "jsonl", "csv", "tsv", "name"])
def test_machine_formats_have_no_colour_whatever_the_flags(
    cli: Cli, ten: SqliteEngine, output: str
) -> None:
    result = cli("list", "-b", ten.url, "-o", output, "--color", "always")
    assert (ESC in result.stdout_bytes, result.stderr, result.code) == (False, "", 0)


def test_each_stream_has_its_own_colour(sessctl_tty: Any, ten: SqliteEngine) -> None:
    result = sessctl_tty("list", "-b", ten.url, "-o", "table", "-l", "2", pipe_stdout=True)
    assert (ESC in result.stdout_bytes, ESC in result.screen, result.code) == (False, True, 0)


def test_colour_never_carries_meaning_alone(sessctl_tty: Any, shop: SqliteEngine) -> None:
    save(shop, sid("a"), left_ms=HOUR_MS + 90_000)
    save(shop, sid("o"), left_ms=-HOUR_MS - 30_000)
    plain = sessctl_tty("list", "-b", shop.url, "--no-color", cols=120)
    coloured = sessctl_tty("list", "-b", shop.url, cols=120)
    stripped = re.sub(rb"\x1b\[[0-9;]*m", b"", coloured.screen)
    assert (stripped, coloured.code) == (plain.screen, 0)


# -- the right format ------------------------------------------------------------------------------


def test_a_terminal_gets_a_table(sessctl_tty: Any, ten: SqliteEngine) -> None:
    result = sessctl_tty("list", "-b", ten.url, "--no-color")
    assert (result.text.startswith("SID  "), result.code) == (True, 0)


def test_a_pipe_gets_tabs_though_the_rest_is_a_terminal(
    sessctl_tty: Any, ten: SqliteEngine
) -> None:
    result = sessctl_tty("list", "-b", ten.url, pipe_stdout=True)
    assert result.stdout_bytes.startswith(b"backend\tsid\t")
    assert (result.screen, result.code) == (b"", 0)


# -- pager -----------------------------------------------------------------------------------------


def test_the_pager_is_not_started_when_it_fits(sessctl_tty: Any, ten: SqliteEngine) -> None:
    result = sessctl_tty("list", "-b", ten.url, env={"SESSCTL_PAGER": PAGER}, rows=24)
    assert (b"PAGED" in result.screen, result.code) == (False, 0)


@pytest.mark.parametrize("variable", ["SESSCTL_PAGER", "PAGER"])
@pytest.mark.parametrize("setting", ['less "', "./broken"])
def test_a_pager_setting_that_is_no_command_is_warned_of_and_done_without(
    sessctl_tty: Any, home: Path, ten: SqliteEngine, variable: str, setting: str
) -> None:
    (home / "broken").write_bytes(b"\x7fELF")
    (home / "broken").chmod(0o755)
    result = sessctl_tty("list", "-b", ten.url, "--no-color", env={variable: setting}, rows=8)
    assert f"warning: {variable} cannot be run (" in result.text
    assert (result.text.count("aaaa"), result.code) == (10, 0)


@pytest.mark.parametrize("variable", ["SESSCTL_PAGER", "PAGER"])
def test_the_pager_is_started_when_it_does_not_fit(
    sessctl_tty: Any, ten: SqliteEngine, variable: str
) -> None:
    result = sessctl_tty("list", "-b", ten.url, env={variable: PAGER}, rows=8)
    assert (result.screen.startswith(b"PAGED"), result.code) == (True, 0)
    assert len(result.screen.splitlines()) == 12


def test_our_own_pager_variable_wins(sessctl_tty: Any, ten: SqliteEngine) -> None:
    env = {"PAGER": "sh -c 'echo WRONG; cat'", "SESSCTL_PAGER": PAGER}
    result = sessctl_tty("list", "-b", ten.url, env=env, rows=8)
    assert (result.screen.startswith(b"PAGED"), result.code) == (True, 0)


@pytest.mark.parametrize(
    ("flags", "env"),
    [
        (["--no-pager"], {"SESSCTL_PAGER": PAGER}),
        ([], {"SESSCTL_PAGER": "cat"}),
        ([], {"SESSCTL_PAGER": ""}),
        ([], {"SESSCTL_PAGER": "no-such-program-here"}),
        (["-o", "jsonl"], {"SESSCTL_PAGER": PAGER}),
    ],
)
def test_without_a_pager_all_of_it_is_shown(
    sessctl_tty: Any, ten: SqliteEngine, flags: list[str], env: dict[str, str]
) -> None:
    result = sessctl_tty("list", "-b", ten.url, *flags, env=env, rows=8)
    assert (b"PAGED" in result.screen, result.code) == (False, 0)
    assert len(result.screen.splitlines()) == 10 + (flags != ["-o", "jsonl"])


def test_a_pager_that_is_quit_early_is_no_error(sessctl_tty: Any, shop: SqliteEngine) -> None:
    fill(shop, "a", 3000)
    env = {"SESSCTL_PAGER": "head -1"}
    result = sessctl_tty("list", "-b", shop.url, "-l", "3000", "--show-ids", env=env)
    assert (b"error" in result.screen, result.code) == (False, 0)
    assert len(result.screen.splitlines()) == 1


# -- progress --------------------------------------------------------------------------------------


def slowly(store: SqliteEngine, home: Path, run: Any) -> Any:
    """Run a purge of three pages whose first delete waits 0.8 s for a lock."""
    from tests.support.cli import wait_for_journal

    fill(store, "o", 1100, left_ms=-HOUR_MS)
    fill(store, "live", 1)
    store.client.execute("BEGIN IMMEDIATE")
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(run()))
    thread.start()
    wait_for_journal(home)
    time.sleep(0.8)  # progress stays away from whatever takes less than half a second
    store.client.execute("ROLLBACK")
    thread.join()
    return answer[0]


def test_progress_is_shown_on_a_terminal(sessctl_tty: Any, shop: SqliteEngine, home: Path) -> None:
    result = slowly(
        shop, home, lambda: sessctl_tty("purge", "--expired", "-b", shop.url, "--yes", cols=120)
    )
    assert (b"ending sessions" in result.screen, result.code) == (True, 0)
    assert b"Ended 1,100 sessions." in result.screen


@pytest.mark.parametrize("flags", [["--no-color"], ["--color", "never"]])
def test_progress_has_no_colour_where_there_is_none(
    sessctl_tty: Any, shop: SqliteEngine, home: Path, flags: list[str]
) -> None:
    words = ("purge", "--expired", "-b", shop.url, "--yes", *flags)
    result = slowly(shop, home, lambda: sessctl_tty(*words, cols=120))
    assert (b"ending sessions" in result.screen, result.code) == (True, 0)
    assert re.findall(rb"\x1b\[[0-9;]*[1-9][0-9;]*m", result.screen) == []


def test_quiet_silences_progress(sessctl_tty: Any, shop: SqliteEngine, home: Path) -> None:
    words = ("purge", "--expired", "-b", shop.url, "--yes", "-q")
    result = slowly(shop, home, lambda: sessctl_tty(*words, cols=120))
    assert (b"ending sessions" in result.screen, result.code) == (False, 0)


def test_there_is_no_progress_in_a_pipe(sessctl: Any, shop: SqliteEngine, home: Path) -> None:
    result = slowly(shop, home, lambda: sessctl("purge", "--expired", "-b", shop.url))
    assert ("ending sessions" in result.stderr, result.code) == (False, 0)
    assert result.counts == {"deleted": 1100}


def test_progress_does_not_reach_stdout(sessctl_tty: Any, shop: SqliteEngine, home: Path) -> None:
    words = ("purge", "--expired", "-b", shop.url, "--yes", "-o", "name")
    result = slowly(shop, home, lambda: sessctl_tty(*words, cols=120, pipe_stdout=True))
    assert len(result.stdout_bytes.splitlines()) == 1100
    assert (b"ending sessions" in result.screen, result.code) == (True, 0)


def test_a_short_run_draws_nothing(sessctl_tty: Any, shop: SqliteEngine) -> None:
    fill(shop, "o", 3, left_ms=-HOUR_MS)
    result = sessctl_tty("purge", "--expired", "-b", shop.url, "--yes")
    assert (b"ending sessions" in result.screen, result.code) == (False, 0)


# -- prompts ---------------------------------------------------------------------------------------


def test_a_secret_is_typed_without_echo(sessctl_tty: Any) -> None:
    from sessctl import sign_cookie

    cookie = sign_cookie(sid("a"), "typed-secret-55")[0].value
    result = sessctl_tty(
        *("verify", cookie, "--secret-from", "prompt", "-o", "jsonl"),
        say=[(b"secret: ", b"typed-secret-55\r")],
    )
    assert b"typed-secret-55" not in result.screen
    assert (b'"verdict":"valid"' in result.screen, result.code) == (True, 0)


def test_ctrl_c_at_a_hidden_prompt_is_130(sessctl_tty: Any) -> None:
    result = sessctl_tty(
        "verify", "s%3Aa.b", "--secret-from", "prompt", say=[(b"secret: ", b"\x03")]
    )
    assert (b"Traceback" in result.screen, result.code) == (False, 130)


# -- widths ----------------------------------------------------------------------------------------


def _screen(result: Any) -> list[str]:
    """The lines of a screen without colour."""
    return re.sub(r"\x1b\[[0-9;]*m", "", result.text).replace("\r", "").splitlines()


@pytest.mark.parametrize("cols", [60, 80, 200])
def test_a_table_fits_the_terminal(sessctl_tty: Any, shop: SqliteEngine, cols: int) -> None:
    save(shop, sid("a"), "a-person-with-a-long-name@department.example.com")
    save(shop, sid("o"), 42, left_ms=-HOUR_MS)
    lines = _screen(sessctl_tty("list", "-b", shop.url, "--no-pager", cols=cols))
    assert max(map(len, lines)) <= cols
    assert [line.split()[0] for line in lines] == ["SID", *map(short_id, (sid("a"), sid("o")))]
    assert ("department.example.com" in lines[1], "SIZE" in lines[0]) == (cols == 200, cols >= 72)


@pytest.mark.parametrize(
    ("command", "cols"), [("show", 60), ("show", 80), ("show", 200), ("decode", 60), ("detect", 60)]
)
def test_a_block_is_folded_below_its_beginning(
    sessctl_tty: Any, shop: SqliteEngine, command: str, cols: int
) -> None:
    from sessctl import sign_cookie

    save(shop, sid("a"), 42)
    cookie = sign_cookie(sid("a"), "some-secret-91")[0].value
    store = () if command == "detect" else ("-b", shop.url)
    words = (command, sid("a") if command == "show" else cookie, *store, "--no-pager")
    lines = _screen(sessctl_tty(*words, cols=cols))
    named = [line for line in lines if "/" not in line]  # a path is cut nowhere
    assert max(map(len, named)) <= cols
    assert not any(line.endswith(" ") for line in named)


def test_wide_is_cut_nowhere(sessctl_tty: Any, shop: SqliteEngine) -> None:
    save(shop, sid("a"), "a-person-with-a-long-name@department.example.com")
    result = sessctl_tty("list", "-b", shop.url, "-o", "wide", "--no-pager", cols=60)
    assert "a-person-with-a-long-name@department.example.com" in result.text
