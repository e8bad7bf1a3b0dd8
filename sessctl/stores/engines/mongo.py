"""The MongoDB engine, through pymongo: standalone servers, replica sets, mongos.

A session is a document. The server removes it within about a minute of the date that its TTL index
is on; until then it is there, and over. Documents are read as bytes (`mongo_documents.py`) and
written one by one, conditionally (`mongo_writes.py`).

Source: MongoDB manual, `find`, `cursor.min()`, "TTL Indexes", "Comparison/Sort Order".
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sessctl.errors import Refused, SessctlError, StoreError
from sessctl.serializers.bson import OPTIONS, DatetimeMS, RawBSONDocument
from sessctl.session import Need, Query, Session
from sessctl.stores.base import Capabilities, Identity, Lag, Pair, Remarks, Server, Tls
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.mongo_connect import STATEMENT_TIMEOUT_S, Target
from sessctl.stores.engines.mongo_documents import MongoDocuments
from sessctl.stores.engines.mongo_errors import translated
from sessctl.stores.engines.mongo_lag import replica_lags
from sessctl.stores.engines.mongo_writes import DELETE_PAGE, MongoWriter
from sessctl.stores.facts import Fact, Topic, transport_facts
from sessctl.stores.survey import PLACES, Place
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pymongo import MongoClient

    from sessctl.stores.access import Access
    from sessctl.stores.base import Result
    from sessctl.stores.layouts.base import DocumentLayout
    from sessctl.stores.url import StoreUrl

T = TypeVar("T")
READ_PAGE = 1000
_SAMPLE = 20  # documents that tell what the application keeps
_TRIES = 2  # beside the driver's own, which is with a new connection, too (S9)
_TIMEOUT_MS = STATEMENT_TIMEOUT_S * 1000


class MongoStore:
    """Sessions in a collection. Open it with `MongoStore.open` or `sessctl.open_store`."""

    page_size = DELETE_PAGE

    def __init__(
        self, client: MongoClient[Any], target: Target, layout: DocumentLayout, *, read_only: bool
    ) -> None:
        self.layout = layout
        self.remarks = Remarks()
        self.identity = Identity(
            "mongodb", target.address, target.database, layout.collection, target.label
        )
        self._client, self._target = client, target
        self._tls = Tls.of(encrypted=target.encrypted, verifies=target.verifies)
        self._address = target.address
        self._database = client.get_database(target.database)
        self._collection = self._database.get_collection(layout.collection, codec_options=OPTIONS)
        self._collation = self._look_at_collection(read_only=read_only)
        self._documents = MongoDocuments(layout, self._kept_kind())
        self.capabilities = Capabilities(
            expires_by_itself=self._has_ttl_index(),
            stores_created=bool(layout.created),
            stores_seen=bool(layout.seen),
            answers=("expired",) if layout.store_secrets else ("expired", "user"),
        )
        self._writer = None
        if not read_only:
            self._writer = MongoWriter(
                self._collection, self._documents, self._address, sid=layout.sid,
                expires=layout.expires, collation=self._collation, read=self._named,
            )  # fmt: skip
        if target.note:
            self.remarks.note(target.note)
        self._read_page = target.access.page(READ_PAGE)

    @classmethod
    def open(cls, url: StoreUrl, layout: DocumentLayout, access: Access) -> Self:
        """Connect and look at the collection. Raises StoreError when either is not there."""
        target = Target.of(url, access)
        client = target.client()
        try:
            return cls(client, target, layout, read_only=access.read_only)
        except SessctlError:
            client.close()
            raise

    @classmethod
    def places(cls, url: StoreUrl, access: Access) -> list[Place]:
        """The collections of the database, each with the fields of its first document."""
        target = Target.of(url, access)
        with closing(target.client()) as client, translated(target.address):
            database = client.get_database(target.database)
            names = [
                found["name"]
                for found in database.list_collections()
                if found.get("type") == "collection" and not found["name"].startswith("system.")
            ]
            firsts = {
                name: database.get_collection(name, codec_options=OPTIONS).find_one()
                for name in sorted(names)[:PLACES]
            }
            return [
                Place(name, {"collection": name}, frozenset(first))
                for name, first in firsts.items()
                if first is not None
            ]

    def _look_at_collection(self, *, read_only: bool) -> dict[str, Any] | None:
        """What to compare ids and values with: a collection may have a collation to which two of
        them are one; to us they never are. Where it has none, no more is asked of the server.
        """
        with translated(self._address):
            there = {c["name"]: c for c in self._database.list_collections()}
        name = self.layout.collection
        if name not in there:
            has = ", ".join(sorted(map(escape, there))) or "none"
            raise StoreError(
                f"database '{escape(self._database.name)}' has no collection '{escape(name)}'",
                hint=f"it has: {has}; the application makes its own when it starts",
            )
        if not read_only and there[name].get("type") != "collection":
            raise Refused(f"'{escape(name)}' is a view, which cannot be changed")
        return {"locale": "simple"} if there[name].get("options", {}).get("collation") else None

    def _kept_kind(self) -> type[Any] | None:
        """What most of the first sessions are, texts or objects; None where none tells."""
        field = f"${self.layout.data}"
        look: list[dict[str, Any]] = [{"$limit": _SAMPLE}, {"$project": {"kind": {"$type": field}}}]
        with translated(self._address):
            kinds = [one.get("kind") for one in self._collection.aggregate(look)]
        texts, objects = kinds.count("string"), kinds.count("object")
        if texts == objects:
            return None
        return str if texts > objects else RawBSONDocument

    def _has_ttl_index(self) -> bool:
        with translated(self._address):
            indexes = list(self._collection.list_indexes())
        return any(
            "expireAfterSeconds" in index and list(index["key"]) == [self.layout.expires]
            for index in indexes
        )

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        """`buildInfo`."""
        with translated(self._address):
            told = self._client.admin.command("buildInfo")
        return Server("MongoDB", str(told.get("version")), self._tls)

    def now_ms(self) -> int:
        """`hello.localTime` of the primary, or of the mongos in front of it."""
        hello = self._asked(lambda: self._client.admin.command("hello", codec_options=OPTIONS))
        return int(hello["localTime"])

    def estimate(self) -> int:
        """The `count` of the collection's own books; no document is read."""
        count = self._collection.estimated_document_count
        return int(self._asked(lambda: count(maxTimeMS=_TIMEOUT_MS)))

    def lags(self) -> list[Lag]:
        """`replSetGetStatus`: how far each secondary is behind the primary."""
        return replica_lags(self._client, self._address)

    def facts(self) -> Iterator[Fact]:
        """TLS, whether anybody is let in, and the TTL index."""
        target, field = self._target, self.layout.expires
        yield from transport_facts(target.url, encrypted=target.encrypted, verifies=target.verifies)
        yield Fact(
            Topic.ANONYMOUS, not target.has_user, "security.authorization",
            "security: { authorization: enabled }   # mongod.conf, after db.createUser(...)",
        )  # fmt: skip
        yield Fact(
            Topic.TTL_INDEX, self._has_ttl_index(), self.layout.collection,
            f"db.getCollection({json.dumps(self.layout.collection)}).createIndex("
            f"{{ {json.dumps(field)}: 1 }}, {{ expireAfterSeconds: 0 }})",
        )  # fmt: skip

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        elif need | query.need is Need.ID:
            candidates = self._bare()
        else:
            candidates = self._sessions(self._filter(query, now_ms))
        if not query.filters:
            yield from candidates
            return
        for session in candidates:
            if query.matches(session, now_ms):
                yield session

    def get(self, sids: Sequence[str]) -> list[Session]:
        found: dict[str, Session] = {}
        for start in range(0, len(sids), self._read_page):
            some = sids[start : start + self._read_page]
            ids = [value for sid in some for value in self._documents.ids_of(sid)]
            for document in self._named(ids):
                session = self._session(document)
                if session.sid not in found or type(document[self.layout.sid]) is str:
                    found[session.sid] = session  # a text that looks like another id is itself
        return [found[sid] for sid in sids if sid in found]

    def count(self, query: Query) -> int:
        if query.filters:
            return sum(1 for _ in self.scan(query))
        count = self._collection.count_documents
        return int(self._asked(lambda: count(self._documents.scope, maxTimeMS=_TIMEOUT_MS)))

    def _bare(self) -> Iterator[Session]:
        for page in self._pages(self._documents.scope, [self.layout.sid]):
            yield from map(self._documents.bare, page)

    def _sessions(self, condition: dict[str, Any]) -> Iterator[Session]:
        for page in self._pages(condition):
            yield from map(self._session, page)

    def _session(self, document: RawBSONDocument) -> Session:
        with translated(self._address):
            return self._documents.session(document)

    def _pages(
        self, condition: dict[str, Any], fields: list[str] | None = None
    ) -> Iterator[list[RawBSONDocument]]:
        """Pages in the order of the index on `_id`, each a `find` of its own that leaves no cursor.

        A page is one reply, so it ends at 16 MB if not at `READ_PAGE`. The next one begins behind
        the last id: `min` is a bound of the index, and not a comparison, to which ids of another
        type would not be greater; it includes the id itself, and `$ne` leaves that one out.
        """
        start: list[tuple[str, Any]] | None = None
        while page := self._page(condition, fields, start):
            yield page
            last = page[-1]["_id"]
            start, condition = [("_id", last)], {**condition, "_id": {"$ne": last}}

    def _page(
        self,
        condition: dict[str, Any],
        fields: list[str] | None,
        start: list[tuple[str, Any]] | None,
    ) -> list[RawBSONDocument]:
        def find() -> list[RawBSONDocument]:
            cursor = self._collection.find(
                condition, fields, limit=-self._read_page, sort=[("_id", 1)], hint=[("_id", 1)],
                max_time_ms=_TIMEOUT_MS,
            )  # fmt: skip
            return list(cursor if start is None else cursor.min(start))

        return self._asked(find)

    def _named(self, ids: Sequence[Any]) -> list[RawBSONDocument]:
        """The documents of these ids, compared bytewise. `$in` takes values, never operators."""
        if not ids:
            return []
        here, find = {self.layout.sid: {"$in": list(ids)}}, self._collection.find
        how: dict[str, Any] = {"collation": self._collation, "max_time_ms": _TIMEOUT_MS}
        return self._asked(lambda: list(find(here, **how)))

    def _filter(self, query: Query, now_ms: int) -> dict[str, Any]:
        """What the server can answer; never stricter than `Query.matches`, which has the word."""
        condition = self._documents.scope
        if query.expired:
            condition[self.layout.expires] = {"$lte": DatetimeMS(now_ms - query.grace_ms)}
        if (user := query.plain_user) is not None and not self.layout.store_secrets:
            # Letters and digits, so the pattern is the text; an object's user is looked at here.
            text = {self.layout.data: {"$regex": f"{user}|\\\\u"}}
            condition["$or"] = [{self.layout.data: {"$not": {"$type": "string"}}}, text]
        return condition

    def _asked(self, read: Callable[[], T]) -> T:
        """A read, tried again when the connection breaks."""
        for _ in range(_TRIES - 1):
            try:
                with translated(self._address):
                    return read()
            except LostReply:
                time.sleep(0.1)
        with translated(self._address):
            return read()

    def recognises(self, session: Session) -> bool:
        return self._documents.recognises(session)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        return self._writes().delete(sessions, grace_ms=grace_ms)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        writer = self._writes()
        self._learn_seal()
        return writer.replace(pairs)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self._writes().replace([(s, self.with_end(s, expires_ms)) for s in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self._documents.with_value(session, raw)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        return self._documents.with_end(session, expires_ms)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        writer = self._writes()
        self._learn_seal()
        return writer.put(sessions)

    def _learn_seal(self) -> None:
        if not self._documents.knows_seal:
            for _ in islice(self.scan(Query()), _SAMPLE):
                pass  # reading them shows it

    def _writes(self) -> MongoWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def freeze(self, session: Session) -> dict[str, Any]:
        return self._documents.freeze(session)

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        return self._documents.thaw(frozen, expires_ms=expires_ms)

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
