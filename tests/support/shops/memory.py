"""Shops that keep their sessions in their own memory."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from sessctl.timespec import parse_iso_ms
from tests.support.cli import HOUR_MS
from tests.support.memory_app import MemoryApp
from tests.support.servers import free_port
from tests.support.shops.base import SECRET, Shop

if TYPE_CHECKING:
    import pytest


class MemoryShop(Shop):
    """On express-session's MemoryStore."""

    layout = "express-memory"
    peer_store = "memory"
    lifetime_ms: ClassVar[int | None] = None
    outlives_its_app = False
    app: MemoryApp

    def open(self, request: pytest.FixtureRequest) -> None:
        self.url, self.options = "node+pid://0", {}  # until it starts

    def start(self, **options: Any) -> MemoryApp:
        # A port of its own: a second command finds the inspector that a first one has open.
        node = f"--inspect-port=127.0.0.1:{free_port()}"
        given = {"store": self.peer_store, "secrets": [SECRET], "node_options": node, **options}
        self.app = self._running.enter_context(MemoryApp(**given))
        self.url = f"node+pid://{self.app.pid}"
        return self.app

    def has(self, sid: str) -> bool:
        """Asked of the app: a second look through the inspector would close it under the first."""
        return sid in self.app.sessions()

    def ends_ms(self, sid: str) -> float:
        cookie = json.loads(self.app.sessions()[sid][0])["cookie"]
        ends_ms = parse_iso_ms(cookie["expires"])
        assert ends_ms is not None
        return ends_ms


class MemorystoreShop(MemoryShop):
    """On npm's memorystore."""

    layout = "memorystore"
    peer_store = "memorystore"
    lifetime_ms = 24 * HOUR_MS

    def ends_ms(self, sid: str) -> float:
        ends_ms = self.app.sessions()[sid][1]
        assert ends_ms is not None
        return ends_ms
