"""Stores to run commands on, and the command line inside this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl import text
from tests.support.cli import Cli
from tests.support.engines import RedisEngine, SqliteEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine
    from tests.support.servers import RedisServer


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process hides every secret it has seen; another test's must not black out our words."""
    monkeypatch.setattr(text, "_spellings", [])


@pytest.fixture
def cli(home: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in this process, started in an empty home directory."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    return Cli(home)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SqliteEngine]:
    """An empty SQLite store."""
    engine = SqliteEngine(tmp_path / "shop.db")
    yield engine
    engine.client.close()


@pytest.fixture
def cache(redis_server: RedisServer) -> Iterator[RedisEngine]:
    """An empty Redis store."""
    engine = RedisEngine(redis_server)
    engine.client.flushall()
    yield engine
    engine.client.close()


@pytest.fixture(params=["shop", "cache"])
def store(request: pytest.FixtureRequest) -> Engine:
    """The same promises on both engines."""
    found: Engine = request.getfixturevalue(request.param)
    return found
