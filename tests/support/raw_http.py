"""A server on a loopback port or a socket that answers whatever bytes it is told to."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    # Gets each connection with the request that came on it; ends the connection by returning False.
    Script = Callable[[socket.socket, bytes], bool]


def reply(body: bytes = b"ok", *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer with its Content-Length."""
    lines = [b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def saying(*answers: bytes, closes: bool = False) -> Script:
    """The answers in turn, over all connections, and then the last one again and again."""
    waiting = list(answers)

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(waiting.pop(0) if len(waiting) > 1 else waiting[0])
        return not closes

    return script


def streaming(head: bytes, pieces: Iterable[bytes]) -> Script:
    """A head, then pieces until there are no more or the client has had enough."""

    def script(connection: socket.socket, _request: bytes) -> bool:
        connection.sendall(head)
        for piece in pieces:
            connection.sendall(piece)
        return False

    return script


class RawServer:
    """Reads requests, a thread for each connection, and lets `script` answer.

    `requests` holds them whole, `connections` counts.

    Args:
        certificates: a folder with `server.crt` and `server.key`, to speak TLS.
        path: of a unix socket to listen on instead of a port.
    """

    def __init__(
        self, script: Script, *, certificates: Path | None = None, path: Path | None = None
    ) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._tls: ssl.SSLContext | None = None
        if certificates is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificates / "server.crt", certificates / "server.key")
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.port = int(self._listener.getsockname()[1])
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(str(path))
            self._listener.listen()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while request := _request(connection):
                self.requests.append(request)
                if not self._script(connection, request):
                    break
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for one in (self._listener, *self._open):
            one.close()


def _request(connection: socket.socket) -> bytes:
    """One request, head and body; b"" when the client has gone."""
    got = bytearray()
    while (end := got.find(b"\r\n\r\n")) < 0:
        piece = connection.recv(1 << 16)
        if not piece:
            return b""
        got += piece
        if got.startswith(b"\x16"):  # a TLS greeting, which a plain server takes for bad HTTP
            return bytes(got)
    lines = bytes(got[:end]).lower().split(b"\r\n")
    sizes = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
    while len(got) < end + 4 + sum(sizes):
        got += connection.recv(1 << 16)
    return bytes(got)
