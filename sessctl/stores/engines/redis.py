"""The Redis engine: standalone servers, TLS, unix sockets, ACL users.

A session is one string under `prefix + sid`; the key's TTL is its expiry, and only where there is
none does the date inside the value speak. Reading is SCAN, then MGET and PEXPIRETIME of the page
in one write; never KEYS, never EVAL to read. Writing is one single-key script a session.
"""

from __future__ import annotations

import time
from hashlib import sha1
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import AccessDenied, JournalError, Refused, StoreError, UsageError
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Outcome, Remarks, Result
from sessctl.stores.engines.redis_node import (
    CLIENT_NAME,
    Channel,
    LostReply,
    Node,
    Nodes,
    Reply,
    checked,
    pack,
    reply_error,
)
from sessctl.stores.engines.redis_scripts import CHANGED, DONE, GONE, Script, scripts
from sessctl.stores.reader import Reader
from sessctl.stores.url import flags
from sessctl.text import decode_id, encode_id, escape
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.engines.redis_node import Wire
    from sessctl.stores.layouts.base import KeyLayout
    from sessctl.stores.registry import Access
    from sessctl.stores.url import StoreUrl

_SCAN_COUNT = 1000  # 10 000 is slower and holds the server for 15 ms a call (measured)
_DELETE_PAGE = 500
_GLOB = str.maketrans({c: "\\" + c for c in "\\*?[]"})
_NO_TTL, _NO_KEY = -1, -2
# Servers before 7.0 tell only the remaining time; adding it to TIME is off by up to this.
_OLD_TOLERANCE_MS = 2


