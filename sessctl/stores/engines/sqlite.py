"""What is particular to SQLite: the file, its locks, cells without types.

Source: the sqlite3 module of Python 3.11, SQLite 3.40. The clock is this machine's: SQLite has no
other. A file is never created, and a reader opens it read-only.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.pool import StaticPool

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable, UsageError
from sessctl.stores.url import flags
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.url import StoreUrl

_LOCK_TIMEOUT_S = 2.0  # S15; node's own driver waits one second before it fails a request


class SqliteDialect:
    """One SQLite file behind SQLAlchemy Core. Every error leaves as a StoreError."""

    name = "sqlite"
    database = ""

    def __init__(self, url: StoreUrl, *, read_only: bool) -> None:
        flags(dict(url.options), (), "sqlite")
        if not url.path or url.path == ":memory:":
            raise UsageError("the sqlite URL names no file", hint="write sqlite:///sessions.db")
        path = Path(url.path).expanduser().absolute()
        self.address = str(path)
        self.label = path.name
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            raise StoreUnreachable(
                f"the SQLite file {escape(self.address)} {what}",
                hint="sqlite:///x.db is relative to this folder, sqlite:////x.db is absolute",
            )
        self._path, self._mode = path, "ro" if read_only else "rw"
        self._engine = sa.create_engine(
            "sqlite://", creator=self._connect, poolclass=StaticPool, hide_parameters=True
        )
        with _mapped(self.address):
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
            self._connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
            mode = self._connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            if mode == "wal" and not read_only:
                # Half as long a lock; a power failure may undo our last deletes, no more.
                self._connection.exec_driver_sql("PRAGMA synchronous = NORMAL")

    def _connect(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path))}?mode={self._mode}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        # TEXT that is not UTF-8 must neither raise nor lose a byte; BLOBs stay bytes.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        if self._mode == "ro":
            connection.execute("PRAGMA query_only = ON")
        return connection

    # -- statements -------------------------------------------------------------------------------

    def rows(self, statement: Any) -> Sequence[Any]:
        """All rows of one page, fetched at once so that no lock outlives the statement."""
        with _mapped(self.address):
            return self._connection.execute(statement).fetchall()

    def scalar(self, statement: Any) -> Any:
        with _mapped(self.address):
            return self._connection.execute(statement).scalar()

    def execute(self, statement: Any) -> int:
        """Run a statement inside `transaction`; how many rows it touched."""
        with _mapped(self.address):
            return int(self._connection.execute(statement).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """BEGIN IMMEDIATE: the write lock first, so that what is compared stays as it is."""
        with _mapped(self.address):
            self._connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield
            with _mapped(self.address):
                self._connection.exec_driver_sql("COMMIT")
        except BaseException:
            if self._in_transaction:
                self._connection.exec_driver_sql("ROLLBACK")
            raise

    @property
    def _in_transaction(self) -> bool:
        driver = self._connection.connection.driver_connection
        return bool(driver is not None and driver.in_transaction)

    def insert_absent(self, table: Any, values: dict[str, Any], sid: str) -> bool:
        """INSERT .. ON CONFLICT (sid) DO NOTHING; whether it was inserted."""
        statement = insert(table).on_conflict_do_nothing(index_elements=[sid])
        if any(isinstance(value, sa.ClauseElement) for value in values.values()):
            return self.execute(statement.values(values)) == 1
        with _mapped(self.address):  # parameters beside the statement: half the time
            return int(self._connection.execute(statement, values).rowcount) == 1

    @staticmethod
    def bind(cell: Any) -> Any:
        """A value for a statement. Text that is not UTF-8 goes as bytes and is cast back."""
        if isinstance(cell, str):
            try:
                cell.encode()
            except UnicodeEncodeError:
                raw = cell.encode("utf-8", "surrogateescape")
                return sa.cast(sa.literal(raw, sa.LargeBinary), sa.Text)
        return cell

    @staticmethod
    def is_id(column: Any) -> Any:
        """A cell that is text: 5 and '5' would be two rows of one id. SQLite sorts NULL, numbers,
        text, BLOBs, so that this is a range of the index."""
        return sa.and_(column >= "", column < sa.literal(b"", sa.LargeBinary))

    @staticmethod
    def is_no_id(column: Any) -> Any:
        """The opposite of `is_id`, with NULL."""
        blob = sa.literal(b"", sa.LargeBinary)
        return sa.or_(column.is_(None), column < "", column >= blob)

    @staticmethod
    def is_number(column: Any) -> Any:
        """A cell that can be an instant: text sorts above every number and means nothing (S3)."""
        return sa.and_(sa.func.typeof(column).in_(["integer", "real"]), column > 0)

    # -- the table --------------------------------------------------------------------------------

    def columns(self, table: str) -> list[str]:
        """Names of the columns. Raises StoreError if it is not a base table."""
        with _mapped(self.address):
            inspector = sa.inspect(self._connection)
            tables = inspector.get_table_names()
            if table not in tables:
                is_view = table in inspector.get_view_names()
                raise StoreError(
                    f"'{escape(table)}' is a view, not a table"
                    if is_view
                    else f"no table '{escape(table)}' in {escape(self.address)}",
                    hint=f"it has {', '.join(escape(t) for t in tables[:10]) or 'no tables'}; "
                    "set `table` of the backend",
                )
            return [str(column["name"]) for column in inspector.get_columns(table)]

    def is_unique(self, table: str, column: str) -> bool:
        """One id, one row: a primary key or a whole unique index on the column alone.

        Asked of SQLite itself: SQLAlchemy warns on standard error of an index it cannot reflect.
        """
        keys = self.scalar(
            sa.text(
                "SELECT group_concat(name) = :column FROM pragma_table_info(:table) WHERE pk > 0"
            ).bindparams(table=table, column=column)
        )
        indexes = self.scalar(
            sa.text(
                """SELECT count(*) FROM pragma_index_list(:table) AS i
                WHERE i."unique" AND NOT i.partial AND 1 = (
                    SELECT count(*) = 1 AND max(name) = :column FROM pragma_index_info(i.name))"""
            ).bindparams(table=table, column=column)
        )
        return bool(keys or indexes)

    def cascades(self, table: str) -> str:
        """Triggers that a delete would fire, in words; our connection has foreign keys off."""
        found = self.rows(
            sa.text(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' "
                "AND lower(tbl_name) = lower(:table) AND upper(sql) LIKE '%DELETE%'"
            ).bindparams(table=table)
        )
        return f"trigger {escape(str(found[0][0]))}" if found else ""

    def estimate(self, table: str) -> int:
        """Rows of the table: SQLite has no statistics worth the name, and counts fast."""
        return int(self.scalar(sa.select(sa.func.count()).select_from(sa.table(table))))

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


@contextmanager
def _mapped(address: str) -> Iterator[None]:
    """The driver's exceptions as ours; its texts hold no parameters (`hide_parameters`)."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, sqlite3.Error) as exc:
        raise _error(exc, escape(address)) from None


def _error(exc: Exception, address: str) -> StoreError:
    original = getattr(exc, "orig", None) or exc
    text = str(original).lower()
    if "unable to open" in text:
        return StoreUnreachable(f"cannot open {address}", hint="may this user read it?")
    if "readonly" in text or "read-only" in text:
        return AccessDenied(f"{address} cannot be written", hint="may this user write it?")
    if "locked" in text or "busy" in text:
        return StoreUnreachable(
            f"{address} is locked by another process", hint="try again when its write has ended"
        )
    if "not a database" in text:
        return StoreError(
            f"{address} is not a SQLite database", hint="is it encrypted, or another file?"
        )
    if "malformed" in text:
        return StoreError(f"{address} is damaged", hint="PRAGMA integrity_check tells more")
    if "full" in text:
        return StoreError(f"no space left for {address}")
    return StoreError(f"{address}: {escape(str(original))[:200]}")
