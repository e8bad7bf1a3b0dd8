"""The DynamoDB engine. Extra: `dynamodb`.

A session is an item; every attribute of it is compared by the condition of the request that deletes
or changes it, so that the server judges whether it is still the one that was read. Reads are
consistent. A listing reads the whole table (Scan): one unit of read capacity for 4 KB.

DynamoDB has no clock in its expressions. What is over is judged by the `Date` of an answer of its
own just before the deletes; the condition holds the end in place that was judged.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from sessctl.errors import Refused, SessctlError, StoreError
from sessctl.session import Need, Query
from sessctl.stores.base import Capabilities, Identity, Outcome, Remarks, Result, Server, Tls
from sessctl.stores.engines.dynamodb_items import Items, expression, seconds
from sessctl.stores.engines.dynamodb_table import WORKERS, ConditionFailed, Table
from sessctl.stores.engines.dynamodb_target import Target
from sessctl.stores.engines.lost import LostReply, after_lost_delete, after_lost_replace
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sessctl.session import Session
    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Pair
    from sessctl.stores.engines.dynamodb_table import Item
    from sessctl.stores.layouts.base import ItemLayout
    from sessctl.stores.url import StoreUrl

_PAGE = 100
_RENEWED = "renewed since it was read"


class DynamoStore:
    """Sessions in a DynamoDB table. Open it with `DynamoStore.open` or `sessctl.open_store`."""

    kind = "dynamodb"
    page_size = _PAGE

    def __init__(self, target: Target, layout: ItemLayout, access: Access) -> None:
        self.layout = layout
        self.identity = Identity(
            "dynamodb", target.address, target.table, layout.prefix, target.label
        )
        self.remarks = Remarks()
        self.capabilities = Capabilities(expires_by_itself=False, answers=("expired",))
        plain = (target.endpoint or "").startswith("http://")
        self._tls = Tls.of(encrypted=not plain, verifies=True)
        self._items = Items(layout, target.table)
        self._read_only = access.read_only
        self._table = Table(target, self.remarks, access.timeout_s)
        if target.is_plain:
            self.remarks.note(f"not encrypted: http:// to {target.address}")

    @classmethod
    def open(cls, url: StoreUrl, layout: ItemLayout, access: Access) -> Self:
        """Connect and look at the table. Raises StoreError when either is not there."""
        store = cls(Target.of(url, access), layout, access)
        try:
            store._check_key()
        except SessctlError:
            store.close()
            raise
        return store

    def _check_key(self) -> None:
        schema = self._table.describe()[0]["KeySchema"]
        keys = [part["AttributeName"] for part in schema]
        if keys != [self.layout.sid]:
            raise StoreError(
                f"the key of table '{self._table.name}' is {', '.join(map(escape, keys))}, "
                f"not '{self.layout.sid}'",
                hint="set `columns.sid` of the backend if the layout is right",
            )

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        self._table.describe()
        return Server("DynamoDB", None, self._tls)

    def now_ms(self) -> int:
        """The `Date` of DynamoDB's answer, whole seconds."""
        return self._table.describe()[1]

    def estimate(self) -> int:
        """Items of the table as AWS counted them within the last hours, or of its first MiB."""
        counted = int(self._table.describe()[0].get("ItemCount", 0))
        first = next(self._table.scan(Select="COUNT"))
        return max(counted, int(first["Count"]))

    def lags(self) -> list[Lag]:
        """None: reads are consistent."""
        return []

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        need |= query.need
        now_ms = self.now_ms()
        candidates: Iterable[Session] = (
            self.get(query.sids) if query.sids else self._scanned(query, need, now_ms)
        )
        for session in candidates:
            if not query.filters or query.matches(session, now_ms):
                yield session

    def _scanned(self, query: Query, need: Need, now_ms: int) -> Iterator[Session]:
        names, values, terms = {"#k": self.layout.sid}, {}, ["attribute_exists(#k)"]
        if self.layout.prefix:
            terms.append("begins_with(#k, :p)")
            values[":p"] = {"S": self.layout.prefix}
        if query.expired:
            terms.append("#e <= :e")
            names["#e"], values[":e"] = self.layout.expires, seconds(now_ms)
        words: dict[str, Any] = {"FilterExpression": " AND ".join(terms)}
        words["ExpressionAttributeNames"] = names
        if values:
            words["ExpressionAttributeValues"] = values
        make = self._items.session
        if need is Need.ID:
            words["ProjectionExpression"], make = "#k", self._items.bare
        for page in self._table.scan(**words):
            yield from map(make, page["Items"])

    def get(self, sids: Sequence[str]) -> list[Session]:
        keys = [key for sid in dict.fromkeys(sids) if (key := self._items.key(sid)) is not None]
        found = {s.sid: s for s in map(self._items.session, self._table.get(keys))}
        return [found[sid] for sid in sids if sid in found]

    def count(self, query: Query) -> int:
        return sum(1 for _ in self.scan(query, query.need))

    def recognises(self, session: Session) -> bool:
        return self._items.recognises(session)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        cutoff_ms = None if grace_ms is None else self.now_ms() - grace_ms
        return self._each(partial(self._delete, cutoff_ms=cutoff_ms), sessions)

    def _delete(self, session: Session, cutoff_ms: int | None) -> Result:
        if cutoff_ms is not None and session.expires_ms is None:
            return Result(session.sid, Outcome.CHANGED, "expiry unknown")
        if cutoff_ms is not None and (session.expires_ms or 0) > cutoff_ms:
            return self._left(session, "not expired by the store's clock")
        try:
            self._table.delete(self._key(session), **self._items.as_read(session))
        except ConditionFailed:
            return self._left(session, _RENEWED)
        except LostReply:
            return after_lost_delete([session], lambda one: bool(self.get([one.sid])))[0]
        return Result(session.sid, Outcome.DELETED)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        becomes, now_ms = {was.sid: new for was, new in pairs}, self.now_ms()

        def write(session: Session) -> Result:
            return self._replace(session, becomes[session.sid], now_ms)

        return self._each(write, [was for was, _ in pairs])

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self.replace([(s, self.with_end(s, expires_ms)) for s in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self._items.with_value(session, raw)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        return self._items.with_end(session, expires_ms)

    def _replace(self, session: Session, new: Session, now_ms: int) -> Result:
        """The attributes that differ are set, and the others left alone."""
        if new.expires_ms is not None and new.expires_ms <= now_ms:
            return Result(session.sid, Outcome.LAPSED)
        new = self._items.over(session, new)
        try:
            self._table.update(self._key(session), **self._items.replacement(session, new))
        except ConditionFailed:
            return self._left(session, _RENEWED)
        except LostReply:
            return after_lost_replace([(session, new)], self.get, _is_as)[0]
        return Result(session.sid, Outcome.STORED)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._each(partial(self._put, now_ms=self.now_ms()), sessions)

    def _put(self, session: Session, now_ms: int) -> Result:
        if session.expires_ms is not None and session.expires_ms <= now_ms:
            return Result(session.sid, Outcome.LAPSED)
        if self._items.key(session.sid) is None:
            return Result(session.sid, Outcome.FAILED, "no key that DynamoDB can hold")
        item = self._items.own(session)
        absent = expression("attribute_not_exists(#k)", {"#k": self.layout.sid}, {})
        try:
            self._table.put(item, **absent)
        except (ConditionFailed, LostReply):  # what is there now tells
            now = self.get([session.sid])
            if not now:
                return Result(session.sid, Outcome.FAILED, "not stored, and nothing is there")
            same = now[0].original == item
            return Result(session.sid, Outcome.PRESENT if same else Outcome.NEWER)
        return Result(session.sid, Outcome.STORED)

    def _each(
        self, write: Callable[[Session], Result], sessions: Sequence[Session]
    ) -> list[Result]:
        """A request for each, some at once; one that fails does not hide what became of others."""
        if self._read_only:
            raise Refused("this store was opened for reading only")

        def one(session: Session) -> Result:
            try:
                return write(session)
            except StoreError as exc:
                return Result(session.sid, Outcome.FAILED, exc.message)

        with ThreadPoolExecutor(WORKERS) as workers:
            return list(workers.map(one, sessions))

    def _left(self, session: Session, why: str) -> Result:
        """What became of a session whose item was left alone."""
        there = self.get([session.sid])
        return (
            Result(session.sid, Outcome.CHANGED, why)
            if there
            else Result(session.sid, Outcome.GONE)
        )

    def _key(self, session: Session) -> Item:
        return {self.layout.sid: session.original[self.layout.sid]}

    def freeze(self, session: Session) -> dict[str, Any]:
        return self._items.freeze(session)

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        return self._items.thaw(frozen, expires_ms=expires_ms)

    def close(self) -> None:
        self._table.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _is_as(found: Session, session: Session) -> bool:
    return bool(found.original == session.original)
