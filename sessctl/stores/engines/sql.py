"""The SQL engine, through SQLAlchemy Core: SQLite, PostgreSQL, MySQL and MariaDB.

Reading goes by `sql_pages.py`, writing by `sql_writes.py`. What differs between databases stands in
a dialect; a session is a row (`sql_rows.py`), its cells as the dialect reads them: all that is
compared, journalled and written again.
"""

from __future__ import annotations

from contextlib import closing
from functools import partial
from importlib import import_module
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa  # 180 ms; only this engine needs it

from sessctl.errors import Refused, SessctlError, StoreError
from sessctl.session import Need, Query
from sessctl.stores.base import Capabilities, Identity, Remarks, Server
from sessctl.stores.engines import sql_zone
from sessctl.stores.engines.sql_pages import SqlPages
from sessctl.stores.engines.sql_rows import SqlRows
from sessctl.stores.engines.sql_versions import VersionLock
from sessctl.stores.engines.sql_writes import SqlWriter
from sessctl.stores.survey import Place
from sessctl.text import encode_id, escape
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.session import Session
    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag, Pair, Result
    from sessctl.stores.engines.sql_dialect import SqlDialect
    from sessctl.stores.facts import Fact
    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.url import StoreUrl

_MANY = 10_000  # of what is only remarked upon, nobody counts more
_DIALECTS = {
    "sqlite": "sqlite:SqliteDialect",
    "postgresql": "postgres:PostgresDialect",
    "postgres": "postgres:PostgresDialect",
    "mysql": "mysql:MysqlDialect",
    "mariadb": "mysql:MysqlDialect",
}


def _dialect(url: StoreUrl, access: Access, layout: TableLayout | None = None) -> SqlDialect:
    """Connect, as one layout or just to look."""
    module, _, name = _DIALECTS[url.scheme].partition(":")
    kind = getattr(import_module(f"sessctl.stores.engines.{module}"), name)
    dialect: SqlDialect = kind(url, access, layout)
    dialect.read_page = access.page(dialect.read_page)
    return dialect


