"""What Flask-Session leaves in a SQLite file, for tests that need no application."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.stores.opening import open_store
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store

DATA: dict[str, Any] = {"_permanent": True, "_user_id": "42", "cart": [{"item": "crème", "qty": 9}]}
FORMS = {
    "msgpack": msgspec.msgpack.encode(DATA),
    "json": msgspec.json.encode(DATA),
    "pickle": pickle.dumps(DATA),
    "pickle-0": pickle.dumps(DATA, 0),
}
SQLITE = (
    "CREATE TABLE sessions (id INTEGER NOT NULL, session_id VARCHAR(255), data BLOB, "
    "expiry DATETIME, PRIMARY KEY (id), UNIQUE (session_id))"
)


def naive(ms: int) -> datetime:
    """An instant as the library binds it."""
    return datetime(1970, 1, 1) + timedelta(milliseconds=ms)


class Table:
    """The library's table in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.execute(SQLITE)

    def execute(self, statement: str, *values: Any) -> list[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            return db.execute(statement, values).fetchall()

    def save(self, key: str, raw: bytes | None, ends: str | None = None) -> None:
        ends = ends or naive(now_ms() + 3_600_000).isoformat(" ", "microseconds")
        words = "INSERT INTO sessions (session_id, data, expiry) VALUES (?, ?, ?)"
        self.execute(words, key, raw, ends)

    def rows(self) -> list[Any]:
        return self.execute("SELECT * FROM sessions ORDER BY id")

    def open(self, **options: Any) -> Store:
        return open_store(self.url, "flask-sqlalchemy", write=True, **options)
