"""sessctl and real Flask, Django, Beaker and Litestar applications agree on sessions in files."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sessctl.session import Query
from sessctl.stores.opening import open_store
from tests.support.python_files import KINDS, Kind, user_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cli import Cli
    from tests.support.express import Browser
    from tests.support.python_files import FileApp
    from tests.support.run import Result

EVERY = [
    pytest.param(name, marks=() if name in ("flask cachelib", "django") else pytest.mark.long)
    for name in KINDS
]


@pytest.fixture(params=EVERY)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "sessions"
    path.mkdir()
    return path


@pytest.fixture
def app(kind: Kind, folder: Path) -> Iterator[FileApp]:
    with kind.start(folder) as running:
        yield running


def state_of(file: Path) -> tuple[bytes, int, int]:
    """A file to the byte, its time and its mode."""
    at = file.lstat()
    return file.read_bytes(), at.st_mtime_ns, at.st_mode


def sid_of(kind: Kind, browser: Browser) -> str:
    """The id in a browser's cookie; Beaker puts an HMAC of 40 digits before it."""
    value = browser.cookies[kind.cookie]
    return value[40:] if kind.layout == "beaker-file" else value


def test_a_user_is_listed_logged_out_and_in_again(
    cli: Cli, kind: Kind, folder: Path, app: FileApp
) -> None:
    ana, again, bo = (app.logged_in(user) for user in ("ana", "ana", "bo"))
    url = kind.url(folder)

    def run(command: str, *words: str) -> Result:
        return cli(command, "-b", url, *words)

    with open_store(f"file://{folder}") as store:  # the folder alone tells its layout
        assert store.layout.name == kind.layout
        assert store.count(Query(user="ana")) == 2
        assert store.remarks.strangers == 0
        file = Path(store.get([sid_of(kind, ana)])[0].location)
    listed = run("list", "--data", "-o", "jsonl").json_lines()
    assert sorted(item["user"] for item in listed) == ["ana", "ana", "bo"]
    assert {item["data"]["user_id"] for item in listed} == {"ana", "bo"}
    assert {item["state"] for item in listed} == {"active"}
    (shown,) = run("show", "-o", "jsonl", "--", sid_of(kind, bo)).json_lines()
    assert (shown["sid"], shown["user"]) == (sid_of(kind, bo), "bo")

    before = state_of(file)
    ended = run("expire", "--user", "ana", "--yes")
    assert (ended.code, "Ended 2 sessions." in ended.stderr) == (0, True), ended.stderr
    # A visit without a session makes libraries write, or take the cookie back: `ana` pays none.
    assert (user_of(again), user_of(bo)) == (None, "bo")
    run("restore", "--last", "--yes")
    assert state_of(file) == before
    assert (user_of(ana), user_of(bo)) == ("ana", "bo")

    by_id = run("expire", "--yes", "--", sid_of(kind, ana))
    assert by_id.code == 0, by_id.stderr
    assert not file.exists()
    assert (user_of(bo), user_of(ana)) == ("bo", None)


@pytest.mark.long
@pytest.mark.parametrize("kind", [KINDS["flask cachelib"], KINDS["django"], KINDS["litestar"]])
def test_a_moved_end_is_the_one_that_the_application_goes_by(
    cli: Cli, kind: Kind, folder: Path, app: FileApp
) -> None:
    ana, url = app.logged_in("ana"), kind.url(folder)
    moved = cli("touch", "--ttl", "1s", "--yes", "-b", url, "--", sid_of(kind, ana))
    assert moved.code == 0, moved.stderr
    deadline = time.monotonic() + 20
    while not cli("list", "--expired", "-o", "name", "-b", url).stdout:
        assert time.monotonic() < deadline
    assert user_of(ana) is None


@pytest.mark.long
def test_a_session_that_is_made_or_changed_is_accepted(cli: Cli, folder: Path) -> None:
    """By Litestar, whose values can be written, and by Django with its secret."""
    cli.config(
        f"""
        [backends.litestar]
        url = "file://{folder}"
        layout = "litestar-file"
        [backends.django]
        url = "file://{folder}"
        layout = "django-file"
        store_secrets = ["env:DJANGO_SECRET"]
        """
    )
    env = {"DJANGO_SECRET": "keyboard cat keyboard cat keyboard cat keyboard cat"}
    for name in ("litestar", "django"):
        kind = KINDS[name]
        with kind.start(folder) as app:
            browser = app.logged_in("ana")
            changed = cli(
                "set", "-b", name, "--yes", "--", sid_of(kind, browser), "user_id=eve", env=env
            )
            assert changed.code == 0, changed.stderr
            assert user_of(browser) == "eve"
