"""A real Litestar application whose session is in its cookies.

Started by `tests/support/peer.py` with the key in base64. POST /session takes the session's data,
GET answers with it.
"""

import socket
import sys
from base64 import b64decode
from typing import Any

import uvicorn
from litestar import Litestar, Request, get, post
from litestar.middleware.session.client_side import CookieBackendConfig

from tests.peers.serving import announce


@get("/session")
async def read(request: Request) -> dict[str, Any]:
    return request.session


@post("/session", status_code=200)
async def write(request: Request) -> dict[str, Any]:
    request.set_session(await request.json())
    return request.session


config = CookieBackendConfig(secret=b64decode(sys.argv[1]), max_age=3600)
app = Litestar([read, write], middleware=[config.middleware])
listener = socket.create_server(("127.0.0.1", 0))
announce(listener.getsockname()[1])
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
