"""What a copy that goes on has seen and written, session by session, outside of memory.

A private database of SQLite's own: it stays in memory while it is small, then goes to a file that
has no name and that nobody else can open, and is gone with the process. It holds ids and digests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sessctl.text import decode_id, encode_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_CACHE_KIB = 8 * 1024
_PAGE = 500


class Entry(NamedTuple):
    """`seen`: the fingerprint of the session at the source; `wrote`: of what stands in the target
    because of us, empty if nothing does."""

    seen: bytes
    wrote: bytes


class Ledger:
    """Entries by session id, each marked with the pass that met it last."""

    def __init__(self) -> None:
        import sqlite3  # 5 ms; only a copy that follows its source needs it

        self._db = sqlite3.connect("", isolation_level=None, cached_statements=8)
        self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute(
            "CREATE TABLE ledger (sid BLOB PRIMARY KEY, seen BLOB, wrote BLOB, pass INT) "
            "WITHOUT ROWID"
        )

    def known(self, sids: Sequence[str]) -> dict[str, Entry]:
        """The entries of these ids."""
        marks = ",".join("?" * len(sids))
        rows = self._db.execute(
            f"SELECT sid, seen, wrote FROM ledger WHERE sid IN ({marks})",  # noqa: S608
            [encode_id(sid) for sid in sids],
        )
        return {decode_id(sid): Entry(seen, wrote) for sid, seen, wrote in rows}

    def keep(self, entries: Iterable[tuple[str, Entry]], number: int) -> None:
        """Write entries down as met in pass `number`."""
        rows = [(encode_id(sid), entry.seen, entry.wrote, number) for sid, entry in entries]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO ledger VALUES (?, ?, ?, ?)", rows)
        self._db.execute("COMMIT")

    def missed(self, number: int) -> Iterator[list[tuple[str, bytes]]]:
        """(sid, wrote) of what pass `number` did not meet, in pages, each forgotten when the next
        one is asked for."""
        while True:
            rows = self._db.execute(
                "SELECT sid, wrote FROM ledger WHERE pass < ? LIMIT ?", (number, _PAGE)
            ).fetchall()
            if not rows:
                return
            yield [(decode_id(sid), wrote) for sid, wrote in rows]
            self._db.executemany(
                "DELETE FROM ledger WHERE sid = ? AND pass < ?", [(sid, number) for sid, _ in rows]
            )

    def close(self) -> None:
        self._db.close()
