"""Where Acme keeps its sessions: a table of SQLite or PostgreSQL, and a file of JSON lines."""

from __future__ import annotations

from sessctl.stores.layouts.base import KeyLayout, TableLayout, Unit

# CREATE TABLE acme_sessions (token TEXT PRIMARY KEY, body TEXT NOT NULL, ends_at INTEGER NOT NULL)
ACME_TABLE = TableLayout(
    name="acme-table",
    databases=("sqlite", "postgresql"),
    cookie_format="acme-token",
    cookie_name="acme",
    user=("account",),
    marks=("account", "acme_version"),
    lifetime_s=86_400,
    table="acme_sessions",
    sid="token",
    data="body",
    expires="ends_at",
    unit=Unit.SECONDS,
)
ACME_LINES = KeyLayout(
    name="acme-lines",
    databases=("acme-jsonl",),
    cookie_format="acme-token",
    cookie_name="acme",
    user=("account",),
    marks=("account",),
    lifetime_s=86_400,
    prefix="",
)
