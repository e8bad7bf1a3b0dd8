"""The memcached engine: one server, 1.6 or newer. Extra: `memcached`.

    memcached://127.0.0.1:11211

A session is one item under `prefix + sid`; what is left of the item's life is its expiry, in whole
seconds. The item's flags say to the library how its value is written and are kept. Several
servers: each client library spreads the keys in its own way, so each server is a store of its own
here; all of them together hold the sessions.

Deleting compares: what was stored again has another cas, judged by the server as it deletes. A
`touch` leaves the cas alone, so an item's end is read again just before; a touch in the moment
between goes unseen. connect-memcached never sends one: it stores the session again.
"""

from __future__ import annotations

from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import JournalError, Refused, StoreError, StoreUnreachable, UsageError
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Outcome, Remarks, Result, Server, Tls
from sessctl.stores.engines.lost import LostReply, after_lost_delete, after_lost_replace
from sessctl.stores.engines.memcached_wire import NEVER, Item, Wire, is_key
from sessctl.stores.facts import Fact, Topic, transport_facts
from sessctl.stores.reader import Reader
from sessctl.stores.survey import places_of_keys
from sessctl.stores.url import flags
from sessctl.text import decode_id, encode_id
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Pair
    from sessctl.stores.layouts.base import KeyLayout
    from sessctl.stores.survey import Place
    from sessctl.stores.url import StoreUrl

_PORT = 11211
_PAGE = 250
_SURVEYED = 10_000  # keys, for a look at what there is
_SAMPLE = 200  # ids of each prefix
_PAGE_BYTES = 8 * 2**20  # of values in one reply (S15)
_RENEWED = "renewed since it was read"


