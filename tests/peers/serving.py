"""What the Python peers share: they say where they listen, and end with whoever started them."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socketserver import BaseServer


def serve(server: BaseServer) -> None:
    """Print {"port": N} and answer until stdin closes, so no test can leave one behind."""
    announce(server.server_address[1])
    server.serve_forever()


def announce(port: int) -> None:
    """The same for a server that answers by itself: say where, and end when stdin closes."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    print(json.dumps({"port": port}), flush=True)


def _end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(0)