class SqlStore:
    """Sessions in a table. Open it with `SqlStore.open` or `sessctl.open_store`."""

    def __init__(self, dialect: SqlDialect, layout: TableLayout, *, read_only: bool) -> None:
        self.layout = layout
        self.page_size = min(dialect.write_page, dialect.read_page)
        self.remarks = Remarks(dict.fromkeys(dialect.notes))
        scope = f"{layout.schema}.{layout.table}" if layout.schema else layout.table
        self.identity = Identity(
            dialect.name, dialect.address, dialect.database, scope, dialect.label
        )
        self._dialect = dialect
        self._columns = dialect.columns(layout)
        names = [column.name for column in self._columns]
        self._check_columns(names)
        clauses: list[sa.ColumnClause[Any]] = [sa.column(name) for name in names]
        self._table = sa.table(layout.table, *clauses, schema=layout.schema)
        self._sid = self._table.c[layout.sid]
        self._expires = self._table.c[layout.expires]
        self._destroyed = self._table.c[layout.destroyed] if layout.destroyed in names else None
        self._expiry_ms = dialect.expiry_ms(self._expires, layout).label("sessctl_expiry_ms")
        cells = [dialect.cell(column).label(column.name) for column in self._table.c]
        version = () if read_only else dialect.row_version()
        whole = sa.select(*cells, self._expiry_ms, *version).select_from(self._table)
        self._select = whole.where(*self._is_session)
        self._rows = SqlRows(dialect, layout, self._columns)
        self._pages = SqlPages(
            dialect, layout, self._table, self._columns, self._select, self._is_session
        )
        self.capabilities = Capabilities(
            expires_by_itself=False,
            orders_by_expiry=dialect.has_expiry_index(layout),
            counts_fast=dialect.name == "sqlite",
            answers=("expired", "user") if layout.spells("x") else ("expired",),
            zone_doubt=dialect.zone_doubt(layout) or self._zone_doubt(),
            cascades="" if read_only else dialect.cascades(layout),
        )
        strange = int(self._dialect.scalar(self._count_of(dialect.is_no_id(self._sid))))
        if strange:
            rows = "1 row" if strange == 1 else f"{strange} rows"
            self.remarks.stranger(f"{scope}: {rows}", "the id is not a text")
        self._note_destroyed()
        self._writer = None if read_only else self._make_writer()

    @classmethod
    def open(cls, url: StoreUrl, layout: TableLayout, access: Access) -> Self:
        """Connect and look at the table. Raises StoreError when either is not there."""
        dialect = _dialect(url, access, layout)
        try:
            return cls(dialect, layout, read_only=access.read_only)
        except SessctlError:
            dialect.close()
            raise

    @classmethod
    def places(cls, url: StoreUrl, access: Access) -> list[Place]:
        """The tables of the database with their columns."""
        with closing(_dialect(url, access)) as dialect:
            return [
                Place(f"{schema}.{table}" if schema else table,
                      {"schema": schema, "table": table}, frozenset(columns))
                for schema, table, columns in dialect.tables()
            ]  # fmt: skip

    @property
    def _is_session(self) -> list[Any]:
        """The row is a session, and one still: a library may leave those that it destroyed."""
        conditions: list[Any] = []
        if self.layout.before_sid:
            conditions.append(self._dialect.begins(self._sid, self.layout.before_sid))
        if self._destroyed is not None:
            conditions.append(self._destroyed.is_(None))
        return conditions

    def _zone_doubt(self) -> str:
        """What values that say when they were saved have against the dates beside them."""
        if self.layout.saved_s is None:
            return ""
        rows = self._dialect.rows(self._select.limit(sql_zone.SAMPLE))
        found = sql_zone.doubt(self._made(rows), self.layout)
        if found:
            self.remarks.note(f"in which zone are the dates? {found} (expires_zone, lifetime)")
        return found

    def _note_destroyed(self) -> None:
        if self._destroyed is None:
            return
        marked = sa.select(sa.literal(1)).select_from(self._table)
        some = marked.where(self._destroyed.is_not(None)).limit(_MANY + 1).subquery()
        count = int(self._dialect.scalar(sa.select(sa.func.count()).select_from(some)))
        if count:
            rows = "1 row" if count == 1 else f"{count} rows"
            if count > _MANY:
                rows = f"more than {_MANY} rows"
            self.remarks.note(
                f"table '{escape(self.layout.table)}' keeps {rows} of sessions that are destroyed "
                f"('{escape(self._destroyed.name)}' is set): left aside"
            )

    def _check_columns(self, names: list[str]) -> None:
        for part in ("sid", "data", "expires", "user_column"):
            name = getattr(self.layout, part)
            if name is not None and name not in names:
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
        versions = None
        if self._dialect.row_version():
            versions = VersionLock(
                self._dialect, self.layout, self._table,
                sid_at=self._rows.sid_at, expires_at=self._rows.expires_at,
            )  # fmt: skip
        return SqlWriter(
            self._dialect, self.layout, self._table, self._columns, self._select,
            sid_at=self._rows.sid_at, versions=versions, destroyed=self._destroyed,
        )  # fmt: skip

    # -- clock and size ---------------------------------------------------------------------------

    def server(self) -> Server:
        return self._dialect.server()

    def now_ms(self) -> int:
        return self._dialect.now_ms()

    def estimate(self) -> int:
        return self._dialect.estimate(self.layout)

    def lags(self) -> list[Lag]:
        return self._dialect.lags()

    def facts(self) -> Iterator[Fact]:
        return self._dialect.facts(self.layout)

    # -- reading ----------------------------------------------------------------------------------

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        query = query.pushed_down
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
        self, query: Query, *, descending: bool = False, first: int = 1000
    ) -> Iterator[Session]:
        query = query.pushed_down
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
        page = self._dialect.read_page
        for start in range(0, len(sids), page):
            some = sids[start : start + page]
            named = self._dialect.named(self._sid, [self.layout.before_sid + sid for sid in some])
            rows = self._dialect.rows(self._select.where(named))
            found |= {encode_id(session.sid): session for session in self._made(rows)}
        return [found[key] for sid in sids if (key := encode_id(sid)) in found]

    def count(self, query: Query) -> int:
        if not query.filters or query == Query(expired=True, grace_ms=query.grace_ms):
            # The database says the same as `Query.matches`, and without sending the rows.
            now_ms = self.now_ms()
            named = self._dialect.is_id(self._sid)
            conditions = [named, *self._is_session, *self._conditions(query, now_ms)]
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
            yield from self._made(rows)

    def _made(self, rows: Sequence[Any]) -> Iterator[Session]:
        """Sessions of a page; to be called before anything else is read."""
        session_of, read_by = self._rows.session, self._dialect.reader
        return (session_of(row, read_by) for row in rows)

    def _bare(self) -> Iterator[Session]:
        """Ids alone."""
        for rows in self._pages.ids():
            for (cell,) in rows:
                yield self._rows.bare(cell)

    def _conditions(self, query: Query, now_ms: int) -> list[Any]:
        """What the database can answer; never stricter than `Query.matches`, which has the word."""
        conditions: list[Any] = []
        if query.expired:
            cutoff = now_ms - query.grace_ms
            conditions.append(self._dialect.may_be_expired(self._expires, self.layout, cutoff))
        if (user := query.plain_user) is not None and self.layout.spells(user):
            holds = partial(self._dialect.contains, self._table.c[self.layout.data])
            found = [holds(user), holds("\\u")]
            if (column := self.layout.user_column) is not None:
                found.append(sa.cast(self._table.c[column], sa.String) == user)
            conditions.append(sa.or_(*found))
        return conditions

    def recognises(self, session: Session) -> bool:
        return self._rows.recognises(session)

    # -- writing ----------------------------------------------------------------------------------

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        return self._writes().delete(sessions, grace_ms=grace_ms)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        return self._writes().replace([(was, self._rows.over(was, new)) for was, new in pairs])

    def set_expiry(self, sessions: Sequence[Session], expires_ms: int | None) -> list[Result]:
        return self.replace([(s, self.with_end(s, expires_ms)) for s in sessions])

    def with_value(self, session: Session, raw: bytes) -> Session:
        return self._rows.with_value(session, raw)

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        return self._rows.with_end(session, expires_ms)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        return self._writes().put(self._rows.own(sessions))

    def _writes(self) -> SqlWriter:
        if self._writer is None:
            raise Refused("this store was opened for reading only")
        return self._writer

    def freeze(self, session: Session) -> dict[str, Any]:
        return self._rows.freeze(session)

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None = None) -> Session:
        return self._rows.thaw(frozen, expires_ms=expires_ms)

    def close(self) -> None:
        self._dialect.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
