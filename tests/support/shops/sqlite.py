"""A shop on connect-sqlite3."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tests.support.shops.base import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class SqliteShop(Shop):
    layout = "connect-sqlite3"
    path: Path

    def open(self, request: pytest.FixtureRequest) -> None:
        self.path = request.getfixturevalue("sqlite_path")
        self.url = f"sqlite:///{self.path}"
        self.options = {"store": "sqlite3", "dir": str(self.path.parent), "db": self.path.name}

    def ends_ms(self, sid: str) -> float:
        with closing(sqlite3.connect(self.path)) as db:
            return float(
                db.execute("SELECT expired FROM sessions WHERE sid = ?", [sid]).fetchone()[0]
            )
