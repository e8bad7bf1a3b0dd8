"""A package of somebody else's, installed as pip installs it, works like what is ours."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import HOUR_MS, now_ms, sid
from tests.support.run import Result
from tests.support.run import sessctl as run_sessctl

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = Path(__file__).parents[1] / "peers" / "plugin-example"
OPAQUE = sid("a")  # no format of ours claims more than "an id": others are asked


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the example in it; nothing is fetched."""
    target = tmp_path_factory.mktemp("site")
    words = ["--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(target)]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *words, str(PACKAGE)], check=True, timeout=120
    )
    return target


@pytest.fixture
def sessctl(home: Path, site: Path) -> Callable[..., Result]:
    """The command line where the example is installed, and whatever stands in `plugins`."""

    def run(*words: str, **more: Any) -> Result:
        env = {"PYTHONPATH": f"{site}:{home / 'plugins'}"}
        return run_sessctl(*words, home=home, env=env, **more)

    return run


def broken_plugin(home: Path, group: str, name: str, code: str) -> None:
    """Install a package that does not work beside the example."""
    info = home / "plugins" / "boom-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: boom\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = boom_plugin:Thing\n")
    (home / "plugins" / "boom_plugin.py").write_text(code)


def lines_file(home: Path) -> Path:
    """A store of the example's engine: two live sessions, one that is over, and a stranger."""
    path = home / "sessions.jsonl"
    rows = [
        {"sid": name, "ends_ms": now_ms() + left, "body": json.dumps({"account": account})}
        for name, left, account in (
            (sid("a"), HOUR_MS, 42), (sid("b"), HOUR_MS, 7), (sid("o"), -HOUR_MS, 42),
        )
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "no session\n")
    return path


def sids(path: Path) -> list[str]:
    return sorted(re.findall(r'"sid": "(\w+)"', path.read_text()))


def test_a_cookie_is_made_told_read_and_judged(sessctl: Callable[..., Result]) -> None:
    words = ("--format", "acme-token", "--secret", "acme-secret", "--at", "2026-01-02T03:04:05Z")
    made = sessctl("sign", '{"user": 42}', *words, "-o", "header")
    header = made.stdout.strip()
    assert (header.startswith("Cookie: acme=acme1."), made.code) == (True, 0)
    item = sessctl("decode", header).json_lines()[0]
    assert (item["format"], item["payload"], item["issued_at"], item["verdict"]) == (
        "acme-token", {"user": 42}, "2026-01-02T03:04:05.000Z", "unverified",
    )  # fmt: skip
    good = sessctl("verify", header, "--secret", "acme-secret")
    assert (good.json_lines()[0]["verdict"], good.code) == ("valid", 0)
    old = sessctl("verify", header, "--secret", "acme-secret", "--max-age", "1h")
    assert (old.json_lines()[0]["verdict"], old.code) == ("expired", 1)
    bad = sessctl("verify", header, "--secret", "another")
    assert (bad.json_lines()[0]["verdict"], bad.code) == ("bad_signature", 1)


def test_an_engine_is_listed_purged_restored_and_expired(
    sessctl: Callable[..., Result], home: Path
) -> None:
    path = lines_file(home)
    store = ("-b", f"acme-jsonl://{path}?layout=acme-lines")
    listed = sessctl("list", *store, "-o", "jsonl")
    assert [item["user"] for item in listed.json_lines()] == ["42", "7", "42"]
    assert "1 not a session, left out" in listed.stderr
    assert sessctl("list", "-b", f"acme-jsonl://{path}", "--count").stdout == "3\n"  # told by look
    assert sessctl("purge", "--expired", "--dry-run", *store).code == 0
    assert len(sids(path)) == 3
    purged = sessctl("purge", "--expired", *store)
    assert (purged.counts, purged.code) == ({"deleted": 1}, 0)
    assert sids(path) == [sid("a"), sid("b")]
    expired = sessctl("expire", "--user", "42", "--yes", *store)
    assert (expired.code, sids(path)) == (0, [sid("b")])
    restored = sessctl("restore", "--last", "--yes", *store)
    assert (restored.counts, restored.code) == ({"restored": 1}, 0)
    assert sids(path) == [sid("a"), sid("b")]


