"""Dates in SQLite, which has no type for them: texts in UTC, of one shape in each library.

A text of another shape is no date, whatever it looks like: one without a zone may be anybody's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa

from sessctl.errors import ConfigError
from sessctl.stores.layouts.base import DateForm
from sessctl.timespec import from_ms, iso

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

_DAY = "-".join(("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2))
_CLOCK = ":".join(["[0-9]" * 2] * 3)
_MS, _US = "." + "[0-9]" * 3, "." + "[0-9]" * 6
# What stands between the day and the clock, and after it.
_SHAPES = {
    DateForm.ISO: ("T", "Z"),
    DateForm.ISO_OFFSET: ("T", "+00:00"),
    DateForm.SPACED: (" ", " +00:00"),
}
_UP_TO_S = len("2026-12-04 18:08:00")
_UP_TO_MS = len("2026-12-04 18:08:00.342")
WALL_CLOCK = "sessctl_wall_clock"  # a function that a connection gets: see `WallClock`
_WIDEST_MS = 15 * 3_600_000  # no zone is further from UTC than 14 hours
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_EPOCH = 2_440_587.5  # 1970 in days of the Julian calendar
_DAY_MS = 86_400_000
_1970 = datetime(1970, 1, 1, tzinfo=UTC)


def readers(
    column: Any, forms: Sequence[DateForm], clock: WallClock | None = None
) -> list[tuple[Any, Any]]:
    """For each form that is a text: (the cell is one, its instant in ms since 1970 UTC).

    `clock`: whose dates without a zone are; None: UTC. SQLite reckons dates in whole ms; a float of
    days is exact to 0.05 ms.
    """
    found = [
        (_looks_like(column, _DAY + between + _CLOCK + _MS + zone), _in_ms(column))
        for between, zone in (_SHAPES[form] for form in forms if form in _SHAPES)
    ]
    if DateForm.NAIVE in forms:
        day = f"{_DAY} {_CLOCK}"
        shape = sa.or_(_looks_like(column, day), _looks_like(column, day + _US))
        naive = sa.and_(shape, _is_on_a_calendar(column))
        instant = _ms_rounded_up(column) if clock is None else sa.func.sessctl_wall_clock(column)
        found.append((naive, instant))
    return found


def _looks_like(column: Any, shape: str) -> Any:
    return sa.and_(sa.func.typeof(column) == "text", column.op("GLOB")(shape))


def _is_on_a_calendar(date: Any) -> Any:
    """SQLite takes the 30th of February for a day in March; Python, which wrote it, for none."""
    told = sa.func.substr(date, 1, _UP_TO_S)
    return sa.func.datetime(told, "+0 days") == told  # which makes SQLite reckon


def _in_ms(date: Any) -> Any:
    return sa.cast(sa.func.round((sa.func.julianday(date) - _EPOCH) * _DAY_MS), sa.Integer)


def _ms_rounded_up(date: Any) -> Any:
    """A date of microseconds is over when all of it is, as in other databases."""
    rest = sa.case((sa.func.substr(date, _UP_TO_MS + 1) > "000", 1), else_=0)
    return _in_ms(sa.func.substr(date, 1, _UP_TO_MS)) + rest


class WallClock:
    """Dates without a zone, as an application writes them that goes by the clock on its wall.

    Raises:
        ConfigError: nobody knows such a zone.
    """

    def __init__(self, zone: str) -> None:
        offset = _OFFSET.fullmatch(zone)
        try:
            if offset is not None:
                span = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
                self._zone: tzinfo = timezone(-span if offset[1] == "-" else span)
            else:
                self._zone = ZoneInfo(zone)
        except (ValueError, ZoneInfoNotFoundError, OSError):
            raise ConfigError(
                f"expires_zone: there is no time zone '{zone}'",
                hint="write a name such as Europe/Istanbul, or UTC, or +03:00",
            ) from None

    def read(self, text: str) -> int | None:
        """Its instant in ms since 1970 UTC, the next whole one; None: no date.

        Of an hour that the clock shows twice the later one is meant: nothing ends too early.
        """
        try:
            told = datetime.fromisoformat(text).replace(tzinfo=self._zone, fold=1)
            return -((_1970 - told) // timedelta(milliseconds=1))
        except (ValueError, OverflowError):
            return None

    def write(self, instant_ms: int) -> str:
        """The reverse of `read`."""
        told = from_ms(instant_ms).astimezone(self._zone).replace(tzinfo=None)
        return told.isoformat(" ", "microseconds")


def write(instant_ms: int, form: DateForm) -> str:
    """An instant in ms since 1970 UTC as a text of this form."""
    if form is DateForm.NAIVE:
        return iso(instant_ms).replace("T", " ").replace("Z", "000")
    between, zone = _SHAPES[form]
    return iso(instant_ms).replace("T", between).replace("Z", zone)


def beyond(cutoff_ms: int, clock: WallClock | None = None) -> str:
    """A text above that of every date up to this instant, in any shape; and above all numbers.

    A second above, without its fraction: a blank sorts before the `T`.
    """
    further_ms = 1000 if clock is None else _WIDEST_MS
    return iso(cutoff_ms + further_ms).partition(".")[0]
