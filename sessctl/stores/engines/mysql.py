"""What is particular to MySQL and MariaDB: how ids, collations and row locks are spelled.

Source: MariaDB 10.11, PyMySQL 1.2; MySQL 8 speaks the same where it is used. Cells are read as the
server sends them, text or bytes, so that what is compared and journalled is what is stored: zero
dates never reach a driver that has none.

Ids are compared as bytes: a collation may take `CaSe` and `case ` for the same id. READ COMMITTED
and look-ups by the index of the id alone, so that no gap is locked and no login waits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sessctl.errors import ConfigError, StoreError
from sessctl.stores.base import Server
from sessctl.stores.engines.mysql_connect import OPTIONS, MysqlConnection
from sessctl.stores.engines.mysql_errors import Duplicate
from sessctl.stores.engines.sql_dialect import Column, Moved, SqlDialect
from sessctl.stores.layouts.base import Unit
from sessctl.stores.url import left_aside
from sessctl.text import escape
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.url import StoreUrl

_INTEGERS = ("tinyint", "smallint", "mediumint", "int", "bigint")
_NUMBERS = (*_INTEGERS, "decimal", "float", "double")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_UTC = "+00:00"


class MysqlDialect(MysqlConnection, SqlDialect):
    """One database of a MySQL or MariaDB server."""

    name = "mysql"

    def __init__(self, url: StoreUrl, access: Access, layout: TableLayout | None) -> None:
        self._index: str | None = None
        self._is_exact = False  # the expiry column holds integers or dates
        self._same_collation = "k.id"
        self._zone: Any = None  # of a DATETIME, as an expression; None: UTC
        super().__init__(url, access)
        version = str(self.scalar(sa.select(sa.func.version())))
        self._is_mariadb = "mariadb" in version.lower()
        self._skips_locked = _version(version) >= ((10, 6) if self._is_mariadb else (8, 0))
        encrypted = self._is_encrypted()
        self.notes += left_aside(url, OPTIONS)
        self._note_transport(
            url,
            encrypted=encrypted,
            verifies=self.target.verifies,
            by_socket=self.target.socket is not None,
        )

    def server(self) -> Server:
        version = str(self.scalar(sa.select(sa.func.version())))
        name = "MariaDB" if self._is_mariadb else "MySQL"
        return Server(name, version.partition("-")[0], self.tls)

    def _is_encrypted(self) -> bool:
        with self._mapped():
            found = self._connection.exec_driver_sql("SHOW STATUS LIKE 'Ssl_cipher'").fetchone()
        return bool(found and found[1])

    def _checked_zone(self, layout: TableLayout) -> Any:
        """See `_zone`; our own connection counts in UTC."""
        zone = layout.zone_on(self.name)
        if layout.unit is not Unit.TIMESTAMP or zone in (None, "UTC"):
            return None
        if zone == "server":
            return sa.literal_column("@@global.time_zone")
        moment: Any = sa.literal_column("'2000-01-01'")
        if self.scalar(sa.select(sa.func.convert_tz(moment, _UTC, zone))) is None:
            raise ConfigError(
                f"expires_zone: this MySQL server knows no time zone '{zone}'",
                hint="write an offset such as +03:00, or load the server's time zone tables",
            )
        return sa.literal(zone)

    # -- how things are spelled -------------------------------------------------------------------

    def value(self, cell: Any, column: Column) -> Any:
        """An integer as a number: against a text MySQL compares it as a float."""
        if column.type in _INTEGERS and _INTEGER.fullmatch(str(cell)):
            return int(cell)
        return cell

    def is_id(self, column: Any) -> Any:
        return column.is_not(None)

    def is_no_id(self, column: Any) -> Any:
        return column.is_(None)

    def named(self, column: Any, sids: Sequence[Any]) -> Any:
        return column.in_([sid for sid in sids if _is_storable(sid)])

    def begins(self, column: Any, prefix: str) -> Any:
        start = sa.func.left(column, len(prefix))
        return sa.cast(sa.cast(start, sa.String), sa.LargeBinary) == prefix.encode()

    def contains(self, column: Any, text: str) -> Any:
        return sa.func.instr(column, text) > 0

    def expiry_ms(self, column: Any, layout: TableLayout) -> Any:
        if layout.unit is not Unit.TIMESTAMP:
            return column * layout.unit.in_ms
        in_utc = column if self._zone is None else sa.func.convert_tz(column, self._zone, _UTC)
        return sa.func.ceiling(_since_1970_ms(in_utc))

    def may_be_expired(self, column: Any, layout: TableLayout, cutoff_ms: int) -> Any:
        if layout.unit is not Unit.TIMESTAMP:
            return column <= cutoff_ms / layout.unit.in_ms
        return column <= self._wall_clock(cutoff_ms)

    def expiry_value(self, moved: Moved, layout: TableLayout) -> Any:
        if moved.ms is None:
            return None
        if layout.unit is not Unit.TIMESTAMP:
            return moved.ms // layout.unit.in_ms
        return self._wall_clock(moved.ms)

    def _wall_clock(self, instant_ms: int) -> Any:
        """An instant as a DATETIME has it."""
        in_utc = iso(instant_ms)[:-1].replace("T", " ")
        return in_utc if self._zone is None else sa.func.convert_tz(in_utc, _UTC, self._zone)

    def now_ms_of_server(self) -> Any:
        return _since_1970_ms(sa.func.utc_timestamp(6))

    def locking(self, select: Any) -> Any:
        [table] = select.get_final_froms()
        hinted = select.with_hint(table, self._by_index) if self._index else select
        return hinted.with_for_update(skip_locked=self._skips_locked)

    def delete(self, table: Any, column: Any, ids: Sequence[Any]) -> int:
        """Row by row through the index of the id, whatever share of the table they are.

        A scan would wait for the locks of others, and MariaDB 10.11 scans for more than a sixth of
        a table, hint or no hint. Joined to a list of ids it has no choice.
        """
        quote = self._engine.dialect.identifier_preparer.quote
        qualified = ".".join(quote(part) for part in (table.schema, table.name) if part)
        name, hint = quote(column.name), self._by_index if self._index else ""
        listed = "SELECT %s AS id" + " UNION ALL SELECT %s" * (len(ids) - 1)
        words = (
            f"DELETE s FROM ({listed}) AS k STRAIGHT_JOIN {qualified} AS s {hint} "
            f"ON s.{name} = {self._same_collation} AND "
            f"CAST(CONVERT(s.{name} USING utf8mb4) AS BINARY) = CAST(k.id AS BINARY)"
        )
        with self._mapped():
            return int(self._connection.exec_driver_sql(words, tuple(ids)).rowcount)

    @property
    def _by_index(self) -> str:
        return f"FORCE INDEX ({self._engine.dialect.identifier_preparer.quote(str(self._index))})"

    def insert_absent(self, table: Any, values: dict[str, Any], sid: str) -> bool:
        """Not INSERT IGNORE, which would also cut what is too long."""
        try:
            return self.execute(sa.insert(table).values(values)) == 1
        except Duplicate:
            return False

    # -- the table --------------------------------------------------------------------------------

    def _asked(self, layout: TableLayout) -> dict[str, str]:
        return {"schema": layout.schema or self.database, "table": layout.table}

    def _all_columns(self) -> Sequence[tuple[str | None, str, str]]:
        found = self.rows(
            sa.text(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = :schema ORDER BY table_name, ordinal_position"
            ).bindparams(schema=self.database)
        )
        return [(None, str(table), str(column)) for table, column in found]

    def columns(self, layout: TableLayout) -> list[Column]:
        asked = self._asked(layout)
        kind = self.scalar(
            sa.text(
                "SELECT table_type FROM information_schema.tables "
                "WHERE table_schema = :schema AND table_name = :table"
            ).bindparams(**asked)
        )
        if kind is None:
            tables = self.rows(
                sa.text(
                    "SELECT table_name FROM information_schema.tables "
                    "WHERE table_schema = :schema ORDER BY 1 LIMIT 10"
                ).bindparams(schema=asked["schema"])
            )
            names = ", ".join(escape(str(row[0])) for row in tables) or "no tables"
            raise StoreError(
                f"no table '{escape(layout.table)}' in {escape(self.address)}/{self.database}",
                hint=f"it has {names}; set `table` of the backend",
            )
        if kind != "BASE TABLE":
            raise StoreError(
                f"'{escape(layout.table)}' is no table", hint="a view cannot be administered"
            )
        rows = self.rows(
            sa.text(
                "SELECT column_name, data_type, generation_expression <> '' "
                "FROM information_schema.columns "
                "WHERE table_schema = :schema AND table_name = :table ORDER BY ordinal_position"
            ).bindparams(**asked)
        )
        found = [Column(str(name), str(kind), computed == "1") for name, kind, computed in rows]
        self._index = self._index_of(layout)
        self._same_collation = self._collated(layout)
        self._zone = self._checked_zone(layout)
        for column in found:
            if column.name == layout.expires:
                self._check_expiry_type(column, layout)
        return found

    def _check_expiry_type(self, column: Column, layout: TableLayout) -> None:
        self._is_exact = column.type in (*_INTEGERS, "datetime")
        if layout.unit is Unit.TIMESTAMP:
            # Of a TIMESTAMP the zone of the application's connection matters, and nobody tells.
            fits, kept = column.type == "datetime", "a datetime"
        else:
            fits, kept = column.type in _NUMBERS, layout.unit.words
        if not fits:
            raise StoreError(
                f"column '{escape(column.name)}' is {column.type}, and the layout "
                f"'{layout.name}' keeps {kept} there",
                hint="check `columns` of the backend, and its layout",
            )

    def _index_of(self, layout: TableLayout) -> str | None:
        found = self.rows(
            sa.text(
                "SELECT index_name FROM information_schema.statistics "
                "WHERE table_schema = :schema AND table_name = :table "
                "GROUP BY index_name HAVING max(non_unique) = 0 AND count(*) = 1 "
                "AND max(column_name) = :column AND max(sub_part) IS NULL "
                "ORDER BY index_name = 'PRIMARY' DESC LIMIT 1"
            ).bindparams(**self._asked(layout), column=layout.sid)
        )
        return str(found[0][0]) if found else None

    def _collated(self, layout: TableLayout) -> str:
        """An id, `k.id`, in the column's own collation: only that can be looked up."""
        found = self.rows(
            sa.text(
                "SELECT character_set_name, collation_name FROM information_schema.columns "
                "WHERE table_schema = :schema AND table_name = :table AND column_name = :column"
            ).bindparams(**self._asked(layout), column=layout.sid)
        )
        if not found or found[0][1] is None:
            return "CAST(k.id AS BINARY)"
        return f"CONVERT(k.id USING {found[0][0]}) COLLATE {found[0][1]}"

    def is_unique(self, layout: TableLayout) -> bool:
        return self._index_of(layout) is not None

    def has_expiry_index(self, layout: TableLayout) -> bool:
        """InnoDB's index on the expiry ends with the primary key. A FLOAT does not compare as it
        reads."""
        columns = sa.text(
            "SELECT index_name, group_concat(column_name ORDER BY seq_in_index) "
            "FROM information_schema.statistics WHERE table_schema = :schema "
            "AND table_name = :table AND index_type = 'BTREE' GROUP BY index_name"
        ).bindparams(**self._asked(layout))
        indexes = {str(name): str(names).split(",") for name, names in self.rows(columns)}
        wanted = [layout.expires, layout.sid]
        ordered = [layout.expires] in indexes.values() and indexes.get("PRIMARY") == [layout.sid]
        return self._is_exact and (ordered or wanted in indexes.values())

    def cascades(self, layout: TableLayout) -> str:
        asked = self._asked(layout)
        found = self.rows(
            sa.text(
                "SELECT concat('foreign key of ', table_name) "
                "FROM information_schema.referential_constraints "
                "WHERE unique_constraint_schema = :schema AND referenced_table_name = :table "
                "AND delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') "
                "UNION ALL SELECT concat('trigger ', trigger_name) "
                "FROM information_schema.triggers WHERE event_object_schema = :schema "
                "AND event_object_table = :table AND event_manipulation = 'DELETE'"
            ).bindparams(**asked)
        )
        return escape(str(found[0][0])) if found else ""

    def zoneless(self, layout: TableLayout) -> str:
        return "datetime"  # no other date is taken, see `_check_expiry_type`

    def takes_no_writes(self) -> bool:
        return str(self.scalar(sa.text("SELECT @@global.read_only"))) == "1"

    def _rows_by_statistics(self, layout: TableLayout) -> int:
        guess = self.scalar(
            sa.text(
                "SELECT table_rows FROM information_schema.tables "
                "WHERE table_schema = :schema AND table_name = :table"
            ).bindparams(**self._asked(layout))
        )
        return int(guess or 0)

    def now_ms(self) -> int:
        return int(float(self.scalar(sa.select(self.now_ms_of_server()))))

    def is_transactional(self, layout: TableLayout) -> bool:
        engine = self.scalar(
            sa.text(
                "SELECT engine FROM information_schema.tables "
                "WHERE table_schema = :schema AND table_name = :table"
            ).bindparams(**self._asked(layout))
        )
        return str(engine).lower() not in ("myisam", "memory", "aria", "csv", "archive")


def _since_1970_ms(instant: Any) -> Any:
    """A date in UTC as milliseconds, with a fraction; NULL of a zero date."""
    epoch: Any = sa.literal_column("'1970-01-01'")
    unit: Any = sa.literal_column("MICROSECOND")
    return sa.func.timestampdiff(unit, epoch, instant) / 1000


def _is_storable(sid: Any) -> bool:
    try:
        return bool(str(sid).encode()) or sid == ""
    except UnicodeEncodeError:
        return False


def _version(text: str) -> tuple[int, int]:
    found = re.search(r"(\d+)\.(\d+)", text.removeprefix("5.5.5-"))
    return (int(found[1]), int(found[2])) if found else (0, 0)
