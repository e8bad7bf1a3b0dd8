"""TCP proxies between a client and a loopback port that lose what they are told to lose.

What the server sends at once is a reply. When something is lost the connection is closed on both
sides: what the server had been asked, it has done.
"""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from random import Random
    from types import TracebackType

    Kind = Literal["request", "reply"]


class Relay(ABC):
    """Passes everything on, and asks `kept` about each piece of it.

    `sent` is what the clients have sent, a stream for each connection, delivered or not.
    """

    def __init__(self, port: int) -> None:
        self.sent: list[bytearray] = []
        self._target = port
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @abstractmethod
    def kept(self, kind: Kind, data: bytes, link: int) -> int | None:
        """How many bytes pass before connection `link` is cut; None: all, and it lives on."""

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                self.sent.append(bytearray())
                link = len(self.sent) - 1
                for args in ((client, server, "request", link), (server, client, "reply", link)):
                    thread = threading.Thread(target=self._forward, args=args, daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _forward(self, source: socket.socket, goal: socket.socket, kind: Kind, link: int) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if kind == "request":
                    self.sent[link] += data
                keep = self.kept(kind, data, link)
                goal.sendall(data[:keep])
                if keep is not None:
                    break
        for one in (source, goal):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _cut_all(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._cut_all()
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._open):
            one.close()


class Proxy(Relay):
    """Loses what holds a word.

    `lose_reply(word)`: the next request that holds this word reaches the server and is done, then
    the connection is cut without its reply. `lose_request(word)`: it never reaches the server.
    `vanish(word)`: as the first, and from then on nobody can connect. Of several words each waits
    for the one before it, in a request of its own.
    """

    def __init__(self, port: int) -> None:
        self._words: list[bytes] = []
        self._what = ""
        self._cut: dict[int, str] = {}
        super().__init__(port)

    def lose_reply(self, *words: bytes) -> None:
        self._words, self._what = list(words), "reply"

    def lose_request(self, *words: bytes) -> None:
        self._words, self._what = list(words), "request"

    def vanish(self, *words: bytes) -> None:
        self._words, self._what = list(words), "server"

    def kept(self, kind: Kind, data: bytes, link: int) -> int | None:
        if kind == "request" and self._words and self._words[0] in data:
            del self._words[0]
            if self._words:
                return None
            if self._what == "request":
                return 0
            self._cut[link] = self._what  # when the server has answered
        elif kind == "reply" and link in self._cut:
            if self._cut[link] == "server":
                self._cut_all()
            return 0
        return None


class FaultyProxy(Relay):
    """Loses every nth reply from a drawn byte on, or cuts a request short.

    Args:
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
        self._rng = rng
        self._every: dict[Kind, int] = {"reply": replies, "request": requests}
        # Where it starts differs from run to run.
        self._seen = {kind: rng.randrange(n) if n else 0 for kind, n in self._every.items()}
        self._lock = threading.Lock()
        super().__init__(port)

    def arm(self) -> None:
        self._armed = True

    def kept(self, kind: Kind, data: bytes, link: int) -> int | None:
        if not self._armed or self.lost >= self._most:
            return None
        with self._lock:
            self._seen[kind] += 1
            lost = bool(self._every[kind]) and self._seen[kind] % self._every[kind] == 0
            self.lost += lost
            return self._rng.randrange(len(data)) if lost else None
