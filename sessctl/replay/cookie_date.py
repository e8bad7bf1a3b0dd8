"""The dates of `Expires`: read as leniently as browsers read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from sessctl.timespec import to_ms

# Everything that is neither a delimiter nor part of one (RFC 6265bis, 5.1.1).
_TOKEN = re.compile(rb"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(rb"(\d{1,2}):(\d{1,2}):(\d{1,2})(?!\d)")
_DAY = re.compile(rb"(\d{1,2})(?!\d)")
_YEAR = re.compile(rb"(\d{2,4})(?!\d)")
_MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()


def parse_cookie_date(raw: bytes) -> int | None:
    """The instant in ms since 1970 UTC, or None for what is no date.

    Weekday and zone are not looked at. A year of two digits is 1970 to 2069; none before 1601.

    Source: RFC 6265bis, 5.1.1.
    """
    time: re.Match[bytes] | None = None
    day = month = year = None
    for token in _TOKEN.findall(raw):
        if time is None and (found := _TIME.match(token)):
            time = found
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
    if time is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    if year < 1601:
        return None
    try:
        return to_ms(datetime(year, month, day, int(time[1]), int(time[2]), int(time[3]), 0, UTC))
    except ValueError:  # the 31st of February, 25 o'clock
        return None
