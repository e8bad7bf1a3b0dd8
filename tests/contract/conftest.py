"""Every engine, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dynamodb import DynamoEngine
from tests.support.engines import FilesEngine, RedisEngine, SqliteEngine
from tests.support.memcached import MemcachedEngine
from tests.support.sql_engines import MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.dynamodb import DynamoServer
    from tests.support.engines import Engine
    from tests.support.mariadb import MariaServer
    from tests.support.memcached import MemcachedServer
    from tests.support.postgres import PostgresServer
    from tests.support.servers import RedisServer


@pytest.fixture
def redis_engine(redis_server: RedisServer) -> Iterator[RedisEngine]:
    engine = RedisEngine(redis_server)
    engine.client.flushall()
    yield engine
    engine.client.close()


@pytest.fixture
def sqlite_engine(tmp_path: Path) -> Iterator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "sessions")
    yield engine
    engine.client.close()


@pytest.fixture
def postgres_engine(postgres_server: PostgresServer) -> Iterator[PostgresEngine]:
    postgres_server.empty()
    # A column of type json takes no broken value, one that was made `text` takes any.
    engine = PostgresEngine(postgres_server, PostgresEngine.DDL.replace("json NOT", "text NOT"))
    yield engine
    engine.client.close()


@pytest.fixture
def mysql_engine(maria_server: MariaServer) -> Iterator[MariaEngine]:
    maria_server.empty()
    engine = MariaEngine(maria_server)
    yield engine
    engine.client.close()


@pytest.fixture
def memcached_engine(memcached_server: MemcachedServer) -> Iterator[MemcachedEngine]:
    memcached_server.empty()
    engine = MemcachedEngine(memcached_server)
    yield engine
    engine.client.close()


@pytest.fixture
def dynamodb_engine(dynamodb_server: DynamoServer, monkeypatch: pytest.MonkeyPatch) -> DynamoEngine:
    dynamodb_server.empty()
    return DynamoEngine(dynamodb_server, monkeypatch)


@pytest.fixture
def files_engine(tmp_path: Path) -> FilesEngine:
    return FilesEngine(tmp_path / "sessions")


@pytest.fixture(params=["redis", "sqlite", "postgres", "mysql", "files", "memcached", "dynamodb"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found
