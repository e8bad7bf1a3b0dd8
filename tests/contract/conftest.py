"""Every engine, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.dynamodb import DynamoEngine
from tests.support.engines import FilesEngine, RedisEngine, SqliteEngine
from tests.support.memcached import MemcachedEngine
from tests.support.memory_app import MemoryApp, NodeEngine
from tests.support.mongo import MongoEngine
from tests.support.redis_engines import ClusterEngine
from tests.support.sql_engines import KnexEngine, MariaEngine, PostgresEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.dynamodb import DynamoServer
    from tests.support.engines import Engine
    from tests.support.mariadb import MariaServer
    from tests.support.memcached import MemcachedServer
    from tests.support.mongo import MongoServer
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
def knex_engine(tmp_path: Path) -> Iterator[KnexEngine]:
    """SQLite once more: a date is another thing there than a number."""
    engine = KnexEngine(tmp_path / "sessions")
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


@pytest.fixture
def mongo_engine(mongo_server: MongoServer) -> MongoEngine:
    mongo_server.empty()
    return MongoEngine(mongo_server)


@pytest.fixture(scope="session")
def memory_app() -> Iterator[MemoryApp]:
    with MemoryApp(store="memorystore", node_options="--inspect=127.0.0.1:0") as app:
        yield app


@pytest.fixture
def node_engine(memory_app: MemoryApp) -> NodeEngine:
    memory_app.ask("clear")
    return NodeEngine(memory_app)


ENGINES = [
    *("redis", "cluster", "sqlite", "knex", "postgres", "mysql", "files", "mongo"),
    *("memcached", "dynamodb", "node"),
]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found
