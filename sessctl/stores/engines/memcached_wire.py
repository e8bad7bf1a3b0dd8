"""One memcached server: pymemcache for the commands that it knows, the meta commands by ourselves.

    mg KEY t c f v             ->  VA 274 t86399 c17 f2 (then the value), or EN: not there
    md KEY C17                 ->  HD: deleted, EX: another cas, NF: not there
    lru_crawler metadump hash  ->  key=sess%3Aa exp=1795293681 la=1795290081 cas=17 (and so on)

Every exception inside an exchange closes the connection: replies that nobody read would answer the
next command. Source: memcached 1.6.18 `doc/protocol.txt`, `proto_text.c`, `crawler.c`.
"""

from __future__ import annotations

import re
import socket
import time
from contextlib import contextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote_to_bytes

from sessctl.errors import MissingExtra, SessctlError, StoreError, StoreUnreachable
from sessctl.stores.engines.lost import LostReply
from sessctl.text import decode_id, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

try:
    from pymemcache.client.base import Client  # type: ignore[import-untyped,unused-ignore]
    from pymemcache.exceptions import (  # type: ignore[import-untyped,unused-ignore]
        MemcacheError,
        MemcacheUnexpectedCloseError,
    )
except ImportError:
    raise MissingExtra("a memcached store", "memcached") from None

NEVER = -1  # in the place of an item's end
Found = TypeVar("Found")
_KEY = re.compile(rb"[^\x00-\x20\x7f]{1,250}")  # what the text protocol can carry (S24)
_READ_TRIES = 3  # with a new connection each (S9)
_SAME_SECOND_TRIES = 5
_BUSY_TRIES, _BUSY_WAIT_S = 20, 0.25  # somebody else's walk over the keys
_KEYS_IN_MEMORY = 16 * 2**20  # bytes; what is more goes to a file without a name
_LINE_LIMIT = 4096  # a key in its longest spelling has 750


class Item(NamedTuple):
    """An item as it was read. `ends_s`: seconds since 1970 by the server's clock, or NEVER."""

    value: bytes
    flags: int
    cas: int
    ends_s: int

    def is_same(self, other: Item) -> bool:
        """Nothing was stored since, and nothing but stored: a `touch` leaves the cas alone."""
        return (self.cas, self.ends_s) == (other.cas, other.ends_s)


def is_key(key: bytes) -> bool:
    """The server can hold it: 1 to 250 bytes, no blank, no control character."""
    return _KEY.fullmatch(key) is not None


