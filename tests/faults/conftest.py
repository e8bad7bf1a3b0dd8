"""Seeds and stores of the fault tests."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.stores import (
    FilesSubject,
    MysqlSubject,
    PostgresSubject,
    RedisSubject,
    SqliteSubject,
)
from tests.support.engines import FilesEngine, RedisEngine, SqliteEngine
from tests.support.sql_engines import MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.stores import Subject
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer
    from tests.support.servers import RedisServer


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance, printed and repeatable: SESSCTL_SEED=N runs the same moments again."""
    seed = os.environ.get("SESSCTL_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"SESSCTL_SEED={seed}")
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture
def redis_subject(redis_server: RedisServer) -> Iterator[RedisSubject]:
    engine = RedisEngine(redis_server)
    engine.client.flushall()
    yield RedisSubject(engine)
    engine.client.close()


@pytest.fixture
def sqlite_subject(tmp_path: Path) -> Iterator[SqliteSubject]:
    folder = tmp_path / "db"
    folder.mkdir()
    engine = SqliteEngine(folder / "sessions")
    # Tests kill processes and never the machine: what the kernel has is safe.
    engine.client.execute("PRAGMA synchronous = OFF")
    yield SqliteSubject(engine)
    engine.client.close()


@pytest.fixture
def postgres_subject(postgres_server: PostgresServer) -> Iterator[PostgresSubject]:
    postgres_server.empty()
    engine = PostgresEngine(postgres_server)
    yield PostgresSubject(engine)
    engine.client.close()


@pytest.fixture
def mysql_subject(maria_server: MariaServer) -> Iterator[MysqlSubject]:
    maria_server.empty()
    engine = MariaEngine(maria_server)
    yield MysqlSubject(engine)
    engine.client.close()


@pytest.fixture
def files_subject(tmp_path: Path) -> FilesSubject:
    return FilesSubject(FilesEngine(tmp_path / "files"))


@pytest.fixture(params=["redis", "sqlite", "postgres", "mysql", "files"])
def subject(request: pytest.FixtureRequest) -> Subject:
    """An empty store of each engine."""
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


@pytest.fixture(params=["redis", "postgres", "mysql"])
def served(request: pytest.FixtureRequest) -> Subject:
    """An empty store of each engine that is a server, behind a port."""
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


@pytest.fixture(params=["postgres", "mysql"])
def rows(request: pytest.FixtureRequest) -> Subject:
    """An empty table of each SQL server."""
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found
