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
_CLOCK = ":".join(["[0-9]" * 2] * 3)
_MS, _US = "." + "[0-9]" * 3, "." + "[0-9]" * 6
# What stands between the day and the clock, and after it.
_SHAPES = {
    DateForm.ISO: ("T", "Z"),
    DateForm.ISO_OFFSET: ("T", "+00:00"),
    DateForm.SPACED: (" ", " +00:00"),
}
_UP_TO_MS = len("2026-12-04 18:08:00.342")
_EPOCH = 2_440_587.5  # 1970 in days of the Julian calendar
_DAY_MS = 86_400_000


def readers(column: Any, forms: Sequence[DateForm]) -> list[tuple[Any, Any]]:
    """For each form that is a text: (the cell is one, its instant in ms since 1970 UTC).

    SQLite reckons dates in whole ms; a float of days is exact to 0.05 ms.
    """
    found = [
        (_looks_like(column, _DAY + between + _CLOCK + _MS + zone), _in_ms(column))
        for between, zone in (_SHAPES[form] for form in forms if form in _SHAPES)
    ]
    if DateForm.NAIVE in forms:
        day = f"{_DAY} {_CLOCK}"
        naive = sa.or_(_looks_like(column, day), _looks_like(column, day + _US))
        found.append((naive, _ms_rounded_up(column)))
    return found


def _looks_like(column: Any, shape: str) -> Any:
    return sa.and_(sa.func.typeof(column) == "text", column.op("GLOB")(shape))


def _in_ms(date: Any) -> Any:
    return sa.cast(sa.func.round((sa.func.julianday(date) - _EPOCH) * _DAY_MS), sa.Integer)


def _ms_rounded_up(date: Any) -> Any:
    """A date of microseconds is over when all of it is, as in other databases."""
    rest = sa.case((sa.func.substr(date, _UP_TO_MS + 1) > "000", 1), else_=0)
    return _in_ms(sa.func.substr(date, 1, _UP_TO_MS)) + rest


def write(instant_ms: int, form: DateForm) -> str:
    """An instant in ms since 1970 UTC as a text of this form."""
    if form is DateForm.NAIVE:
        return iso(instant_ms).replace("T", " ").replace("Z", "000")
    between, zone = _SHAPES[form]
    return iso(instant_ms).replace("T", between).replace("Z", zone)


def beyond(cutoff_ms: int) -> str:
    """A text above that of every date up to this instant, in any shape; and above all numbers.

    A second above, without its fraction: a blank sorts before the `T`.
    """
    return iso(cutoff_ms + 1000).partition(".")[0]
