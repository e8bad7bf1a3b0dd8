"""Every engine, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engines import RedisEngine, SqliteEngine
from tests.support.redis_engines import ClusterEngine
from tests.support.sql_engines import MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine
    from tests.support.mariadb import MariaServer
    from tests.support.postgres import PostgresServer
    from tests.support.redis_forms import RedisCluster
    from tests.support.servers import RedisServer


@pytest.fixture
def redis_engine(redis_server: RedisServer) -> Iterator[RedisEngine]:
    engine = RedisEngine(redis_server)
    engine.client.flushall()
    yield engine
    engine.client.close()


@pytest.fixture
def cluster_engine(redis_cluster: RedisCluster) -> Iterator[ClusterEngine]:
    engine = ClusterEngine(redis_cluster)
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


@pytest.fixture(params=["redis", "cluster", "sqlite", "postgres", "mysql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found
