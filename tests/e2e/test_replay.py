"""`sessctl replay` as people run it: a process, a terminal, real Express apps with their stores."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.little_apps import counting
from tests.support.raw_http import RawServer, reply, saying
from tests.support.run import COMMAND, clean_environment
from tests.support.servers import make_certificates

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import ExpressFactory

SHOP = """\
sessctl: 1
steps:
  - {name: look around, get: /views, show: {views: {json: $.views}}}
  - {name: look again, get: /views, show: {views: {json: $.views}}}
  - {name: log in, post: /login, json: {user: tj, password: any}}
  - {name: my page, get: /me, show: {user: {json: $.user}}, expect: {depends: true}}
  - {name: log out, post: /logout}
expect: {verdict: stateful, carrier: connect.sid, kept: server}
"""


@pytest.fixture
def shop(home: Path) -> Path:
    path = home / "shop.yaml"
    path.write_text(SHOP)
    return path


def section(text: str, first: str) -> list[str]:
    """The lines from one that begins so to the next empty one."""
    lines = text.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(first))
    end = next((place for place in range(start, len(lines)) if not lines[place]), len(lines))
    return lines[start:end]


@pytest.mark.usefixtures("shop")
def test_the_store_is_shown_beside_each_step(
    sessctl: Any, express_redis: ExpressFactory, redis_url: str
) -> None:
    with express_redis() as app:
        result = sessctl("replay", "shop.yaml", "--target", app.url, "-b", redis_url, "--why")
    assert (result.code, "kept at the server (redis, session found)" in result.stdout) == (0, True)
    sid = r"\S{1,6}~[0-9a-f]{6}"
    lines = section(result.stdout, "store")
    found = [re.sub(r", \d+ms after the answer", "", one) for one in lines]
    wanted = [
        "store redis",
        rf"  1  look around  created {sid}, ends in 1d",
        r"                    \$.views: 1",
        rf"  2  look again   changed {sid}",
        r"                    \$.views: 1 → 2",
        rf"  3  log in       {sid} replaced by {sid}",
        r"                    \$.views: 2 → gone",
        r'                    \$.passport: \{"user": "tj"\}',
        rf"  5  log out      {sid} replaced by {sid}",
        r'                    \$.passport: \{"user": "tj"\} → gone',
        r"  5 requests without a cookie left \d more sessions",
    ]
    # Whether a touch moves the expiry is a matter of milliseconds.
    told = [one for one in found if "$.cookie" not in one and "my page" not in one]
    for line, pattern in zip(told, wanted, strict=True):
        assert re.fullmatch(pattern, line), (line, pattern)


def test_the_scenario_may_name_the_backend(
    sessctl: Any, home: Path, express_sqlite: ExpressFactory, sqlite_path: Path
) -> None:
    (home / "shop.yaml").write_text(SHOP + "backend: shop\n")
    config = home / "sessctl.toml"
    config.write_text(f'[backends.shop]\nurl = "sqlite:///{sqlite_path}"\n')
    with express_sqlite() as app:
        result = sessctl("replay", "shop.yaml", "--target", app.url)
        assert (result.code, "\nstore sqlite\n" in result.stdout) == (0, True)
        config.unlink()
        result = sessctl("replay", "shop.yaml", "--target", app.url)
    assert (result.stdout, result.code) == ("", 2)
    assert "no backend 'shop' is configured" in result.stderr


def test_a_scenario_cannot_name_a_store_of_its_own(sessctl: Any, home: Path) -> None:
    (home / "shop.yaml").write_text(SHOP + "backend: redis://127.0.0.1:1\n")
    result = sessctl("replay", "shop.yaml", "--target", "http://127.0.0.1:1")
    assert (result.stdout, result.code) == ("", 2)
    assert "no backend 'redis://127.0.0.1:1' is configured" in result.stderr


@pytest.mark.usefixtures("shop")
def test_a_store_that_is_not_there_is_unreachable(sessctl: Any) -> None:
    with RawServer(counting()) as server:
        result = sessctl("replay", "shop.yaml", "--target", server.url, "-b", "redis://127.0.0.1:1")
        assert (result.stdout, result.code, server.requests) == ("", 3, [])


@pytest.mark.usefixtures("shop")
def test_reading_the_store_changes_nothing_in_it(
    sessctl: Any, express_redis: ExpressFactory, redis_url: str
) -> None:
    with express_redis() as app:
        browser = app.browser()
        browser.get("/views")
        before = sessctl("list", "-b", redis_url, "-o", "json", "--data").json()["items"]
        sessctl("replay", "shop.yaml", "--target", app.url, "-b", redis_url)
        after = sessctl("list", "-b", redis_url, "-o", "json", "--data").json()["items"]
    mine = next(one for one in after if one["sid"] == before[0]["sid"])
    assert (mine["data"], mine["expires_at"]) == (before[0]["data"], before[0]["expires_at"])


# -- TLS -------------------------------------------------------------------------------------------


def test_a_certificate_of_nobody_is_not_trusted(sessctl: Any, home: Path) -> None:
    make_certificates(home)
    (home / "shop.yaml").write_text("sessctl: 1\nsteps: [{get: /}]\n")
    with RawServer(saying(reply()), certificates=home) as server:
        result = sessctl("replay", "shop.yaml", "--target", server.url)
        assert (result.stdout, result.code, server.requests) == ("", 3, [])
        assert "is not trusted" in result.stderr
        assert "--ca-file names a certificate authority of your own" in result.stderr
        trusted = sessctl("replay", "shop.yaml", "--target", server.url, "--ca-file", "ca.crt")
        assert trusted.code == 0


def test_https_where_http_is_spoken(sessctl: Any, home: Path) -> None:
    (home / "shop.yaml").write_text("sessctl: 1\nsteps: [{get: /}]\n")
    with RawServer(saying(reply())) as server:
        result = sessctl("replay", "shop.yaml", "--target", f"https://127.0.0.1:{server.port}")
    assert (result.stdout, result.code) == ("", 3)
    assert "is it https that is spoken there?" in result.stderr


# -- terminals, pipes, signals ---------------------------------------------------------------------


def test_a_terminal_sees_how_far_it_is(sessctl_tty: Any, home: Path) -> None:
    (home / "shop.yaml").write_text(
        "sessctl: 1\nsteps: [{get: /views}, {wait: 700ms}, {get: /views}, {wait: 200ms}]\n"
    )
    with RawServer(counting()) as server:
        words = ("replay", "shop.yaml", "--target", server.url, "--no-pager")
        result = sessctl_tty(*words, cols=100)
        quiet = sessctl_tty(*words, "-q", cols=100)
    assert (result.code, quiet.code) == (0, 0)
    assert re.search(r"stateful .*3/4", result.text)
    assert "depends on state" in result.text
    assert "stateful .*3/4" not in quiet.text


def test_a_question_is_asked_on_a_terminal(sessctl_tty: Any, home: Path) -> None:
    (home / "shop.yaml").write_text("sessctl: 1\nsteps: [{get: /, cookies: {sid: x}}]\n")
    result = sessctl_tty(
        "replay", "shop.yaml", "--target", "http://198.51.100.7:9", say=[(b"[y/N]", b"n\r")]
    )
    assert result.code == 4
    assert "send cookies made by hand to http://198.51.100.7:9?" in result.text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_says_where(home: Path, number: int, code: int) -> None:
    (home / "shop.yaml").write_text("sessctl: 1\nsteps: [{get: /views}, {wait: 60s}]\n")
    with (
        RawServer(counting()) as server,
        subprocess.Popen(
            [*COMMAND, "replay", "shop.yaml", "--target", server.url],
            env=clean_environment(home), cwd=home,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process,
    ):  # fmt: skip
        deadline = time.monotonic() + 30
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (out, process.returncode) == (b"", code)
    assert err.endswith(
        b"note: stopped in the run 'stateful', at step 2; what was sent until then has been sent\n"
    )


def test_a_reader_that_goes_ends_it_quietly(home: Path) -> None:
    steps = "\n".join("  - {get: /views}" for _ in range(400))
    (home / "shop.yaml").write_text(f"sessctl: 1\nsteps:\n{steps}\n")
    with (
        RawServer(counting()) as server,
        subprocess.Popen(
            [*COMMAND, "replay", "shop.yaml", "--target", server.url, "-o", "jsonl", "-q"],
            env=clean_environment(home), cwd=home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["event"] == "run"
        process.stdout.close()
        err = process.stderr.read()
        assert (process.wait(timeout=60), err) == (0, b"")
        assert len(server.requests) < 1200
