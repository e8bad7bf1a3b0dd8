"""Reading a table in pages: each a short statement of its own, so that nobody waits for us.

Pages follow a key: the next one begins after the last row of the one before. No row is read twice
and the end is reached whatever is deleted, renewed or left alone meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sessctl.stores.engines.sql_dialect import Column, SqlDialect
    from sessctl.stores.layouts.base import TableLayout


class SqlPages:
    """Pages of whole rows: the cells, then the expiry in ms as the database reckons it.

    `conditions` stand in `select` already: what makes a row a session.
    """

    def __init__(
        self,
        dialect: SqlDialect,
        layout: TableLayout,
        table: Any,
        columns: Sequence[Column],
        select: Any,
        conditions: Sequence[Any],
    ) -> None:
        self._dialect = dialect
        self._columns = {column.name: column for column in columns}
        self._at = {column.name: place for place, column in enumerate(columns)}
        self._table = table
        self._select = select
        self._conditions = conditions
        self._sid = table.c[layout.sid]
        self._expires = table.c[layout.expires]

    def ids(self) -> Iterator[Sequence[Any]]:
        """Ids alone, in their order."""
        select = sa.select(self._dialect.cell(self._sid)).select_from(self._table)
        named = self._dialect.is_id(self._sid)
        base = select.where(named, *self._conditions).order_by(self._sid)
        return self._follow(base, lambda row: self._sid > self._value(self._sid, row[0]))

    def by_id(self, conditions: Sequence[Any]) -> Iterator[Sequence[Any]]:
        """The rows that meet the conditions, in the order of their ids."""
        named = self._dialect.is_id(self._sid)
        base = self._select.where(named, *conditions).order_by(self._sid)
        return self._follow(base, lambda row: self._sid > self._last(self._sid, row))

    def by_expiry(
        self, conditions: Sequence[Any], *, descending: bool = False, first: int = 1000
    ) -> Iterator[Sequence[Any]]:
        """The same in the order of their expiry, those of one instant in the order of their ids.

        `first` rows make the first page. A row whose expiry is NULL may be left out.
        """
        way = sa.desc if descending else sa.asc
        named = self._dialect.is_id(self._dialect.off_index(self._sid))
        base = self._select.where(named, *conditions)
        base = base.order_by(way(self._expires), way(self._sid))

        def after(row: Any) -> Any:
            """Not `(expiry, id) > (:e, :i)`: for a row constructor MySQL reads the whole index. The
            bare comparison in front is what the index is entered by."""
            ends, sid = self._last(self._expires, row), self._last(self._sid, row)
            if descending:
                beyond = sa.or_(
                    self._expires < ends, sa.and_(self._expires == ends, self._sid < sid)
                )
                return sa.and_(self._expires <= ends, beyond)
            beyond = sa.or_(self._expires > ends, sa.and_(self._expires == ends, self._sid > sid))
            return sa.and_(self._expires >= ends, beyond)

        return self._follow(base, after, first)

    def _follow(
        self, base: Any, after: Callable[[Any], Any], first: int | None = None
    ) -> Iterator[Sequence[Any]]:
        usual = self._dialect.read_page
        size = usual if first is None else min(first, usual)
        rows = self._dialect.rows(base.limit(size))
        while rows:
            yield rows
            if len(rows) < size:
                return
            size = usual
            rows = self._dialect.rows(base.where(after(rows[-1])).limit(size))

    def _last(self, column: Any, row: Any) -> Any:
        return self._value(column, row[self._at[column.name]])

    def _value(self, column: Any, cell: Any) -> Any:
        return self._dialect.value(cell, self._columns[column.name])
