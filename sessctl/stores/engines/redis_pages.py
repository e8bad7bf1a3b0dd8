"""Reading sessions of Redis in pages: the values of many keys and their PEXPIRETIME in one write.

Never KEYS, never EVAL to read. Which keys there are, `redis_scan.py` finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sessctl.session import Need
from sessctl.stores.engines.redis_errors import Reply, checked, reply_error
from sessctl.stores.engines.redis_keys import Call, is_elsewhere
from sessctl.stores.engines.redis_node import pack
from sessctl.stores.engines.redis_scan import Sweep
from sessctl.text import decode_id, encode_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_keys import Keys
    from sessctl.stores.engines.redis_nodes import Nodes
    from sessctl.stores.layouts.base import KeyLayout

_PAGE_BYTES = 8 * 2**20  # of values in one reply (S15)
_NO_KEY = -2  # what PEXPIRETIME says of a key that is gone

# Of a value and what PEXPIRETIME said: can the session be one that is asked for?
Sieve = Callable[[bytes, int | None], bool] | None
SessionOf = Callable[[bytes, bytes, int | None], "Session"]


class RedisPages:
    """Reads the keys of a layout and their sessions.

    Args:
        keys: for sessions that are named; a scan has connections of its own.
        session_of: makes a session of a key, its value and what PEXPIRETIME said, if it was asked.

    `absolute`: the server knows PEXPIRETIME.
    """

    def __init__(
        self,
        nodes: Nodes,
        keys: Keys,
        layout: KeyLayout,
        *,
        session_of: SessionOf,
        remarks: Remarks,
    ) -> None:
        self._nodes = nodes
        self.scan_count = nodes.scan_count
        self._keys = keys
        self._layout = layout
        self._session_of = session_of
        self._remarks = remarks
        self._sweeps: list[Sweep[Any]] = []
        self.absolute = self._has_absolute_expiry()

    def bare_keys(self) -> Iterator[list[bytes]]:
        """Keys alone. `TYPE string` keeps lists and hashes under the prefix out (S4)."""
        return self._swept(Sweep(self._nodes, BareKeys(), self._layout))

    def sessions(self, need: Need, may_match: Sieve) -> Iterator[Session]:
        """All sessions that the sieve lets through."""
        reading = Values(self, need, may_match)
        for page in self._swept(Sweep(self._nodes, reading, self._layout)):
            yield from page

    def _swept(self, sweep: Sweep[Any]) -> Iterator[list[Any]]:
        self._sweeps.append(sweep)
        try:
            yield from sweep.pages()
        finally:
            self._sweeps.remove(sweep)

    def forget(self, keys: Sequence[bytes]) -> None:
        """These were deleted: where a failover brings one back, the scan meets it anew."""
        for sweep in self._sweeps:
            if sweep.met is not None:
                sweep.met.discard(keys)

    def named(self, keys: list[bytes]) -> list[Session]:
        """The sessions under these keys, a page of them; those that are gone are left out."""
        if not keys:
            return []
        values, ends = self._read(keys)
        return self.made(keys, values, ends, None)

    def commands(self, keys: list[bytes], need: Need) -> list[bytes]:
        """The packed commands that read a page."""
        if not keys or not need:
            return []
        # MGET takes keys of one slot only.
        out = _each(b"GET", keys) if self._nodes.sharded else [pack("MGET", *keys)]
        if Need.EXPIRY in need:
            if not self.absolute:
                out.append(pack("TIME"))
            out += _each(b"PEXPIRETIME" if self.absolute else b"PTTL", keys)
        return out

    def told(
        self, keys: list[bytes], need: Need, replies: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """The values of the keys and their ends, or the errors that stand in their place."""
        if not need:
            return [b""] * len(keys), [None] * len(keys)
        if self._nodes.sharded:
            values, rest = replies[: len(keys)], replies[len(keys) :]
        else:
            values, rest = checked(replies[0], "MGET"), replies[1:]
        if Need.EXPIRY not in need:
            return values, [None] * len(keys)
        if not self.absolute:
            seconds, micros = checked(rest.pop(0), "TIME")
            now = int(seconds) * 1000 + int(micros) // 1000
            rest = [now + left if isinstance(left, int) and left >= 0 else left for left in rest]
        return values, rest

    def made(
        self, keys: list[bytes], values: list[Any], ends: list[Any], may_match: Sieve
    ) -> list[Session]:
        """Sessions of what was read; what is no string is noted and left out."""
        if Reply in {*map(type, values), *map(type, ends)}:
            values = [_without_error(*pair) for pair in zip(values, ends, strict=True)]
        sessions: list[Session] = []
        missing: list[bytes] = []
        for place, key in enumerate(keys):
            value, end = values[place], ends[place]
            if value is None:
                missing.append(key)
            elif end != _NO_KEY and (may_match is None or may_match(value, end)):
                sessions.append(self._session_of(key, value, end))
        if missing:
            self._note_strangers(missing)
        return sessions

    def followed(
        self, keys: list[bytes], values: list[Any], ends: list[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Those that a server of a cluster has handed on meanwhile are read where they are now."""
        if not self._nodes.sharded or Reply not in {*map(type, values), *map(type, ends)}:
            return values, ends
        gone = [n for n in range(len(keys)) if is_elsewhere(values[n]) or is_elsewhere(ends[n])]
        if gone:
            found = self._read([keys[n] for n in gone])
            for n, value, end in zip(gone, *found, strict=True):
                values[n], ends[n] = value, end
        return values, ends

    def _read(self, keys: list[bytes]) -> tuple[list[Any], list[Any]]:
        """Values and ends of keys, wherever they are; a page of one server in one call."""
        some = [[key] for key in keys] if self._nodes.sharded else [keys]
        calls = [Call(part[0], self.commands(part, Need.ALL)) for part in some]
        values: list[Any] = []
        ends: list[Any] = []
        for part, replies in zip(some, self._keys.read(calls), strict=True):
            found = self.told(part, Need.ALL, replies)
            values += found[0]
            ends += found[1]
        return values, ends

    def _note_strangers(self, keys: list[bytes]) -> None:
        """A key without a value is gone by now, or of another type."""
        kinds = self._keys.read([Call(key, [pack("TYPE", key)]) for key in keys])
        for key, (kind,) in zip(keys, kinds, strict=True):
            if kind not in (b"none", b"string"):
                name = kind.decode() if isinstance(kind, bytes) else "unreadable"
                self._remarks.stranger(decode_id(key), name)

    def _has_absolute_expiry(self) -> bool:
        """PEXPIRETIME came with Redis 7.0. Asked together with what shows a part of a cluster."""
        prefix = encode_id(self._layout.prefix)
        commands = [pack("PEXPIRETIME", prefix)]
        if not self._nodes.sharded:  # two slots; a cluster refuses that, whatever it holds
            commands.append(pack("MGET", prefix + b"{1}", prefix + b"{2}"))
        ((reply, *more),) = self._keys.read([Call(prefix, commands)])
        for one in more:
            checked(one, "MGET")
        if isinstance(reply, Reply):
            if reply.word in ("NOPERM", "NOAUTH", "WRONGPASS"):
                raise reply_error(reply, "PEXPIRETIME")
            self._remarks.note("Redis before 7.0: expiry times are exact to 2 ms only")
            return False
        return True


