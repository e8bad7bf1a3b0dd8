"""The complaints of MySQL, MariaDB and PyMySQL as ours, by their numbers.

Where MariaDB 10.11 and MySQL 8 have numbers of their own for one thing, both stand here.
"""

from __future__ import annotations

import re

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.stores.engines.sql_connection import (
    LOCK_TIMEOUT_S,
    STATEMENT_TIMEOUT_S,
    LostConnection,
    UnfitRow,
)
from sessctl.text import escape, redact

_DUPLICATE = 1062
_CA = "`ca_file` of the backend, or ?ssl-ca=FILE, names a certificate authority of your own"
_DENIED = (1044, 1045, 1142, 1143, 1227, 1698)
_UNFIT = (3140, 3819)  # no JSON, a broken CHECK: PyMySQL knows neither
_LOST = (1053, 1927, 2006, 2013, 2055)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'")


class Duplicate(StoreError):
    """The unique id is taken."""


def store_error(
    exc: BaseException, address: str, database: str, *, in_statement: bool
) -> StoreError:
    """Ours for an error of PyMySQL or of SQLAlchemy around one.

    Args:
        in_statement: there was a connection, which may have broken.
    """
    original = getattr(exc, "orig", None) or exc
    at = f"mysql at {escape(address)}"
    args = getattr(original, "args", ()) or (0,)
    code = args[0] if isinstance(args[0], int) else 0
    # What stands in quotes may be a session id or a value.
    said = escape(redact(_QUOTED.sub("'...'", str(args[-1]))))[:200]
    if code == _DUPLICATE:
        return Duplicate(f"{at}: the id is there already")
    if code in _DENIED:
        return AccessDenied(
            f"{at} denied access ({said})",
            hint="check user, password and GRANT; a server that requires TLS says the same",
        )
    if code == 1049:
        return StoreUnreachable(f"{at} has no database '{escape(database)}'")
    if code in (1205, 3572):
        return StoreError(
            f"{at}: a lock was held by somebody else for {LOCK_TIMEOUT_S} s",
            hint="try again when their transaction has ended",
        )
    if code in (1969, 3024):
        return StoreError(f"{at}: a statement took longer than {STATEMENT_TIMEOUT_S} s")
    if code in (1290, 1792, 1836):
        return AccessDenied(f"{at} is read-only", hint="a replica? write to its primary")
    if code in _UNFIT:
        return UnfitRow(f"{at}: {said} ({code})")
    if in_statement and (code in _LOST or isinstance(original, OSError)):
        return LostConnection(f"{at} closed the connection")
    if code == 2026:
        return StoreUnreachable(f"TLS with {at} failed ({said.lower()})", hint=_CA)
    if code in (2003, 2002, *_LOST) or isinstance(original, OSError):
        return _unreachable(str(args[-1]).lower(), at)
    return StoreError(f"{at}: {said} ({code})")


def _unreachable(text: str, at: str) -> StoreError:
    for words, error in (
        ("certificate", StoreUnreachable(f"TLS with {at} failed (certificate)", hint=_CA)),
        ("ssl", StoreUnreachable(f"TLS with {at} failed")),
        ("refused", StoreUnreachable(f"cannot reach {at} (connection refused)")),
        ("timed out", StoreUnreachable(f"cannot reach {at} (no answer in time)")),
        ("not known", StoreUnreachable(f"cannot reach {at} (no such host)")),
    ):
        if words in text:
            return error
    return StoreUnreachable(f"cannot reach {at}", hint="is it running, and is the port right?")
