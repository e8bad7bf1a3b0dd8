"""Writes to a table: a page of rows is read again under lock, compared cell by cell with what was
read before, and only what is equal is deleted or changed, in one short transaction (S1). Where the
database names the versions of a row, a delete compares these first (`sql_versions.py`).

Rows that somebody else holds are not waited for. A commit whose answer was lost is looked into by
reading again; nothing is ever sent twice.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from sessctl.errors import StoreError
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.sql_bites import Bites
from sessctl.stores.engines.sql_dialect import DEFAULT, Moved
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Pair
    from sessctl.stores.engines.sql_dialect import Column, SqlDialect
    from sessctl.stores.engines.sql_versions import VersionLock
    from sessctl.stores.layouts.base import TableLayout

_RENEWED = "renewed since it was read"
_HELD = "in use by another transaction"

Cells = tuple[Any, ...]


class Row(NamedTuple):
    """A row as it is now: its cells, expired by the server's clock or not."""

    cells: Cells
    due: bool = False


Seen = dict[bytes, Row]  # by id


class SqlWriter:
    """What changes a table.

    Args:
        select: reads whole rows: the cells, then the expiry in ms.
        sid_at: where the id stands among the cells.
        versions: where a row's version can be compared instead of its cells.
        destroyed: the column that the library marks the rows of destroyed sessions in.
    """

    def __init__(
        self,
        dialect: SqlDialect,
        layout: TableLayout,
        table: Any,
        columns: Sequence[Column],
        select: Any,
        *,
        sid_at: int,
        versions: VersionLock | None,
        destroyed: Any,
    ) -> None:
        self._dialect = dialect
        self._layout = layout
        self._table = table
        self._columns = columns
        self._select = select
        self._sid_at = sid_at
        self._versions = versions
        self._destroyed = destroyed
        self._sid = table.c[layout.sid]
        self._row_id = layout.row_id if layout.row_id in list(table.c.keys()) else None
        self._atomic = dialect.is_transactional(layout)
        self._bites = Bites(dialect)

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None) -> list[Result]:
        """See `Store.delete`.

        Where the library keeps the rows of destroyed sessions, ending one is marking it, as there:
        a request in flight would insert a deleted row again, and a marked one it leaves alone. What
        is expired the library deletes, and so do we.
        """
        if self._destroyed is not None and grace_ms is None:
            now = {self._destroyed.name: sa.func.current_timestamp()}
            return self._compare_and_write(
                sessions, lambda same: self._update(same, lambda _: now), Outcome.DELETED
            )
        results = {r.sid: r for r in self._delete_versions(sessions, grace_ms)}

        def write(same: list[Session]) -> None:
            if not self._atomic:
                for session in same:
                    self._delete_compared(session)
                return
            ids = [session.original[self._sid_at] for session in same]
            _check_all(self._dialect.delete(self._table, self._sid, ids), len(same))

        left = [session for session in sessions if session.sid not in results]
        compared = self._compare_and_write(left, write, Outcome.DELETED, grace_ms=grace_ms)
        results |= {r.sid: r for r in compared}
        return [results[session.sid] for session in sessions]

    def _delete_versions(self, sessions: Sequence[Session], grace_ms: int | None) -> list[Result]:
        """What became of those that stand as they were read; nothing of the others."""
        versions = self._versions
        if versions is None:
            return []

        def delete(page: Sequence[Session]) -> list[Result]:
            # A connection that broke has taken the versions along that it had read.
            known = [session for session in page if versions.knows(session)]
            same = versions.lock(known, grace_ms=grace_ms) if known else []
            if same:
                here = self._dialect.at_places([s.original.version.place for s in same])
                _check_all(self._dialect.execute(sa.delete(self._table).where(here)), len(same))
            return [Result(session.sid, Outcome.DELETED) for session in same]

        known = [session for session in sessions if versions.knows(session)]
        lost = partial(self._after_lost_write, done=Outcome.DELETED)
        return self._bites.run(known, delete, lost, sid_of=_sid)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """See `Store.replace`: the cells that differ are written, and no others."""
        changes = {was.sid: self._changed(was.original, new.original) for was, new in pairs}

        def write(same: list[Session]) -> None:
            self._update([s for s in same if changes[s.sid]], lambda s: changes[s.sid])

        return self._compare_and_write([was for was, _ in pairs], write, Outcome.STORED)

    def _changed(self, cells: Cells, new: Cells) -> dict[str, Any]:
        """What has to be written to make one row of another."""
        return {
            column.name: self._written(after, column)
            for column, before, after in zip(self._columns, cells, new, strict=True)
            if not column.generated and not _is(before, after)
        }

    def _written(self, cell: Any, column: Column) -> Any:
        if isinstance(cell, Moved):
            return self._dialect.expiry_value(cell, self._layout)
        return self._dialect.value(cell, column)

    def _update(self, same: list[Session], values: Callable[[Session], dict[str, Any]]) -> None:
        """Row by row, by the id alone, so that no other row is looked at or locked."""
        for session in same:
            one = [self._dialect.named(self._sid, [session.original[self._sid_at]])]
            if not self._atomic:
                one += self._as_read(session)
            self._dialect.execute(sa.update(self._table).where(*one).values(values(session)))

    def put(self, rows: Sequence[tuple[str, Cells]]) -> list[Result]:
        """Insert what is absent; of the rest say whether it is the same."""
        return self._bites.run(
            rows, self._put_page, self._after_lost_put, sid_of=lambda row: row[0]
        )

    def _put_page(self, page: Sequence[tuple[str, Cells]]) -> list[Result]:
        there = self._now([cells[self._sid_at] for _, cells in page])
        results: list[Result] = []
        for sid, cells in page:
            key = self._key_of(cells)
            if key not in there and self._insert(cells):
                there[key] = Row(cells)
                outcome = Outcome.STORED
            else:
                known = there.get(key) or self._now([cells[self._sid_at]]).get(key)
                same = known is not None and self._is_one_session(known.cells, cells)
                outcome = Outcome.PRESENT if same else Outcome.NEWER
            results.append(Result(sid, outcome))
        return results

    def _after_lost_put(self, page: Sequence[tuple[str, Cells]]) -> list[Result]:
        there = self._now([cells[self._sid_at] for _, cells in page])
        results: list[Result] = []
        for sid, cells in page:
            known = there.get(self._key_of(cells))
            if known is None:
                results.append(Result(sid, Outcome.FAILED, "connection lost, not there"))
            else:
                same = self._is_one_session(known.cells, cells)
                results.append(Result(sid, Outcome.PRESENT if same else Outcome.NEWER))
        return results

    def _insert(self, cells: Cells) -> bool:
        values = {
            column.name: self._written(cell, column)
            for column, cell in zip(self._columns, cells, strict=True)
            if not column.generated and cell is not DEFAULT
        }
        if self._row_id in values and self._is_taken(values[self._row_id]):
            del values[self._row_id]  # the number went to another session: a new one is as good
        return self._revive(cells, values) or self._dialect.insert_absent(
            self._table, values, self._layout.sid
        )

    def _is_taken(self, number: Any) -> bool:
        """Another row has this number."""
        same = sa.select(sa.literal(1)).select_from(self._table)
        return bool(self._dialect.rows(same.where(self._table.c[self._row_id] == number)))

    def _is_one_session(self, cells: Cells, others: Cells) -> bool:
        """The same but for the number of the row, which the database may have given anew."""
        left, right = list(cells), list(others)
        if self._row_id is not None:
            at = [column.name for column in self._columns].index(self._row_id)
            left[at] = right[at]
        return _equal(tuple(left), tuple(right))

    def _revive(self, cells: Cells, values: dict[str, Any]) -> bool:
        """Write over the row of a destroyed session, which is as good as absent."""
        if self._destroyed is None:
            return False
        one = self._dialect.named(self._sid, [cells[self._sid_at]])
        marked = (one, self._destroyed.is_not(None))
        sids = self._dialect.rows(sa.select(self._dialect.cell(self._sid)).where(*marked))
        if [_key(sid) for (sid,) in sids] != [self._key_of(cells)]:
            return False
        alive = {**values, self._destroyed.name: None}
        change = sa.update(self._table).where(*marked).values(alive)
        return self._dialect.execute(change) == 1

    # -- compare, then write ----------------------------------------------------------------------

    def _compare_and_write(
        self,
        sessions: Sequence[Session],
        write: Callable[[list[Session]], None],
        done: Outcome,
        *,
        grace_ms: int | None = None,
    ) -> list[Result]:
        """One transaction a page: read again, write what is as it was, say what became of each."""

        def work(page: Sequence[Session]) -> list[Result]:
            ids = [session.original[self._sid_at] for session in page]
            now = self._now(ids, grace_ms=grace_ms, lock=True)
            held = self._held(page, now)
            same = [session for session in page if self._is_due(session, now, grace_ms)]
            if same:
                write(same)
            written = {session.sid for session in same}
            return [
                Result(s.sid, done) if s.sid in written else self._left(s, now, held) for s in page
            ]

        lost = partial(self._after_lost_write, done=done)
        return self._bites.run(sessions, work, lost, sid_of=_sid)

    def _now(self, ids: Sequence[Any], *, grace_ms: int | None = None, lock: bool = False) -> Seen:
        """The rows of these ids at this moment, judged by the server's clock where it has one."""
        select = self._select
        if grace_ms is not None:
            expires = self._table.c[self._layout.expires]
            is_due = self._dialect.is_due(expires, self._layout, grace_ms)
            # A number and no boolean, which a driver that decodes nothing would take for true: '0'.
            select = select.add_columns(sa.case((is_due, 1), else_=0).label("sessctl_due"))
        select = select.where(self._dialect.named(self._sid, ids))
        if lock and self._atomic:
            select = self._dialect.locking(select)
        width = len(self._columns)
        found: Seen = {}
        for row in self._dialect.rows(select):
            cells = tuple(row[:width])
            due = grace_ms is not None and str(row[-1]) == "1"
            found[self._key_of(cells)] = Row(cells, due)
        return found

    def _key_of(self, cells: Cells) -> bytes:
        """What tells a row from others: the bytes of its id."""
        return _key(cells[self._sid_at])

    def _is_due(self, session: Session, now: Seen, grace_ms: int | None) -> bool:
        found = now.get(self._key_of(session.original))
        if found is None or not _equal(found.cells, session.original):
            return False
        return grace_ms is None or found.due

    def _held(self, page: Sequence[Session], now: Seen) -> set[bytes]:
        """Those that the locking read left out, though they are there."""
        missing = [s for s in page if self._key_of(s.original) not in now]
        if not missing:
            return set()
        return set(self._now([session.original[self._sid_at] for session in missing]))

    def _left(self, session: Session, now: Seen, held: set[bytes]) -> Result:
        """What became of a session that was not written."""
        key = self._key_of(session.original)
        if key in held:
            return Result(session.sid, Outcome.CHANGED, _HELD)
        if key not in now:
            return Result(session.sid, Outcome.GONE)
        same = _equal(now[key].cells, session.original)
        reason = "not expired by the store's clock" if same else _RENEWED
        return Result(session.sid, Outcome.CHANGED, reason)

    def _after_lost_write(self, page: Sequence[Session], done: Outcome) -> list[Result]:
        """The commit's answer was lost: a session that is absent now is `unconfirmed`."""
        there = self._now([session.original[self._sid_at] for session in page])
        results: list[Result] = []
        for session in page:
            found = there.get(self._key_of(session.original))
            if found is None:
                results.append(
                    Result(session.sid, Outcome.UNCONFIRMED, "connection lost, absent now")
                )
            elif done is Outcome.STORED and not _equal(found.cells, session.original):
                results.append(Result(session.sid, done, "connection lost, changed now"))
            else:
                results.append(Result(session.sid, Outcome.FAILED, "connection lost, still there"))
        return results

    def _delete_compared(self, session: Session) -> None:
        """Without transactions: one statement that compares every cell as it deletes."""
        self._dialect.execute(sa.delete(self._table).where(*self._as_read(session)))

    def _as_read(self, session: Session) -> list[Any]:
        return [
            self._table.c[column.name].is_not_distinct_from(cell)
            for column, cell in zip(self._columns, session.original, strict=True)
        ]


def _check_all(deleted: int, locked: int) -> None:
    """Raises StoreError, which rolls back, where a trigger or a rule had its own way."""
    if deleted != locked:
        raise StoreError(f"{locked} rows were to go and {deleted} did: none was deleted")


def _sid(session: Session) -> str:
    return session.sid


def _key(cell: Any) -> bytes:
    return cell if isinstance(cell, bytes) else encode_id(cell)


def _equal(left: Cells, right: Cells) -> bool:
    """The same cells of the same types: 1 and 1.0 and '1' are three things."""
    return left == right and all(type(a) is type(b) for a, b in zip(left, right, strict=True))


def _is(cell: Any, other: Any) -> bool:
    return type(cell) is type(other) and cell == other
