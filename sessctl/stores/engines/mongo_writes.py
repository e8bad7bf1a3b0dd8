"""Writes to MongoDB: a command for each session, whose filter compares it with what was read.

MongoDB changes one document atomically: what a filter matches is what is deleted or updated. So
`deleteOne({_id, value, expiry})` is a conditional delete, on a replica set and behind mongos alike
(`_id` names one document; behind mongos it must be unique over all shards, as sids are). Several
deletes in one command would answer with their number and not with which they were. Nothing is ever
sent twice; a reply that gets lost is looked into by reading again.

Source: MongoDB manual, "Atomicity and Transactions", `delete`, `update`, `insert`, "Collation",
`$$NOW` (4.2).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import bson
from pymongo.errors import DuplicateKeyError

from sessctl.errors import AccessDenied, SerializerError, StoreError, StoreUnreachable
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.mongo_errors import NotAcknowledged, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bson.raw_bson import RawBSONDocument
    from pymongo.collection import Collection

    from sessctl.session import Session
    from sessctl.stores.base import Pair
    from sessctl.stores.engines.mongo_documents import MongoDocuments

DELETE_PAGE = 500
_RENEWED = "renewed since it was read"
_LOOKS, _BETWEEN_LOOKS_S = 10, 0.05


class MongoWriter:
    """What changes a collection.

    Args:
        collation: to which ids and values are equal when their bytes are.
        read: the documents of these ids, as they are now.
    """

    def __init__(
        self,
        collection: Collection[RawBSONDocument],
        documents: MongoDocuments,
        address: str,
        *,
        sid: str,
        expires: str,
        collation: dict[str, Any] | None,
        read: Callable[[Sequence[Any]], list[RawBSONDocument]],
    ) -> None:
        self._collection = collection
        self._documents = documents
        self._address = address
        self._sid = sid
        self._expires = expires
        self._collation = collation
        self._read = read

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None) -> list[Result]:
        """See `Store.delete`."""

        def delete(session: Session) -> int:
            same = self._documents.unchanged(session.original)
            if grace_ms is not None:
                same["$expr"] = self._is_due(grace_ms)
            return self._collection.delete_one(same, collation=self._collation).deleted_count

        if grace_ms is None:
            return self._write(sessions, delete, Outcome.DELETED)
        known = [session for session in sessions if session.expires_ms is not None]
        results = {r.sid: r for r in self._write(known, delete, Outcome.DELETED)}
        unknown = Outcome.CHANGED, "expiry unknown"  # unknown is not expired, whoever asks (S3)
        return [results.get(s.sid) or Result(s.sid, *unknown) for s in sessions]

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """See `Store.replace`: the fields that differ are set, and the others left alone."""
        results: dict[str, Result] = {}
        changes: dict[str, dict[str, Any]] = {}
        for was, new in pairs:
            try:
                document = self._documents.over(was, new)
                changes[was.sid] = self._documents.changes(was.original, document)
            except SerializerError as exc:
                results[was.sid] = Result(was.sid, Outcome.FAILED, exc.message)

        def write(session: Session) -> int:
            same, change = self._documents.unchanged(session.original), changes[session.sid]
            if not change:
                return self._collection.count_documents(same, limit=1, collation=self._collation)
            done = self._collection.update_one(same, change, collation=self._collation)
            return done.matched_count

        possible = [was for was, _ in pairs if was.sid in changes]
        results |= {r.sid: r for r in self._write(possible, write, Outcome.STORED)}
        return [results[was.sid] for was, _ in pairs]

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        """See `Store.put`: `insert`, which the unique index on `_id` refuses where one is. An id
        that stands elsewhere has no such index: an upsert that changes nothing, as sure as the
        library's own, which is one."""
        return [self._put(session) for session in sessions]

    def _put(self, session: Session) -> Result:
        try:
            document = self._documents.own(session)
            with translated(self._address):
                try:
                    if not self._insert(document):
                        return self._compare(session, document)
                except DuplicateKeyError:
                    return self._compare(session, document)
        except LostReply:
            return self._compare(session, document)
        except (AccessDenied, StoreUnreachable):
            raise
        except NotAcknowledged as exc:
            return Result(session.sid, Outcome.STORED, exc.message)
        except (StoreError, SerializerError) as exc:
            return Result(session.sid, Outcome.FAILED, exc.message)
        return Result(session.sid, Outcome.STORED)

    def _insert(self, document: RawBSONDocument) -> bool:
        """Whether it was absent. Raises DuplicateKeyError, too, where it was not."""
        if self._sid == "_id":
            self._collection.insert_one(document)
            return True
        one = {self._sid: {"$eq": document[self._sid]}}
        done = self._collection.update_one(
            one, {"$setOnInsert": document}, upsert=True, collation=self._collation
        )
        return done.upserted_id is not None

    def _compare(self, session: Session, document: RawBSONDocument) -> Result:
        found = self._read([document[self._sid]])
        if not found:
            return Result(session.sid, Outcome.FAILED, "lost on its way, or taken away since")
        same = self._documents.equal(found[0], document)
        return Result(session.sid, Outcome.PRESENT if same else Outcome.NEWER)

    # -- compare and write ------------------------------------------------------------------------

    def _is_due(self, grace_ms: int) -> dict[str, Any]:
        """The expiry lies that far behind the clock of the server, which judges as it deletes."""
        now, ends = {"$toLong": "$$NOW"}, {"$toLong": f"${self._expires}"}
        return {"$lte": [ends, {"$subtract": [now, grace_ms]}]}

    def _write(
        self, sessions: Sequence[Session], write: Callable[[Session], int], done: Outcome
    ) -> list[Result]:
        """Write one session after the other; `write` says how many documents were as they were."""
        results: dict[int, Result] = {}
        for place, session in enumerate(sessions):
            try:
                with translated(self._address):
                    if write(session):
                        results[place] = Result(session.sid, done)
            except LostReply:
                results[place] = self._after_lost_reply(session, done)
            except (AccessDenied, StoreUnreachable):
                raise
            except NotAcknowledged as exc:
                outcome = Outcome.UNCONFIRMED if done is Outcome.DELETED else done
                results[place] = Result(session.sid, outcome, exc.message)
            except StoreError as exc:
                results[place] = Result(session.sid, Outcome.FAILED, exc.message)
        left = [place for place in range(len(sessions)) if place not in results]
        results |= zip(left, self._left([sessions[place] for place in left]), strict=True)
        return [results[place] for place in range(len(sessions))]

    def _left(self, sessions: Sequence[Session]) -> list[Result]:
        """What became of sessions that were not written."""
        if not sessions:
            return []
        there = self._there(sessions)
        results: list[Result] = []
        for session in sessions:
            now = there.get(self._key(session.original))
            if now is None:
                results.append(Result(session.sid, Outcome.GONE))
            else:
                same = self._documents.equal(now, session.original)
                reason = "not expired by the store's clock" if same else _RENEWED
                results.append(Result(session.sid, Outcome.CHANGED, reason))
        return results

    def _after_lost_reply(self, session: Session, done: Outcome) -> Result:
        """The command may still be at work: what is there is looked at again before it counts."""
        for look in range(_LOOKS):
            if look:
                time.sleep(_BETWEEN_LOOKS_S)
            now = self._there([session]).get(self._key(session.original))
            if now is None:
                return Result(session.sid, Outcome.UNCONFIRMED, "connection lost, absent now")
            if done is Outcome.STORED and not self._documents.equal(now, session.original):
                return Result(session.sid, done, "connection lost, changed now")
        return Result(session.sid, Outcome.FAILED, "connection lost, still there")

    def _there(self, sessions: Sequence[Session]) -> dict[bytes, RawBSONDocument]:
        found = self._read([session.original[self._sid] for session in sessions])
        return {self._key(document): document for document in found}

    def _key(self, document: RawBSONDocument) -> bytes:
        """A session's id with its type: to find it again, NaN included."""
        return bson.encode({"": document[self._sid]})
