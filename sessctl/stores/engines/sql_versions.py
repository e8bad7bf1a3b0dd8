"""Rows told apart by their version, where a database names one: found again at their place, and
compared without being sent a second time.

PostgreSQL never changes a row where it stands: whoever writes it leaves a new version at another
place (`ctid`), with another writer (`xmin`). A version that was read was committed by then, so its
writer writes no more, in no subtransaction either. What stands at the place now is what was read if
the place, the writer, the id and the expiry are all the same:

- an UPDATE, HOT or not, that came between is another version; one that commits while we lock makes
  READ COMMITTED give us the newer version, whose writer is another;
- a row locked by somebody, by a multixact too, is left out (`SKIP LOCKED`);
- freezing keeps `xmin` as it is shown; VACUUM FULL and CLUSTER keep it too and put other rows at
  the place, perhaps of the same bulk load, hence the id. They wait for our lock: from there on the
  row stays where it is;
- a server that failed over behind a pooler may give the number of a lost transaction once more, and
  2^32 transactions give each again: hence the expiry, which every renewal moves, and a version is
  good for the one connection that read it.

Whatever is not surely the same is left to the comparison of all its cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.session import Session
    from sessctl.stores.engines.sql_dialect import SqlDialect
    from sessctl.stores.layouts.base import TableLayout


class Version(NamedTuple):
    """A version of a row: where it stands, who wrote it, and the connection that was told so."""

    place: str
    writer: str
    connection: object


class VersionedCells(tuple[Any, ...]):
    """The cells of a row as they were read, and which version of it that was."""

    version: Version


def versioned(cells: tuple[Any, ...], version: Version) -> VersionedCells:
    """The cells with their version; equal to the cells alone."""
    found = VersionedCells(cells)
    found.version = version
    return found


class VersionLock:
    """Locks the rows of a page whose versions are as they were read.

    Args:
        sid_at: where the id stands among the cells.
        expires_at: where the expiry does.
    """

    def __init__(
        self, dialect: SqlDialect, layout: TableLayout, table: Any, *, sid_at: int, expires_at: int
    ) -> None:
        self._dialect = dialect
        self._layout = layout
        self._expires = table.c[layout.expires]
        cells = [dialect.cell(column) for column in (table.c[layout.sid], self._expires)]
        self._select = sa.select(*dialect.row_version(), *cells).select_from(table)
        self._sid_at, self._expires_at = sid_at, expires_at

    def knows(self, session: Session) -> bool:
        """The session was read by the connection that would lock it."""
        cells = session.original
        return (
            isinstance(cells, VersionedCells) and cells.version.connection is self._dialect.reader
        )

    def lock(self, page: Sequence[Session], *, grace_ms: int | None) -> list[Session]:
        """Those that are as they were and expired, if that is asked; locked until the transaction
        ends. All of them have to be known."""
        seen = {session.original.version.place: session for session in page}
        select = self._select
        if grace_ms is not None:
            select = select.where(self._dialect.is_due(self._expires, self._layout, grace_ms))
        select = self._dialect.locking(select.where(self._dialect.at_places(list(seen))))
        return [
            seen[place]
            for place, *now in self._dialect.rows(select)
            if place in seen and now == self._mark(seen[place])
        ]

    def _mark(self, session: Session) -> list[Any]:
        cells = session.original
        return [cells.version.writer, cells[self._sid_at], cells[self._expires_at]]
