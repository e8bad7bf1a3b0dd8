"""Durations, instants and sizes as people type them and as sessctl prints them.

Inside sessctl an instant is an aware UTC `datetime` or whole milliseconds since 1970 (`_ms`).
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, tzinfo

from sessctl.errors import UsageError
from sessctl.text import shorten

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d|w))+")
_ISO_DURATION = re.compile(
    r"P(?:(?P<w>\d+)W)?(?:(?P<d>\d+)D)?(?:T(?:(?P<h>\d+)H)?(?:(?P<m>\d+)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_UNITS_B = {
    **dict.fromkeys(("", "b"), 1),
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
_MAX = timedelta(days=36_500)
_MAX_BYTES = 2**63
# The instants that a datetime can hold, in ms; outside of them an expiry is "unknown".
MIN_MS = -62_135_596_800_000
MAX_MS = 253_402_300_799_999
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)


def parse_duration(text: str) -> timedelta:
    """`90s`, `30m`, `1h30m`, `250ms`, `PT2H`, or a bare whole number of seconds. `m` is minutes.

    Raises:
        UsageError: anything else, months and years included, and more than a hundred years.
    """
    word = text.strip()
    if word.isascii() and word.isdigit():
        millis = float(word) * 1000
    elif _WHOLE.fullmatch(word):
        millis = sum(float(n) * _UNITS_MS[unit] for n, unit in _PART.findall(word))
    elif word.startswith("P") and len(word) > 2 and (m := _ISO_DURATION.fullmatch(word)):
        millis = sum(float(n) * _UNITS_MS[unit] for unit, n in m.groupdict().items() if n)
    else:
        raise UsageError(
            f"'{text}' is not a duration", hint="write 90s, 30m, 2h, 7d, 2w, 1h30m, 250ms or PT2H"
        )
    if millis > _MAX.total_seconds() * 1000:
        raise UsageError(f"'{text}' is longer than a hundred years", hint="give a date instead")
    return timedelta(milliseconds=millis)


def parse_instant(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """ISO 8601, `@1710000000`, `now`, `today`, `now-2h`, as an aware UTC datetime.

    Args:
        now: aware; what `now` and `today` are counted from.
        zone: for texts without one; None means the machine's local zone.

    Raises:
        UsageError: not an instant, or out of range.
    """
    word = text.strip()
    try:
        if word.startswith("@"):
            return datetime.fromtimestamp(float(word[1:]), UTC)
        if m := re.fullmatch(r"(now|today)(?:([+-])(.+))?", word):
            start = (
                now
                if m[1] == "now"
                else now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
            )
            shift = parse_duration(m[3]) if m[3] else timedelta()
            return (start - shift if m[2] == "-" else start + shift).astimezone(UTC)
        found = datetime.fromisoformat(word)
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone) if zone else found.astimezone()
        return found.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"'{text}' is not an instant",
            hint="write 2026-11-20T18:30:00Z, 2026-11-20, @1710000000, now, today or now-2h",
        ) from None


def parse_size(text: str) -> int:
    """`512`, `8KiB`, `1MB` in bytes."""
    m = _SIZE.fullmatch(text.strip())
    unit = _UNITS_B.get(m[2].lower()) if m else None
    if m is None or unit is None:
        raise UsageError(f"'{text}' is not a size", hint="write 512, 8KiB, 1MB or 2GiB")
    amount = float(m[1]) * unit
    if amount > _MAX_BYTES:
        raise UsageError(f"'{shorten(text, 20)}' is not a size that anything could have")
    return int(amount)


def local_ms() -> int:
    """This machine's clock in ms since 1970 UTC, which judges nothing."""
    return time.time_ns() // 1_000_000


def from_ms(ms: int) -> datetime:
    """Milliseconds since 1970 as an aware UTC datetime; the caller keeps to MIN_MS..MAX_MS."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_ms(instant: datetime) -> int:
    """An aware datetime as whole milliseconds since 1970."""
    return (instant - _EPOCH) // timedelta(milliseconds=1)


def iso(ms: int) -> str:
    """`2026-11-27T18:30:51.004Z`, the one spelling of instants in machine output."""
    # Naive on purpose: a listing writes a million of them, and the zone costs more than the rest.
    return (_NAIVE_EPOCH + timedelta(0, 0, 0, ms)).isoformat("T", "milliseconds") + "Z"


def parse_iso_ms(text: str) -> int | None:
    """An ISO 8601 instant *with* a zone, as JavaScript writes it; None when it is anything else.

    No guessing: a text without zone, an impossible date and a year of six digits are all "unknown".
    """
    if not 16 <= len(text) <= 40:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:
        return None
    ms = to_ms(found)  # an offset can lead out of the calendar: 9999-12-31T23:59:59-05:00
    return ms if MIN_MS <= ms <= MAX_MS else None


def format_duration(seconds: float) -> str:
    """Two units at the most: `6d 23h`, `12m 5s`, `340ms`."""
    if abs(seconds) < 1:
        return f"{round(seconds * 1000)}ms"
    sign, rest = ("-" if seconds < 0 else ""), abs(round(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
        if len(parts) == 2:
            break
    return sign + " ".join(part for part in parts if part)


def format_size(size: int) -> str:
    """`331 B`, `8.2 KiB`, `1.1 MiB`."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    raise AssertionError("unreachable")
