"""Reading Redis in pages: SCAN, then MGET and PEXPIRETIME of the page in one write.

One page ahead: the server looks for the next one while Python reads this one. Never KEYS, never
EVAL to read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sessctl.errors import StoreUnreachable
from sessctl.session import Need
from sessctl.stores.engines.redis_node import LostReply, Reply, checked, pack, reply_error
from sessctl.text import decode_id, encode_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.session import Session
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_node import Channel, Nodes

_SCAN_COUNT = 1000  # 10 000 is slower and holds the server for 15 ms a call (measured)
_PAGE_BYTES = 8 * 2**20  # of values in one reply (S15)
_Asked = tuple[list[bytes], bytes, int]  # keys, what was sent for them, how many replies
_GLOB = str.maketrans({c: "\\" + c for c in "\\*?[]"})
_NO_KEY = -2  # what PEXPIRETIME says of a key that is gone

# Of a value and what PEXPIRETIME said: can the session be one that is asked for?
Sieve = Callable[[bytes, int | None], bool] | None


class RedisPages:
    """Reads the keys under a prefix and their sessions.

    Args:
        channel: for what is read at once; what is read ahead has a channel of its own.
        session_of: makes a session of a key, its value and what PEXPIRETIME said, if it was asked.

    `absolute`: the server knows PEXPIRETIME.
    """

    def __init__(
        self,
        nodes: Nodes,
        channel: Channel,
        prefix: str,
        *,
        session_of: Callable[[bytes, bytes, int | None], Session],
        remarks: Remarks,
    ) -> None:
        self._nodes = nodes
        self._channel = channel
        self._prefix = encode_id(prefix)
        self._pattern = encode_id(prefix.translate(_GLOB)) + b"*"
        self._session_of = session_of
        self._remarks = remarks
        self.absolute = self._has_absolute_expiry()

    def bare_keys(self) -> Iterator[list[bytes]]:
        """Keys alone. `TYPE string` keeps lists and hashes under the prefix out (S4)."""
        for node in self._nodes.primaries():
            channel = node.channel()
            try:
                cursor, keys = channel.ask(*self._scan_words(0), "TYPE", "string")
                while keys or cursor != b"0":
                    more = cursor != b"0"
                    command = pack(*self._scan_words(cursor), "TYPE", "string")
                    if more:  # the server looks for the next page while we have this one
                        self._send_ahead(channel, command, 1)
                    yield [key for key in dict.fromkeys(keys) if key.startswith(self._prefix)]
                    replies = self._answers(channel, command, 1) if more else [(b"0", [])]
                    cursor, keys = checked(replies[0], "SCAN")
            finally:
                channel.close()

    def named(self, keys: list[bytes]) -> list[Session]:
        """The sessions under these keys, a page of them; those that are gone are left out."""
        commands, count = self._page_commands(keys, Need.ALL)
        return self._page(keys, self._reading(commands, count), Need.ALL)

    def sessions(self, need: Need, may_match: Sieve) -> Iterator[Session]:
        """All sessions that the sieve lets through."""
        for node in self._nodes.primaries():
            # Its own connection: replies are under way while the caller uses the store.
            channel = node.channel()
            try:
                yield from self._scan_node(channel, need, may_match)
            finally:
                channel.close()

    def _scan_node(self, channel: Channel, need: Need, may_match: Sieve) -> Iterator[Session]:
        """One page ahead: the server fetches the next page while Python reads this one."""
        size = _SCAN_COUNT
        cursor, keys = channel.ask(*self._scan_words(0))
        waiting: _Asked | None = self._ask_page(channel, keys, cursor, need, size)
        while waiting is not None:
            page, commands, count = waiting
            replies = self._answers(channel, commands, count)
            waiting = None
            if cursor != b"0":
                cursor, keys = checked(replies.pop(), "SCAN")
                size = _next_size(size, replies)
                waiting = self._ask_page(channel, keys, cursor, need, size)
            yield from self._page(page, replies, need, may_match)

    def _ask_page(
        self, channel: Channel, keys: list[bytes], cursor: bytes, need: Need, size: int
    ) -> _Asked:
        """Ask for the values of these keys and, in the same write, for the next `size` keys."""
        page = [key for key in dict.fromkeys(keys) if key.startswith(self._prefix)]
        commands, count = self._page_commands(page, need)
        if cursor != b"0":
            commands += pack(*self._scan_words(cursor, size))
            count += 1
        if count:
            self._send_ahead(channel, commands, count)
        return page, commands, count

    @staticmethod
    def _send_ahead(channel: Channel, commands: bytes, count: int) -> None:
        with suppress(StoreUnreachable):  # `_answers` asks again
            channel.send(commands, count)

    def _answers(self, channel: Channel, commands: bytes, count: int) -> list[Any]:
        """The replies to what was sent ahead, asked for again when they got lost: a SCAN cursor
        holds on any connection."""
        try:
            return channel.receive(count)
        except LostReply:
            return self._reading(commands, count, channel)

    def _scan_words(
        self, cursor: bytes | int, size: int = _SCAN_COUNT
    ) -> tuple[bytes | str | int, ...]:
        return ("SCAN", cursor, "MATCH", self._pattern, "COUNT", size)

    def _page_commands(self, keys: list[bytes], need: Need) -> tuple[bytes, int]:
        """The packed commands that read a page, and how many replies they will have."""
        if not keys:
            return b"", 0
        out, count = [], 0
        if Need.VALUE in need or Need.EXPIRY in need:
            out.append(pack("MGET", *keys))
            count += 1
        if Need.EXPIRY in need:
            if not self.absolute:
                out.append(pack("TIME"))
                count += 1
            word = b"PEXPIRETIME" if self.absolute else b"PTTL"
            head = b"*2\r\n$%d\r\n%b\r\n$" % (len(word), word)
            out += [b"%b%d\r\n%b\r\n" % (head, len(key), key) for key in keys]
            count += len(keys)
        return b"".join(out), count

    def _page(
        self, keys: list[bytes], replies: list[Any], need: Need, may_match: Sieve = None
    ) -> list[Session]:
        if not keys:
            return []
        values: list[bytes | None] = checked(replies[0], "MGET")
        if Need.EXPIRY not in need:
            ends: list[int] | None = None
        else:
            ends = replies[1:]
            if any(isinstance(reply, Reply) for reply in ends):
                checked(next(r for r in ends if isinstance(r, Reply)), "PEXPIRETIME")
            if not self.absolute:
                seconds, micros = replies[1]
                now = int(seconds) * 1000 + int(micros) // 1000
                ends = [now + left if left >= 0 else left for left in replies[2:]]
        sessions: list[Session] = []
        missing: list[bytes] = []
        for place, key in enumerate(keys):
            value = values[place]
            end = None if ends is None else ends[place]
            if value is None:
                missing.append(key)
            elif end != _NO_KEY and (may_match is None or may_match(value, end)):
                sessions.append(self._session_of(key, value, end))
        if missing:
            self._note_strangers(missing)
        return sessions

    def _note_strangers(self, keys: list[bytes]) -> None:
        """A key that MGET has no value for is gone by now, or of another type."""
        for start in range(0, len(keys), _SCAN_COUNT):
            some = keys[start : start + _SCAN_COUNT]
            kinds = self._reading(b"".join(pack("TYPE", key) for key in some), len(some))
            for key, kind in zip(some, kinds, strict=True):
                if kind not in (b"none", b"string"):
                    name = kind.decode() if isinstance(kind, bytes) else "unreadable"
                    self._remarks.stranger(decode_id(key), name)

    def _has_absolute_expiry(self) -> bool:
        """PEXPIRETIME came with Redis 7.0."""
        reply = self._reading(pack("PEXPIRETIME", self._prefix), 1)[0]
        if isinstance(reply, Reply):
            if reply.word in ("NOPERM", "NOAUTH", "WRONGPASS", "MOVED"):
                raise reply_error(reply, "PEXPIRETIME")
            self._remarks.note("Redis before 7.0: expiry times are exact to 2 ms only")
            return False
        return True

    def _reading(self, commands: bytes, count: int, channel: Channel | None = None) -> list[Any]:
        """An exchange that only reads: tried again on a new connection when it breaks."""
        channel = channel or self._channel
        try:
            return channel.exchange(commands, count)
        except LostReply:
            time.sleep(0.1)
        try:
            return channel.exchange(commands, count)
        except StoreUnreachable:  # the server was there a moment ago
            time.sleep(0.3)
        return channel.exchange(commands, count)


def _next_size(size: int, replies: list[Any]) -> int:
    """How many keys to ask for next: fewer after a page of large values, more again later."""
    values = replies[0] if replies and isinstance(replies[0], list) else []
    held = sum(len(value) for value in values if value is not None)
    if held > _PAGE_BYTES:
        return max(size * _PAGE_BYTES // held, 1)
    return min(size * 2, _SCAN_COUNT) if held < _PAGE_BYTES // 4 else size
