"""Documents as sessions, and sessions as documents: to be read, compared, written, journalled.

A document stays the bytes that the server sent; the parts that are looked at are taken out of it.
Its id may be of any type: a text is itself, another is written as canonical extended JSON, such
as `{"$oid": "64b7f0c2a1d3e4f5a6b7c8d9"}`, and found again by that.

Source: connect-mongo 6.0.0 `MongoStore`; MongoDB's extended JSON, version 2.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bson
from bson import json_util
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument

from sessctl.errors import JournalError, SerializerError
from sessctl.serializers import json
from sessctl.serializers.bson import OPTIONS, READ_ERRORS
from sessctl.session import Expiry, Problem, Session
from sessctl.stores.reader import Reader
from sessctl.text import is_utf8
from sessctl.timespec import MAX_MS, parse_iso_ms

if TYPE_CHECKING:
    from sessctl.stores.layouts.base import DocumentLayout

_ABSENT = object()
_EJSON = json_util.CANONICAL_JSON_OPTIONS


class MongoDocuments:
    """Reads and makes documents of one collection.

    Args:
        kind: `str` or `RawBSONDocument`: what the application keeps there, if that is known. It
            reads no other, so whatever else there is has a problem.
    """

    def __init__(self, layout: DocumentLayout, kind: type[Any] | None) -> None:
        self._kind = kind
        self._layout = layout
        self._texts = Reader(layout)
        self._objects = Reader(replace(layout, serializer="bson", ciphers=()))
        self._sealed: bytes | None = None  # a value that was opened: the way to encrypt others

    def session(self, document: RawBSONDocument) -> Session:
        """A session of a whole document."""
        value = document.get(self._layout.data, _ABSENT)
        raw, reader, problem = self._value(value)
        user, _, unread = reader.read(raw)
        if self._layout.store_secrets and problem is unread is None:
            problem = self._unsealed(raw)
        expires_ms, expiry = self._expiry(document)
        key = sid_of(document[self._layout.sid])
        return Session(
            sid=key[len(self._layout.before_sid) :],
            raw=raw,
            location=self._location(key),
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            created_ms=_first_date(document, self._layout.created),
            seen_ms=_first_date(document, self._layout.seen),
            problem=problem or unread,
            original=document,
            reader=reader,
        )

    def bare(self, document: RawBSONDocument) -> Session:
        """A session of which the id alone was read."""
        key = sid_of(document[self._layout.sid])
        sid = key[len(self._layout.before_sid) :]
        return Session(sid=sid, raw=b"", location=self._location(key))

    def _location(self, key: str) -> str:
        return f"{self._layout.collection}.{self._layout.sid}={key}"

    @property
    def scope(self) -> dict[str, Any]:
        """The filter for documents that are sessions: all, or those whose id has the prefix."""
        if self._layout.sid == "_id":
            return {}
        return {self._layout.sid: {"$regex": f"^{re.escape(self._layout.before_sid)}"}}

    def ids_of(self, sid: str) -> list[Any]:
        """The ids that a text may stand for: itself, and what it says in extended JSON where ids
        are no texts of the library's own."""
        if self._layout.sid != "_id":
            return [self._layout.before_sid + sid] if is_utf8(sid) else []
        return ids_of(sid)

    def _value(self, value: Any) -> tuple[bytes, Reader, Problem | None]:
        """The value's bytes, who reads them, and why the application cannot."""
        problem = None
        if self._kind is not None and type(value) is not self._kind:
            others = "texts" if self._kind is str else "objects"
            problem = Problem("value.unreadable", f"{_kind(value)} in a store of {others}")
        if type(value) is str:
            return value.encode("utf-8", "surrogateescape"), self._texts, problem
        if isinstance(value, RawBSONDocument):
            return bytes(value.raw), self._objects, problem
        if isinstance(value, bytes):  # what an own `serialize` may have made
            return bytes(value), self._texts, problem
        if value is _ABSENT:
            return b"", self._texts, Problem("value.missing", f"no field '{self._layout.data}'")
        text = f"'{self._layout.data}' is {_kind(value)}, neither a text nor an object"
        return bson.encode({"": value}), self._objects, Problem("value.unreadable", text)

    def _unsealed(self, raw: bytes) -> Problem | None:
        """What is wrong with a value that is readable, in a store of encrypted ones."""
        if raw.startswith(b"{"):  # in clear; none of the library's ciphers writes it
            text = "not encrypted, though the backend has store_secrets"
            return Problem("value.unreadable", text)
        self._sealed = raw
        return None

    def _expiry(self, document: RawBSONDocument) -> tuple[int | None, Expiry]:
        """The TTL index ends a session at its date; one without the field never ends (S3: what is
        no date is unknown, and the server leaves it alone)."""
        ends = document.get(self._layout.expires, _ABSENT)
        if ends is _ABSENT:
            return None, Expiry.NEVER
        if isinstance(ends, DatetimeMS) and 0 < int(ends) <= MAX_MS:
            return int(ends), Expiry.STORE
        return None, Expiry.UNKNOWN

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong collection."""
        return isinstance(session.reader, Reader) and session.reader.recognises(session.raw)

    # -- to be written ----------------------------------------------------------------------------

    def unchanged(self, document: RawBSONDocument) -> dict[str, Any]:
        """The filter for this document as it was read: its ids, its value, its end.

        Each is compared whole (`$eq`); a field that was not there must not be there now, which
        `$eq: null` would not say.
        """
        ids = dict.fromkeys(("_id", self._layout.sid))
        same: dict[str, Any] = {name: {"$eq": document[name]} for name in ids}
        for field in (self._layout.data, self._layout.expires):
            same[field] = {"$eq": document[field]} if field in document else {"$exists": False}
            if field in document and document[field] is None:
                same[field] = {"$type": "null"}
        return same

    def equal(self, left: RawBSONDocument, right: RawBSONDocument) -> bool:
        """The same value and end; dates of use may differ."""
        fields = (self._layout.data, self._layout.expires)
        return all(_element(left, field) == _element(right, field) for field in fields)

    @staticmethod
    def is_own(session: Session) -> bool:
        """It was read from MongoDB, and has a document."""
        return isinstance(session.original, RawBSONDocument)

    def own(self, session: Session) -> RawBSONDocument:
        """The document to write; a session of another store gets one.

        Raises:
            SerializerError: its value is no text, or no object where those are kept.
        """
        if self.is_own(session):
            original: RawBSONDocument = session.original
            return original
        document: dict[str, Any] = {"_id": bson.ObjectId()}
        document[self._layout.sid] = self._layout.before_sid + session.sid
        if self._layout.is_binary:
            document[self._layout.data] = session.raw
        elif self._kind is RawBSONDocument:  # texts are the library's default
            document[self._layout.data] = _object(self._texts.opened(session.raw))
        else:
            document[self._layout.data] = _text(self._closed(self._texts.opened(session.raw)))
        if session.expires_ms is not None:
            document[self._layout.expires] = DatetimeMS(session.expires_ms)
        return RawBSONDocument(_encoded(document), OPTIONS)

    def _closed(self, raw: bytes) -> bytes:
        """A value encrypted as the others of the store are, where they are."""
        if self._texts.is_sealed(raw):
            return raw
        if self._layout.store_secrets and self._sealed is None:
            raise SerializerError("no encrypted session to see from how the application does it")
        return self._texts.closed(raw, self._sealed)

    def with_value(self, session: Session, raw: bytes) -> Session:
        """See `Store.with_value`: `raw` is of the kind that the value is, a text or BSON."""
        was = session.original.get(self._layout.data)
        value: Any = raw
        if isinstance(was, RawBSONDocument):
            value = RawBSONDocument(raw, OPTIONS)
        elif not isinstance(was, bytes):
            value = _text(raw)
        return self._with(session, self._layout.data, value)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        """See `Store.with_end`."""
        ends = _ABSENT if expires_ms is None else DatetimeMS(expires_ms)
        return self._with(session, self._layout.expires, ends)

    def over(self, session: Session, new: Session) -> RawBSONDocument:
        """The document to write over a session's: that of `new`, or with its value and end if it
        was made anew. Raises SerializerError as `own` does."""
        own = self.own(new)
        if self.is_own(new):
            return own
        value, ends = own[self._layout.data], own.get(self._layout.expires, _ABSENT)
        valued = self._with(session, self._layout.data, value)
        document: RawBSONDocument = self._with(valued, self._layout.expires, ends).original
        return document

    def _with(self, session: Session, field: str, value: Any) -> Session:
        fields = {name: each for name, each in session.original.items() if name != field}
        if value is not _ABSENT:  # at its place
            fields = {name: fields.get(name, value) for name in session.original} | {field: value}
        return self.session(RawBSONDocument(_encoded(fields), OPTIONS))

    def changes(self, before: RawBSONDocument, after: RawBSONDocument) -> dict[str, Any]:
        """The update that makes one document of another; empty: they are the same.

        Raises:
            SerializerError: a field that differs has a name that an update cannot say.
        """
        names = dict.fromkeys((*before, *after))
        differing = [name for name in names if _element(before, name) != _element(after, name)]
        if any("." in name or name.startswith("$") or not name for name in differing):
            raise SerializerError("a field with a dot or a dollar in its name cannot be changed")
        update: dict[str, Any] = {}
        for name in differing:
            verb, value = ("$set", after[name]) if name in after else ("$unset", "")
            update.setdefault(verb, {})[name] = value
        return update

    @property
    def knows_seal(self) -> bool:
        """It has seen how values are encrypted, or none are."""
        return self._sealed is not None or not self._layout.store_secrets

    def freeze(self, session: Session) -> dict[str, Any]:
        """See `Store.freeze`."""
        return {
            "kind": "document",
            "bson": bytes(session.original.raw),
            "expires_ms": session.expires_ms,
        }

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None) -> Session:
        """See `Store.thaw`."""
        raw = frozen.get("bson")
        if frozen.get("kind") != "document" or not isinstance(raw, bytes):
            raise JournalError("the journal does not hold MongoDB documents")
        try:
            session = self.session(RawBSONDocument(raw, OPTIONS))
            return session if expires_ms is None else self.with_end(session, expires_ms)
        except (*READ_ERRORS, KeyError, SerializerError):
            raise JournalError("the journal holds a document that is damaged") from None


def sid_of(value: Any) -> str:
    """An id as text."""
    if type(value) is str:
        return value
    plain = dict(value) if isinstance(value, RawBSONDocument) else value
    return json_util.dumps(plain, json_options=_EJSON)


def ids_of(sid: str) -> list[Any]:
    """The ids that a text may stand for: itself, and what it says in extended JSON."""
    found: list[Any] = [sid] if is_utf8(sid) else []
    if sid.startswith(("{", "t", "f", "n")):
        try:
            value = json_util.loads(sid, json_options=_EJSON)
            if sid_of(value) == sid and not _is_operator(value):
                found.append(value)
        except READ_ERRORS:
            pass  # a text that only looks like it
    return found


def _is_operator(value: Any) -> bool:
    return isinstance(value, dict) and any(key.startswith("$") for key in value)


def _first_date(document: RawBSONDocument, fields: tuple[str, ...]) -> int | None:
    for field in fields:
        value = document.get(field)
        if isinstance(value, DatetimeMS) and 0 < int(value) <= MAX_MS:
            return int(value)
    return None


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {str: "a text", RawBSONDocument: "an object", list: "an array", bool: "a boolean"}
    return names.get(type(value), f"a {type(value).__name__}")


def _element(document: RawBSONDocument, field: str) -> Any:
    """A field with its type; nothing else is equal to it."""
    value = document.get(field, _ABSENT)
    return value if value is _ABSENT or type(value) is str else bson.encode({"": value})


def _encoded(document: dict[str, Any]) -> bytes:
    try:
        return bson.encode(document)
    except READ_ERRORS as exc:
        raise SerializerError(f"cannot be written as BSON ({type(exc).__name__})") from None


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise SerializerError("the value is no text") from None


def _object(raw: bytes) -> dict[str, Any]:
    """A session's JSON as `stringify: false` keeps it: the cookie's end is a date."""
    value = json.decode(raw).data
    if not isinstance(value, dict):
        raise SerializerError("the value is no object")
    cookie = value.get("cookie")
    if isinstance(cookie, dict) and isinstance(cookie.get("expires"), str):
        ends_ms = parse_iso_ms(cookie["expires"])
        if ends_ms is not None:
            value["cookie"] = {**cookie, "expires": DatetimeMS(ends_ms)}
    return value
