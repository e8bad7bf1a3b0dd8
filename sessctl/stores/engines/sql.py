"""The SQL engine, through SQLAlchemy Core; here for SQLite.

Reading: pages by primary key, each a short statement of its own, so that nobody waits for us.
Writing: a page of ids is read again inside one short transaction, compared cell by cell with what
was read before, and only what is equal is deleted or changed (safety promise S1).

What differs between databases stands in a dialect (`sqlite.py`); a session is a row, and the cells
are compared as the driver gives them, type included: SQLite columns have no types of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa  # 180 ms; only this engine needs it

from sessctl.errors import JournalError, Refused, SessctlError, StoreError
from sessctl.session import Expiry, Need, Problem, Query, Session
from sessctl.stores.base import Capabilities, Identity, Outcome, Remarks, Result
from sessctl.stores.engines.sqlite import SqliteDialect
from sessctl.stores.layouts.base import Unit
from sessctl.stores.reader import Reader
from sessctl.text import decode_id, encode_id, escape
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.registry import Access
    from sessctl.stores.url import StoreUrl

_READ_PAGE = 1000
_DELETE_PAGE = 500  # one transaction of it stays well under 100 ms
_IN_SECONDS = (946_684_800, 4_102_444_800)  # the years 2000 to 2100
_PER_UNIT = {Unit.MILLISECONDS: 1, Unit.SECONDS: 1000}

Cells = tuple[Any, ...]


class SqlStore:
    """Sessions in a table. Open it with `SqlStore.open` or `sessctl.open_store`."""

    kind = "sql"
    page_size = _DELETE_PAGE

    def __init__(self, dialect: SqliteDialect, layout: TableLayout, *, read_only: bool) -> None:
        self.layout = layout
        self.remarks = Remarks()
        self.identity = Identity(
            dialect.name, dialect.address, dialect.database, layout.table, dialect.label
        )
        self._dialect = dialect
        self._reader = Reader(layout)
        self._read_only = read_only
        self._scale = _PER_UNIT[layout.unit]
        names = dialect.columns(layout.table)
        self._check_columns(names)
        self._columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        self._table = sa.table(layout.table, *self._columns)
        self._sid = self._table.c[layout.sid]
        self._expires = self._table.c[layout.expires]
        self._at = {part: names.index(getattr(layout, part)) for part in ("sid", "data", "expires")}
        self.capabilities = Capabilities(
            expires_by_itself=False,
            counts_fast=True,
            cascades="" if read_only else dialect.cascades(layout.table),
        )
        if not read_only and not dialect.is_unique(layout.table, layout.sid):
            raise Refused(
                f"column '{layout.sid}' of table '{layout.table}' is not unique",
                hint="sessions are changed by their id only, which must name one row",
            )
        strange = dialect.scalar(self._count_of(dialect.is_no_id(self._sid)))
        if strange:
            rows = "1 row" if strange == 1 else f"{strange} rows"
            self.remarks.stranger(f"{layout.table}: {rows}", "the id is not a text")

    @classmethod
    def open(cls, url: StoreUrl, layout: TableLayout, access: Access) -> Self:
        """Connect and look at the table. Raises StoreError when either is not there."""
        dialect = SqliteDialect(url, read_only=access.read_only)
        try:
            return cls(dialect, layout, read_only=access.read_only)
        except SessctlError:
            dialect.close()
            raise

    def _check_columns(self, names: list[str]) -> None:
        for part in ("sid", "data", "expires"):
            name = getattr(self.layout, part)
            if name not in names:
                raise StoreError(
                    f"table '{self.layout.table}' has no column '{name}'",
                    hint=f"it has {', '.join(map(escape, names))}; "
                    f"set `columns` of the backend if the layout '{self.layout.name}' is right",
                )

    # -- clock and size ---------------------------------------------------------------------------

    def now_ms(self) -> int:
        return self._dialect.now_ms()

    def estimate(self) -> int:
        return self._dialect.estimate(self.layout.table)

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        """A row has it all; `need` makes no difference here."""
        now_ms = self.now_ms()
        if query.sids:
            candidates: Iterator[Session] = iter(self.get(query.sids))
        else:
            candidates = self._rows(self._conditions(query, now_ms))
        for session in candidates:
            if query.matches(session, now_ms):
                yield session

    def get(self, sids: Sequence[str]) -> list[Session]:
        found: dict[bytes, Session] = {}
        for start in range(0, len(sids), _READ_PAGE):
            some = sids[start : start + _READ_PAGE]
            for row in self._dialect.rows(self._select().where(self._sid.in_(self._ids(some)))):
                session = self._session(tuple(row))
                found[encode_id(session.sid)] = session
        return [found[key] for sid in sids if (key := encode_id(sid)) in found]

    def count(self, query: Query) -> int:
        if not query.filters or query == Query(expired=True, grace_ms=query.grace_ms):
            # The database says the same as `Query.matches`, and without sending the rows.
            conditions = self._conditions(query, self.now_ms())
            counted = self._count_of(sa.and_(self._dialect.is_id(self._sid), *conditions))
            return int(self._dialect.scalar(counted))
        return sum(1 for _ in self.scan(query))

    def _count_of(self, condition: Any) -> Any:
        return sa.select(sa.func.count()).select_from(self._table).where(condition)

    def _select(self) -> Any:
        return sa.select(*self._columns).select_from(self._table)

    def _rows(self, conditions: list[Any]) -> Iterator[Session]:
        """Every row, by id, a page at a time."""
        named = self._dialect.is_id(self._sid)
        base = self._select().where(named, *conditions).order_by(self._sid)
        after: Any = None
        while True:
            page = base if after is None else base.where(self._sid > self._dialect.bind(after))
            rows = self._dialect.rows(page.limit(_READ_PAGE))
            for row in rows:
                yield self._session(tuple(row))
            if len(rows) < _READ_PAGE:
                return
            after = rows[-1][self._at["sid"]]

    def _conditions(self, query: Query, now_ms: int) -> list[Any]:
        """What the database can answer; never stricter than `Query.matches`, which has the word."""
        conditions: list[Any] = []
        if query.expired:
            after = (now_ms - query.grace_ms + 1) / self._scale  # a cell may hold 0.9 ms
            conditions.append(self._dialect.is_number(self._expires))
            conditions.append(self._expires < after)
            if self._scale == 1:
                conditions.append(sa.not_(self._expires.between(*_IN_SECONDS)))
        if (user := query.plain_user) is not None:
            data = self._table.c[self.layout.data]
            conditions.append(sa.or_(sa.func.instr(data, user) > 0, sa.func.instr(data, "\\u") > 0))
        return conditions

    def _session(self, cells: Cells) -> Session:
        raw = _as_bytes(cells[self._at["data"]])
        user, _, problem = self._reader.read(raw)
        if cells[self._at["data"]] is None:
            problem = Problem("value.missing", "the data column is NULL")
        expires_ms = self._instant(cells[self._at["expires"]])
        sid = cells[self._at["sid"]]
        text = decode_id(_as_bytes(sid))
        return Session(
            sid=text,
            raw=raw,
            location=f"{self.layout.table}.{self.layout.sid}={text}",
            expires_ms=expires_ms,
            expiry=Expiry.UNKNOWN if expires_ms is None else Expiry.STORE,
            user=user,
            problem=problem,
            original=cells,
            reader=self._reader,
        )

    def _instant(self, cell: Any) -> int | None:
        """Only a positive number within the calendar is an expiry; the rest is unknown (S3)."""
        if isinstance(cell, bool) or not isinstance(cell, int | float):
            return None
        if self._scale == 1 and _IN_SECONDS[0] <= cell <= _IN_SECONDS[1]:
            return None  # seconds where milliseconds belong: not a session of January 1970
        scaled = cell * self._scale
        return int(scaled) if 0 < scaled <= MAX_MS else None

    def recognises(self, session: Session) -> bool:
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        def write(same: list[Session]) -> dict[str, str]:
            cutoff = None if grace_ms is None else self.now_ms() - grace_ms
            refused: dict[str, str] = {}
            ended: list[Any] = []
            for session in same:
                if cutoff is not None and (
                    session.expires_ms is None or session.expires_ms > cutoff
                ):
                    refused[session.sid] = "not expired by the store's clock"
                else:
                    ended.append(self._dialect.bind(session.original[self._at["sid"]]))
            if ended:  # one statement: a page of single ones takes four times as long
                self._dialect.execute(sa.delete(self._table).where(self._sid.in_(ended)))
            return refused

        return self._compare_and_write(sessions, write, Outcome.DELETED)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        value = None if expires_ms is None else expires_ms // self._scale

        def write(same: list[Session]) -> dict[str, str]:
            for session in same:
                one = self._sid == self._dialect.bind(session.original[self._at["sid"]])
                was = session.original[self._at["expires"]]
                change = {self.layout.expires: _like(was, value)}
                self._dialect.execute(sa.update(self._table).where(one).values(change))
            return {}

        return self._compare_and_write(sessions, write, Outcome.STORED)

    def _compare_and_write(
        self, sessions: Sequence[Session], write: Any, done: Outcome
    ) -> list[Result]:
        """One transaction: read the page again, write what is as it was, say what became of each.

        `write` is given the unchanged sessions and returns reasons for those it left alone.
        """
        self._may_write()
        results: list[Result] = []
        for start in range(0, len(sessions), _DELETE_PAGE):
            page = sessions[start : start + _DELETE_PAGE]
            try:
                with self._dialect.transaction():
                    now = self._stored_now([s.original[self._at["sid"]] for s in page])
                    same = [s for s in page if _equal(now.get(encode_id(s.sid)), s.original)]
                    refused = write(same)
            except StoreError as exc:
                results += [Result(s.sid, Outcome.FAILED, exc.message) for s in page]
                continue
            equal = {encode_id(s.sid) for s in same}
            for session in page:
                key = encode_id(session.sid)
                if key not in now:
                    results.append(Result(session.sid, Outcome.GONE))
                elif key not in equal or session.sid in refused:
                    reason = refused.get(session.sid, "renewed since it was read")
                    results.append(Result(session.sid, Outcome.CHANGED, reason))
                else:
                    results.append(Result(session.sid, done))
        return results

    def _stored_now(self, ids: Sequence[Any]) -> dict[bytes, Cells]:
        """The rows of these id cells as they are at this moment."""
        bound = [self._dialect.bind(cell) for cell in ids]
        rows = self._dialect.rows(self._select().where(self._sid.in_(bound)))
        return {_as_bytes(row[self._at["sid"]]): tuple(row) for row in rows}

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        self._may_write()
        results: list[Result] = []
        for start in range(0, len(sessions), _DELETE_PAGE):
            page = sessions[start : start + _DELETE_PAGE]
            try:
                with self._dialect.transaction():
                    put = self._put_page(page)
            except StoreError as exc:  # also of the commit: then none of them was stored
                put = [Result(session.sid, Outcome.FAILED, exc.message) for session in page]
            results += put
        return results

    def _put_page(self, page: Sequence[Session]) -> list[Result]:
        """Insert what is absent; of the rest say whether it is the same. The write lock is ours,
        so what was read stays as it is."""
        sid = self._at["sid"]
        rows = [s.original if isinstance(s.original, tuple) else self._cells(s) for s in page]
        there = self._stored_now([cells[sid] for cells in rows])
        results: list[Result] = []
        for session, cells in zip(page, rows, strict=True):
            key = _as_bytes(cells[sid])
            if key not in there and self._insert(cells):
                there[key] = cells
                outcome = Outcome.STORED
            else:
                same = _equal(there.get(key), cells)
                outcome = Outcome.PRESENT if same else Outcome.NEWER
            results.append(Result(session.sid, outcome))
        return results

    def _insert(self, cells: Cells) -> bool:
        values = {c.name: self._dialect.bind(v) for c, v in zip(self._columns, cells, strict=True)}
        return self._dialect.insert_absent(self._table, values, self.layout.sid)

    def _cells(self, session: Session) -> Cells:
        """A row for a session that did not come from this table; other columns stay NULL."""
        cells: list[Any] = [None] * len(self._columns)
        cells[self._at["sid"]] = session.sid
        cells[self._at["data"]] = decode_id(session.raw)
        ends = session.expires_ms
        cells[self._at["expires"]] = None if ends is None else ends // self._scale
        return tuple(cells)

    def freeze(self, session: Session) -> dict[str, Any]:
        cells = session.original
        return {
            "kind": "row",
            "cells": {c.name: v for c, v in zip(self._columns, cells, strict=True)},
        }

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        cells = frozen.get("cells")
        if frozen.get("kind") != "row" or not isinstance(cells, dict):
            raise JournalError("the journal does not hold table rows")
        missing = [name for name in cells if name not in self._table.c]
        if missing:
            raise JournalError(f"the table has no column '{escape(missing[0])}' any more")
        row = [cells.get(column.name) for column in self._columns]
        if expires_ms is not None:
            place = self._at["expires"]
            row[place] = _like(row[place], expires_ms // self._scale)
        return self._session(tuple(row))

    def _ids(self, sids: Sequence[str]) -> list[Any]:
        return [self._dialect.bind(sid) for sid in sids]

    def _may_write(self) -> None:
        if self._read_only:
            raise Refused("this store was opened for reading only")

    def close(self) -> None:
        self._dialect.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _like(cell: Any, value: int | None) -> Any:
    """A new expiry in the type of the old cell: npm's sqlite3 writes REAL."""
    return float(value) if isinstance(cell, float) and value is not None else value


def _as_bytes(cell: Any) -> bytes:
    if isinstance(cell, bytes):
        return cell
    if isinstance(cell, str):
        return encode_id(cell)
    return b"" if cell is None else str(cell).encode()


def _equal(left: Cells | None, right: Cells) -> bool:
    """The same cells of the same types: 1 and 1.0 and '1' are three things."""
    return (
        left is not None
        and left == right
        and all(type(a) is type(b) for a, b in zip(left, right, strict=True))
    )