class Wire:
    """One connection, opened at its first use and again after every failure."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._place, self._timeout_s = (host, port), timeout_s
        self._client = Client((host, port), timeout=timeout_s, default_noreply=False)
        self._file: Any = None

    def require_meta(self) -> None:
        """Raises StoreError for servers before 1.6, which cannot compare as they delete."""
        if self._ask(b"mn\r\n") != b"MN":
            raise StoreError(
                f"memcached at {self.address} knows no meta commands", hint="1.6 or newer does"
            )

    def version(self) -> str:
        """`VERSION 1.6.38`."""
        return _shown(self._ask(b"version\r\n").removeprefix(b"VERSION "))

    def now_s(self) -> int:
        """The server's clock, which ticks once a second: `stats` `time`."""
        return self._stat(b"time")

    def count(self) -> int:
        """Items on the server, sessions or not: `stats` `curr_items`."""
        return self._stat(b"curr_items")

    def items(self, keys: Sequence[bytes], *, values: bool = True) -> list[Item | None]:
        """The items under these keys, in this order; None for those that are not there."""
        # What is left of a life is told in whole seconds: it is an instant only if the server's
        # clock did not tick in between.
        for last in range(1, _SAME_SECOND_TRIES + 1):
            now_s = self.now_s()
            found = self._retried(partial(self._read_items, keys, now_s, values=values))
            if last == _SAME_SECOND_TRIES or self.now_s() == now_s:
                break
        return found

    def delete(self, keys: Sequence[bytes], cas: Sequence[int], replies: list[bytes]) -> None:
        """Delete what still has this cas; appends `HD`, `EX` or `NF` for each. Never repeated.

        Raises:
            LostReply: `replies` holds what had come by then.
        """
        self._connect()
        commands = [b"md %b C%d\r\n" % pair for pair in zip(keys, cas, strict=True)]
        with self._closing_on_error(sent=True):
            self._send(b"".join(commands))
            replies += (self._line()[:2] for _ in commands)

    def replace(self, key: bytes, item: Item, ends_s: int) -> bool | None:
        """Store the item with another end if its cas is the same; None: it is not there."""
        return self._store("cas", key, item, ends_s, cas=item.cas)

    def add(self, key: bytes, item: Item) -> bool:
        """Store an item where there is none."""
        return bool(self._store("add", key, item, item.ends_s))

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """Every key that begins so and was there throughout.

        The walk is read to its end at once: while a reader dawdles, the server's crawler waits for
        it, and a thread of the server for the crawler (seen: its other clients got no answer).
        """
        with SpooledTemporaryFile(_KEYS_IN_MEMORY) as file:
            self._dump(prefix, file)
            file.seek(0)
            for line in file:
                yield line[:-1]

    @property
    def walks_hash(self) -> bool:
        """The server walks its hash table, where nothing moves; older ones only their LRU lists."""
        return self._walk == b"hash"

    _walk = b"hash"

    def close(self) -> None:
        """Close the connection; the next exchange opens another."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._client.close()

    # -- exchanges --------------------------------------------------------------------------------

    def _store(self, verb: str, key: bytes, item: Item, ends_s: int, **more: Any) -> bool | None:
        self._connect()
        with self._closing_on_error(sent=True):
            store = getattr(self._client, verb)
            # Every date is more than 30 days after 1970: the server takes none for a span.
            expire = max(ends_s, 1) if ends_s != NEVER else 0
            done: bool | None = store(key, item.value, expire=expire, flags=item.flags, **more)
        return done

    def _read_items(self, keys: Sequence[bytes], now_s: int, *, values: bool) -> list[Item | None]:
        self._send(b"".join(b"mg %b t c f%b\r\n" % (key, b" v" * values) for key in keys))
        return [self._item(now_s) for _ in keys]

    def _item(self, now_s: int) -> Item | None:
        words = self._line().split()
        if words[0] == b"EN":
            return None
        value = b""
        if words[0] == b"VA":
            value = self._exactly(int(words[1]) + 2)[:-2]
        elif words[0] not in (b"HD", b"OK"):
            raise StoreError(f"memcached answered mg with: {_shown(b' '.join(words))}")
        told = {word[:1]: int(word[1:]) for word in words[1 + (words[0] == b"VA") :]}
        left_s = told[b"t"]
        ends_s = NEVER if left_s < 0 else now_s + left_s
        return Item(value, told[b"f"], told[b"c"], ends_s)

    def _dump(self, prefix: bytes, file: SpooledTemporaryFile[bytes]) -> None:
        for _ in range(_BUSY_TRIES):
            line = self._ask(b"lru_crawler metadump %b\r\n" % self._walk)
            if line.startswith(b"BUSY"):
                time.sleep(_BUSY_WAIT_S)
            elif line.startswith(b"key=") or line == b"END":
                break
            elif self._walk == b"hash":
                self._walk = b"all"
            else:
                raise StoreError(
                    f"memcached at {self.address} does not list its keys: {_shown(line)}",
                    hint="its option lru_crawler must be on; sessions can be named all the same",
                )
        else:
            raise StoreError(
                f"memcached at {self.address} is busy with another walk over its keys",
                hint="only one at a time is possible; try again",
            )
        with self._closing_on_error(sent=False):
            while line != b"END":
                key = unquote_to_bytes(line[4 : line.index(b" ")])
                if key.startswith(prefix) and is_key(key):
                    file.write(key + b"\n")
                line = self._line()

    def _stat(self, name: bytes) -> int:
        return int(self._retried(lambda: self._client.stats()[name]))

    def _ask(self, command: bytes) -> bytes:
        """One command that only reads, one line back."""

        def exchange() -> bytes:
            self._send(command)
            return self._line()

        return self._retried(exchange)

    def _retried(self, read: Callable[[], Found]) -> Found:
        for attempt in range(_READ_TRIES):
            try:
                self._connect()
                with self._closing_on_error(sent=False):
                    return read()
            except StoreUnreachable:
                if attempt == _READ_TRIES - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
        raise AssertionError("unreachable")

    # -- bytes ------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._client.sock is None:
            with self._closing_on_error(sent=False):
                # pymemcache's own way tries the first address of a name only.
                sock = socket.create_connection(self._place, self._timeout_s)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client.sock = sock
                self._file = sock.makefile("rb")

    def _send(self, commands: bytes) -> None:
        self._client.sock.sendall(commands)

    def _line(self) -> bytes:
        line: bytes = self._file.readline(_LINE_LIMIT)
        if not line.endswith(b"\n"):
            raise ConnectionError("closed")
        return line.rstrip(b"\r\n")

    def _exactly(self, size: int) -> bytes:
        data: bytes = self._file.read(size)
        if len(data) < size:
            raise ConnectionError("closed")
        return data

    @contextmanager
    def _closing_on_error(self, *, sent: bool) -> Iterator[None]:
        """No exception leaves a half-read connection behind, none of the driver's leaves at all."""
        try:
            yield
        except SessctlError:
            self.close()
            raise
        except BaseException as exc:
            self.close()
            mapped = self._mapped(exc, sent=sent)
            if mapped is None:
                raise
            raise mapped from None

    def _mapped(self, exc: BaseException, *, sent: bool) -> StoreError | None:
        kind = LostReply if sent else StoreUnreachable
        where = f"memcached at {self.address}"
        if isinstance(exc, TimeoutError):
            return kind(f"{where} did not answer in time", hint="try a longer --timeout")
        if isinstance(exc, ConnectionRefusedError | socket.gaierror):
            reason = "no such host" if isinstance(exc, socket.gaierror) else "connection refused"
            return StoreUnreachable(
                f"cannot reach {where} ({reason})", hint="is it running, and is the port right?"
            )
        if isinstance(exc, OSError | MemcacheUnexpectedCloseError):
            return kind(f"{where} closed the connection")
        if isinstance(exc, MemcacheError | ValueError | KeyError | IndexError):
            return StoreError(f"{where}: {escape(str(exc))[:200]}")
        return None


def _shown(line: bytes) -> str:
    return escape(decode_id(line[:200]))
