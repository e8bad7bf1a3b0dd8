"""Durations, instants and sizes: what people type, and what they get to read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.errors import UsageError
from sessctl.timespec import (
    MAX_MS,
    MIN_MS,
    format_duration,
    format_size,
    from_ms,
    iso,
    parse_duration,
    parse_instant,
    parse_iso_ms,
    parse_size,
    to_ms,
)

NOW = datetime(2026, 11, 20, 18, 30, 51, 4000, tzinfo=UTC)
EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("30m", 1800),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("PT2H", 7200),
        ("P1DT12H", 129_600),
        ("2w", 1_209_600),
        ("1.5h", 5400),
        ("60", 60),
        ("0", 0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "h", "1y", "3M", "-5m", "1h 30m", "P", "PT", "1e3", "٣x", "200y", "9" * 400, "36501d"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T18:30:00Z", "2026-11-20T18:30:00.000Z"),
        ("2026-11-20T18:30:00+05:30", "2026-11-20T13:00:00.000Z"),
        ("2026-11-20T18:30", "2026-11-20T13:00:00.000Z"),  # the zone that was named
        ("@1710000000", "2024-03-09T16:00:00.000Z"),
        ("now", "2026-11-20T18:30:51.004Z"),
        ("now-2h", "2026-11-20T16:30:51.004Z"),
        ("now+1d", "2026-11-21T18:30:51.004Z"),
        ("today", "2026-11-20T18:30:00.000Z"),  # midnight of the 21st in +05:30
    ],
)
def test_instants(text: str, expected: str) -> None:
    assert iso(to_ms(parse_instant(text, NOW, EAST))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "@x",
        "@nan",
        "@inf",
        "@99999999999999999999",
        "2024-02-30",
        "now-",
        "now-2y",
        "0001-01-01T00:00:00+05:00",
        "9999-12-31T23:59:59-05:00",
        "0001-01-01",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_instant(text, NOW, EAST)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("8KiB", 8192), ("1MB", 1_000_000), ("2 GiB", 2**31), ("1.5kib", 1536)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "8 parsec", "-1", "1,5KB", "9" * 400])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_size(text)


@given(st.integers(MIN_MS, MAX_MS))
def test_an_instant_survives_its_spelling(ms: int) -> None:
    assert parse_iso_ms(iso(ms)) == ms
    assert to_ms(from_ms(ms)) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-11-27",
        "2026-11-27T18:30:51",  # no zone: nobody knows whose
        "2024-02-30T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "9999-12-31T23:59:60Z",
        "+033658-09-27T01:46:40.000Z",
        "9999-12-31T23:59:59-05:00",  # later than a datetime in UTC can be
        "0001-01-01T00:00:00+05:00",
        "2" * 10_000,
    ],
)
def test_an_unreadable_date_is_unknown(text: str) -> None:
    assert parse_iso_ms(text) is None


@given(st.text(max_size=45))
def test_no_text_breaks_the_date_reader(text: str) -> None:
    found = parse_iso_ms(text)
    assert found is None or MIN_MS <= found <= MAX_MS


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.34, "340ms"),
        (59, "59s"),
        (60, "1m"),
        (725, "12m 5s"),
        (3600, "1h"),
        (3605, "1h"),
        (604_000, "6d 23h"),
        (-90, "-1m 30s"),
    ],
)
def test_durations_are_shown_in_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (331, "331 B"), (8397, "8.2 KiB"), (1_153_434, "1.1 MiB"), (2**40, "1024.0 GiB")],
)
def test_sizes_are_shown_with_their_unit(size: int, text: str) -> None:
    assert format_size(size) == text