class BareKeys:
    """Reads nothing but the keys themselves."""

    words: tuple[str, ...] = ("TYPE", "string")

    def ask(self, keys: list[bytes]) -> list[bytes]:
        return []

    def take(self, keys: list[bytes], replies: list[Any]) -> list[bytes]:
        return keys

    def key_of(self, one: bytes) -> bytes:
        return one

    def next_size(self, size: int, replies: list[Any]) -> int:
        return size


class Values:
    """Reads what sessions are made of."""

    words: tuple[str, ...] = ()

    def __init__(self, pages: RedisPages, need: Need, may_match: Sieve) -> None:
        self._pages, self._need, self._may_match = pages, need, may_match

    def ask(self, keys: list[bytes]) -> list[bytes]:
        return self._pages.commands(keys, self._need)

    def take(self, keys: list[bytes], replies: list[Any]) -> list[Session]:
        if not keys:
            return []
        pages = self._pages
        values, ends = pages.followed(keys, *pages.told(keys, self._need, replies))
        return pages.made(keys, values, ends, self._may_match)

    def key_of(self, one: Session) -> bytes:
        return encode_id(one.location)

    def next_size(self, size: int, replies: list[Any]) -> int:
        """Fewer after a page of large values, more again later."""
        values = replies[0] if replies and isinstance(replies[0], list) else replies
        held = sum(len(value) for value in values if isinstance(value, bytes))
        if held > _PAGE_BYTES:
            return max(size * _PAGE_BYTES // held, 1)
        return min(size * 2, self._pages.scan_count) if held < _PAGE_BYTES // 4 else size


def _without_error(value: Any, end: Any) -> Any:
    """A value that may be used; None where another type of key is. Raises StoreError."""
    if isinstance(value, Reply) and value.word == "WRONGTYPE":
        return None
    checked(end, "PEXPIRETIME")
    return checked(value, "GET")


def _each(word: bytes, keys: list[bytes]) -> list[bytes]:
    """One packed command a key."""
    head = b"*2\r\n$%d\r\n%b\r\n$" % (len(word), word)
    return [b"%b%d\r\n%b\r\n" % (head, len(key), key) for key in keys]
