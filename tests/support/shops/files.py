"""Shops on session-file-store, in plain text and encrypted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from sessctl.serializers.kruptein import Kruptein
from sessctl.text import Secret
from tests.support.cli import HOUR_MS
from tests.support.shops.base import Shop

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

STORE_SECRET = "a secret of the store"


class FilesShop(Shop):
    layout = "session-file-store"
    lifetime_ms = HOUR_MS
    stamps = ("__lastAccess",)
    path: Path

    def open(self, request: pytest.FixtureRequest) -> None:
        self.path = request.getfixturevalue("tmp_path") / "sessions"
        self.path.mkdir()
        self.url = f"file://{self.path}"
        self.options = {"peer": "files", "store": "files", "dir": str(self.path)}

    def ends_ms(self, sid: str) -> float:
        session = json.loads(self.value(sid))
        age: Any = session["cookie"]["originalMaxAge"]
        return float(session["__lastAccess"] + (age or self.lifetime_ms))

    def value(self, sid: str) -> bytes:
        """What the file says of a session."""
        return (self.path / f"{sid}.json").read_bytes()


class EncryptedFilesShop(FilesShop):
    settings: ClassVar[dict[str, Any]] = {"store_secrets": [STORE_SECRET]}

    def open(self, request: pytest.FixtureRequest) -> None:
        super().open(request)
        self.options |= {"storeSecret": STORE_SECRET}

    def value(self, sid: str) -> bytes:
        raw = super().value(sid)
        assert b"cookie" not in raw
        return Kruptein([Secret(STORE_SECRET)]).open(raw)
