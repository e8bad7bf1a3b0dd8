"""`sessctl demo LESSON`, `--list` and `--target`: the words, the streams, the exit codes."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.demo.lessons import LESSONS
from sessctl.demo.options import ShopOptions
from sessctl.demo.server import RunningShop
from tests.support.run import COMMAND, clean_environment
from tests.support.servers import free_port

if TYPE_CHECKING:
    from tests.support.cli import Cli

NAMES = [lesson.name for lesson in LESSONS]
AIMED = [lesson.name for lesson in LESSONS if lesson.aimed]
SCENARIOS = sorted((Path(__file__).parents[2] / "sessctl" / "demo" / "lessons").glob("*.yaml"))


def test_the_list_names_every_lesson_with_a_sentence(cli: Cli) -> None:
    result = cli("demo", "--list")
    assert (result.stderr, result.code) == ("", 0)
    for lesson in LESSONS:
        assert f"  {lesson.name} " in result.stdout
        assert lesson.summary in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_the_list_for_programs(cli: Cli) -> None:
    assert cli("demo", "--list", "-o", "name").stdout.splitlines() == NAMES
    document = cli("demo", "--list", "-o", "json").json()
    assert document["kind"] == "LessonList"
    assert [item["name"] for item in document["items"]] == NAMES
    for item in document["items"]:
        assert item["takes_target"] == (item["needs"] is None)
        assert all(Path(path).is_file() for path in item["scenarios"])


def test_a_lesson_says_what_to_look_at_then_the_runs_then_why(cli: Cli) -> None:
    result = cli("demo", "fixation")
    assert (result.stderr, result.code) == ("", 0)
    places = [
        result.stdout.index(text)
        for text in (
            "Session fixation: an id that somebody else chose",
            "Mallory plants a session id",
            "vulnerable:\n",
            "mended:\n",
            "stateful: 1 of 4 steps depend on state carried by connect.sid, kept at the server\n",
            "  verdict    vulnerable: Mallory is in Mara's account\n",
            "mended: login makes a new id, and Mallory is nobody\n",
            "  why        Login turns an id",
        )
    ]
    assert places == sorted(places)


def test_a_lesson_leaves_nothing_behind(cli: Cli) -> None:
    (cli.home / "tmp").mkdir()
    result = cli("demo", "restart", env={"TMPDIR": str(cli.home / "tmp")})
    assert (result.stderr, result.code) == ("", 0)
    assert list((cli.home / "tmp").iterdir()) == []


def test_a_lesson_at_a_terminal(sessctl_tty: Any) -> None:
    """It comes as it is read, not through a pager, however small the terminal is."""
    result = sessctl_tty("demo", "logout", rows=10, cols=100)
    assert result.code == 0
    assert "session in the cookie: the copy is still logged in" in result.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_lesson_can_be_stopped(home: Path, number: int, code: int) -> None:
    with subprocess.Popen(
        [*COMMAND, "demo", "max-age"], env=clean_environment(home), cwd=home,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while b"Then a copy is sent" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(1)  # it waits for a session to end now
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.startswith(b"note: stopped in the run")) == (code, True)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_is_without_mistakes(cli: Cli, path: Path) -> None:
    result = cli("replay", "lint", path)
    assert (result.stdout, result.code) == ("", 0)


def test_every_scenario_belongs_to_a_lesson() -> None:
    """Those of the parts, those for an own app, and the two that others begin with."""
    parts = [part for lesson in LESSONS for part in (*lesson.parts, lesson.aimed) if part]
    assert sorted({part.path for part in parts}) == SCENARIOS


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("fixtion",), "there is no lesson 'fixtion'", "did you mean 'fixation'?"),
        (("flash", "--list"), "a lesson, --list and --serve are three things", "give one of them"),
        (("--target", "http://127.0.0.1:1"), "--target needs a lesson", "sessctl demo logout"),
        (("logout", "--var", "account=/me"), "--var needs --target", "the demo shop has its own"),
        (("logout", "-o", "json"), "a lesson is for people to read", "sessctl replay FILE -o json"),
        (("logout", "--port", "1"), "--port, --store, --secret-from and --set need --serve", ""),
    ],
)
def test_wrong_use_is_explained(cli: Cli, words: tuple[str, ...], message: str, hint: str) -> None:
    result = cli("demo", *words)
    assert (result.stdout, result.code) == ("", 2)
    assert message in result.stderr
    assert hint in result.stderr


@pytest.mark.parametrize(
    "lesson", [one for one in LESSONS if not one.aimed], ids=lambda one: one.name
)
def test_a_lesson_that_takes_no_target_says_what_it_needs(cli: Cli, lesson: Any) -> None:
    result = cli("demo", lesson.name, "--target", "http://127.0.0.1:1")
    assert (result.stdout, result.code) == ("", 2)
    assert (
        f"the lesson '{lesson.name}' takes no --target\n  hint: {lesson.needs}\n" in result.stderr
    )


@pytest.mark.parametrize("name", AIMED)
def test_a_lesson_aimed_at_an_app(cli: Cli, name: str) -> None:
    with RunningShop() as shop:
        result = cli("demo", name, "--target", shop.url)
    assert result.code == 0
    assert "\n  verdict    " in result.stdout
    assert result.stderr.startswith(
        f"note: 3 runs against {shop.url}: stateful, stateless, control"
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [("fixation", ShopOptions(regenerate=False)), ("logout", ShopOptions(keep="cookie"))],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_app_with_the_flaw_is_exit_1(cli: Cli, name: str, options: ShopOptions) -> None:
    with RunningShop(options) as shop:
        result = cli("demo", name, "--target", shop.url)
    assert result.code == 1
    assert "  verdict    not so here; what failed stands above\n" in result.stdout
    assert "status: expected more than 299" in result.stdout


def test_an_app_has_names_of_its_own(cli: Cli) -> None:
    with RunningShop() as shop:
        words = ("demo", "stateless-vs-stateful", "--target", shop.url, "--var")
        remembered, forgotten = cli(*words, "page=/cart"), cli(*words, "page=/stateless")
        counted = cli(*words, "page=/views")
    assert [one.code for one in (remembered, forgotten, counted)] == [0, 0, 0]
    assert "stateless: no step depends on state" in forgotten.stdout
    assert "stateful: 2 of 3 steps depend on state carried by connect.sid" in counted.stdout


def test_an_app_that_is_not_there(cli: Cli) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = cli("demo", "logout", "--target", url)
    assert (result.stdout, result.code) == ("", 3)
    assert f"error: nobody listens at {url}\n" in result.stderr
