"""The Redis engine: standalone servers, TLS, unix sockets, ACL users.

A session is one string under `prefix + sid`; the key's TTL is its expiry, and only where there is
none does the date inside the value speak. Reading is SCAN, then MGET and PEXPIRETIME of the page
in one write; never KEYS, never EVAL to read. Writing is one single-key script a session.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import JournalError, Refused, StoreUnreachable
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Remarks
from sessctl.stores.engines.redis_connect import Target
from sessctl.stores.engines.redis_lag import replica_lags
from sessctl.stores.engines.redis_node import LostReply, Nodes, Reply, checked, pack, reply_error
from sessctl.stores.engines.redis_writes import DELETE_PAGE, RedisWriter
from sessctl.stores.reader import Reader
from sessctl.text import decode_id, encode_id
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Result
    from sessctl.stores.engines.redis_node import Channel
    from sessctl.stores.layouts.base import KeyLayout
    from sessctl.stores.url import StoreUrl

_SCAN_COUNT = 1000  # 10 000 is slower and holds the server for 15 ms a call (measured)
_PAGE_BYTES = 8 * 2**20  # of values in one reply (S15)
_Asked = tuple[list[bytes], bytes, int]  # keys, what was sent for them, how many replies
_GLOB = str.maketrans({c: "\\" + c for c in "\\*?[]"})
_NO_KEY = -2  # what PEXPIRETIME says of a key that is gone

# Of a value and what PEXPIRETIME said: can the session be one that is asked for?
Sieve = Callable[[bytes, int | None], bool] | None


class RedisStore:
    """Sessions in Redis. Open it with `RedisStore.open` or `sessctl.open_store`."""

    kind = "redis"
    page_size = DELETE_PAGE

    def __init__(
        self, nodes: Nodes, layout: KeyLayout, identity: Identity, *, read_only: bool
    ) -> None:
        self.layout = layout
        self.identity = identity
        self.remarks = Remarks()
        self.capabilities = Capabilities(expires_by_itself=True)
        self._nodes = nodes
        self._prefix = encode_id(layout.prefix)
        self._pattern = encode_id(layout.prefix.translate(_GLOB)) + b"*"
        self._reader = Reader(layout)
        self._channel = nodes.primaries()[0].channel()
        self._absolute = self._has_absolute_expiry()
        self._writer: RedisWriter | None = None
        if not read_only:
            self._writer = RedisWriter(
                nodes, self._prefix, read=self.get, remarks=self.remarks, absolute=self._absolute
            )

    @classmethod
    def open(cls, url: StoreUrl, layout: KeyLayout, access: Access) -> Self:
        """Connect. Raises StoreUnreachable or AccessDenied before anything is read."""
        target = Target.of(url, access)
        scope = layout.prefix
        identity = Identity("redis", target.address, str(target.db), scope, target.label)
        store = cls(Nodes([target.node()]), layout, identity, read_only=access.read_only)
        if target.is_open_to_others:
            store.remarks.note(f"not encrypted: redis:// to {target.host}; rediss:// is")
        return store

    # -- clock and size ---------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Redis `TIME` of the server that holds the keys."""
        seconds, micros = self._channel.ask("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def estimate(self) -> int:
        """`DBSIZE`: every key of the database, sessions or not."""
        return sum(int(node.channel().ask("DBSIZE")) for node in self._nodes.primaries())

    def lags(self) -> list[Lag]:
        """`INFO replication` of each primary: seconds since a replica last acknowledged."""
        found: list[Lag] = []
        for node in self._nodes.primaries():
            with closing(node.channel()) as channel:
                found += replica_lags(channel.ask("INFO", "replication"))
        return found

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        need |= query.need
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        elif need is Need.ID:
            candidates = (self._bare(key) for page in self._key_pages() for key in page)
        else:
            candidates = self._sessions(need, _sieve(query, now_ms))
        if not query.filters:
            yield from candidates
            return
        matches = query.matches
        for session in candidates:
            if matches(session, now_ms):
                yield session

    def get(self, sids: Sequence[str]) -> list[Session]:
        found: list[Session] = []
        for start in range(0, len(sids), DELETE_PAGE):
            keys = [self._prefix + encode_id(sid) for sid in sids[start : start + DELETE_PAGE]]
            commands, count = self._page_commands(keys, Need.ALL)
            replies = self._reading(commands, count)
            found += self._page(keys, replies, Need.ALL)
        return found

    def count(self, query: Query) -> int:
        if not query.filters:
            return sum(map(len, self._key_pages()))
        return sum(1 for _ in self.scan(query, query.need))

    def _key_pages(self) -> Iterator[list[bytes]]:
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

    def _sessions(self, need: Need, may_match: Sieve) -> Iterator[Session]:
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
            if not self._absolute:
                out.append(pack("TIME"))
                count += 1
            word = b"PEXPIRETIME" if self._absolute else b"PTTL"
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
            if not self._absolute:
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
                sessions.append(self._session(key, value, end))
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
                    self.remarks.stranger(decode_id(key), name)

    def _bare(self, key: bytes) -> Session:
        location = decode_id(key)
        return Session(sid=location[len(self.layout.prefix) :], raw=b"", location=location)

    def _session(self, key: bytes, value: bytes, ends_ms: int | None) -> Session:
        user, written, problem = self._reader.read(value)
        if ends_ms is None:
            expires_ms, expiry = None, Expiry.UNKNOWN
        elif ends_ms >= 0:
            # A TTL beyond the year 9999 is as good as none.
            expires_ms, expiry = (
                (ends_ms, Expiry.STORE) if ends_ms <= MAX_MS else (None, Expiry.NEVER)
            )
        else:
            expires_ms, expiry = self._reader.inner_expiry(written, problem)
        location = decode_id(key)
        return Session(
            sid=location[len(self.layout.prefix) :],
            raw=value,
            location=location,
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            problem=problem,
            original=ends_ms,
            reader=self._reader,
        )

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong prefix."""
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        return self._writes().delete(sessions, grace_ms=grace_ms)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self._writes().set_expiry(sessions, expires_ms)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._writes().put(sessions, self.now_ms())

    def _writes(self) -> RedisWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def freeze(self, session: Session) -> dict[str, Any]:
        return {"kind": "string", "value": session.raw, "expires_ms": session.original}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        if frozen.get("kind") != "string" or not isinstance(frozen.get("value"), bytes):
            raise JournalError("the journal does not hold Redis strings")
        key = self._prefix + encode_id(frozen["sid"])
        ends = int(frozen["expires_ms"]) if expires_ms is None else expires_ms
        return self._session(key, frozen["value"], ends)

    # -- connection -------------------------------------------------------------------------------

    def _has_absolute_expiry(self) -> bool:
        """PEXPIRETIME came with Redis 7.0."""
        reply = self._reading(pack("PEXPIRETIME", self._prefix), 1)[0]
        if isinstance(reply, Reply):
            if reply.word in ("NOPERM", "NOAUTH", "WRONGPASS", "MOVED"):
                raise reply_error(reply, "PEXPIRETIME")
            self.remarks.note("Redis before 7.0: expiry times are exact to 2 ms only")
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

    def close(self) -> None:
        self._channel.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _next_size(size: int, replies: list[Any]) -> int:
    """How many keys to ask for next: fewer after a page of large values, more again later."""
    values = replies[0] if replies and isinstance(replies[0], list) else []
    held = sum(len(value) for value in values if value is not None)
    if held > _PAGE_BYTES:
        return max(size * _PAGE_BYTES // held, 1)
    return min(size * 2, _SCAN_COUNT) if held < _PAGE_BYTES // 4 else size


def _sieve(query: Query, now_ms: int) -> Sieve:
    """What spares making a session of most values (4 us each); `Query.matches` has the word."""
    cutoff_ms = now_ms - query.grace_ms if query.expired else None
    user = query.plain_user.encode() if query.plain_user is not None else None
    if cutoff_ms is None and user is None:
        return None

    def may_match(value: bytes, ends_ms: int | None) -> bool:
        if cutoff_ms is not None and ends_ms is not None and ends_ms > cutoff_ms:
            return False
        return user is None or user in value or b"\\u" in value

    return may_match
