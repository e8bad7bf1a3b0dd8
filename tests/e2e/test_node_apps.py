"""The memory of live applications, in every shape that Express applications come in."""

from __future__ import annotations

import re
import subprocess
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from sessctl.session import Query
from sessctl.stores.opening import open_store
from tests.support.memory_app import APPS, NodeApp
from tests.support.npm import PEERS, modules

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli
    from tests.support.express import Browser


def logged_in(app: NodeApp, user: str = "ana") -> tuple[Browser, str]:
    browser = app.browser()
    return browser, browser.get(f"/login?user={user}").json["sid"]


def users_of(url: str) -> list[str | None]:
    with open_store(url) as store:
        return [session.user for session in store.scan(Query())]


def logs_out(cli: Cli, url: str, browser: Browser, sid: str) -> bool:
    """Ending the session by the command line is what the application sees next."""
    assert browser.get("/me").json["user"] is not None
    result = cli("expire", "--yes", "-b", url, "--", sid)
    assert result.code == 0, result.stderr
    return browser.get("/me").json["user"] is None


@pytest.mark.parametrize(
    "words",
    [
        "",
        "express4",
        "memorystore",
        "express4 memorystore",
        "wrapped",
        "wrapped express4",
        "mounted",
        "mounted express4",
    ],
)
def test_a_commonjs_app_is_listed_and_logged_out_of(cli: Cli, words: str) -> None:
    with NodeApp("plain.js", *words.split()) as app:
        browser, sid = logged_in(app)
        url = f"node+pid://{app.pid}"
        with open_store(url) as store:
            found = [(session.sid, session.user) for session in store.scan(Query())]
            layout = store.layout
        assert found == [(sid, "ana")]
        expected = "memorystore" if "memorystore" in words else "express-memory"
        assert (layout.name, layout.cookie_name) == (expected, "connect.sid")
        assert logs_out(cli, url, browser, sid)


@pytest.fixture
def module_folder(tmp_path: Path) -> Path:
    """The ES modules where their imports find the packages; those know nothing of NODE_PATH."""
    packages = tmp_path / "node_modules"
    packages.mkdir()
    for peer in ("express", "memory"):
        for package in modules(PEERS / peer).iterdir():
            if not (packages / package.name).exists():
                (packages / package.name).symlink_to(package)
    for name in ("module.mjs", "app.js"):
        (tmp_path / name).write_bytes((APPS / name).read_bytes())
    return tmp_path


def test_es_modules(cli: Cli, module_folder: Path) -> None:
    with NodeApp(module_folder / "module.mjs") as app:
        browser, sid = logged_in(app)
        with open_store(f"node+pid://{app.pid}") as store:
            assert [session.sid for session in store.scan(Query())] == [sid]
            assert store.layout.cookie_name == "shop.sid"
        assert logs_out(cli, f"node+pid://{app.pid}", browser, sid)


@pytest.mark.parametrize("options", [[], ["--minify"]], ids=["bundled", "minified"])
def test_a_bundle(cli: Cli, module_folder: Path, options: list[str]) -> None:
    """In a minified one no function has its name any more: the store is known by its shape."""
    esbuild = modules(PEERS / "memory") / "esbuild" / "bin" / "esbuild"
    source, bundle = module_folder / "module.mjs", module_folder / "bundle.cjs"
    subprocess.run(
        [esbuild, source, "--bundle", "--platform=node", f"--outfile={bundle}", *options],
        check=True,
        capture_output=True,
    )
    with NodeApp(bundle) as app:
        browser, sid = logged_in(app)
        url = f"node+pid://{app.pid}"
        assert users_of(url) == ["ana"]
        assert logs_out(cli, url, browser, sid)


def test_each_worker_of_a_cluster_has_its_own_sessions(cli: Cli) -> None:
    with NodeApp("cluster.js") as app:
        seen: dict[int, list[str]] = {}
        for number in range(8):
            answer = app.browser().get(f"/login?user=u{number}").json
            seen.setdefault(answer["pid"], []).append(f"u{number}")
        assert len(seen) == 2
        for pid, users in seen.items():
            assert sorted(map(str, users_of(f"node+pid://{pid}"))) == users
        result = cli("list", "-b", f"node+pid://{app.pid}")
        assert result.code == 4
        assert f"process {app.pid} is the primary of a cluster" in result.stderr
        assert all(f"node+pid://{pid}" in result.stderr for pid in seen)
        assert app.errors().count("Debugger listening") == 2  # one a worker, none by the refusal


def test_several_stores_are_listed_and_each_is_named(cli: Cli) -> None:
    with NodeApp("several.js") as app:
        _, sid = logged_in(app)
        url = f"node+pid://{app.pid}"
        refused = cli("list", "-b", url)
        assert refused.code == 4
        assert f"process {app.pid} has 4 session stores: 1: " in refused.stderr
        assert f"shop.sid on port {app.port}; " in refused.stderr
        assert f"admin.sid on port {app.port}" in refused.stderr
        number = re.search(r"(\d): shop.sid", refused.stderr)
        assert number
        by_name, by_both, by_number = (
            cli("list", "-o", "name", "-b", f"{url}/{name}")
            for name in ("shop.sid", f"shop.sid:{app.port}", number[1])
        )
        assert by_name.stdout == by_both.stdout == by_number.stdout == f"{sid}\n"
        ambiguous = cli("list", "-b", f"{url}/connect.sid")
        assert "has 2 session stores 'connect.sid': " in ambiguous.stderr
        unknown = cli("list", "-b", f"{url}/nobody.sid")
        assert (ambiguous.code, unknown.code) == (4, 2)
        assert "has no session store 'nobody.sid'" in unknown.stderr
        ends = cli("purge", "--all", "--yes", "--confirm", "several.js", "-b", f"{url}/admin.sid")
        assert cli("list", "-o", "name", "-b", f"{url}/shop.sid").stdout == f"{sid}\n", ends.stderr


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "has no session store that can be found"),
        ("redis", "keeps no sessions in its memory: its store is RedisStore"),
        ("thread", "worker threads, which it has, are not reached"),
    ],
)
def test_where_there_is_nothing_it_says_what_there_is(cli: Cli, kind: str, words: str) -> None:
    with NodeApp("elsewhere.js", kind) as app:
        result = cli("list", "-b", f"node+pid://{app.pid}")
        assert (result.code, words in result.stderr) == (3, True), result.stderr


def test_the_app_answers_throughout_and_a_store_of_thousands_is_exact(cli: Cli) -> None:
    with NodeApp("plain.js", "fill=20000") as app:
        done, answers = Event(), []

        def visit() -> None:
            while not done.is_set():
                answers.append(app.browser().get("/me").status)

        visitor = Thread(target=visit)
        visitor.start()
        try:
            url = f"node+pid://{app.pid}"
            listed = cli("list", "--data", "-o", "jsonl", "-b", url)
            during = len(answers)
            ended = cli("expire", "--user", "19999", "--yes", "-b", url)
        finally:
            done.set()
            visitor.join()
        assert len(listed.json_lines()) == 20_000
        assert (listed.code, ended.code) == (0, 0)
        assert "Ended 1 session." in ended.stderr
        assert during > 3
        assert set(answers) == {200}
