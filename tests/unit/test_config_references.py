"""A backend's url by reference, and paths that count from a project's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.config.file import load_config
from sessctl.config.opening import choose_backend, url_of
from sessctl.errors import ConfigError
from sessctl.text import redact

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.config.model import Backend

URL = "redis://ops:hunter2-9f3e@localhost:6379/3"


def load(folder: Path, text: str, *, cwd: Path | None = None, **environ: str) -> Backend:
    path = folder / "sessctl.toml"
    path.write_text(text)
    path.chmod(0o600)
    (folder / ".git").mkdir(exist_ok=True)
    config = load_config(explicit=None, environ={"HOME": str(folder), **environ}, cwd=cwd or folder)
    return choose_backend(config, None)


@pytest.mark.parametrize("form", ["env", "dotenv", "file"])
def test_a_variable_holds_the_whole_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"CACHE='{URL}'\n")
    (tmp_path / "url").write_text(f"{URL}\n")
    reference = {"env": "env:CACHE", "dotenv": "dotenv:.env#CACHE", "file": "file:url"}[form]
    backend = load(tmp_path, f'[backends.a]\nurl = "{reference}"\n', CACHE=URL)
    place = url_of(backend)
    assert (place.masked, backend.url_from) == ("redis://ops:***@localhost:6379/3", reference)
    assert place.password is not None
    assert place.password.reveal_text() == "hunter2-9f3e"
    assert "hunter2" not in redact(f"could not reach {URL}")


@pytest.mark.parametrize(
    ("reference", "problem"),
    [
        ("env:NOT_SET", "the environment has no variable 'NOT_SET'"),
        ("env:EMPTY", "env:EMPTY is empty"),
        ("env:WORD", "env:WORD holds no URL"),
        ("dotenv:.env", "a dotenv reference names a file and a variable"),
        ("file:none", "no file none"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_when_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    backend = load(tmp_path, f'[backends.a]\nurl = "{reference}"\n', EMPTY="", WORD="hunter2")
    with pytest.raises(ConfigError, match="the url of backend 'a' leads nowhere") as failure:
        url_of(backend)
    assert problem in failure.value.message
    assert "hunter2" not in failure.value.message


@pytest.mark.parametrize("url", ["localhost", "prompt", "stdin", "keyring:a/b", "cmd:pass x"])
def test_other_references_are_no_url(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match="is not a URL"):
        load(tmp_path, f'[backends.a]\nurl = "{url}"\n')


def test_paths_of_a_project_count_from_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    (tmp_path / ".env").write_text(f"CACHE={URL}\n")
    text = (
        '[backends.a]\nurl = "dotenv:.env#CACHE"\nsecrets = ["2=file:key", "env:X", "file:/k"]\n'
        'password = "dotenv:.env#P"\nca_file = "ca.pem"\n'
    )
    backend = load(tmp_path, text, cwd=below)
    assert backend.url == URL
    assert backend.secrets == [f"2=file:{tmp_path}/key", "env:X", "file:/k"]
    assert backend.password == f"dotenv:{tmp_path}/.env#P"
    assert backend.ca_file == f"{tmp_path}/ca.pem"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///var/x.db?layout=connect-sqlite3", "{}/var/x.db"),
        ("sqlite:////abs/x.db", "/abs/x.db"),
        ("file://sessions", "{}/sessions"),
        ("file:///abs", "/abs"),
    ],
)
def test_files_of_a_project_count_from_its_folder(tmp_path: Path, url: str, path: str) -> None:
    below = tmp_path / "src"
    below.mkdir()
    place = url_of(load(tmp_path, f'[backends.a]\nurl = "{url}"\n', cwd=below))
    assert place.path == path.format(tmp_path)
    assert dict(place.settings).get("layout") == ("connect-sqlite3" if "?" in url else None)
