"""`config use` and `config edit`: comments stay, nothing broken takes a file's place."""

from __future__ import annotations

import stat
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.cli import Cli

TWO = """\
# of the shop
[backends.dev]  # near
url = "redis://localhost/1"

[backends.prod]
url = "rediss://cache.internal/0"
"""


@pytest.fixture(autouse=True)
def _drafts_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drafts").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "drafts"))


def drafts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "drafts").rglob("*.toml"))


def editor(cli: Cli, script: str) -> dict[str, str]:
    """An editor that runs a line of shell on the file `$1`."""
    path = cli.home / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"EDITOR": str(path)}


# -- use -------------------------------------------------------------------------------------------


def test_use_sets_the_default_and_leaves_all_else(cli: Cli) -> None:
    path = cli.config(TWO)
    result = cli("config", "use", "prod")
    assert path.read_text() == f'default_backend = "prod"\n\n{TWO}'
    assert (result.stdout, result.stderr, result.code) == (
        f"{path}: prod is the default now\n", "", 0,
    )  # fmt: skip
    assert cli("config", "use", "dev").code == 0
    assert path.read_text() == f'default_backend = "dev"\n\n{TWO}'
    assert cli("backends", "list", "-o", "json").json()["items"][0]["default"] is True


def test_use_writes_where_the_backend_stands(cli: Cli) -> None:
    """A default that names a backend of one project would be wrong everywhere else."""
    project = cli.config('[backends.near]\nurl = "redis://localhost/1"\n')
    user = cli.user_config('[backends.far]\nurl = "redis://localhost/2"\n')
    assert cli("config", "use", "far").code == 0
    assert tomllib.loads(user.read_text())["default_backend"] == "far"
    assert "default_backend" not in project.read_text()
    assert cli("config", "use", "near").code == 0
    assert tomllib.loads(project.read_text())["default_backend"] == "near"


def test_use_says_when_a_nearer_file_has_the_word(cli: Cli) -> None:
    cli.config('default_backend = "near"\n[backends.near]\nurl = "redis://localhost/1"\n')
    user = cli.user_config('[backends.far]\nurl = "redis://localhost/2"\n')
    before = user.read_text()
    result = cli("config", "use", "far")
    assert (result.stdout, result.code, user.read_text()) == ("", 2, before)
    assert "'near' stays the default here: the project file sets it" in result.stderr


def test_use_of_an_unknown_name_suggests_the_nearest(cli: Cli) -> None:
    path = cli.config(TWO)
    result = cli("config", "use", "prd")
    assert (result.code, path.read_text()) == (2, TWO)
    assert "did you mean 'prod'?" in result.stderr


def test_use_can_be_tried(cli: Cli) -> None:
    path = cli.config(TWO)
    result = cli("config", "use", "prod", "--dry-run", "-o", "json")
    assert (result.json()["written"], result.json()["default_backend"]) == (False, "prod")
    assert path.read_text() == TWO


@pytest.mark.parametrize(
    "more", ["", '[tool.sessctl.backends.last]\nurl = "redis://localhost/2"\n']
)
def test_use_in_a_pyproject_stays_in_its_table(cli: Cli, more: str) -> None:
    """Also where other tools' tables stand between ours."""
    path = cli.config(
        f'[tool.sessctl.backends.web]\nurl = "redis://localhost/1"\n[tool.ruff]\nx = 1\n{more}',
        "pyproject.toml",
    )
    assert cli("config", "use", "web").code == 0
    table = tomllib.loads(path.read_text())["tool"]
    assert (table["sessctl"]["default_backend"], table["ruff"]) == ("web", {"x": 1})


# -- edit ------------------------------------------------------------------------------------------


def test_edit_puts_a_good_text_in_place(cli: Cli, tmp_path: Path) -> None:
    path = cli.config(TWO)
    result = cli("config", "edit", env=editor(cli, """sed -i 's/"prod/&/; s/1"/7"/' "$1" """))
    assert path.read_text() == TWO.replace('/1"', '/7"')
    assert (result.stdout, result.code, drafts(tmp_path)) == (f"{path}: written\n", 0, [])


BROKEN = {
    "unknown key": ("sed -i 's/^url/urll/' \"$1\"", "unknown key 'backends.dev.urll'"),
    "no toml": ("echo '[' >> \"$1\"", "not TOML"),
    "no such scheme": ("sed -i 's/redis:/redsi:/' \"$1\"", "no engine for 'redsi://'"),
    "no such default": ('sed -i \'1i default_backend = "x"\' "$1"', "default_backend names 'x'"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_edit_keeps_a_broken_text_and_replaces_nothing(cli: Cli, tmp_path: Path, case: str) -> None:
    script, message = BROKEN[case]
    path = cli.config(TWO)
    result = cli("config", "edit", env=editor(cli, script))
    assert (result.stdout, result.code, path.read_text()) == ("", 2, TWO)
    (draft,) = drafts(tmp_path)
    assert message in result.stderr
    assert f"your text is kept in {draft}" in result.stderr
    assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    assert draft.read_text() != TWO


def test_edit_mends_a_config_that_is_broken(cli: Cli) -> None:
    path = cli.config(TWO.replace("url", "urll"))
    assert cli("config", "edit", env=editor(cli, "sed -i 's/urll/url/' \"$1\"")).code == 0
    assert path.read_text() == TWO


def test_ctrl_c_belongs_to_the_editor(cli: Cli) -> None:
    path = cli.config(TWO)
    script = """kill -INT $PPID; sed -i 's/1"/7"/' "$1" """
    assert cli("config", "edit", env=editor(cli, script)).code == 0
    assert path.read_text() == TWO.replace('/1"', '/7"')


def test_an_editor_that_fails_changes_nothing(cli: Cli) -> None:
    path = cli.config(TWO)
    result = cli("config", "edit", env=editor(cli, 'echo "#" >> "$1"; exit 3'))
    assert (result.code, path.read_text()) == (4, TWO)
    assert "exit 3)" in result.stderr


def test_edit_does_not_overwrite_what_another_one_wrote(cli: Cli) -> None:
    path = cli.config(TWO)
    script = f'echo "# mine" >> "$1"; echo "# theirs" >> {path}'
    result = cli("config", "edit", env=editor(cli, script))
    assert (result.code, path.read_text()) == (2, f"{TWO}# theirs\n")
    assert "has changed meanwhile" in result.stderr


def test_edit_makes_the_user_s_own_config(cli: Cli) -> None:
    path = cli.home / "config" / "sessctl" / "config.toml"
    script = 'echo \'[backends.x]\nurl = "redis://h"\' > "$1"'
    assert cli("config", "edit", env=editor(cli, script)).code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "env", [{}, {"EDITOR": "/no/such/editor"}, {"EDITOR": "'"}, {"EDITOR": " "}]
)
def test_without_an_editor_it_says_what_to_set(cli: Cli, env: dict[str, str]) -> None:
    result = cli("config", "edit", env=env)
    assert (result.stdout, result.code) == ("", 2)
    assert "EDITOR" in result.stderr