class MemcachedStore:
    """Sessions in memcached. Open it with `MemcachedStore.open` or `sessctl.open_store`."""

    kind = "memcached"

    def __init__(self, url: StoreUrl, wire: Wire, layout: KeyLayout, access: Access) -> None:
        self.layout = layout
        self.page_size = access.page(_PAGE)
        self._url = url
        self.identity = Identity("memcached", wire.address, "", layout.prefix, wire.address)
        self.remarks = Remarks()
        self.capabilities = Capabilities(expires_by_itself=True)
        self._wire = wire
        self._read_only = access.read_only
        self._is_ours = layout.keys.fullmatch
        self._reader = Reader(layout)

    @classmethod
    def open(cls, url: StoreUrl, layout: KeyLayout, access: Access) -> Self:
        """Connect. Raises StoreUnreachable, or StoreError for a server that is too old."""
        store = cls(url, _wire(url, access), layout, access)
        if not url.is_local:
            store.remarks.note(f"not encrypted: memcached:// to {url.host}")
        return store

    @classmethod
    def places(cls, url: StoreUrl, access: Access) -> list[Place]:
        """The prefixes of the first 10 000 keys."""
        with closing(_wire(url, access)) as wire:
            try:
                keys = list(islice(wire.keys(b""), _SURVEYED))
            except StoreUnreachable:
                raise
            except StoreError:  # it does not list its keys; named sessions can be read all the same
                return []
        return places_of_keys(map(decode_id, keys), sample=_SAMPLE)

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        return Server("memcached", self._wire.version(), Tls.NONE)

    def now_ms(self) -> int:
        """`stats` `time`, whole seconds."""
        return self._wire.now_s() * 1000

    def estimate(self) -> int:
        """`curr_items`: every item of the server, sessions or not, some of them over."""
        return self._wire.count()

    def lags(self) -> list[Lag]:
        """None: memcached has no replicas."""
        return []

    def facts(self) -> Iterator[Fact]:
        """It encrypts nothing and asks nobody for a password."""
        yield from transport_facts(self._url, encrypted=False, verifies=False)
        yield Fact(Topic.ANONYMOUS, True, self._wire.address)

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        need |= query.need
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        else:
            keys = filter(self._is_ours, self._wire.keys(encode_id(self.layout.prefix)))
            candidates = map(self._bare, keys) if need is Need.ID else self._sessions(keys)
        for session in candidates:
            if not query.filters or query.matches(session, now_ms):
                yield session
        if not self._wire.walks_hash:
            self.remarks.note(
                "this memcached walks its LRU lists: a session in use meanwhile may be left out"
            )

    def get(self, sids: Sequence[str]) -> list[Session]:
        ours = [key for key in map(self.layout.key_of, sids) if is_key(key) and self._is_ours(key)]
        return list(self._sessions(iter(ours)))

    def count(self, query: Query) -> int:
        return sum(1 for _ in self.scan(query, query.need))

    def _sessions(self, keys: Iterator[bytes]) -> Iterator[Session]:
        """One page after the other; a page of large values is followed by a small one."""
        size = self.page_size
        while page := list(islice(keys, size)):
            items = self._wire.items(page)
            held = sum(len(item.value) for item in items if item is not None)
            size = max(1, size // 8) if held > _PAGE_BYTES else min(self.page_size, size * 2)
            for key, item in zip(page, items, strict=True):
                if item is not None:  # gone since its key was read
                    yield self._session(key, item)

    def _bare(self, key: bytes) -> Session:
        location = decode_id(key)
        return Session(sid=self.layout.sid_of(location), raw=b"", location=location)

    def _session(self, key: bytes, item: Item) -> Session:
        user, written, problem = self._reader.read(item.value)
        created_ms, seen_ms = self._reader.dates(item.value)
        if item.ends_s == NEVER or item.ends_s * 1000 > MAX_MS:
            expires_ms, expiry = self._reader.inner_expiry(written, problem)
        else:
            expires_ms, expiry = item.ends_s * 1000, Expiry.STORE
        location = decode_id(key)
        return Session(
            sid=self.layout.sid_of(location),
            raw=item.value,
            location=location,
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            created_ms=created_ms,
            seen_ms=seen_ms,
            problem=problem,
            original=item,
            reader=self._reader,
        )

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong prefix."""
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        self._require_write()
        results: list[Result] = []
        now_ms = self.now_ms() if grace_ms is not None else 0
        for start in range(0, len(sessions), _PAGE):
            page = sessions[start : start + _PAGE]
            done = {r.sid: r for r in self._left_alone(page, now_ms, grace_ms)}
            same = [session for session in page if session.sid not in done]
            done |= {r.sid: r for r in self._delete_same(same)}
            results += [done[session.sid] for session in page]
        return results

    def _left_alone(
        self, page: Sequence[Session], now_ms: int, grace_ms: int | None
    ) -> Iterator[Result]:
        """Those that are not as they were read, or not over; what has a TTL and is there, never."""
        items = self._wire.items([self._key(session) for session in page], values=False)
        for session, item in zip(page, items, strict=True):
            if item is None:
                yield Result(session.sid, Outcome.GONE)
            elif not item.is_same(session.original):
                yield Result(session.sid, Outcome.CHANGED, _RENEWED)
            elif grace_ms is not None:
                ends_ms = session.expires_ms
                if ends_ms is None:
                    yield Result(session.sid, Outcome.CHANGED, "expiry unknown")
                elif ends_ms + grace_ms > now_ms:
                    yield Result(session.sid, Outcome.CHANGED, "not expired by the store's clock")

    def _delete_same(self, sessions: Sequence[Session]) -> list[Result]:
        if not sessions:
            return []
        replies: list[bytes] = []
        unanswered: list[Result] = []
        keys = [self._key(session) for session in sessions]
        try:
            self._wire.delete(keys, [session.original.cas for session in sessions], replies)
        except LostReply:
            left = sessions[len(replies) :]
            there = {session.sid for session in self.get([session.sid for session in left])}
            unanswered = after_lost_delete(left, lambda session: session.sid in there)
        answered = zip(sessions, replies, strict=False)
        return [*(_deleted(session.sid, reply) for session, reply in answered), *unanswered]

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """Each value is stored with its flags and its end, if the item's cas is the same."""
        self._require_write()
        now_s = self._wire.now_s()
        changed = {r.sid: r for r in self._left_alone([was for was, _ in pairs], 0, None)}
        return [changed.get(was.sid) or self._replace(was, new, now_s) for was, new in pairs]

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self.replace([(s, self.with_end(s, expires_ms)) for s in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self._session(self._key(session), session.original._replace(value=raw))

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        ends_s = NEVER if expires_ms is None else _seconds(expires_ms)
        item = Item(session.raw, session.original.flags, session.original.cas, ends_s)
        return self._session(self._key(session), item)

    def _replace(self, session: Session, new: Session, now_s: int) -> Result:
        item = self._own(new)
        if item.ends_s != NEVER and item.ends_s <= now_s:
            return Result(session.sid, Outcome.LAPSED)
        try:
            cas: int = session.original.cas
            done = self._wire.replace(self._key(session), item._replace(cas=cas), item.ends_s)
        except LostReply:
            return after_lost_replace([(session, new)], self.get, self._is_as)[0]
        except StoreError as exc:  # too large for a slab, or out of memory
            return Result(session.sid, Outcome.FAILED, exc.message)
        if done is None:
            return Result(session.sid, Outcome.GONE)
        if not done:
            return Result(session.sid, Outcome.CHANGED, _RENEWED)
        return Result(session.sid, Outcome.STORED)

    def _is_as(self, found: Session, session: Session) -> bool:
        now, item = found.original, self._own(session)
        return found.raw == session.raw and (now.flags, now.ends_s) == (item.flags, item.ends_s)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        self._require_write()
        now_s = self._wire.now_s()
        return [self._put(session, now_s) for session in sessions]

    def _put(self, session: Session, now_s: int) -> Result:
        item = self._own(session)
        if item.ends_s != NEVER and item.ends_s <= now_s:
            return Result(session.sid, Outcome.LAPSED)
        key = self.layout.key_of(session.sid)
        if not is_key(key):
            return Result(session.sid, Outcome.FAILED, "no key that memcached can hold")
        try:
            if self._wire.add(key, item):
                return Result(session.sid, Outcome.STORED)
        except LostReply:
            pass  # what is there now tells
        except StoreError as exc:  # too large for a slab, or out of memory
            return Result(session.sid, Outcome.FAILED, exc.message)
        (now,) = self._wire.items([key])
        if now is None:
            return Result(session.sid, Outcome.FAILED, "not stored, and nothing is there")
        same = now[:2] == item[:2] and now.ends_s == item.ends_s
        return Result(session.sid, Outcome.PRESENT if same else Outcome.NEWER)

    def _own(self, session: Session) -> Item:
        """The item to store; a session of another store gets the flags that the library gives."""
        if isinstance(session.original, Item):
            return session.original._replace(value=session.raw)
        ends_ms = session.expires_ms if session.expiry is Expiry.STORE else None
        # What is encrypted is a text to the client, and no JSON.
        flags = 0 if self._reader.is_sealed(session.raw) else self.layout.flags
        return Item(session.raw, flags, 0, NEVER if ends_ms is None else _seconds(ends_ms))

    def _key(self, session: Session) -> bytes:
        return self.layout.key_of(session.sid)

    def _require_write(self) -> None:
        if self._read_only:
            raise Refused("this store was opened for reading only")

    def freeze(self, session: Session) -> dict[str, Any]:
        item: Item = session.original
        ends_ms = None if item.ends_s == NEVER else item.ends_s * 1000
        return {
            "kind": "memcached item", "value": session.raw,
            "flags": item.flags, "expires_ms": ends_ms,
        }  # fmt: skip

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        value, kept = frozen.get("value"), frozen.get("flags")
        if frozen.get("kind") != "memcached item" or not isinstance(value, bytes):
            raise JournalError("the journal does not hold memcached items")
        ends_ms = frozen.get("expires_ms") if expires_ms is None else expires_ms
        ends_s = NEVER if ends_ms is None else _seconds(int(ends_ms))
        key = self.layout.key_of(frozen["sid"])
        return self._session(key, Item(value, int(kept or 0), 0, ends_s))

    def close(self) -> None:
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _deleted(sid: str, reply: bytes) -> Result:
    if reply == b"HD":
        return Result(sid, Outcome.DELETED)
    if reply == b"NF":
        return Result(sid, Outcome.GONE)
    if reply == b"EX":
        return Result(sid, Outcome.CHANGED, _RENEWED)
    return Result(sid, Outcome.FAILED, f"memcached answered {reply!r}")


def _seconds(ms: int) -> int:
    """No session ends before it was asked to."""
    return -(-ms // 1000)


def _wire(url: StoreUrl, access: Access) -> Wire:
    """A connection to a server that is new enough. Raises as `MemcachedStore.open` does."""
    flags(dict(url.options), (), url.scheme)
    if url.username or url.password or access.password:
        raise UsageError("memcached URLs take no user and no password")
    if url.path.strip("/"):
        raise UsageError("memcached has no databases", hint="memcached://HOST:PORT")
    if access.require_tls:
        raise Refused("this backend requires TLS, and memcached is spoken to without")
    wire = Wire(url.host or "localhost", url.port or _PORT, access.timeout_s)
    try:
        wire.require_meta()
    except StoreError:
        wire.close()
        raise
    return wire
