"""What is particular to PostgreSQL: how cells, dates without a zone and row locks are spelled.

Source: PostgreSQL 15, psycopg 3.3. Every cell is read as text, as PostgreSQL itself writes it, and
written back through the same conversion: json keeps its spelling, infinity and dates before Christ
never reach a driver that cannot hold them, and what is compared is what is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, insert

from sessctl.errors import ConfigError, StoreError
from sessctl.stores.base import Server
from sessctl.stores.engines import postgres_catalog as catalog
from sessctl.stores.engines.postgres_connect import DRIVER_ERRORS, OPTIONS, PostgresTarget
from sessctl.stores.engines.postgres_errors import store_error
from sessctl.stores.engines.sql_dialect import Column, Moved, SqlDialect
from sessctl.stores.facts import Fact, Topic, found_out
from sessctl.stores.layouts.base import Unit
from sessctl.stores.url import left_aside
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Lag
    from sessctl.stores.layouts.base import TableLayout
    from sessctl.stores.url import StoreUrl


class PostgresDialect(SqlDialect):
    """One PostgreSQL database."""

    name = "postgresql"
    driver = "postgresql+psycopg"
    begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

    def __init__(self, url: StoreUrl, access: Access, layout: TableLayout | None) -> None:
        self._target = PostgresTarget.of(url, access)
        self.database = self._target.database
        self.address, self.label = self._target.address, self._target.label
        self._types: dict[str, str] = {}
        self._has_versions = False
        super().__init__()
        with self._mapped():
            driver: Any = self._connection.connection.driver_connection
            encrypted = driver.pgconn.ssl_in_use
        self.notes += left_aside(url, OPTIONS)
        self._note_transport(
            url,
            encrypted=encrypted,
            verifies=self._target.verifies,
            by_socket=self._target.socket is not None,
        )
        self._zone = self._checked_zone(layout) if layout else None

    def server(self) -> Server:
        version = str(self.scalar(sa.select(sa.func.current_setting("server_version"))))
        return Server("PostgreSQL", version.partition(" ")[0], self.tls)

    def _connect(self) -> Any:
        return self._target.connect()

    @staticmethod
    def _driver_errors() -> tuple[type[Exception], ...]:
        return DRIVER_ERRORS

    def _checked_zone(self, layout: TableLayout) -> str | None:
        """The zone of dates without one, known to the server; None: the connection's own."""
        zone = layout.zone_on(self.name)
        if zone is None or zone == "server":
            return None
        try:
            self.scalar(sa.select(sa.func.timezone(_zone_value(zone), sa.func.now())))
        except StoreError:
            raise ConfigError(
                f"expires_zone: PostgreSQL knows no time zone '{zone}'",
                hint="write a name such as Europe/Istanbul, or UTC, or +03:00",
            ) from None
        return zone

    # -- how things are spelled -------------------------------------------------------------------

    def cell(self, column: Any) -> Any:
        return sa.cast(column, sa.Text)

    def raw(self, cell: Any, column: Column) -> bytes | None:
        if cell is not None and self.is_binary(column):
            return bytes.fromhex(cell.removeprefix("\\x"))
        return super().raw(cell, column)

    def of_raw(self, raw: bytes, was: Any, column: Column) -> Any:
        if self.is_binary(column):
            return f"\\x{raw.hex()}"
        return super().of_raw(raw, was, column)

    def value(self, cell: Any, column: Column) -> Any:
        return None if cell is None else sa.cast(sa.literal(cell, sa.Text), _Declared(column.type))

    def is_id(self, column: Any) -> Any:
        return column.is_not(None)

    def is_no_id(self, column: Any) -> Any:
        return column.is_(None)

    def named(self, column: Any, sids: Sequence[Any]) -> Any:
        # No text of PostgreSQL holds a NUL or what is not UTF-8: such an id is not there.
        known = [sid for sid in sids if _is_storable(sid)]
        if self._types.get(column.name, "").startswith(("text", "character varying")):
            # One parameter and one plan for any number of ids.
            return column == sa.any_(sa.literal(known, ARRAY(sa.Text)))
        return column.in_(known)

    def begins(self, column: Any, prefix: str) -> Any:
        return sa.collate(sa.func.left(column, len(prefix)), "C") == prefix

    def contains(self, column: Any, text: str) -> Any:
        if self._types.get(column.name) == "bytea":
            return sa.func.position(sa.literal(text.encode(), BYTEA).op("IN")(column)) > 0
        return sa.func.strpos(sa.cast(column, sa.Text), text) > 0

    def expiry_ms(self, column: Any, layout: TableLayout) -> Any:
        if layout.unit is not Unit.TIMESTAMP:
            return sa.func.ceil(sa.cast(column, sa.Numeric) * layout.unit.in_ms)
        instant = self._instant(column)
        in_ms = sa.func.ceil(sa.extract("epoch", instant) * 1000)
        return sa.case((sa.func.isfinite(column), sa.cast(in_ms, sa.BigInteger)))

    def may_be_expired(self, column: Any, layout: TableLayout, cutoff_ms: int) -> Any:
        if layout.unit is not Unit.TIMESTAMP:
            return column <= cutoff_ms / layout.unit.in_ms
        cutoff = sa.func.to_timestamp(cutoff_ms / 1000)
        return column <= self._wall_clock(cutoff, column)

    def is_due(self, column: Any, layout: TableLayout, grace_ms: int) -> Any:
        if layout.unit is not Unit.TIMESTAMP:
            return super().is_due(column, layout, grace_ms)
        # The same without reckoning in numerics, which takes longer than the lock on the row.
        instant, grace = self._instant(column), sa.cast(f"{grace_ms} ms", sa.Interval)
        due = instant <= sa.func.clock_timestamp() - grace
        return sa.and_(due, instant > sa.func.to_timestamp(0))

    def _instant(self, column: Any) -> Any:
        """A date column as an instant."""
        if self._types.get(column.name, "").endswith("with time zone"):
            return column
        return sa.func.timezone(self._zone_expression, column)

    def _wall_clock(self, instant: Any, column: Any) -> Any:
        if self._types.get(column.name, "").endswith("with time zone"):
            return instant
        return sa.func.timezone(self._zone_expression, instant)

    @property
    def _zone_expression(self) -> Any:
        return _zone_value(self._zone) if self._zone else sa.func.current_setting("TimeZone")

    def expiry_value(self, moved: Moved, layout: TableLayout) -> Any:
        if moved.ms is None:
            return None
        if layout.unit is not Unit.TIMESTAMP:
            return moved.ms // layout.unit.in_ms
        column: Any = sa.column(layout.expires)
        return self._wall_clock(sa.func.to_timestamp(moved.ms / 1000), column)

    def now_ms_of_server(self) -> Any:
        return sa.extract("epoch", sa.func.clock_timestamp()) * 1000

    def locking(self, select: Any) -> Any:
        return select.with_for_update(skip_locked=True)

    def row_version(self) -> tuple[Any, ...]:
        names = ("ctid", "xmin") if self._has_versions else ()
        return tuple(map(sa.literal_column, names))

    def at_places(self, places: Sequence[str]) -> Any:
        # The server's own words, without quotes in them: psycopg's search for some takes longer
        # than all the rest of a delete.
        array = "{" + ",".join(f'"{place}"' for place in places) + "}"
        tids = sa.cast(sa.literal(array, sa.Text), ARRAY(_Declared("tid")))
        return sa.literal_column("ctid") == sa.any_(tids)

    def delete(self, table: Any, column: Any, ids: Sequence[Any]) -> int:
        return self.execute(sa.delete(table).where(self.named(column, ids)))

    def insert_absent(self, table: Any, values: dict[str, Any], sid: str) -> bool:
        statement = insert(table).values(values).on_conflict_do_nothing(index_elements=[sid])
        return self.execute(statement) == 1

    # -- the table --------------------------------------------------------------------------------

    def _all_columns(self) -> Sequence[tuple[str | None, str, str]]:
        return catalog.all_columns(self)

    def columns(self, layout: TableLayout) -> list[Column]:
        found = catalog.look_at(self, self._quoted(layout), shown=layout.table)
        self._has_versions = found.has_versions
        self._types = {column.name: column.type for column in found.columns}
        self._check_expiry_type(layout)
        return found.columns

    def _check_expiry_type(self, layout: TableLayout) -> None:
        kind = self._types.get(layout.expires)
        if kind is None:
            return
        is_date = kind.startswith("timestamp")
        if is_date != (layout.unit is Unit.TIMESTAMP):
            raise StoreError(
                f"column '{escape(layout.expires)}' is {escape(kind)}, and the layout "
                f"'{layout.name}' keeps {layout.unit.words} there",
                hint="check `columns` of the backend, and its layout",
            )

    def is_unique(self, layout: TableLayout) -> bool:
        return catalog.is_unique(self, self._quoted(layout), layout.sid)

    def has_expiry_index(self, layout: TableLayout) -> bool:
        """PostgreSQL sorts by the id within one expiry only, as it reads along the index."""
        return catalog.begins_an_index(self, self._quoted(layout), layout.expires)

    def cascades(self, layout: TableLayout) -> str:
        """Foreign keys that go along, delete triggers, rules."""
        return catalog.cascades(self, self._quoted(layout))

    def _quoted(self, layout: TableLayout) -> str:
        """The table as the server finds it, by the schema of the layout or the search path."""
        quote = self._engine.dialect.identifier_preparer.quote_identifier
        parts = [part for part in (layout.schema, layout.table) if part is not None]
        return ".".join(map(quote, parts))

    def zoneless(self, layout: TableLayout) -> str:
        kind = self._types.get(layout.expires, "")
        return "" if kind.endswith("with time zone") else kind

    def zone_doubt(self, layout: TableLayout) -> str:
        """A zone set for a role, which need not be the application's."""
        kind = self._types.get(layout.expires, "")
        if self._zone or layout.unit is not Unit.TIMESTAMP or kind.endswith("with time zone"):
            return ""
        roles = catalog.roles_with_a_zone(self)
        return f"a time zone is set for the role {roles}" if roles else ""

    def facts(self, layout: TableLayout) -> Iterator[Fact]:
        yield from super().facts(layout)
        table = self._quoted(layout)
        yield found_out(
            Topic.PUBLIC, table, lambda: Fact(
                Topic.PUBLIC, catalog.is_public(self, table), table,
                f"REVOKE ALL ON {table} FROM PUBLIC;",
            ),
        )  # fmt: skip

    def lags(self) -> list[Lag]:
        return catalog.replica_lags(self)

    def takes_no_writes(self) -> bool:
        return bool(self.scalar(sa.select(sa.func.pg_is_in_recovery())))

    def _rows_by_statistics(self, layout: TableLayout) -> int:
        return catalog.planned_rows(self, self._quoted(layout))

    def now_ms(self) -> int:
        return int(self.scalar(sa.select(self.now_ms_of_server())))

    def _error(self, exc: BaseException) -> StoreError:
        return store_error(exc, self.address, self.database, in_statement=self._open is not None)


class _Declared(sa.types.UserDefinedType[Any]):
    """A type by the name that the server gives it."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """For a CAST."""
        return self.name


def _zone_value(zone: str) -> Any:
    """A zone by its name or its offset. East is plus: in a name PostgreSQL, as POSIX, has it the
    other way round."""
    return sa.cast(zone, sa.Interval) if zone.startswith(("+", "-")) else zone


def _is_storable(sid: Any) -> bool:
    try:
        return "\0" not in sid and bool(sid.encode())
    except UnicodeEncodeError:
        return False
