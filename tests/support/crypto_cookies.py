"""The peer whose libraries encrypt their cookies or sign them as JWT."""

from __future__ import annotations

import json
from typing import Any

from tests.support.npm import PEERS, modules, program
from tests.support.peer import PeerApp


class CryptoCookiesApp(PeerApp):
    """`tests/peers/crypto-cookies`: settings by the name of the library (see there)."""

    def __init__(self, libraries: dict[str, dict[str, Any]]) -> None:
        peer = PEERS / "crypto-cookies"
        super().__init__(
            [program("node"), str(peer / "app.js")],
            NODE_PATH=str(modules(peer)),
            SESSCTL_PEER=json.dumps(libraries),
        )
