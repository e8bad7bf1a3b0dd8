"""Flask-Session's sessions on the command line, of all its versions side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.flask_session import DATA, FORMS, Table

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli


@pytest.fixture
def table(tmp_path: Path) -> Table:
    found = Table(tmp_path / "db")
    for name, raw in FORMS.items():
        found.save(f"session:{name}", raw)
    return found


@pytest.fixture
def url(table: Table) -> str:
    return f"{table.url}?layout=flask-sqlalchemy"


def test_every_version_s_sessions_are_listed_alike(cli: Cli, url: str) -> None:
    items = cli("list", "--data", "-o", "jsonl", "-b", url).json_lines()
    assert {item["sid"]: (item["user"], item["data"]) for item in items} == dict.fromkeys(
        FORMS, ("42", DATA)
    )
    assert cli("list", "--user", "42", "--count", "-b", url).stdout.strip() == "4"
    shown = cli("show", "pickle", "-o", "json", "-b", url).json()["items"]
    assert (shown[0]["data"], shown[0]["problem"]) == (DATA, None)
    raw = cli("show", "msgpack", "-o", "raw", "-b", url)
    assert raw.stdout_bytes == FORMS["msgpack"]


def test_the_library_s_own_name_is_the_layout_of_the_store(cli: Cli, table: Table) -> None:
    cli.config(f'[backends.web]\nurl = "{table.url}"\nlayout = "flask-session"\n')
    items = cli("list", "-o", "jsonl", "-b", "web").json_lines()
    assert {item["layout"] for item in items} == {"flask-sqlalchemy"}
    elsewhere = cli("list", "-b", "node://127.0.0.1:9229?layout=flask-session")
    assert (elsewhere.code, "no layout 'flask-session'" in elsewhere.stderr) == (2, True)


def test_a_pickle_is_changed_by_nobody_but_the_application(cli: Cli, url: str) -> None:
    refused = cli("set", "pickle", "theme=dark", "--yes", "-b", url)
    assert refused.code != 0
    assert "pickle is only read" in refused.stderr
    changed = cli("set", "msgpack", "theme=dark", "--yes", "-b", url)
    assert changed.code == 0, changed.stderr
    (item,) = cli("show", "msgpack", "-o", "jsonl", "-b", url).json_lines()
    assert item["data"] == {**DATA, "theme": "dark"}


def test_what_is_ended_comes_back_to_the_byte(cli: Cli, table: Table, url: str) -> None:
    rows = table.rows()
    ended = cli("expire", "--user", "42", "--yes", "-b", url)
    assert (table.rows(), ended.code) == ([], 0), ended.stderr
    restored = cli("restore", "--last", "--yes", "-b", url)
    assert (table.rows(), restored.code) == (rows, 0), restored.stderr


def test_an_export_holds_what_another_store_takes(
    cli: Cli, table: Table, url: str, tmp_path: Path
) -> None:
    lines = cli("export", "-b", url).stdout
    assert {json.loads(line)["extra"]["serializer"] for line in lines.splitlines()} == {
        "flask-session"
    }
    other = Table(tmp_path / "other")
    words = ("--yes", "-b", f"{other.url}?layout=flask-sqlalchemy")
    taken = cli("import", "-", *words, stdin=lines)
    assert taken.code == 0, taken.stderr
    assert sorted(row[1:3] for row in other.rows()) == sorted(row[1:3] for row in table.rows())
