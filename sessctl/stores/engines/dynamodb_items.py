"""Items of a DynamoDB table as sessions, and sessions as items."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sessctl.errors import JournalError
from sessctl.session import Expiry, Problem, Session
from sessctl.stores.reader import Reader
from sessctl.text import is_utf8
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from sessctl.stores.engines.dynamodb_table import Item
    from sessctl.stores.layouts.base import ItemLayout

_KIND = "dynamodb item"
_KEY_BYTES = 2048
_COMPARED = 90  # attributes; an expression takes 300 operators


class Items:
    """Reads and makes items of one layout."""

    def __init__(self, layout: ItemLayout, table: str) -> None:
        self._layout = layout
        self._table = table
        self._reader = Reader(layout)
        self._kind = "B" if layout.is_binary else "S"

    def key(self, sid: str) -> Item | None:
        """The key of a session; None if the table can hold no such key."""
        text = self._layout.prefix + sid
        if not text or not is_utf8(text) or len(text.encode()) > _KEY_BYTES:
            return None
        return {self._layout.sid: {"S": text}}

    def session(self, item: Item) -> Session:
        """A session of an item; without a value it has a problem."""
        value = item.get(self._layout.data, {}).get(self._kind)
        raw = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value or b""
        user, _, problem = self._reader.read(raw)
        if value is None:
            what = "bytes" if self._layout.is_binary else "text"
            problem = Problem("value.missing", f"no {what} in '{self._layout.data}'")
        expires_ms, expiry = _instant(item.get(self._layout.expires))
        return Session(
            sid=self._sid(item),
            raw=raw,
            location=self._location(item),
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            problem=problem,
            original=item,
            reader=self._reader,
        )

    def bare(self, item: Item) -> Session:
        """A session of which the key alone was read."""
        return Session(sid=self._sid(item), raw=b"", location=self._location(item))

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong table."""
        return self._reader.recognises(session.raw)

    def own(self, session: Session) -> Item:
        """The item to write; a session of another store gets what the library would write."""
        if isinstance(session.original, dict):
            return session.original
        item: Item = {
            self._layout.sid: {"S": self._layout.prefix + session.sid},
            self._layout.data: self._value(session.raw, "replace"),
            **{name: {"S": text} for name, text in self._layout.fixed},
        }
        if session.expiry is Expiry.STORE and session.expires_ms is not None:
            item[self._layout.expires] = seconds(session.expires_ms)
        return item

    def as_read(self, session: Session) -> dict[str, Any]:
        """The condition that an item is still the one that was read."""
        own = (self._layout.data, self._layout.expires)
        item: Item = session.original
        rest = [name for name in item if name not in (self._layout.sid, *own)]
        terms, names, values = ["attribute_exists(#k)"], {"#k": self._layout.sid}, {}
        for place, name in enumerate((*own, *rest[:_COMPARED])):
            names[f"#n{place}"] = name
            if name in item:
                values[f":v{place}"] = item[name]
                terms.append(f"#n{place} = :v{place}")
            else:
                terms.append(f"attribute_not_exists(#n{place})")
        return expression(" AND ".join(terms), names, values)

    def freeze(self, session: Session) -> dict[str, Any]:
        """See `Store.freeze`."""
        return {"kind": _KIND, "item": session.original, "expires_ms": session.expires_ms}

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None) -> Session:
        """See `Store.thaw`."""
        item = frozen.get("item")
        if frozen.get("kind") != _KIND or not isinstance(item, dict):
            raise JournalError("the journal does not hold DynamoDB items")
        key = item.get(self._layout.sid)
        if not isinstance(key, dict) or not str(key.get("S", "")).startswith(self._layout.prefix):
            raise JournalError(f"the journal's items have no key '{self._layout.sid}'")
        session = self.session(item)
        return session if expires_ms is None else self.with_end(session, expires_ms)

    def with_value(self, session: Session, raw: bytes) -> Session:
        """See `Store.with_value`."""
        value = self._value(raw, "surrogatepass")
        return self.session({**session.original, self._layout.data: value})

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        """See `Store.with_end`."""
        item = {name: one for name, one in session.original.items() if name != self._layout.expires}
        if expires_ms is not None:
            item[self._layout.expires] = seconds(expires_ms)
        return self.session(item)

    def over(self, session: Session, new: Session) -> Session:
        """What is to be written over a session: `new`, with the attributes of the session that it
        knows nothing of if it was made anew."""
        if isinstance(new.original, dict):
            return new
        return self.with_end(self.with_value(session, new.raw), new.expires_ms)

    def replacement(self, session: Session, new: Session) -> dict[str, Any]:
        """The update that makes `new` of an item which is still the one that was read."""
        words = self.as_read(session)
        names = words["ExpressionAttributeNames"]
        values = words.get("ExpressionAttributeValues", {})
        before, after = session.original, new.original
        sets: list[str] = []
        removals: list[str] = []
        for place, name in enumerate(dict.fromkeys((*before, *after))):
            if before.get(name) == after.get(name):
                continue
            names[f"#c{place}"] = name
            if name in after:
                values[f":c{place}"] = after[name]
                sets.append(f"#c{place} = :c{place}")
            else:
                removals.append(f"#c{place}")
        parts = [("SET", sets), ("REMOVE", removals)]
        change = " ".join(f"{verb} {', '.join(terms)}" for verb, terms in parts if terms)
        if values:
            words["ExpressionAttributeValues"] = values
        return words | ({"UpdateExpression": change} if change else {})

    def _value(self, raw: bytes, errors: str) -> dict[str, Any]:
        return {self._kind: raw if self._layout.is_binary else raw.decode("utf-8", errors)}

    def _sid(self, item: Item) -> str:
        text: str = item[self._layout.sid]["S"]
        return text[len(self._layout.prefix) :]

    def _location(self, item: Item) -> str:
        return f"{self._table}.{self._layout.sid}={item[self._layout.sid]['S']}"


def expression(text: str, names: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    """A condition as the requests take it; an empty map of values is not allowed."""
    found: dict[str, Any] = {"ConditionExpression": text, "ExpressionAttributeNames": names}
    return found | {"ExpressionAttributeValues": values} if values else found


def seconds(ms: int) -> dict[str, str]:
    """An instant as the library writes it: `1795286257.999`, or whole."""
    whole, rest = divmod(ms, 1000)
    return {"N": f"{whole}.{rest:03d}".rstrip("0").rstrip(".") if rest else str(whole)}


def _instant(attribute: dict[str, Any] | None) -> tuple[int | None, Expiry]:
    """Without the attribute a session never ends; what is no instant is unknown (S3)."""
    if attribute is None:
        return None, Expiry.NEVER
    try:
        ms = Decimal(attribute.get("N", "nan")) * 1000
    except InvalidOperation:
        return None, Expiry.UNKNOWN
    if not (ms.is_finite() and 0 < ms <= MAX_MS):
        return None, Expiry.UNKNOWN
    return int(ms), Expiry.STORE
