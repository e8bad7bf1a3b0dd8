"""Rows of a table as sessions, and sessions as rows: to be read, written and journalled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.errors import JournalError
from sessctl.session import Expiry, Problem, Session
from sessctl.stores.engines.sql_dialect import DEFAULT, Moved
from sessctl.stores.engines.sql_versions import Version, versioned
from sessctl.stores.layouts.base import Fill
from sessctl.stores.reader import Reader, user_text
from sessctl.text import escape
from sessctl.timespec import MAX_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.stores.engines.sql_dialect import Column, SqlDialect
    from sessctl.stores.layouts.base import TableLayout


class SqlRows:
    """Reads and makes rows of one table.

    `sid_at`, `data_at` and `expires_at` tell where these stand among the cells.
    """

    def __init__(self, dialect: SqlDialect, layout: TableLayout, columns: Sequence[Column]) -> None:
        self._dialect = dialect
        self._layout = layout
        self._columns = columns
        self._names = [column.name for column in columns]
        self._reader = Reader(layout)
        self._prefix = len(layout.before_sid)
        self.sid_at = self._names.index(layout.sid)
        self.data_at = self._names.index(layout.data)
        self.expires_at = self._names.index(layout.expires)
        self._user_at = (
            None if layout.user_column is None else self._names.index(layout.user_column)
        )

    def session(self, row: tuple[Any, ...], read_by: object = None) -> Session:
        """A session of a row: its cells, the expiry as the database reckons it, its version."""
        width = len(self._columns)
        cells, ends, version = tuple(row[:width]), row[width], row[width + 1 :]
        value = self._dialect.raw(cells[self.data_at], self._columns[self.data_at])
        user, _, problem = self._reader.read(value or b"")
        if value is None:
            problem = Problem("value.missing", "the data column is NULL")
        if self._user_at is not None and cells[self._user_at] is not None:
            user = user_text(cells[self._user_at])
        expires_ms = _instant(ends)
        expiry = Expiry.UNKNOWN if expires_ms is None else Expiry.STORE
        written = cells[self.expires_at]
        if isinstance(written, Moved):
            written = written.ms
        if self._layout.null_is_never and written is None:
            expiry = Expiry.NEVER
        key = _text(cells[self.sid_at])
        return Session(
            sid=key[self._prefix :],
            raw=value or b"",
            location=self._location(key),
            expires_ms=expires_ms,
            expiry=expiry,
            user=user,
            problem=problem,
            original=versioned(cells, Version(version[0], version[1], read_by))
            if version
            else cells,
            reader=self._reader,
        )

    def bare(self, cell: Any) -> Session:
        """A session of which the id alone was read."""
        key = _text(cell)
        return Session(sid=key[self._prefix :], raw=b"", location=self._location(key))

    def _location(self, key: str) -> str:
        return f"{self._layout.table}.{self._layout.sid}={key}"

    def recognises(self, session: Session) -> bool:
        """The value carries the library's mark; for the guard against a wrong table."""
        return self._reader.recognises(session.raw)

    def own(self, sessions: Sequence[Session]) -> list[tuple[str, tuple[Any, ...]]]:
        """(sid, the row to write) of each; that of another store's session holds what the library
        puts into further columns, the others get their default."""
        fills: dict[str, Any] = {}
        for name, fill in self._layout.fills.items():
            if name in self._names:
                fills[name] = Moved(self._dialect.now_ms()) if fill is Fill.NOW else None
        return [
            (session.sid, session.original)
            if isinstance(session.original, tuple)
            else (session.sid, self._row(session, fills))
            for session in sessions
        ]

    def _row(self, session: Session, fills: dict[str, Any]) -> tuple[Any, ...]:
        cells: list[Any] = [DEFAULT] * len(self._columns)
        for name, cell in fills.items():
            cells[self._names.index(name)] = session.sid if cell is None else cell
        if self._user_at is not None:
            cells[self._user_at] = session.user
        cells[self.sid_at] = self._layout.before_sid + session.sid
        cells[self.data_at] = self._dialect.of_raw(session.raw, None, self._columns[self.data_at])
        cells[self.expires_at] = Moved(session.expires_ms)
        return tuple(cells)

    def with_value(self, session: Session, raw: bytes) -> Session:
        """See `Store.with_value`."""
        row = list(session.original)
        at = self.data_at
        row[at] = self._dialect.of_raw(raw, row[at], self._columns[at])
        return self.session((*row, session.expires_ms))

    def with_end(self, session: Session, expires_ms: int | None) -> Session:
        """See `Store.with_end`."""
        return self._moved(session.original, expires_ms)

    def _moved(self, cells: Sequence[Any], expires_ms: int | None) -> Session:
        row = list(cells)
        row[self.expires_at] = Moved(expires_ms, row[self.expires_at])
        return self.session((*row, expires_ms))

    def over(self, session: Session, new: Session) -> Session:
        """What is to be written over a session: `new`, which keeps the columns it knows nothing of
        if it was made anew."""
        if isinstance(new.original, tuple):
            return new
        made = self.with_end(self.with_value(session, new.raw), new.expires_ms)
        if self._user_at is None:
            return made
        row = list(made.original)
        row[self._user_at] = new.user
        return self.session((*row, new.expires_ms))

    def freeze(self, session: Session) -> dict[str, Any]:
        """See `Store.freeze`."""
        return {
            "kind": "row",
            "cells": dict(zip(self._names, session.original, strict=True)),
            "expires_ms": session.expires_ms,
        }

    def thaw(self, frozen: dict[str, Any], *, expires_ms: int | None) -> Session:
        """See `Store.thaw`. Raises JournalError where it does not fit the table."""
        cells = frozen.get("cells")
        if frozen.get("kind") != "row" or not isinstance(cells, dict):
            raise JournalError("the journal does not hold table rows")
        missing = [name for name in cells if name not in self._names]
        if missing:
            raise JournalError(f"the table has no column '{escape(missing[0])}' any more")
        row = [cells.get(name) for name in self._names]
        if expires_ms is not None:
            return self._moved(row, expires_ms)
        return self.session((*row, frozen.get("expires_ms")))


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else bytes(cell).decode("utf-8", "surrogateescape")


def _instant(ends: Any) -> int | None:
    """Only a positive number within the calendar is an expiry; the rest is unknown (S3)."""
    if ends is None:
        return None
    ms = int(ends) if isinstance(ends, str) and ends.isdigit() else float(ends)
    return int(ms) if 0 < ms <= MAX_MS else None