class RedisStore:
    """Sessions in Redis. Open it with `RedisStore.open` or `sessctl.open_store`."""

    kind = "redis"
    page_size = _DELETE_PAGE

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
        self._read_only = read_only
        self._channel = nodes.primaries()[0].channel()
        self._writer = nodes.primaries()[0].channel(None if read_only else self._require_primary)
        self._absolute = self._has_absolute_expiry()
        self._delete, self._expire = scripts(absolute_expiry=self._absolute)
        self._scripting = True
        if not read_only:  # a replica is refused here, before anything is journalled
            self._writer.exchange(pack("PING"), 1)

    @classmethod
    def open(cls, url: StoreUrl, layout: KeyLayout, access: Access) -> Self:
        """Connect. Raises StoreUnreachable or AccessDenied before anything is read."""
        socket_path = url.path if url.scheme == "redis+unix" else ""
        options = dict(url.options)
        flags(options, ("db",), url.scheme)
        text = options.get("db") or ("" if socket_path else url.path.strip("/"))
        if text and not (text.isascii() and text.isdigit()):
            raise UsageError("the database of a Redis URL is a number", hint="redis://host:6379/0")
        tls = url.scheme == "rediss"
        if access.require_tls and not tls and not socket_path:
            raise Refused("this backend requires TLS", hint="write rediss:// instead of redis://")
        host, port = url.host or "localhost", url.port or 6379
        address = socket_path or (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        node = Node(lambda: _connection(url, access, host, port, int(text or 0)), address)
        database = text or "0"
        identity = Identity("redis", address, database, layout.prefix, f"{host}/{database}")
        store = cls(Nodes([node]), layout, identity, read_only=access.read_only)
        if not tls and not socket_path and host not in ("localhost", "127.0.0.1", "::1"):
            store.remarks.note(f"not encrypted: redis:// to {host}; rediss:// is")
        return store

    # -- clock and size ---------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Redis `TIME` of the server that holds the keys."""
        seconds, micros = self._channel.ask("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def estimate(self) -> int:
        """`DBSIZE`: every key of the database, sessions or not."""
        return sum(int(node.channel().ask("DBSIZE")) for node in self._nodes.primaries())

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        need |= query.need
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        elif need is Need.ID:
            candidates = (self._bare(key) for key in self._keys())
        else:
            candidates = self._sessions(need)
        if not query.filters:
            yield from candidates
            return
        matches = query.matches
        for session in candidates:
            if matches(session, now_ms):
                yield session

    def get(self, sids: Sequence[str]) -> list[Session]:
        found: list[Session] = []
        for start in range(0, len(sids), _DELETE_PAGE):
            keys = [self._prefix + encode_id(sid) for sid in sids[start : start + _DELETE_PAGE]]
            commands, count = self._page_commands(keys, Need.ALL)
            replies = self._reading(commands, count)
            found += self._page(keys, replies, Need.ALL)
        return found

    def count(self, query: Query) -> int:
        if not query.filters:
            return sum(1 for _ in self._keys())
        return sum(1 for _ in self.scan(query, query.need))

    def _keys(self) -> Iterator[bytes]:
        """Keys alone. `TYPE string` keeps lists and hashes under the prefix out (S4)."""
        for node in self._nodes.primaries():
            channel = node.channel()
            try:
                cursor, keys = channel.ask(*self._scan_words(0), "TYPE", "string")
                while keys or cursor != b"0":
                    more = cursor != b"0"
                    if more:  # the server looks for the next page while we have this one
                        channel.send(pack(*self._scan_words(cursor), "TYPE", "string"))
                    for key in dict.fromkeys(keys):
                        if key.startswith(self._prefix):
                            yield key
                    cursor, keys = checked(channel.receive(1)[0], "SCAN") if more else (b"0", [])
            finally:
                channel.close()

    def _sessions(self, need: Need) -> Iterator[Session]:
        for node in self._nodes.primaries():
            # Its own connection: replies are under way while the caller uses the store.
            channel = node.channel()
            try:
                yield from self._scan_node(channel, need)
            finally:
                channel.close()

    def _scan_node(self, channel: Channel, need: Need) -> Iterator[Session]:
        """One page ahead: the server fetches the next page while Python reads this one."""
        cursor, keys = channel.ask(*self._scan_words(0))
        waiting: tuple[list[bytes], int] | None = self._ask_page(channel, keys, cursor, need)
        while waiting is not None:
            page, count = waiting
            replies = channel.receive(count)
            waiting = None
            if cursor != b"0":
                cursor, keys = checked(replies.pop(), "SCAN")
                waiting = self._ask_page(channel, keys, cursor, need)
            yield from self._page(page, replies, need)

    def _ask_page(
        self, channel: Channel, keys: list[bytes], cursor: bytes, need: Need
    ) -> tuple[list[bytes], int]:
        """Ask for the values of these keys and, in the same write, for the next keys."""
        page = [key for key in dict.fromkeys(keys) if key.startswith(self._prefix)]
        commands, count = self._page_commands(page, need)
        if cursor != b"0":
            commands += pack(*self._scan_words(cursor))
            count += 1
        if count:
            channel.send(commands)
        return page, count

    def _scan_words(self, cursor: bytes | int) -> tuple[bytes | str | int, ...]:
        return ("SCAN", cursor, "MATCH", self._pattern, "COUNT", _SCAN_COUNT)

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

    def _page(self, keys: list[bytes], replies: list[Any], need: Need) -> list[Session]:
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
            if value is None:
                missing.append(key)
            elif ends is None:
                sessions.append(self._session(key, value, None))
            elif ends[place] != _NO_KEY:
                sessions.append(self._session(key, value, ends[place]))
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
        sid = decode_id(key[len(self._prefix) :])
        return Session(sid=sid, raw=b"", location=decode_id(key))

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
        def due(session: Session) -> int | str:
            return "" if grace_ms is None else (session.expires_ms or 0) + grace_ms

        if grace_ms is not None:  # unknown is not expired, whoever asks (S3)
            unknown = [s for s in sessions if s.expires_ms is None]
            if unknown:
                known = [s for s in sessions if s.expires_ms is not None]
                refused = [Result(s.sid, Outcome.CHANGED, "expiry unknown") for s in unknown]
                return [*self.delete(known, grace_ms=grace_ms), *refused]
        outcomes = {DONE: Outcome.DELETED, GONE: Outcome.GONE, CHANGED: Outcome.CHANGED}
        if self._scripting:
            try:
                return self._run(self._delete, sessions, [due(s) for s in sessions], outcomes)
            except AccessDenied:
                self._scripting = False
                self.remarks.note(
                    "no right to run scripts: WATCH and MULTI are used instead, slower"
                )
        return [self._delete_watched(session, due(session)) for session in sessions]

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        outcomes = {DONE: Outcome.STORED, GONE: Outcome.GONE, CHANGED: Outcome.CHANGED}
        value: int | str = "" if expires_ms is None else expires_ms
        return self._run(self._expire, sessions, [value] * len(sessions), outcomes)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        self._may_write()
        now_ms = self.now_ms()
        results: list[Result] = []
        for session in sessions:
            ends = session.original if isinstance(session.original, int) else _ttl_of(session)
            if 0 <= ends <= now_ms:
                results.append(Result(session.sid, Outcome.LAPSED))
                continue
            key = self._prefix + encode_id(session.sid)
            words: list[bytes | str | int] = ["SET", key, session.raw, "NX"]
            if ends >= 0:
                words += ["PXAT", ends]
            try:
                reply = self._writer.exchange(pack(*words), 1)[0]
            except LostReply:
                reply = None  # what is there now tells
            if isinstance(reply, Reply):
                results.append(Result(session.sid, Outcome.FAILED, str(reply_error(reply, "SET"))))
            elif reply is not None:
                results.append(Result(session.sid, Outcome.STORED))
            else:
                results.append(self._compare(session, ends))
        return results

    def _compare(self, session: Session, ends: int) -> Result:
        found = self.get([session.sid])
        if not found:
            return Result(session.sid, Outcome.FAILED, "the key vanished, or holds another type")
        same = found[0].raw == session.raw and abs(found[0].original - ends) <= self._tolerance
        return Result(session.sid, Outcome.PRESENT if same else Outcome.NEWER)

    def freeze(self, session: Session) -> dict[str, Any]:
        return {"kind": "string", "value": session.raw, "expires_ms": session.original}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        if frozen.get("kind") != "string" or not isinstance(frozen.get("value"), bytes):
            raise JournalError("the journal does not hold Redis strings")
        key = self._prefix + encode_id(frozen["sid"])
        ends = int(frozen["expires_ms"]) if expires_ms is None else expires_ms
        return self._session(key, frozen["value"], ends)

    @property
    def _tolerance(self) -> int:
        return 0 if self._absolute else _OLD_TOLERANCE_MS

    def _run(
        self,
        script: Script,
        sessions: Sequence[Session],
        arguments: Sequence[int | str],
        outcomes: dict[int, Outcome],
    ) -> list[Result]:
        """One script call a session, pipelined; a reply that gets lost is looked into."""
        self._may_write()
        if not sessions:
            return []
        calls = [
            pack(
                "EVALSHA", script.sha, 1, self._prefix + encode_id(session.sid),
                sha1(session.raw, usedforsecurity=False).hexdigest(),
                session.original, self._tolerance, argument,
            )
            for session, argument in zip(sessions, arguments, strict=True)
        ]  # fmt: skip
        self._load(script)
        replies: list[Any] = []
        try:
            self._writer.send(b"".join(calls))
            while len(replies) < len(calls):
                replies += self._writer.receive(1)
        except LostReply:
            done = [self._outcome(s, r, outcomes) for s, r in zip(sessions, replies, strict=False)]
            return done + self._unanswered(sessions[len(replies) :])
        if all(isinstance(reply, Reply) and reply.word == "NOPERM" for reply in replies):
            raise reply_error(replies[0], "EVALSHA")
        return [self._outcome(s, r, outcomes) for s, r in zip(sessions, replies, strict=True)]

    def _load(self, script: Script) -> None:
        reply = self._writer.exchange(pack("SCRIPT", "EXISTS", script.sha), 1)[0]
        if isinstance(reply, Reply) or reply[0] == 0:
            checked(self._writer.exchange(pack("SCRIPT", "LOAD", script.text), 1)[0], "SCRIPT LOAD")

    @staticmethod
    def _outcome(session: Session, reply: Any, outcomes: dict[int, Outcome]) -> Result:
        if isinstance(reply, Reply):
            error = reply_error(reply, "EVALSHA")
            return Result(session.sid, Outcome.FAILED, error.message)
        outcome = outcomes[reply]
        return Result(
            session.sid,
            outcome,
            "renewed since it was read" if outcome is Outcome.CHANGED else None,
        )

    def _unanswered(self, sessions: Sequence[Session]) -> list[Result]:
        """Replies were lost: a session that is absent now is `unconfirmed`, never `deleted`."""
        there = {session.sid for session in self.get([session.sid for session in sessions])}
        return [
            Result(s.sid, Outcome.FAILED, "connection lost, still there")
            if s.sid in there
            else Result(s.sid, Outcome.UNCONFIRMED, "connection lost, absent now")
            for s in sessions
        ]

    def _delete_watched(self, session: Session, due: int | str) -> Result:
        """The same without scripts: WATCH, read again, MULTI, UNLINK, EXEC."""
        self._may_write()
        key = self._prefix + encode_id(session.sid)
        ends = pack("PEXPIRETIME" if self._absolute else "PTTL", key)
        try:
            watched, value, end, clock = self._writer.exchange(
                pack("WATCH", key) + pack("GET", key) + ends + pack("TIME"), 4
            )
            for reply, word in ((watched, "WATCH"), (value, "GET"), (end, "PEXPIRETIME")):
                checked(reply, word)
            now = int(clock[0]) * 1000 + int(clock[1]) // 1000
            if not self._absolute and end >= 0:
                end += now
            same = value == session.raw and abs(end - session.original) <= self._tolerance
            if value is None or not same or (due != "" and now < int(due)):
                self._writer.exchange(pack("UNWATCH"), 1)
                if value is None:
                    return Result(session.sid, Outcome.GONE)
                return Result(session.sid, Outcome.CHANGED, "renewed since it was read")
            replies = self._writer.exchange(pack("MULTI") + pack("UNLINK", key) + pack("EXEC"), 3)
        except LostReply:
            return self._unanswered([session])[0]
        except StoreError as exc:
            self._writer.close()
            return Result(session.sid, Outcome.FAILED, exc.message)
        done = replies[2]
        if isinstance(done, Reply):
            return Result(session.sid, Outcome.FAILED, reply_error(done, "UNLINK").message)
        if done is None:
            return Result(session.sid, Outcome.CHANGED, "renewed since it was read")
        return Result(session.sid, Outcome.DELETED if done[0] else Outcome.GONE)

    # -- connection -------------------------------------------------------------------------------

    def _may_write(self) -> None:
        if self._read_only:
            raise Refused("this store was opened for reading only")

    def _require_primary(self, channel: Channel) -> None:
        """Writes go to a primary only, checked on every connection (S10)."""
        role = channel.exchange(pack("ROLE"), 1)[0]
        if isinstance(role, list) and role[0] == b"slave":
            primary = f"{escape(decode_id(role[1]))}:{int(role[2])}"
            raise Refused(
                f"redis at {self.identity.address} is a replica", hint=f"its primary is {primary}"
            )

    def _has_absolute_expiry(self) -> bool:
        """PEXPIRETIME came with Redis 7.0."""
        reply = self._reading(pack("PEXPIRETIME", self._prefix), 1)[0]
        if isinstance(reply, Reply):
            if reply.word in ("NOPERM", "NOAUTH", "WRONGPASS", "MOVED"):
                raise reply_error(reply, "PEXPIRETIME")
            self.remarks.note("Redis before 7.0: expiry times are exact to 2 ms only")
            return False
        return True

    def _reading(self, commands: bytes, count: int) -> list[Any]:
        """An exchange that only reads: tried again on a new connection when it breaks."""
        for pause_s in (0.1, 0.3):
            try:
                return self._channel.exchange(commands, count)
            except LostReply:
                time.sleep(pause_s)
        return self._channel.exchange(commands, count)

    def close(self) -> None:
        self._channel.close()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _ttl_of(session: Session) -> int:
    if session.expiry is Expiry.STORE and session.expires_ms is not None:
        return session.expires_ms
    return _NO_TTL


def _connection(url: StoreUrl, access: Access, host: str, port: int, db: int) -> Wire:
    """redis-py's connection: no retries, no maintenance notifications, no set-up chatter."""
    # 97 ms; only this engine needs it
    from redis.backoff import NoBackoff
    from redis import connection as driver
    from redis.retry import Retry

    username = access.username or url.username
    password = access.password or url.password
    common: dict[str, Any] = {
        "db": db,
        "username": username,
        "password": password.reveal_text() if password else None,
        "socket_timeout": access.timeout_s,
        "client_name": CLIENT_NAME,
        "driver_info": None,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "protocol": 2,
        "legacy_responses": True,
    }
    import inspect

    known = inspect.signature(driver.AbstractConnection.__init__).parameters
    common = {key: value for key, value in common.items() if key in known}
    make: Any = driver  # its constructors carry no types
    wire: Wire
    if url.scheme == "redis+unix":
        wire = make.UnixDomainSocketConnection(path=url.path, **common)
        return wire
    common |= {"host": host, "port": port, "socket_connect_timeout": access.timeout_s}
    if url.scheme == "rediss":
        common |= {"ssl_ca_certs": access.ca_file, "ssl_check_hostname": True}
        wire = make.SSLConnection(**common)
    else:
        wire = make.Connection(**common)
    return wire
