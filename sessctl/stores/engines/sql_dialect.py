"""What differs between SQL databases: how ids, expiries and locks are spelled, what a table is."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from sessctl.stores.base import Tls
from sessctl.stores.engines.sql_connection import SqlConnection
from sessctl.stores.engines.sql_tls import remark
from sessctl.stores.facts import Fact, Topic, transport_facts
from sessctl.stores.layouts.base import Unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.base import Lag, Server
    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.url import StoreUrl


_FEW = 10_000


@dataclass(frozen=True, slots=True)
class Moved:
    """Stands in a row where a new expiry is to be written: ms since 1970 UTC, None for NULL.

    `was` is the cell that it replaces: SQLite keeps its type.
    """

    ms: int | None
    was: Any = None


class Default:
    """Stands in a new row where the database puts what the column has by default."""


DEFAULT = Default()


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the database declares it; a generated one is compared and never written."""

    name: str
    type: str
    generated: bool = False


class SqlDialect(SqlConnection):
    """A connection that knows its database's words and catalog."""

    name: ClassVar[str]
    write_page: ClassVar[int] = 1000  # sessions of one journal line and one delete
    tls: Tls | None = None  # None: nothing travels, or by a socket
    transport: Sequence[Fact] = ()  # where the server is on another machine
    read_page = 1000

    # -- how things are spelled -------------------------------------------------------------------

    def cell(self, column: Any) -> Any:
        """How a column is read so that it can be written again as it was."""
        return column

    def raw(self, cell: Any, column: Column) -> bytes | None:
        """A cell of the data column as the bytes of a value; None for NULL."""
        if cell is None or isinstance(cell, bytes):
            return cell
        return str(cell).encode("utf-8", "surrogateescape")

    def of_raw(self, raw: bytes, was: Any, column: Column) -> Any:
        """The opposite of `raw`: a value as a cell, of the type that the cell had; in place of None
        of the column's."""
        is_binary = self.is_binary(column) if was is None else isinstance(was, bytes)
        return raw if is_binary else raw.decode("utf-8", "surrogateescape")

    def is_binary(self, column: Column) -> bool:
        """The column holds bytes, and no text."""
        return any(word in column.type.lower() for word in ("blob", "binary", "bytea"))

    def value(self, cell: Any, column: Column) -> Any:
        """A cell as it is written: a bound value or an expression."""
        return cell

    @abstractmethod
    def is_id(self, column: Any) -> Any:
        """The cell can be a session id."""

    @abstractmethod
    def is_no_id(self, column: Any) -> Any:
        """The opposite of `is_id`, NULL included."""

    def off_index(self, column: Any) -> Any:
        """The column where a condition on it should not decide which index is taken."""
        return column

    @abstractmethod
    def named(self, column: Any, sids: Sequence[Any]) -> Any:
        """The cell is one of these ids; it may be laxer than bytes, but goes by the index."""

    @abstractmethod
    def begins(self, column: Any, prefix: str) -> Any:
        """The cell begins with this text, compared as bytes."""

    @abstractmethod
    def contains(self, column: Any, text: str) -> Any:
        """The data holds this text; may say yes too often."""

    @abstractmethod
    def expiry_ms(self, column: Any, layout: TableLayout) -> Any:
        """The expiry in ms since 1970 UTC, computed by the database; NULL: unknown (S3)."""

    @abstractmethod
    def may_be_expired(self, column: Any, layout: TableLayout, cutoff_ms: int) -> Any:
        """The expiry is at or before the cutoff, in words that an index can answer."""

    @abstractmethod
    def expiry_value(self, moved: Moved, layout: TableLayout) -> Any:
        """A new expiry as it is written."""

    @abstractmethod
    def now_ms_of_server(self) -> Any:
        """The server's clock in ms as an expression; None: it has none of its own."""

    def locking(self, select: Any) -> Any:
        """The select, its rows locked; those that somebody else holds are left out."""
        return select

    def row_version(self) -> tuple[Any, ...]:
        """Where a row stands and who wrote it (see `sql_versions.py`); empty: nobody can tell."""
        return ()

    def at_places(self, places: Sequence[str]) -> Any:
        """The row stands at one of these places."""
        return sa.false()

    def is_due(self, column: Any, layout: TableLayout, grace_ms: int) -> Any:
        """The expiry lies so far behind the server's clock where it has one, else behind ours."""
        ends, clock = self.expiry_ms(column, layout), self.now_ms_of_server()
        if clock is None:
            clock = self.now_ms()
        return sa.and_(ends > 0, ends <= clock - grace_ms)

    @abstractmethod
    def delete(self, table: Any, column: Any, ids: Sequence[Any]) -> int:
        """Delete the rows of exactly these ids, found by the index alone; how many it were."""

    @abstractmethod
    def insert_absent(self, table: Any, values: dict[str, Any], sid: str) -> bool:
        """Insert a row unless its id is there; whether it was inserted."""

    # -- the table --------------------------------------------------------------------------------

    def tables(self) -> list[tuple[str | None, str, list[str]]]:
        """Every table with its columns; a schema is named where the table needs it to be found."""
        return [
            (schema, table, [column for *_, column in cells])
            for (schema, table), cells in groupby(self._all_columns(), key=lambda row: row[:2])
        ]

    @abstractmethod
    def _all_columns(self) -> Sequence[tuple[str | None, str, str]]:
        """(schema, table, column) of every table, those of a table together."""

    @abstractmethod
    def columns(self, layout: TableLayout) -> list[Column]:
        """The columns in order. Raises StoreError if it is not a base table."""

    @abstractmethod
    def is_unique(self, layout: TableLayout) -> bool:
        """One id, one row: a primary key or a whole unique index on the id alone."""

    @abstractmethod
    def has_expiry_index(self, layout: TableLayout) -> bool:
        """An index gives rows in the order of (expiry, id), either way, without sorting them all;
        and an expiry that was read compares as the one that is stored."""

    @abstractmethod
    def cascades(self, layout: TableLayout) -> str:
        """What else a delete would set off, in words; empty: nothing."""

    def estimate(self, layout: TableLayout) -> int:
        """About how many rows there are: of a few exactly, of many what the server reckons."""
        some = sa.select(sa.literal(1)).select_from(sa.table(layout.table, schema=layout.schema))
        few = sa.select(sa.func.count()).select_from(some.limit(_FEW + 1).subquery())
        counted = int(self.scalar(few))
        return counted if counted <= _FEW else max(self._rows_by_statistics(layout), counted)

    @abstractmethod
    def _rows_by_statistics(self, layout: TableLayout) -> int:
        """What the server reckons a large table to have."""

    @abstractmethod
    def server(self) -> Server:
        """Who answers, and its version."""

    @abstractmethod
    def now_ms(self) -> int:
        """The clock that judges, in ms since 1970 UTC."""

    def _note_transport(
        self, url: StoreUrl, *, encrypted: bool, verifies: bool, by_socket: bool
    ) -> None:
        """Remember what is to be said of the way to the server."""
        self.tls = None if by_socket else Tls.of(encrypted=encrypted, verifies=verifies)
        said = remark(url, encrypted=encrypted, verifies=verifies)
        self.notes += [said] if said else []
        self.transport = transport_facts(url, encrypted=encrypted, verifies=verifies)

    def facts(self, layout: TableLayout) -> Iterator[Fact]:
        """What an audit is told. Call it when `columns` has been."""
        quote = self._engine.dialect.identifier_preparer.quote
        table = ".".join(quote(part) for part in (layout.schema, layout.table) if part)
        sid, expires = quote(layout.sid), quote(layout.expires)
        yield from self.transport
        yield Fact(
            Topic.EXPIRY_INDEX, self.has_expiry_index(layout), f"{table}({expires})",
            f"CREATE INDEX session_expiry ON {table} ({expires});",
        )  # fmt: skip
        yield Fact(
            Topic.UNIQUE_ID, self.is_unique(layout), f"{table}({sid})",
            f"CREATE UNIQUE INDEX session_id ON {table} ({sid});",
        )  # fmt: skip
        if layout.unit is Unit.TIMESTAMP:
            yield Fact(Topic.ZONELESS, self.zoneless(layout), f"{table}({expires})")

    def zoneless(self, layout: TableLayout) -> str:
        """The type of a date column that says nothing of a time zone; empty: it has one."""
        return ""

    def lags(self) -> list[Lag]:
        """How far the replicas are behind, as far as this server knows."""
        return []

    def takes_no_writes(self) -> bool:
        """The server is a replica, or read-only."""
        return False

    def zone_doubt(self, layout: TableLayout) -> str:
        """Why dates without a zone may mean something else than we read, in words."""
        return ""

    def is_transactional(self, layout: TableLayout) -> bool:
        """Deletes can be tied to the comparison before them."""
        return True
