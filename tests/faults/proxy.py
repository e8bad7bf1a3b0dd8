"""A TCP proxy between sessctl and Redis that loses every nth reply, or cuts a request short.

A reply is what the server sends at once. It is delivered up to a drawn byte and then the
connection is closed on both sides: what the server had been asked, it has done.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random
    from types import TracebackType


class FaultyProxy:
    """Args:
    replies: every nth reply is lost, counted over all connections; 0: none.
    requests: every nth request is cut short and never answered; 0: none.
    most: then no more are lost.
    armed: lose from the beginning; else from `arm` on, so that a store can be opened before.
    """

    def __init__(
        self,
        port: int,
        rng: Random,
        *,
        replies: int = 0,
        requests: int = 0,
        most: int = 1 << 30,
        armed: bool = True,
    ) -> None:
        self.lost = 0
        self._armed, self._most = armed, most
        self._target = port
        self._rng = rng
        self._every = {"reply": replies, "request": requests}
        # Where it starts differs from run to run.
        self._seen = {kind: rng.randrange(n) if n else 0 for kind, n in self._every.items()}
        self._lock = threading.Lock()
        self._sent: list[bytearray] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def arm(self) -> None:
        self._armed = True

    def commands(self) -> Iterator[list[bytes]]:
        """Every whole command that a client has sent, delivered or not."""
        for stream in self._sent:
            yield from parse_commands(bytes(stream))

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                sent = bytearray()
                self._sent.append(sent)
                for work, args in (
                    (self._forward, (client, server, "request", sent)),
                    (self._forward, (server, client, "reply", bytearray())),
                ):
                    thread = threading.Thread(target=work, args=args, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _forward(
        self, source: socket.socket, goal: socket.socket, kind: str, seen: bytearray
    ) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                seen += data
                if self._is_lost(kind):
                    goal.sendall(data[: self._rng.randrange(len(data))])
                    break
                goal.sendall(data)
        for one in (source, goal):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _is_lost(self, kind: str) -> bool:
        if not self._armed or self.lost >= self._most:
            return False
        with self._lock:
            self._seen[kind] += 1
            lost = bool(self._every[kind]) and self._seen[kind] % self._every[kind] == 0
            self.lost += lost
            return lost

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
            thread.join()
        for one in (self._listener, *self._open):
            one.close()


def parse_commands(stream: bytes) -> Iterator[list[bytes]]:
    """Redis requests out of a byte stream; a torn one at the end is left out."""
    at = 0

    def line() -> int:
        nonlocal at
        end = stream.index(b"\r\n", at)
        number = int(stream[at + 1 : end])
        at = end + 2
        return number

    with suppress(ValueError):
        while at < len(stream):
            words = []
            for _ in range(line()):
                size = line()
                if at + size + 2 > len(stream):
                    return
                words.append(stream[at : at + size])
                at += size + 2
            yield words
