"""One connection to a SQL database through SQLAlchemy Core: its errors, its short statements.

Every statement ends before the next: no cursor and no lock outlives a page.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from sessctl.errors import StoreError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UNFIT = (sa.exc.DataError, sa.exc.IntegrityError)
_READ_TRIES = 3  # with a new connection each (S9)
LOCK_TIMEOUT_S = 2  # S15; nobody waits for us longer, nor we for anybody
STATEMENT_TIMEOUT_S = 30


class LostConnection(StoreUnreachable):
    """The connection broke in a statement: a commit may or may not have been done."""


class UnfitRow(StoreError):
    """The table takes no such value: of this row, which says nothing about the others."""


class SqlConnection(ABC):
    """A database server or file. Every error leaves as a StoreError.

    `address` is host:port or the file, `database` its name there, `label` what is typed to confirm.
    """

    driver: ClassVar[str]  # SQLAlchemy's name of dialect and driver
    begin: ClassVar[str] = "BEGIN"
    address: str
    database: str
    label: str

    def __init__(self) -> None:
        self.notes: list[str] = []  # what a person should be told about the connection
        self._engine = sa.create_engine(
            f"{self.driver}://",
            creator=self._connect,
            poolclass=NullPool,
            pool_reset_on_return=None,  # it is closed and never used again: see `close`
            hide_parameters=True,
        )
        self._open: sa.Connection | None = None
        self._in_transaction = False

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
            if type(mapped) is StoreError and isinstance(exc, _UNFIT):
                mapped = UnfitRow(mapped.message, hint=mapped.hint)
            if isinstance(mapped, StoreUnreachable):
                self._drop()
            raise mapped from None

    @staticmethod
    @abstractmethod
    def _driver_errors() -> tuple[type[Exception], ...]:
        """What the driver raises by itself, outside of SQLAlchemy."""

    @property
    def reader(self) -> object:
        """The connection that read the last rows; another one after it broke."""
        return self._open

    def _drop(self) -> None:
        connection, self._open = self._open, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
            with suppress(Exception):
                connection.close()

    def close(self) -> None:
        """Close the connection; whoever asks again gets another one.

        Nothing is reset before: that would wait for a lock of the driver, which an interrupt may
        have left behind.
        """
        self._drop()
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
