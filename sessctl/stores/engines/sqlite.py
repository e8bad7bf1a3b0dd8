"""What is particular to SQLite: the file, its locks, cells without types.

Source: the sqlite3 module of Python 3.11, SQLite 3.40. The clock is this machine's: SQLite has no
other. A file is never created, and a reader opens it read-only. Only where a program was killed in
the middle of a write does a reader let SQLite take that half of a write back, as every program that
opens the file does: nobody can read it before.
"""

from __future__ import annotations

import shlex
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable, UsageError
from sessctl.stores.base import Server
from sessctl.stores.engines import sqlite_dates as dates
from sessctl.stores.engines.sql_connection import LOCK_TIMEOUT_S
from sessctl.stores.engines.sql_dialect import Column, Moved, SqlDialect
from sessctl.stores.facts import readers_fact
from sessctl.stores.layouts.base import DateForm, Unit
from sessctl.stores.url import flags
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.facts import Fact
    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.url import StoreUrl

# A journal or log that a killed writer left, and that a reader may not clear away.
_CUT_OFF = frozenset({"SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY"})

_LOOK = "SELECT count(*) FROM sqlite_master"  # the file is read at the first statement

# The years 2000 to 2100 in seconds: no session is of January 1970 in ms.
_IN_SECONDS = (946_684_800, 4_102_444_800)


