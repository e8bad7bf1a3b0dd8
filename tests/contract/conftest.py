"""Both engines, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engines import RedisEngine, SqliteEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engines import Engine
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


@pytest.fixture(params=["redis", "sqlite"])
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.getfixturevalue(f"{request.param}_engine")
    return found
