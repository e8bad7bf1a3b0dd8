"""Dates in SQLite, which has no type for them: texts in UTC, of one shape in each library.

A text of another shape is no date, whatever it looks like: one without a zone may be anybody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from sessctl.stores.layouts.base import DateForm
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Sequence

_DAY = "-".join(("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2))
_CLOCK = ":".join(["[0-9]" * 2] * 3) + "." + "[0-9]" * 3
# What stands between the day and the clock, and after it.
_SHAPES = {
    DateForm.ISO: ("T", "Z"),
    DateForm.ISO_OFFSET: ("T", "+00:00"),
    DateForm.SPACED: (" ", " +00:00"),
}
_EPOCH = 2_440_587.5  # 1970 in days of the Julian calendar
_DAY_MS = 86_400_000


def readers(column: Any, forms: Sequence[DateForm]) -> list[tuple[Any, Any]]:
    """For each form that is a text: (the cell is one, its instant in ms since 1970 UTC).

    SQLite reckons dates in whole ms; a float of days is exact to 0.05 ms.
    """
    in_ms = sa.cast(sa.func.round((sa.func.julianday(column) - _EPOCH) * _DAY_MS), sa.Integer)
    is_text = sa.func.typeof(column) == "text"
    return [
        (sa.and_(is_text, column.op("GLOB")(_DAY + between + _CLOCK + zone)), in_ms)
        for between, zone in (_SHAPES[form] for form in forms if form in _SHAPES)
    ]


def write(instant_ms: int, form: DateForm) -> str:
    """An instant in ms since 1970 UTC as a text of this form."""
    between, zone = _SHAPES[form]
    return iso(instant_ms).replace("T", between).replace("Z", zone)


def beyond(cutoff_ms: int) -> str:
    """A text above that of every date up to this instant, in any shape; and above all numbers.

    A second above, without its fraction: a blank sorts before the `T`.
    """
    return iso(cutoff_ms + 1000).partition(".")[0]
