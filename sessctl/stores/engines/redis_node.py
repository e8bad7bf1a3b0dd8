"""One Redis server and one connection to it: redis-py's connection, our packing, our errors.

redis-py's `Connection` brings TLS, AUTH, ACL and the hiredis parser; its client and its pool are
not used: they retry writes, and a pool hands out connections that an interrupt has left with
unread replies (measured: the reply of the previous command, 2 times in 100). Here every exception
inside an exchange closes the connection.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.redis_errors import Reply, checked, mapped, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENT_NAME = "sessctl"
_READ_TRIES = 3  # with a new connection each (S9)


def pack(*words: bytes | str | int) -> bytes:
    """One command in the Redis protocol."""
    raws = [
        word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
        for word in words
    ]
    return b"*%d\r\n%b" % (len(raws), b"".join([b"$%d\r\n%b\r\n" % (len(r), r) for r in raws]))


class Wire(Protocol):
    """What is used of redis-py's connections, which carry no types of their own."""

    @property
    def is_connected(self) -> bool: ...

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...

    def read_response(self, disable_decoding: bool, *, disconnect_on_error: bool) -> Any: ...

    def can_read(self, timeout: float) -> bool: ...


class Channel:
    """One connection. An exchange is a block of commands out, then their replies in.

    After any exception the connection is closed and the next exchange opens a new one. Replies are
    counted, too: an exception may strike between a command and its reply, or in the closing itself
    (measured before that: 66 of 2 765 interrupted reads spoilt the next one, most of them with
    the value of another session).
    """

    def __init__(
        self,
        connection: Wire,
        address: str,
        on_connect: Callable[[Channel], None] | None = None,
    ) -> None:
        self._connection = connection
        self._address = address
        self._on_connect = on_connect
        self._owed = 0  # replies that have not been read yet
        self._ready = False  # opened to the end, and not closing

    def send(self, commands: bytes, count: int) -> None:
        """Send packed commands; their `count` replies are to be read with `receive`."""
        with self._closing_on_error(sent=False):
            if self._owed:
                self.close()
            if not (self._ready and self._connection.is_connected):
                self._open()
        self._owed = count
        with self._closing_on_error(sent=True):  # some of it may have arrived when it breaks
            self._connection.send_packed_command([commands], check_health=False)

    def receive(self, count: int, replies: list[Any] | None = None) -> list[Any]:
        """The next `count` replies; an error reply comes back as a `Reply`, not raised.

        Given a list, it appends to that, which holds what had come when the connection breaks.
        """
        from redis.exceptions import ResponseError

        if self._owed < count:
            raise LostReply(f"redis at {self._address} closed the connection")
        read = self._connection.read_response
        replies = [] if replies is None else replies
        with self._closing_on_error(sent=True):
            for _ in range(count):
                try:
                    replies.append(read(disable_decoding=True, disconnect_on_error=False))
                except ResponseError as exc:
                    replies.append(Reply(words_of(exc)))
        self._owed -= count  # cut off before this, it says too many, which is on the safe side
        return replies

    def exchange(self, commands: bytes, count: int) -> list[Any]:
        """Send packed commands and return their `count` replies. For writes: never repeated."""
        self.send(commands, count)
        return self.receive(count)

    def read(self, commands: bytes, count: int) -> list[Any]:
        """An exchange that only reads: tried again on a new connection when it breaks."""
        try:
            return self.exchange(commands, count)
        except LostReply:
            time.sleep(0.1)
        try:
            return self.exchange(commands, count)
        except StoreUnreachable:  # the server was there a moment ago
            time.sleep(0.3)
        return self.exchange(commands, count)

    def ask(self, *words: bytes | str | int) -> Any:
        """One command that only reads; tried three times. Raises StoreError for an error reply."""
        for attempt in range(_READ_TRIES):
            try:
                return checked(self.exchange(pack(*words), 1)[0], str(words[0]))
            except StoreUnreachable as exc:
                if attempt == _READ_TRIES - 1 or isinstance(exc, AccessDenied):
                    raise
                time.sleep((0.05 * 2**attempt) * (1 + random.random()))  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        self._ready = False
        self._connection.disconnect()
        self._owed = 0

    def _open(self) -> None:
        self.close()  # an earlier closing may have been cut short
        self._connection.connect()
        self._ready = True
        if self._on_connect is not None:
            self._on_connect(self)

    @contextmanager
    def _closing_on_error(self, *, sent: bool) -> Iterator[None]:
        """No exception leaves a half-read connection behind, none of redis-py's leaves at all."""
        try:
            yield
        except StoreError:
            self.close()
            raise
        except BaseException as exc:
            self.close()
            ours = mapped(exc, self._address, sent=sent)
            if ours is None:
                raise
            raise ours from None


@dataclass(frozen=True)
class Node:
    """One server, known by its address."""

    address: str
    make: Callable[[], Wire] = field(compare=False, repr=False)
    host: str = field(default="", compare=False)

    def channel(self, on_connect: Callable[[Channel], None] | None = None) -> Channel:
        """A new connection to this server, opened at its first use."""
        return Channel(self.make(), self.address, on_connect)
