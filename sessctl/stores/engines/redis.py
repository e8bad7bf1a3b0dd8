"""The Redis engine: one server, Sentinel, Cluster; Valkey too, which differs in nothing used here.

A session is one string under a key made of its id; the key's TTL is its expiry, and only where
there is none does the date inside the value speak. Reading goes by `redis_pages.py`, writing by
`redis_writes.py`; which servers there are, `redis_nodes.py` tells.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import JournalError, Refused, StoreError, StoreUnreachable
from sessctl.session import Expiry, Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Outcome, Remarks, Result, Server
from sessctl.stores.engines.redis_connect import Target
from sessctl.stores.engines.redis_facts import redis_facts
from sessctl.stores.engines.redis_hints import RedisHints
from sessctl.stores.engines.redis_keys import Keys
from sessctl.stores.engines.redis_lag import replica_lags
from sessctl.stores.engines.redis_nodes import info
from sessctl.stores.engines.redis_pages import RedisPages
from sessctl.stores.engines.redis_room import room_of
from sessctl.stores.engines.redis_scan import glob_of
from sessctl.stores.engines.redis_writes import DELETE_PAGE, NO_TTL, OLD_TOLERANCE_MS, RedisWriter
from sessctl.stores.reader import Reader
from sessctl.stores.survey import places_of_keys
from sessctl.text import decode_id
from sessctl.timespec import MAX_MS, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Pair, Room
    from sessctl.stores.engines.redis_node import Channel
    from sessctl.stores.engines.redis_nodes import Nodes
    from sessctl.stores.engines.redis_pages import Sieve
    from sessctl.stores.facts import Fact
    from sessctl.stores.layouts.base import KeyLayout
    from sessctl.stores.survey import Place
    from sessctl.stores.url import StoreUrl

_SURVEYED = 10  # SCANs of about 1 000 keys, for a look at what there is
_SAMPLE = 200  # ids of each prefix
_CLOCKS_APART_MS = 60_000  # the usual grace


class RedisStore:
    """Sessions in Redis. Open it with `RedisStore.open` or `sessctl.open_store`."""

    kind = "redis"
    page_size = DELETE_PAGE

    def __init__(
        self,
        target: Target,
        nodes: Nodes,
        layout: KeyLayout,
        identity: Identity,
        remarks: Remarks,
        *,
        read_only: bool,
    ) -> None:
        self._target = target
        self.layout = layout
        self.identity = identity
        self.remarks = remarks
        self._is_ours = layout.keys.fullmatch  # an id with a `:` in it could name any key (S4)
        self._reader = Reader(layout)
        self._keys = Keys(nodes)
        self._hints = RedisHints(nodes, int(identity.database), glob_of(layout))
        self._pages = RedisPages(
            nodes, self._keys, layout, session_of=self._session, remarks=remarks
        )
        self.capabilities = Capabilities(
            expires_by_itself=True,
            confirms_writes=True,
            tells_room=True,
            hints=True,
            ends_within_ms=0 if self._pages.absolute else OLD_TOLERANCE_MS,
        )
        self._writer: RedisWriter | None = None
        if not read_only:
            self._writer = RedisWriter(
                nodes, layout.key_of, read=self.get, remarks=remarks, absolute=self._pages.absolute
            )

    @classmethod
    def open(cls, url: StoreUrl, layout: KeyLayout, access: Access) -> Self:
        """Connect. Raises StoreUnreachable or AccessDenied before anything is read."""
        target, remarks = Target.of(url, access), Remarks()
        scope = layout.prefix
        identity = Identity("redis", target.address, str(target.db), scope, target.label)
        nodes = target.nodes(remarks)
        store = cls(target, nodes, layout, identity, remarks, read_only=access.read_only)
        if target.is_open_to_others:
            scheme, plus, form = url.scheme.partition("+")
            secure = f"{scheme}s{plus}{form}"
            remarks.note(f"not encrypted: {url.scheme}:// to {target.host}; {secure}:// is")
        return store

    @classmethod
    def places(cls, url: StoreUrl, access: Access) -> list[Place]:
        """The prefixes of the first 10 000 keys or so, by `SCAN`."""
        nodes = Target.of(url, access).nodes(Remarks())
        with closing(nodes.primaries()[0].channel()) as channel:
            return places_of_keys(_first_keys(channel), sample=_SAMPLE)

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        """`INFO server` of one primary; of a user who may not ask, `PING`."""
        try:
            told = info(self._keys.everywhere("INFO", "server")[0])
        except StoreUnreachable:
            raise
        except StoreError:
            self._keys.everywhere("PING")
            return Server("Redis", None, self._target.tls)
        name = "Valkey" if told.get("server_name") == "valkey" else "Redis"
        version = told.get("valkey_version") or told.get("redis_version")
        return Server(name, version, self._target.tls)

    def now_ms(self) -> int:
        """Redis `TIME`; of several primaries the earliest, which condemns the fewest."""
        told = self._keys.everywhere("TIME")
        clocks = [int(seconds) * 1000 + int(micros) // 1000 for seconds, micros in told]
        _check_apart(max(clocks) - min(clocks))
        return min(clocks)

    def estimate(self) -> int:
        """`DBSIZE`: every key of the database, sessions or not."""
        return sum(map(int, self._keys.everywhere("DBSIZE")))

    def lags(self) -> list[Lag]:
        """`INFO replication` of each primary: seconds since a replica last acknowledged."""
        told = self._keys.everywhere("INFO", "replication")
        return [lag for one in told for lag in replica_lags(one)]

    def room(self) -> Room:
        """`INFO` of each primary: the one with the least room, as if all were as full."""
        return room_of(self._keys.everywhere("INFO"))

    def facts(self) -> Iterator[Fact]:
        return redis_facts(self._target, self._keys.everywhere, self.layout.prefix)

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        query = query.pushed_down
        need |= query.need
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        elif need is Need.ID:
            candidates = (self._bare(key) for page in self._pages.bare_keys() for key in page)
        else:
            candidates = self._pages.sessions(need, _sieve(query, now_ms, self.layout))
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
            keys = map(self.layout.key_of, sids[start : start + DELETE_PAGE])
            found += self._pages.named(list(filter(self._is_ours, keys)))
        return found

    def count(self, query: Query) -> int:
        if not query.filters:
            return sum(map(len, self._pages.bare_keys()))
        return sum(1 for _ in self.scan(query, query.need))

    def heard(self) -> bool:
        """A keyspace notification has come, where the server sends any."""
        return self._hints.heard()

    def _bare(self, key: bytes) -> Session:
        location = decode_id(key)
        return Session(sid=self.layout.sid_of(location), raw=b"", location=location)

    def _session(self, key: bytes, value: bytes, ends_ms: int | None) -> Session:
        user, written, problem = self._reader.read(value)
        created_ms, seen_ms = self._reader.dates(value)
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
            sid=self.layout.sid_of(location),
            raw=value,
            location=location,
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            created_ms=created_ms,
            seen_ms=seen_ms,
            problem=problem,
            original=ends_ms,
            reader=self._reader,
        )

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong prefix."""
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        results = self._writes().delete(sessions, grace_ms=grace_ms)
        self._pages.forget(
            [
                self.layout.key_of(result.sid)
                for result in results
                if result.outcome in (Outcome.DELETED, Outcome.UNCONFIRMED)
            ]
        )
        return results

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        return self._writes().replace(pairs)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self._writes().replace([(s, self.with_end(s, expires_ms)) for s in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self._session(self.layout.key_of(session.sid), raw, session.original)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        raw = self._reader.with_end(session.raw, expires_ms)
        ends_ms = NO_TTL if expires_ms is None else expires_ms
        return self._session(self.layout.key_of(session.sid), raw, ends_ms)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._writes().put(sessions, self.now_ms())

    def confirmed(self, replicas: int, within_ms: int) -> int:
        """`WAIT` at each primary that was written to; the smallest answer."""
        return self._writes().confirmed(replicas, within_ms)

    def _writes(self) -> RedisWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def freeze(self, session: Session) -> dict[str, Any]:
        return {"kind": "string", "value": session.raw, "expires_ms": session.original}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        if frozen.get("kind") != "string" or not isinstance(frozen.get("value"), bytes):
            raise JournalError("the journal does not hold Redis strings")
        key = self.layout.key_of(frozen["sid"])
        if not self._is_ours(key):
            raise JournalError(f"the journal's sessions are not under '{self.layout.prefix}'")
        if expires_ms is None:
            return self._session(key, frozen["value"], int(frozen["expires_ms"]))
        return self._session(key, self._reader.with_end(frozen["value"], expires_ms), expires_ms)

    def close(self) -> None:
        self._keys.close()
        self._hints.close()
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _first_keys(channel: Channel) -> Iterator[str]:
    cursor = b"0"
    for _ in range(_SURVEYED):
        cursor, keys = channel.ask("SCAN", cursor, "COUNT", 1000)
        yield from map(decode_id, keys)
        if cursor == b"0":
            return


def _check_apart(apart_ms: int) -> None:
    """Each primary judges by its own clock: they have to agree by and large."""
    if apart_ms > _CLOCKS_APART_MS:
        raise Refused(
            f"the clocks of the cluster's servers differ by {format_duration(apart_ms / 1000)}",
            hint="set them right (NTP): sessions would be judged by several clocks",
        )


def _sieve(query: Query, now_ms: int, layout: KeyLayout) -> Sieve:
    """What spares making a session of most values (4 us each); `Query.matches` has the word."""
    cutoff_ms = now_ms - query.grace_ms if query.expired else None
    plain = query.plain_user
    user = plain.encode() if plain is not None and layout.spells(plain) else None
    if cutoff_ms is None and user is None:
        return None

    def may_match(value: bytes, ends_ms: int | None) -> bool:
        if cutoff_ms is not None and ends_ms is not None and ends_ms > cutoff_ms:
            return False
        return user is None or user in value or b"\\u" in value

    return may_match
