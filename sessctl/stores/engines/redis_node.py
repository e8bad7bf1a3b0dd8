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
from typing import TYPE_CHECKING, Any, Protocol

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.text import escape, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CLIENT_NAME = "sessctl"
_READ_TRIES = 3  # with a new connection each (S9)


def pack(*words: bytes | str | int) -> bytes:
    """One command in the Redis protocol."""
    raws = [
        word if isinstance(word, bytes) else str(word).encode("utf-8", "surrogateescape")
        for word in words
    ]
    return b"*%d\r\n%b" % (len(raws), b"".join([b"$%d\r\n%b\r\n" % (len(r), r) for r in raws]))


class Reply(Exception):
    """An error that the server answered to one command; `word` is its first word."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.word = message.split(" ", 1)[0]


class LostReply(StoreUnreachable):
    """The connection broke after a command was sent: it may or may not have been done."""


class Wire(Protocol):
    """What is used of redis-py's connections, which carry no types of their own."""

    @property
    def is_connected(self) -> bool: ...

    def connect(self) -> None: ...

    def disconnect(self) -> None: ...

    def send_packed_command(self, command: list[bytes], check_health: bool) -> None: ...

    def read_response(self, disable_decoding: bool, *, disconnect_on_error: bool) -> Any: ...


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
                    replies.append(Reply(_words_of(exc)))
        self._owed -= count  # cut off before this, it says too many, which is on the safe side
        return replies

    def exchange(self, commands: bytes, count: int) -> list[Any]:
        """Send packed commands and return their `count` replies. For writes: never repeated."""
        self.send(commands, count)
        return self.receive(count)

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
            mapped = _mapped(exc, self._address, sent=sent)
            if mapped is None:
                raise
            raise mapped from None


def checked(reply: Any, command: str) -> Any:
    """The reply itself, or the error it is as a StoreError."""
    if isinstance(reply, Reply):
        raise reply_error(reply, command)
    return reply


def reply_error(reply: Reply, command: str) -> StoreError:
    """A server's error reply as one of ours."""
    text = escape(redact(str(reply)))
    if reply.word == "NOPERM":
        return AccessDenied(
            f"this Redis user may not run {command}", hint="see ACL SETUSER for the rights it needs"
        )
    if reply.word in ("NOAUTH", "WRONGPASS"):
        return AccessDenied("Redis wants a password", hint="set `password` for this backend")
    if reply.word in ("MOVED", "ASK", "CROSSSLOT"):
        return StoreError("this is a Redis Cluster, which this version cannot read yet")
    return StoreError(f"Redis answered {command} with: {text}")


def _words_of(exc: Exception) -> str:
    """The server's error reply with the code that redis-py strips off its known classes."""
    from redis import exceptions as known

    codes: tuple[tuple[type[Exception], str], ...] = (
        (known.NoPermissionError, "NOPERM"),
        (known.AuthenticationError, "WRONGPASS"),
        (known.NoScriptError, "NOSCRIPT"),
        (known.ReadOnlyError, "READONLY"),
        (known.ExecAbortError, "EXECABORT"),
        (known.AskError, "MOVED"),
    )
    code = next((word for kind, word in codes if isinstance(exc, kind)), None)
    text = str(exc)
    return text if code is None or text.startswith(code) else f"{code} {text}"


def _mapped(exc: BaseException, address: str, *, sent: bool) -> StoreError | None:
    """redis-py's and the system's exceptions as ours; None for what is nobody's business."""
    import ssl

    from redis import exceptions as known

    if isinstance(exc, known.AuthenticationError | known.AuthenticationWrongNumberOfArgsError):
        return AccessDenied(
            f"redis at {address} refused the password",
            hint="check `username` and `password` of this backend",
        )
    if isinstance(exc, known.NoPermissionError):
        return AccessDenied(f"redis at {address} denied access")
    cause = exc.__cause__ or exc.__context__ or exc
    if (
        isinstance(exc, ssl.SSLError)
        or isinstance(cause, ssl.SSLError)
        or "certificate" in str(exc)
    ):
        return StoreUnreachable(
            f"TLS with redis at {address} failed ({_ssl_reason(exc, cause)})",
            hint="set `ca_file` for a private certificate authority",
        )
    if isinstance(exc, known.TimeoutError | TimeoutError):
        kind = LostReply if sent else StoreUnreachable
        return kind(f"redis at {address} did not answer in time", hint="try a longer --timeout")
    if isinstance(exc, known.ConnectionError | OSError):
        if sent:
            return LostReply(f"redis at {address} closed the connection")
        return StoreUnreachable(
            f"cannot reach redis at {address} ({_reason(exc)})",
            hint="is it running, and is the port right?",
        )
    if isinstance(exc, known.ResponseError):
        return reply_error(Reply(_words_of(exc)), "the connection")
    if isinstance(exc, known.RedisError):
        return StoreError(f"redis at {address}: {escape(redact(str(exc)))}")
    return None


def _ssl_reason(exc: BaseException, cause: BaseException) -> str:
    found = cause if cause is not exc else exc
    text = getattr(found, "verify_message", "") or getattr(found, "reason", "") or str(found)
    return escape(redact(str(text).lower()))[:120]


def _reason(exc: BaseException) -> str:
    text = str(exc).lower()
    for words, reason in (
        ("refused", "connection refused"),
        ("name or service", "no such host"),
        ("name resolution", "no such host"),
        ("no address", "no such host"),
        ("no such file", "no such socket"),
        ("permission denied", "permission denied"),
        ("unreachable", "network unreachable"),
        ("closed", "connection closed"),
    ):
        if words in text:
            return reason
    return escape(redact(str(exc)))[:120]


class Node:
    """One server: makes channels to it. Cluster and Sentinel will hand out several of these."""

    def __init__(self, make: Callable[[], Wire], address: str) -> None:
        self._make = make
        self.address = address

    def channel(self, on_connect: Callable[[Channel], None] | None = None) -> Channel:
        """A new connection to this server, opened at its first use."""
        return Channel(self._make(), self.address, on_connect)


class Nodes:
    """Where the keys are. A standalone server is the simplest case: one primary holds them all."""

    def __init__(self, primaries: Sequence[Node]) -> None:
        self._primaries = tuple(primaries)

    def primaries(self) -> tuple[Node, ...]:
        """Every server whose keys together are the store."""
        return self._primaries
