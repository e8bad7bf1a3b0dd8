"""A real Litestar whose sessions are files in a folder.

Started by `tests/support/python_files.py`.
"""

import socket
import sys
from pathlib import Path

import uvicorn
from litestar import Litestar, Request, get
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.stores.file import FileStore

from tests.peers.serving import serve


@get("/login", sync_to_thread=False)
def login(request: Request, user: str) -> dict:
    request.session["user_id"] = user
    return {"user": user}


@get("/me", sync_to_thread=False)
def me(request: Request) -> dict:
    return {"user": request.session.get("user_id")}


app = Litestar(
    [login, me],
    middleware=[ServerSideSessionConfig().middleware],
    stores={"sessions": FileStore(Path(sys.argv[1]))},
)


class Server:
    """uvicorn as `serve` takes one."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.server_address = self.socket.getsockname()

    def serve_forever(self) -> None:
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[self.socket])


serve(Server())