class SqliteDialect(SqlDialect):
    """One SQLite file."""

    name = "sqlite"
    driver = "sqlite"
    begin = "BEGIN IMMEDIATE"  # the write lock first
    database = ""
    write_page = 500  # there is one write lock for everybody

    def __init__(self, url: StoreUrl, access: Access, layout: TableLayout | None) -> None:
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
        self._path, self._mode = path, "ro" if access.read_only else "rw"
        self._clock = _wall_clock(layout)
        super().__init__()
        with self._mapped():
            self._connection.exec_driver_sql(_LOOK).scalar()
            mode = self._connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            if mode == "wal" and not access.read_only:
                # Half as long a lock; a power failure may undo our last deletes, no more.
                self._connection.exec_driver_sql("PRAGMA synchronous = NORMAL")

    def server(self) -> Server:
        return Server("SQLite", str(self.scalar(sa.select(sa.func.sqlite_version()))))

    def _connect(self) -> sqlite3.Connection:
        connection = self._opened(self._mode)
        if self._mode == "ro" and _is_cut_off(connection):
            with closing(self._opened("rw")) as writer, suppress(sqlite3.Error):
                writer.execute("PRAGMA query_only = ON")
                writer.execute(_LOOK)
        if self._clock is not None:
            connection.create_function(dates.WALL_CLOCK, 1, self._clock.read, deterministic=True)
        # TEXT that is not UTF-8 must neither raise nor lose a byte; BLOBs stay bytes.
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        if self._mode == "ro":
            connection.execute("PRAGMA query_only = ON")
        return connection

    def _opened(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path))}?mode={mode}"
        return sqlite3.connect(
            uri, uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )

    @staticmethod
    def _driver_errors() -> tuple[type[Exception], ...]:
        return (sqlite3.Error,)

    # -- how things are spelled -------------------------------------------------------------------

    def value(self, cell: Any, column: Column) -> Any:
        return _bind(cell)

    def is_id(self, column: Any) -> Any:
        """A text: 5 and '5' would be two rows of one id. SQLite sorts NULL, numbers, text, BLOBs,
        so that this is a range of the index."""
        return sa.and_(column >= "", column < sa.literal(b"", sa.LargeBinary))

    def is_no_id(self, column: Any) -> Any:
        blob = sa.literal(b"", sa.LargeBinary)
        return sa.or_(column.is_(None), column < "", column >= blob)

    def off_index(self, column: Any) -> Any:
        """The range that `is_id` is looks tempting to SQLite, and all of it would be sorted."""
        return UnaryExpression(column, operator=custom_op("+"))

    def named(self, column: Any, sids: Sequence[Any]) -> Any:
        return column.in_([_bind(sid) for sid in sids])

    def begins(self, column: Any, prefix: str) -> Any:
        return sa.func.substr(column, 1, len(prefix)) == prefix

    def contains(self, column: Any, text: str) -> Any:
        return sa.func.instr(column, text) > 0

    def expiry_ms(self, column: Any, layout: TableLayout) -> Any:
        """A cell of another type or shape than the layout's means nothing, neither do seconds
        among ms (S3)."""
        number = sa.and_(sa.func.typeof(column).in_(["integer", "real"]), column > 0)
        if layout.unit is not Unit.SECONDS:
            number = sa.and_(number, sa.not_(column.between(*_IN_SECONDS)))
        if layout.unit is not Unit.TIMESTAMP:
            return sa.case((number, column * layout.unit.in_ms))
        read = dates.readers(column, layout.date_forms, self._clock)
        if DateForm.MILLISECONDS in layout.date_forms:
            read.append((number, column))
        return sa.case(*read)

    def may_be_expired(self, column: Any, layout: TableLayout, cutoff_ms: int) -> Any:
        if layout.unit is Unit.TIMESTAMP:
            return column < dates.beyond(cutoff_ms, self._clock)
        return column < (cutoff_ms + 1) / layout.unit.in_ms  # a cell may hold 0.9 ms

    def expiry_value(self, moved: Moved, layout: TableLayout) -> Any:
        """In the type of the old cell: npm's sqlite3 writes REAL."""
        if moved.ms is None:
            return None
        if self._clock is not None:
            return self._clock.write(moved.ms)
        if layout.unit is Unit.TIMESTAMP and not isinstance(moved.was, (int, float)):
            return dates.write(moved.ms, layout.date_forms[0])
        value = moved.ms // layout.unit.in_ms
        return float(value) if isinstance(moved.was, float) else value

    def now_ms_of_server(self) -> Any:
        return None

    def delete(self, table: Any, column: Any, ids: Sequence[Any]) -> int:
        return self.execute(sa.delete(table).where(self.named(column, ids)))

    def insert_absent(self, table: Any, values: dict[str, Any], sid: str) -> bool:
        statement = insert(table).on_conflict_do_nothing(index_elements=[sid])
        if any(isinstance(value, sa.ClauseElement) for value in values.values()):
            return self.execute(statement.values(values)) == 1
        return self.execute(statement, values) == 1  # beside the statement: half the time

    # -- the table --------------------------------------------------------------------------------

    def _all_columns(self) -> Sequence[tuple[str | None, str, str]]:
        found = self.rows(
            sa.text(
                "SELECT NULL, t.name, c.name FROM sqlite_master AS t "
                "JOIN pragma_table_info(t.name) AS c WHERE t.type = 'table' ORDER BY t.name, c.cid"
            )
        )
        return [(schema, table, column) for schema, table, column in found]

    def columns(self, layout: TableLayout) -> list[Column]:
        table = layout.table
        with self._mapped():
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
            return [
                Column(str(column["name"]), str(column["type"]), bool(column.get("computed")))
                for column in inspector.get_columns(table)
            ]

    def is_unique(self, layout: TableLayout) -> bool:
        """Asked of SQLite itself: SQLAlchemy warns on standard error of an index that it cannot
        reflect."""
        names = {"table": layout.table, "column": layout.sid}
        keys = self.scalar(
            sa.text(
                "SELECT group_concat(name) = :column FROM pragma_table_info(:table) WHERE pk > 0"
            ).bindparams(**names)
        )
        indexes = self.scalar(
            sa.text(
                """SELECT count(*) FROM pragma_index_list(:table) AS i
                WHERE i."unique" AND NOT i.partial AND 1 = (
                    SELECT count(*) = 1 AND max(name) = :column FROM pragma_index_info(i.name))"""
            ).bindparams(**names)
        )
        return bool(keys or indexes)

    def has_expiry_index(self, layout: TableLayout) -> bool:
        indexed = bool(
            self.scalar(
                sa.text(
                    "SELECT count(*) FROM pragma_index_list(:table) AS i "
                    "JOIN pragma_index_info(i.name) AS c "
                    "WHERE NOT i.partial AND c.seqno = 0 AND c.name = :column"
                ).bindparams(table=layout.table, column=layout.expires)
            )
        )
        return indexed and self._has_one_kind_of_date(layout)

    def _has_one_kind_of_date(self, layout: TableLayout) -> bool:
        """Numbers sort before all texts, whatever they mean; the index finds one at once. A clock
        on a wall is turned back once a year."""
        if self._clock is not None:
            return False
        if layout.unit is not Unit.TIMESTAMP or len(layout.date_forms) == 1:
            return True
        table = sa.table(layout.table, sa.column(layout.expires))
        number = sa.select(sa.literal(1)).select_from(table).where(table.c[layout.expires] < "")
        return self.scalar(number.limit(1)) is None

    def cascades(self, layout: TableLayout) -> str:
        """Triggers that a delete would fire; our connection has foreign keys off."""
        found = self.rows(
            sa.text(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' "
                "AND lower(tbl_name) = lower(:table) AND upper(sql) LIKE '%DELETE%'"
            ).bindparams(table=layout.table)
        )
        return f"trigger {escape(str(found[0][0]))}" if found else ""

    def facts(self, layout: TableLayout) -> Iterator[Fact]:
        """Files beside it, for its log, get the mode of the database itself."""
        yield from super().facts(layout)
        yield readers_fact(self._path, f"chmod 600 {shlex.quote(self.address)}")

    def _rows_by_statistics(self, layout: TableLayout) -> int:
        """SQLite has no statistics worth the name, and counts fast."""
        return int(self.scalar(sa.select(sa.func.count()).select_from(sa.table(layout.table))))

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def _error(self, exc: BaseException) -> StoreError:
        original = getattr(exc, "orig", None) or exc
        text, address = str(original).lower(), escape(self.address)
        if "unable to open" in text:
            return StoreUnreachable(f"cannot open {address}", hint="may this user read it?")
        if getattr(original, "sqlite_errorname", "") in _CUT_OFF:
            return AccessDenied(
                f"{address} holds half of a write, whose program was killed",
                hint="whoever may write it takes that back by opening it: the application, or you",
            )
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


def _is_cut_off(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute(_LOOK)
    except sqlite3.Error as exc:
        return exc.sqlite_errorname in _CUT_OFF
    return False


def _wall_clock(layout: TableLayout | None) -> dates.WallClock | None:
    """Whose clock dates without a zone are of; None: there are none, or they are UTC."""
    if layout is None or DateForm.NAIVE not in layout.date_forms:
        return None
    zone = layout.zone_on("sqlite")
    return None if zone in (None, "UTC") else dates.WallClock(str(zone))


def _bind(cell: Any) -> Any:
    """Text that is not UTF-8 goes as bytes and is cast back."""
    if isinstance(cell, str):
        try:
            cell.encode()
        except UnicodeEncodeError:
            raw = cell.encode("utf-8", "surrogateescape")
            return sa.cast(sa.literal(raw, sa.LargeBinary), sa.Text)
    return cell
