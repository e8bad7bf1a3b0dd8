"""What PostgreSQL's catalog says of a table: its columns, its indexes, what a delete sets off.

A table is named here as the server finds it: quoted, by its schema or by the search path.

Source: chapter "System Catalogs" of the PostgreSQL 15 manual.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from sessctl.errors import AccessDenied, StoreError
from sessctl.stores.base import Lag
from sessctl.stores.engines.sql_dialect import Column
from sessctl.text import escape

if TYPE_CHECKING:
    from sessctl.stores.engines.sql_connection import SqlConnection


class Found(NamedTuple):
    """A table's columns in order; its rows have versions of which each stands at one place."""

    columns: list[Column]
    has_versions: bool


def look_at(server: SqlConnection, table: str, *, shown: str) -> Found:
    """Raises StoreError where there is no such table, under the name that is shown."""
    known = server.rows(
        sa.text(
            "SELECT c.oid::bigint, relkind, relkind = 'r' AND NOT relhassubclass AND "
            "coalesce(amname, 'heap') = 'heap' FROM pg_class AS c LEFT JOIN pg_am AS m "
            "ON m.oid = relam WHERE c.oid = to_regclass(:table)"
        ).bindparams(table=table)
    )
    if not known:
        where = f"{server.address}/{server.database}"
        tables = server.rows(
            sa.text(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname "
                "NOT IN ('pg_catalog', 'information_schema') ORDER BY 1 LIMIT 10"
            )
        )
        names = ", ".join(escape(row[0]) for row in tables) or "no tables"
        raise StoreError(
            f"no table '{escape(shown)}' in {escape(where)}",
            hint=f"it has {names}; set `schema` and `table` of the backend",
        )
    # Rows of partitions and of heirs stand at places of their own; a table that another access
    # method keeps may say anything.
    ((oid, kind, has_versions),) = known
    if kind not in ("r", "p"):
        raise StoreError(f"'{escape(shown)}' is no table", hint="a view cannot be administered")
    rows = server.rows(
        sa.text(
            "SELECT attname, format_type(atttypid, atttypmod), attgenerated <> '' "
            "OR attidentity = 'a' FROM pg_attribute "
            "WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).bindparams(oid=oid)
    )
    return Found([Column(name, kind, generated) for name, kind, generated in rows], has_versions)


def all_columns(server: SqlConnection) -> list[tuple[str | None, str, str]]:
    """(schema, table, column) of every table; no schema where the search path leads there."""
    rows = server.rows(
        sa.text(
            "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN NULL ELSE nspname END, relname, "
            "attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace "
            "JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped "
            "WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema' "
            "ORDER BY nspname, relname, attnum"
        )
    )
    return [(schema, table, column) for schema, table, column in rows]


def is_unique(server: SqlConnection, table: str, column: str) -> bool:
    """A primary key or a whole unique index stands on this column alone."""
    return bool(
        server.scalar(
            sa.text(
                "SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a "
                "ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
                "WHERE i.indrelid = to_regclass(:table) AND i.indisunique AND i.indisvalid "
                "AND i.indnkeyatts = 1 AND i.indpred IS NULL AND a.attname = :column"
            ).bindparams(table=table, column=column)
        )
    )


def begins_an_index(server: SqlConnection, table: str, column: str) -> bool:
    """A whole index that keeps an order begins with this column."""
    return bool(
        server.scalar(
            sa.text(
                "SELECT count(*) FROM pg_index AS i JOIN pg_attribute AS a "
                "ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
                "JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_am AS m ON m.oid = c.relam "
                "WHERE i.indrelid = to_regclass(:table) AND i.indisvalid "
                "AND i.indpred IS NULL AND m.amname = 'btree' AND a.attname = :column"
            ).bindparams(table=table, column=column)
        )
    )


def is_public(server: SqlConnection, table: str) -> bool:
    """Whoever may connect to the database may read the table."""
    return bool(
        server.scalar(
            sa.text(
                "SELECT has_table_privilege('public', oid, 'SELECT') "
                "AND has_schema_privilege('public', relnamespace, 'USAGE') "
                "FROM pg_class WHERE oid = to_regclass(:table)"
            ).bindparams(table=table)
        )
    )


def cascades(server: SqlConnection, table: str) -> str:
    """A foreign key that goes along, a delete trigger or a rule, in words; empty: none."""
    found = server.rows(
        sa.text(
            "SELECT 'foreign key of ' || conrelid::regclass::text FROM pg_constraint "
            "WHERE confrelid = to_regclass(:table) AND confdeltype IN ('c', 'n', 'd') "
            "UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger "
            "WHERE tgrelid = to_regclass(:table) AND NOT tgisinternal AND tgtype & 8 <> 0 "
            "UNION ALL SELECT 'rule ' || rulename FROM pg_rewrite "
            "WHERE ev_class = to_regclass(:table)"
        ).bindparams(table=table)
    )
    return escape(str(found[0][0])) if found else ""


def planned_rows(server: SqlConnection, table: str) -> int:
    """How many rows the planner believes in."""
    guess = server.scalar(
        sa.text(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(:table)"
        ).bindparams(table=table)
    )
    return int(guess or 0)


def roles_with_a_zone(server: SqlConnection) -> str:
    """The roles whose connections have a time zone of their own; empty: none."""
    roles = server.scalar(
        sa.text(
            "SELECT string_agg(DISTINCT setrole::regrole::text, ', ') FROM pg_db_role_setting, "
            "unnest(setconfig) AS one WHERE setrole <> 0 AND one ILIKE 'timezone=%'"
        )
    )
    return escape(str(roles)) if roles else ""


def replica_lags(server: SqlConnection) -> list[Lag]:
    """`pg_stat_replication`: how old what a replica has not replayed yet is, or its silence."""
    rows = server.rows(
        sa.text(
            "SELECT coalesce(client_addr::text, application_name, '?'), "
            "CASE WHEN replay_lsn >= pg_current_wal_lsn() THEN 0 ELSE extract(epoch FROM "
            "greatest(replay_lag, clock_timestamp() - reply_time)) END, state IS NULL "
            "FROM pg_stat_replication"
        )
    )
    if any(hidden for _, _, hidden in rows):
        raise AccessDenied("this user may not see replicas", hint="GRANT pg_monitor")
    return [Lag(escape(name), None if s is None else float(s)) for name, s, _ in rows]
