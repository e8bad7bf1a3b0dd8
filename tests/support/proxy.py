"""A TCP proxy that loses what it is told to lose."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Proxy:
    """Between a client and a loopback port.

    `lose_reply(word)`: the next request that holds this word reaches the server and is done, then
    the connection is cut without its reply. `lose_request(word)`: it never reaches the server.
    `vanish(word)`: as the first, and from then on nobody can connect.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lose: tuple[bytes, bool] | None = None
        self._vanishes = False
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_reply(self, word: bytes) -> None:
        self._lose = (word, True)

    def lose_request(self, word: bytes) -> None:
        self._lose = (word, False)

    def vanish(self, word: bytes) -> None:
        self._lose = (word, True)
        self._vanishes = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cut_all()
        for one in (self._listener, *self._open):
            one.close()

    def _cut_all(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                cut = threading.Event()
                for work in (self._requests, self._replies):
                    threading.Thread(target=work, args=(client, server, cut), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._lose is not None and self._lose[0] in data:
                    reaches = self._lose[1]
                    self._lose = None
                    cut.set()
                    if self._vanishes:
                        server.sendall(data)
                        self._cut_all()
                        break
                    if reaches:
                        server.sendall(data)  # `_replies` cuts when the server has answered
                        continue
                    break
                server.sendall(data)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _replies(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if cut.is_set():
                    break
                client.sendall(data)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
