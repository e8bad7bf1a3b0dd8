"""PostgreSQL's complaints as ours, by their SQLSTATE; libpq's own come as prose.

Source: appendix A of the PostgreSQL 15 manual.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.stores.engines.sql_connection import (
    LOCK_TIMEOUT_S,
    STATEMENT_TIMEOUT_S,
    LostConnection,
    UnfitRow,
)
from sessctl.text import escape, redact

_CA = "`ca_file` of the backend, or ?sslrootcert=FILE, names a certificate authority of your own"
_DENIED = ("28P01", "28000", "42501")
_GONE = ("57P01", "57P02", "57P03", "08")


def store_error(
    exc: BaseException, address: str, database: str, *, in_statement: bool
) -> StoreError:
    """Ours for an error of psycopg or of SQLAlchemy around one.

    Args:
        in_statement: there was a connection, which may have broken.
    """
    original: Any = getattr(exc, "orig", None) or exc
    state = getattr(original, "sqlstate", None) or ""
    at = f"postgresql at {escape(address)}"
    if not state and isinstance(exc, sa.exc.DataError):  # psycopg has not even sent it
        return UnfitRow(f"{at} keeps no such value (a NUL in a text?)")
    if not state:
        return (
            LostConnection(f"{at} closed the connection")
            if in_statement
            else _unreachable(original, at)
        )
    # Without its detail, which quotes the row.
    said = escape(redact(original.diag.message_primary or ""))[:200]
    if state in _DENIED:
        return AccessDenied(f"{at} denied access ({said})", hint="check user, password and GRANT")
    if state == "3D000":
        return StoreUnreachable(f"{at} has no database '{escape(database)}'")
    if state.startswith(_GONE):
        return LostConnection(f"{at} closed the connection ({said})")
    if state == "55P03":
        return StoreError(
            f"{at}: a lock was held by somebody else for {LOCK_TIMEOUT_S} s",
            hint="try again when their transaction has ended",
        )
    if state == "54000":  # an id that is too long for its index
        return UnfitRow(f"{at}: {said} ({state})")
    if state == "57014":
        return StoreError(f"{at}: a statement took longer than {STATEMENT_TIMEOUT_S} s")
    if state == "25006":
        return AccessDenied(f"{at} is read-only", hint="a replica? write to its primary")
    return StoreError(f"{at}: {said} ({state})")


def _unreachable(original: BaseException, at: str) -> StoreError:
    lower = str(original).lower()
    for words, error in (
        ("password authentication failed", AccessDenied(f"{at} refused the password")),
        ("no password supplied", AccessDenied(f"{at} wants a password")),
        ("no pg_hba.conf entry", AccessDenied(f"{at} does not let this user in from here")),
        ("certificate", StoreUnreachable(f"TLS with {at} failed (certificate)", hint=_CA)),
        ("ssl", StoreUnreachable(f"TLS with {at} failed")),
        ("does not exist", StoreUnreachable(f"{at} knows no such database or role")),
        ("refused", StoreUnreachable(f"cannot reach {at} (connection refused)")),
        ("timeout", StoreUnreachable(f"cannot reach {at} (no answer in time)")),
        ("name or service", StoreUnreachable(f"cannot reach {at} (no such host)")),
    ):
        if words in lower:
            return error
    return StoreUnreachable(f"cannot reach {at}", hint="is it running, and is the port right?")
