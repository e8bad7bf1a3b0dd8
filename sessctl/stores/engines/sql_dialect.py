"""One connection to a SQL database through SQLAlchemy Core, and what differs between databases.

A dialect knows how to connect, how its errors read, and how ids, expiries and locks are spelled.
Every statement is short and ends before the next: no cursor and no lock outlives a page.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from sessctl.errors import StoreError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.base import Lag
    from sessctl.stores.layouts.base import TableLayout

_READ_TRIES = 3  # with a new connection each (S9)
LOCK_TIMEOUT_S = 2  # S15; nobody waits for us longer, nor we for anybody
STATEMENT_TIMEOUT_S = 30


class LostConnection(StoreUnreachable):
    """The connection broke in a statement: a commit may or may not have been done."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Stands in a row where a new expiry is to be written: ms since 1970 UTC, None for NULL.

    `was` is the cell that it replaces: SQLite keeps its type.
    """

    ms: int | None
    was: Any = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the database declares it; a generated one is compared and never written."""

    name: str
    type: str
    generated: bool = False


class SqlDialect(ABC):
    """A database server or file. Every error leaves as a StoreError.

    `address` is host:port or the file, `database` its name there, `label` what is typed to confirm.
    """

    name: ClassVar[str]
    driver: ClassVar[str]  # SQLAlchemy's name of dialect and driver
    begin: ClassVar[str] = "BEGIN"
    write_page: ClassVar[int] = 1000  # sessions of one journal line and one delete
    address: str
    database: str
    label: str

    def __init__(self) -> None:
        self.notes: list[str] = []  # what a person should be told about the connection
        self._engine = sa.create_engine(
            f"{self.driver}://", creator=self._connect, poolclass=NullPool, hide_parameters=True
        )
        self._open: sa.Connection | None = None
        self._in_transaction = False

    # -- connection -------------------------------------------------------------------------------

    @abstractmethod
    def _connect(self) -> Any:
        """A new connection of the driver, in autocommit, limits and time zone set."""

    @abstractmethod
    def _error(self, exc: BaseException) -> StoreError:
        """Ours for the driver's error. No value of a row may stand in it."""

    @property
    def _connection(self) -> sa.Connection:
        if self._open is None:
            self._open = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        return self._open

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """The driver's exceptions as ours; a connection that broke is not used again (S8)."""
        try:
            yield
        except StoreError:
            raise
        except BaseException as exc:
            # SQLAlchemy wraps what strikes while it prepares a statement.
            struck: BaseException = getattr(exc, "orig", None) or exc
            if not isinstance(struck, (sa.exc.SQLAlchemyError, *self._driver_errors())):
                self._drop()  # an interrupt leaves a reply behind that is not the next one's
                if struck is exc:
                    raise
                raise struck from None
            mapped = self._error(exc)
            if isinstance(mapped, StoreUnreachable):
                self._drop()
            raise mapped from None

    @staticmethod
    @abstractmethod
    def _driver_errors() -> tuple[type[Exception], ...]:
        """What the driver raises by itself, outside of SQLAlchemy."""

    def _drop(self) -> None:
        connection, self._open = self._open, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
            with suppress(Exception):
                connection.close()

    def close(self) -> None:
        """Close the connection; whoever asks again gets another one."""
        connection, self._open = self._open, None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError, *self._driver_errors()):
                connection.close()
        self._engine.dispose()

    # -- statements -------------------------------------------------------------------------------

    def rows(self, statement: Any) -> Sequence[Any]:
        """All rows of one page, fetched at once so that no lock outlives the statement."""
        found: Sequence[Any] = self._read(lambda: self._tuples(statement))
        return found

    def _tuples(self, statement: Any) -> Sequence[Any]:
        """The driver's own tuples: SQLAlchemy's rows cost as much again as fetching them."""
        result = self._connection.execute(statement)
        with closing(result):
            found: Sequence[Any] = result.cursor.fetchall()
        return found

    def scalar(self, statement: Any) -> Any:
        """The first cell of the first row."""
        return self._read(lambda: self._connection.execute(statement).scalar())

    def first(self, words: str) -> dict[str, Any] | None:
        """The first row of a statement that SQLAlchemy has no expression for, by column."""
        found = self._read(lambda: self._connection.exec_driver_sql(words).mappings().first())
        return None if found is None else dict(found)

    def _read(self, ask: Any) -> Any:
        """Reads are tried again on a new connection; inside a transaction there is none."""
        for attempt in range(_READ_TRIES):
            try:
                with self._mapped():
                    return ask()
            except LostConnection:
                if self._in_transaction or attempt == _READ_TRIES - 1:
                    raise
                time.sleep((0.05 * 2**attempt) * (1 + random.random()))  # noqa: S311 - jitter
        raise AssertionError("unreachable")

    def execute(self, statement: Any, values: Any = None) -> int:
        """Run a statement inside `transaction`, once; how many rows it touched."""
        with self._mapped():
            counted = {"preserve_rowcount": True}  # an INSERT has none otherwise
            done = self._connection.execute(statement, values, execution_options=counted)
            return int(done.rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """What is compared inside stays as it is until the end."""
        with self._mapped():
            self._connection.exec_driver_sql(self.begin)
        self._in_transaction = True
        try:
            yield
            with self._mapped():
                self._connection.exec_driver_sql("COMMIT")
        except BaseException:
            if self._open is not None:
                with suppress(StoreError), self._mapped():
                    self._open.exec_driver_sql("ROLLBACK")
            raise
        finally:
            self._in_transaction = False

    # -- how things are spelled -------------------------------------------------------------------

    def cell(self, column: Any) -> Any:
        """How a column is read so that it can be written again as it was."""
        return column

    def raw(self, cell: Any, column: Column) -> bytes | None:
        """A cell of the data column as the bytes of a value; None for NULL."""
        if cell is None or isinstance(cell, bytes):
            return cell
        return str(cell).encode("utf-8", "surrogateescape")

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

    def row_place(self) -> Any:
        """Where a locked row stands, which finds it faster than its id; None: by the id it is."""
        return None

    @abstractmethod
    def delete(self, table: Any, column: Any, ids: Sequence[Any], places: Sequence[Any]) -> int:
        """Delete the rows of exactly these ids, found by the index alone or by their places; how
        many it were."""

    @abstractmethod
    def insert_absent(self, table: Any, values: dict[str, Any], sid: str) -> bool:
        """Insert a row unless its id is there; whether it was inserted."""

    # -- the table --------------------------------------------------------------------------------

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

    @abstractmethod
    def estimate(self, layout: TableLayout) -> int:
        """About how many rows there are; cheap."""

    @abstractmethod
    def now_ms(self) -> int:
        """The clock that judges, in ms since 1970 UTC."""

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
