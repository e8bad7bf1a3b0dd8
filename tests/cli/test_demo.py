"""`sessctl demo`: a tour on an embedded store, which ends well and says what is next."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.support.run import Result


@pytest.fixture
def tour(sessctl: Any, tmp_path: Path) -> Result:
    """The tour in a pipe, its store below this test's folder."""
    (tmp_path / "tmp").mkdir()
    result: Result = sessctl("demo", env={"TMPDIR": str(tmp_path / "tmp")})
    return result


def folder_of(result: Result) -> Path:
    (path,) = re.findall(r"sessions are in (\S+)/sessions\.db\n", result.stdout)
    return Path(path)


def test_the_tour_runs_to_its_end(tour: Result) -> None:
    assert tour.code == 0
    assert "\nTo go on by yourself:\n" in tour.stdout
    assert "error" not in tour.stderr


def test_every_command_of_the_tour_is_shown_before_its_answer(tour: Result) -> None:
    commands = re.findall(r"^\$ sessctl (\S+)", tour.stdout, re.MULTILINE)
    assert commands == [
        *("list", "list", "list", "decode", "verify", "verify", "purge", "purge"),
        *("expire", "restore"),
    ]


def test_the_tour_ends_with_the_list_of_lessons(tour: Result, sessctl: Any) -> None:
    listed = sessctl("demo", "--list")
    assert (listed.stderr, listed.code) == ("", 0)
    assert tour.stdout.endswith("\n\n" + listed.stdout)


def test_the_tour_shows_no_secret(tour: Result) -> None:
    secret = (folder_of(tour) / "session-secret").read_text().strip()
    assert secret not in tour.stdout + tour.stderr


def test_the_tour_leaves_its_store_for_its_owner_only(tour: Result) -> None:
    folder = folder_of(tour)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.iterdir()} == {
        "sessions.db": 0, "sessctl.toml": 0, "session-secret": 0, "journals": 0,
    }  # fmt: skip


def test_the_tour_undoes_what_it_should(tour: Result, sessctl: Any) -> None:
    config = folder_of(tour) / "sessctl.toml"
    result = sessctl("list", "--user", "42", "--count", "--config", config)
    assert (result.stdout, result.stderr, result.code) == ("3\n", "", 0)


def test_each_command_that_is_next_works(tour: Result, sessctl: Any) -> None:
    said = tour.stdout.split("To go on by yourself:\n")[1].split("\n\n")[0]
    given = re.findall(r"^  (\S.*)$", said, re.MULTILINE)
    export, *commands, remove = [shlex.split(line) for line in given]
    name, _, value = export[1].partition("=")
    assert (export[0], name, Path(value).is_file()) == ("export", "SESSCTL_CONFIG", True)
    assert len(commands) >= 4
    for program, *words in commands:
        result = sessctl(*words, env={name: value})
        assert (program, result.code, "error" in result.stderr) == ("sessctl", 0, False)
        assert result.stdout
    assert remove == ["rm", "-r", str(folder_of(tour))]


def test_the_tour_at_a_terminal(sessctl_tty: Any, tmp_path: Path) -> None:
    result = sessctl_tty("demo", env={"TMPDIR": str(tmp_path)}, rows=24, cols=100)
    assert result.code == 0
    assert "To go on by yourself:" in result.text
    assert b"\x1b]0;" not in result.screen
    assert b"[y/N]" not in result.screen


def test_two_tours_do_not_meet(sessctl: Any, tmp_path: Path) -> None:
    results = [sessctl("demo", "-q", env={"TMPDIR": str(tmp_path)}) for _ in range(2)]
    assert [result.code for result in results] == [0, 0]
    assert folder_of(results[0]) != folder_of(results[1])


def test_the_tour_goes_to_a_file(sessctl: Any, tmp_path: Path) -> None:
    target = tmp_path / "tour.txt"
    result = sessctl("demo", "-q", "--out-file", target, env={"TMPDIR": str(tmp_path)})
    assert (result.stdout, result.stderr, result.code) == ("", "", 0)
    assert "To go on by yourself:" in target.read_text()


def test_the_tour_ignores_the_configuration_of_the_folder(
    sessctl: Any, home: Path, tmp_path: Path
) -> None:
    (home / "sessctl.toml").write_text('[backends.x]\nurl = "redis://127.0.0.1:1"\n')
    result = sessctl("demo", "-q", env={"TMPDIR": str(tmp_path), "SESSCTL_BACKEND": "x"})
    assert ("error" in result.stderr, result.code) == (False, 0)
