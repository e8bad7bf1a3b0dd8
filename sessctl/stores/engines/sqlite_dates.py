"""Dates in SQLite, which has no type for them: texts in UTC, each library's in one shape.

A text of another shape is no date, whatever it looks like: one without a zone may be anybody's.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from sessctl.stores.layouts.base import DateText
from sessctl.timespec import iso

_DIGITS = "[0-9]"
_DATE, _TIME = (
    "-".join((_DIGITS * 4, _DIGITS * 2, _DIGITS * 2)),
    ":".join([_DIGITS * 2] * 3) + "." + _DIGITS * 3,
)
_BETWEEN = {DateText.ISO: ("T", "Z"), DateText.ISO_OFFSET: ("T", "+00:00"),
            DateText.SPACED: (" ", " +00:00")}  # fmt: skip
_UNIX_EPOCH = 2_440_587.5  # in days of the Julian calendar
_DAY_MS = 86_400_000


def read(column: Any, shape: DateText) -> tuple[Any, Any]:
    """(it is a date of this shape, the date in ms since 1970 UTC).

    SQLite reckons dates in whole ms; a float of days is exact to 0.05 ms.
    """
    between, zone = _BETWEEN[shape]
    is_date = sa.and_(
        sa.func.typeof(column) == "text",
        column.op("GLOB")(f"{_DATE}{between}{_TIME}{zone}"),
    )
    days = sa.func.julianday(column) - _UNIX_EPOCH
    return is_date, sa.cast(sa.func.round(days * _DAY_MS), sa.Integer)


def write(instant_ms: int, shape: DateText) -> str:
    """An instant in ms since 1970 UTC as a text of this shape."""
    between, zone = _BETWEEN[shape]
    return iso(instant_ms).replace("T", between).replace("Z", zone)


def beyond(cutoff_ms: int) -> str:
    """A text above that of every date up to this instant, in any shape; and above all numbers.

    A second above, without its fraction: a blank sorts before the `T`.
    """
    return iso(cutoff_ms + 1000).partition(".")[0]
