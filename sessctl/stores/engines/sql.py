"""The SQL engine, through SQLAlchemy Core: SQLite, PostgreSQL, MySQL and MariaDB.

Reading goes by `sql_pages.py`, writing by `sql_writes.py`. What differs between databases stands in
a dialect; a session is a row, its cells as the dialect reads them: all that is compared, journalled
and written again.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa  # 180 ms; only this engine needs it

from sessctl.errors import JournalError, Refused, SessctlError, StoreError
from sessctl.session import Expiry, Need, Problem, Query, Session
from sessctl.stores.base import Capabilities, Identity, Remarks
from sessctl.stores.engines.sql_dialect import Moved
from sessctl.stores.engines.sql_pages import READ_PAGE, SqlPages
from sessctl.stores.engines.sql_writes import SqlWriter
from sessctl.stores.reader import Reader
from sessctl.text import encode_id, escape
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.stores.base import Lag, Result
    from sessctl.stores.engines.sql_dialect import SqlDialect
    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.registry import Access
    from sessctl.stores.url import StoreUrl

_DIALECTS = {
    "sqlite": "sqlite:SqliteDialect",
    "postgresql": "postgres:PostgresDialect",
    "postgres": "postgres:PostgresDialect",
    "mysql": "mysql:MysqlDialect",
    "mariadb": "mysql:MysqlDialect",
}


class SqlStore:
    """Sessions in a table. Open it with `SqlStore.open` or `sessctl.open_store`."""

    def __init__(self, dialect: SqlDialect, layout: TableLayout, *, read_only: bool) -> None:
        self.layout = layout
        self.page_size = dialect.write_page
        self.remarks = Remarks(dict.fromkeys(dialect.notes))
        scope = f"{layout.schema}.{layout.table}" if layout.schema else layout.table
        self.identity = Identity(
            dialect.name, dialect.address, dialect.database, scope, dialect.label
        )
        self._dialect = dialect
        self._reader = Reader(layout)
        self._columns = dialect.columns(layout)
        names = [column.name for column in self._columns]
        self._check_columns(names)
        clauses: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        self._table = sa.table(layout.table, *clauses, schema=layout.schema)
        self._sid = self._table.c[layout.sid]
        self._expires = self._table.c[layout.expires]
        self._expiry_ms = dialect.expiry_ms(self._expires, layout).label("sessctl_expiry_ms")
        cells = [dialect.cell(column).label(column.name) for column in self._table.c]
        self._select = sa.select(*cells, self._expiry_ms).select_from(self._table)
        self._at = {part: names.index(getattr(layout, part)) for part in ("sid", "data", "expires")}
        self._pages = SqlPages(dialect, layout, self._table, self._columns, self._select)
        self.capabilities = Capabilities(
            expires_by_itself=False,
            orders_by_expiry=dialect.has_expiry_index(layout),
            counts_fast=dialect.name == "sqlite",
            zone_doubt=dialect.zone_doubt(layout),
            cascades="" if read_only else dialect.cascades(layout),
        )
        strange = int(self._dialect.scalar(self._count_of(dialect.is_no_id(self._sid))))
        if strange:
            rows = "1 row" if strange == 1 else f"{strange} rows"
            self.remarks.stranger(f"{scope}: {rows}", "the id is not a text")
        self._writer = None if read_only else self._make_writer()

    @classmethod
    def open(cls, url: StoreUrl, layout: TableLayout, access: Access) -> Self:
        """Connect and look at the table. Raises StoreError when either is not there."""
        module, _, name = _DIALECTS[url.scheme].partition(":")
        kind = getattr(import_module(f"sessctl.stores.engines.{module}"), name)
        dialect: SqlDialect = kind(url, access, layout)
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

    def _make_writer(self) -> SqlWriter:
        if self._dialect.takes_no_writes():
            raise Refused(
                f"{self.identity.engine} at {self.identity.address} is read-only",
                hint="a replica? name its primary",
            )
        if not self._dialect.is_unique(self.layout):
            raise Refused(
                f"column '{self.layout.sid}' of table '{self.layout.table}' is not unique",
                hint="sessions are changed by their id only, which must name one row",
            )
        if not self._dialect.is_transactional(self.layout):
            self.remarks.note(
                f"table '{self.layout.table}' has no transactions: each delete compares the whole "
                "row by itself"
            )
        return SqlWriter(
            self._dialect, self.layout, self._table, self._columns, self._select,
            session_of=self._session, sid_at=self._at["sid"],
        )  # fmt: skip

    # -- clock and size ---------------------------------------------------------------------------

    def now_ms(self) -> int:
        return self._dialect.now_ms()

    def estimate(self) -> int:
        return self._dialect.estimate(self.layout)

    def lags(self) -> list[Lag]:
        return self._dialect.lags()

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        now_ms = self.now_ms()
        conditions = self._conditions(query, now_ms)
        if query.sids:
            candidates: Iterable[Session] = self.get(query.sids)
        elif need | query.need is Need.ID:
            candidates = self._bare()
        elif query.expired and self.capabilities.orders_by_expiry:
            candidates = self._sessions(self._pages.by_expiry(conditions))
        else:
            candidates = self._sessions(self._pages.by_id(conditions))
        yield from self._matching(candidates, query, now_ms)

    def by_expiry(
        self, query: Query, *, descending: bool = False, first: int = READ_PAGE
    ) -> Iterator[Session]:
        now_ms = self.now_ms()
        ends = self._dialect.expiry_ms(self._expires, self.layout)
        known = sa.and_(ends > 0, ends <= MAX_MS)
        unknown = sa.or_(ends.is_(None), ends <= 0, ends > MAX_MS)
        conditions = self._conditions(query, now_ms)
        pages = chain(
            self._pages.by_expiry([known, *conditions], descending=descending, first=first),
            self._pages.by_id([unknown, *conditions]),
        )
        yield from self._matching(self._sessions(pages), query, now_ms)

    @staticmethod
    def _matching(candidates: Iterable[Session], query: Query, now_ms: int) -> Iterable[Session]:
        if not query.filters:
            return candidates
        return (session for session in candidates if query.matches(session, now_ms))

    def get(self, sids: Sequence[str]) -> list[Session]:
        found: dict[bytes, Session] = {}
        for start in range(0, len(sids), READ_PAGE):
            some = sids[start : start + READ_PAGE]
            for row in self._dialect.rows(self._select.where(self._dialect.named(self._sid, some))):
                session = self._session(row)
                found[encode_id(session.sid)] = session
        return [found[key] for sid in sids if (key := encode_id(sid)) in found]

    def count(self, query: Query) -> int:
        if not query.filters or query == Query(expired=True, grace_ms=query.grace_ms):
            # The database says the same as `Query.matches`, and without sending the rows.
            now_ms = self.now_ms()
            conditions = [self._dialect.is_id(self._sid), *self._conditions(query, now_ms)]
            if query.expired:
                ends = self._dialect.expiry_ms(self._expires, self.layout)
                cutoff = now_ms - query.grace_ms
                conditions.append(sa.and_(ends > 0, ends <= min(cutoff, MAX_MS)))
            return int(self._dialect.scalar(self._count_of(sa.and_(*conditions))))
        return sum(1 for _ in self.scan(query))

    def _count_of(self, condition: Any) -> Any:
        return sa.select(sa.func.count()).select_from(self._table).where(condition)

    def _sessions(self, pages: Iterable[Sequence[Any]]) -> Iterator[Session]:
        for rows in pages:
            yield from map(self._session, rows)

    def _bare(self) -> Iterator[Session]:
        """Ids alone."""
        for rows in self._pages.ids():
            for (cell,) in rows:
                sid = _text(cell)
                yield Session(sid=sid, raw=b"", location=self._location(sid))

    def _conditions(self, query: Query, now_ms: int) -> list[Any]:
        """What the database can answer; never stricter than `Query.matches`, which has the word."""
        conditions: list[Any] = []
        if query.expired:
            cutoff = now_ms - query.grace_ms
            conditions.append(self._dialect.may_be_expired(self._expires, self.layout, cutoff))
        if (user := query.plain_user) is not None:
            holds = partial(self._dialect.contains, self._table.c[self.layout.data])
            conditions.append(sa.or_(holds(user), holds("\\u")))
        return conditions

    def _session(self, row: tuple[Any, ...]) -> Session:
        """A session of a row: its cells, and the expiry as the database reckons it."""
        *cells, ends = row
        place = self._at["data"]
        value = self._dialect.raw(cells[place], self._columns[place])
        user, _, problem = self._reader.read(value or b"")
        if value is None:
            problem = Problem("value.missing", "the data column is NULL")
        expires_ms = _instant(ends)
        sid = _text(cells[self._at["sid"]])
        return Session(
            sid=sid,
            raw=value or b"",
            location=self._location(sid),
            expires_ms=expires_ms,
            expiry=Expiry.UNKNOWN if expires_ms is None else Expiry.STORE,
            user=user,
            problem=problem,
            original=tuple(cells),
            reader=self._reader,
        )

    def _location(self, sid: str) -> str:
        return f"{self.layout.table}.{self.layout.sid}={sid}"

    def recognises(self, session: Session) -> bool:
        return self._reader.recognises(session.raw)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        return self._writes().delete(sessions, grace_ms=grace_ms)

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self._writes().set_expiry(sessions, expires_ms)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._writes().put([self._own(session) for session in sessions])

    def _writes(self) -> SqlWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def _own(self, session: Session) -> tuple[str, tuple[Any, ...]]:
        """(sid, the row to write); a session of another store gets one, other columns stay NULL."""
        if isinstance(session.original, tuple):
            return session.sid, session.original
        cells: list[Any] = [None] * len(self._columns)
        cells[self._at["sid"]] = session.sid
        cells[self._at["data"]] = session.raw.decode("utf-8", "surrogateescape")
        cells[self._at["expires"]] = Moved(session.expires_ms)
        return session.sid, tuple(cells)

    def freeze(self, session: Session) -> dict[str, Any]:
        named = zip(self._columns, session.original, strict=True)
        return {
            "kind": "row",
            "cells": {column.name: cell for column, cell in named},
            "expires_ms": session.expires_ms,
        }

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        cells = frozen.get("cells")
        if frozen.get("kind") != "row" or not isinstance(cells, dict):
            raise JournalError("the journal does not hold table rows")
        names = [column.name for column in self._columns]
        missing = [name for name in cells if name not in names]
        if missing:
            raise JournalError(f"the table has no column '{escape(missing[0])}' any more")
        row = [cells.get(name) for name in names]
        ends = frozen.get("expires_ms")
        if expires_ms is not None:
            place = self._at["expires"]
            row[place], ends = Moved(expires_ms, row[place]), expires_ms
        return self._session((*row, ends))

    def close(self) -> None:
        self._dialect.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else bytes(cell).decode("utf-8", "surrogateescape")


def _instant(ends: Any) -> int | None:
    """Only a positive number within the calendar is an expiry; the rest is unknown (S3)."""
    if ends is None:
        return None
    ms = int(ends) if isinstance(ends, str) and ends.isdigit() else float(ends)
    return int(ms) if 0 < ms <= MAX_MS else None