def test_a_layout_works_on_an_engine_of_ours(sessctl: Callable[..., Result], home: Path) -> None:
    with sqlite3.connect(home / "acme.db") as database:
        database.execute("CREATE TABLE acme_sessions (token TEXT PRIMARY KEY, body TEXT, ends_at)")
        body = json.dumps({"account": 42, "acme_version": 1})
        rows = [(sid("a"), body, 4_000_000_000), (sid("o"), body, 1_700_000_000)]
        database.executemany("INSERT INTO acme_sessions VALUES (?, ?, ?)", rows)
    named = f"sqlite:///{home / 'acme.db'}?layout=acme-table"
    assert sessctl("list", "-b", named, "--user", "42", "--active", "-o", "name").stdout == (
        f"{sid('a')}\n"
    )
    told = sessctl("list", "-b", named.partition("?")[0], "-o", "jsonl").json_lines()
    assert {item["layout"] for item in told} == {"acme-table"}
    assert sessctl("purge", "--expired", "-b", named).counts == {"deleted": 1}


def test_what_is_no_session_stays_in_the_file_and_the_file_as_private_as_it_was(
    sessctl: Callable[..., Result], home: Path
) -> None:
    path = lines_file(home)
    strangers = [b"no session", b"\xff\xfe", b"[" * 5000, b'{"sid":1,"ends_ms":2,"body":3}']
    with path.open("ab") as file:
        file.writelines(line + b"\n" for line in strangers[1:])
    path.chmod(0o600)
    assert sessctl("purge", "--expired", "-b", f"acme-jsonl://{path}?layout=acme-lines").counts == {
        "deleted": 1
    }
    assert set(path.read_bytes().splitlines()) >= set(strangers)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_cookie_of_the_right_form_with_no_base64_is_unreadable(
    sessctl: Callable[..., Result],
) -> None:
    result = sessctl("decode", "--format", "acme-token", f"acme1.A.1700000000.{'0' * 64}")
    assert (result.code, "the payload is no base64url" in result.stderr) == (7, True)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise ImportError('x')", "failed to load: ImportError"),
        ("class Thing:\n    def sniff(self, value, context): return 1 / 0", "ZeroDivisionError"),
        ("class Thing: pass", "AttributeError"),
    ],
)
def test_a_broken_format_is_named_and_breaks_nothing_else(
    sessctl: Callable[..., Result], home: Path, code: str, reason: str
) -> None:
    broken_plugin(home, "sessctl.cookie_formats", "boom", code)
    result = sessctl("decode", OPAQUE)
    assert (result.json_lines()[0]["format"], result.code) == ("opaque", 0)
    assert result.stderr.count("warning: the plug-in '") == 1
    assert reason in result.stderr


@pytest.mark.parametrize("group", ["sessctl.layouts", "sessctl.engines"])
def test_a_broken_layout_or_engine_is_named_when_it_is_asked_for(
    sessctl: Callable[..., Result], home: Path, group: str
) -> None:
    broken_plugin(home, group, "boom", "raise RuntimeError('secret words')")
    path = lines_file(home)
    good = sessctl("list", "-b", f"acme-jsonl://{path}?layout=acme-lines", "--count")
    assert (good.stdout, "boom" in good.stderr, good.code) == ("3\n", False, 0)
    url = "boom://h/0" if group.endswith("engines") else f"sqlite:///{home}/x.db?layout=boom"
    result = sessctl("list", "-b", url)
    assert (result.stdout, result.code) == ("", 2)
    assert "the plug-in 'boom' (boom 1.0) failed to load: RuntimeError" in result.stderr
    assert "secret words" not in result.stderr


def test_help_tells_what_is_installed(sessctl: Callable[..., Result]) -> None:
    text = sessctl("help", "plugins").stdout
    assert re.search(r"sessctl\.engines +acme-jsonl \(sessctl-acme 1\.0\)", text)
    assert "acme-table (sessctl-acme 1.0)" in text
