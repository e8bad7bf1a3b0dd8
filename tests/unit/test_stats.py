"""What a scan counts, and how far off its sketches may be."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.admin.sketch import Sizes, TopCounts
from sessctl.admin.stats import AGE_BANDS, EXPIRY_BANDS, SIZE_BANDS, stats
from sessctl.errors import StoreError
from sessctl.session import Expiry, Problem, Query, Session
from tests.support.memory import _READER, NOW_MS, MemoryStore, session

HOUR_MS, DAY_MS = 3_600_000, 86_400_000


def valued(sid: str, raw: bytes, **more: Any) -> Session:
    return msgspec.structs.replace(session(sid), raw=raw, **more)


# -- sketches --------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**33), min_size=1, max_size=300))
def test_quantiles_are_within_their_error(sizes: list[int]) -> None:
    sketch = Sizes()
    for size in sizes:
        sketch.add(size)
    ranked = sorted(sizes)
    assert (sketch.sum, sketch.max) == (sum(sizes), ranked[-1])
    for share in (0.01, 0.5, 0.9, 0.99, 1.0):
        exact = ranked[max(-int(-share * len(ranked) // 1), 1) - 1]
        found = sketch.quantile(share)
        assert found is not None
        assert abs(found - exact) <= exact * sketch.error_ratio


def test_small_sizes_are_exact_and_none_has_no_quantile() -> None:
    sketch = Sizes()
    assert sketch.quantile(0.5) is None
    for size in range(256):
        sketch.add(size)
    assert [sketch.quantile(n / 256) for n in range(1, 257)] == list(range(256))


def test_a_sketch_of_sizes_stays_small() -> None:
    sketch = Sizes()
    for bits in range(40):
        for size in range(2**bits, 2 ** (bits + 1), max(2**bits // 1000, 1)):
            sketch.add(size)
    assert len(sketch._counts) < 5000


def test_few_texts_are_counted_exactly() -> None:
    counts = TopCounts(room=100)
    for number in range(100):
        for _ in range(number % 7 + 1):
            counts.add(f"u{number:03d}")
    assert (counts.distinct, counts.error) == (100, 0)
    assert counts.top(3) == [("u006", 7), ("u013", 7), ("u020", 7)]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=2000), st.randoms(use_true_random=False))
def test_many_texts_are_counted_within_the_error(numbers: list[int], random: Any) -> None:
    counts = TopCounts(room=20)
    texts = [str(number) for number in numbers] + ["common"] * 500
    random.shuffle(texts)
    for text in texts:
        counts.add(text)
    exact = Counter(texts)
    assert counts.error <= 2 * len(texts) / 20 + 1
    for text, count in counts.top(20):
        assert count <= exact[text] <= count + counts.error
    assert len(counts._counts) <= 20
    assert counts.distinct in (None, len(exact))
    assert counts.top(1)[0][0] == "common" or exact["common"] - counts.error <= counts.top(1)[0][1]


def test_a_text_without_end_takes_little() -> None:
    counts = TopCounts()
    counts.add("x" * 2**20)
    counts.add("x" * 2**20 + "y")
    assert counts.distinct == 2
    assert all(len(text) < 300 for text, _ in counts.top(2))


# -- the scan --------------------------------------------------------------------------------------


def test_every_kind_of_session_is_counted() -> None:
    store = MemoryStore(
        [
            valued("live", b'{"cookie":{},"user":"7"}', user="7"),
            valued("more", b'{"cookie":{},"user":"7","cart":[1]}', user="7"),
            session("over", left_ms=-1, user="8"),
            session("now", left_ms=0, user="8"),
            session("ever", left_ms=None, user="9"),
            valued("hint", b'{"cookie":{}}', expiry=Expiry.COOKIE_DATE),
            valued("odd", b'{"cookie":{},"a":1}', expires_ms=None, expiry=Expiry.UNKNOWN),
            valued("bad", b"{", problem=Problem("value.unreadable", "not JSON")),
            valued("huge", b"x" * 9, problem=Problem("input.limit", "too large")),
        ]
    )
    store.remarks.stranger("sess:list", "list")
    found = stats(store)
    assert (found.sessions, found.active, found.expired, found.unknown) == (9, 6, 2, 1)
    assert (found.without_expiry, found.by_cookie_date, found.strangers) == (1, 1, 1)
    assert (found.anonymous, found.empty, found.unreadable) == (4, 1, 2)
    assert found.problems == {"value.unreadable": 1, "input.limit": 1}
    assert found.users.top == (("7", 2), ("8", 2), ("9", 1))
    assert (found.users.distinct, found.users.error) == (3, 0)
    assert [one.sid for one in found.largest] == ["more", "live", "over"]
    assert (found.taken_ms, found.layout) == (NOW_MS, "connect-redis")
    assert (found.created, found.seen) == (None, None)
    assert sum(found.expires.values()) == sum(found.sizes.bands.values()) == found.sessions


def test_an_empty_store_has_no_sizes() -> None:
    found = stats(MemoryStore())
    assert (found.sessions, found.sizes.sum, found.sizes.median, found.sizes.max) == (
        0, 0, None, None,
    )  # fmt: skip
    assert (found.users.distinct, found.users.top, found.largest) == (0, (), ())


@pytest.mark.parametrize("number", range(len(EXPIRY_BANDS) - 1))
def test_the_end_of_a_band_belongs_to_it(number: int) -> None:
    name, after = list(EXPIRY_BANDS)[number : number + 2]
    end = EXPIRY_BANDS[name]
    assert end is not None
    found = stats(MemoryStore([session("a", left_ms=end), session("b", left_ms=end + 1)]))
    assert (found.expires[name], found.expires[after]) == (1, 1)


def test_ages_are_told_where_they_are_stored() -> None:
    ages = [None, -5, 0, HOUR_MS, HOUR_MS + 1, 29 * DAY_MS, 31 * DAY_MS]
    store = MemoryStore(
        [
            valued(f"s{n}", b"{}", created_ms=None if age is None else NOW_MS - age)
            for n, age in enumerate(ages)
        ]
    )
    store.capabilities = replace(store.capabilities, stores_created=True)
    found = stats(store)
    assert found.created == {
        "under_1h": 3, "under_1d": 1, "under_7d": 0, "under_30d": 1, "more": 1, "unknown": 1,
    }  # fmt: skip
    assert (found.seen, list(found.created)) == (None, [*AGE_BANDS, "unknown"])


@pytest.mark.parametrize(
    ("raw", "empty"),
    [
        (b'{"cookie":{}}', True),
        (b'{"cookie":{"path":"/","expires":null}}', True),
        (b'{ "cookie": {} }', True),  # not as the library writes it, and yet nothing else
        (b'{"cookie":{},"a":null}', False),
        ('{"cookie":{},"name":"çay"}'.encode(), False),
        ('{"cookie":{"path":"/ç"}}'.encode(), True),
        (b'{"cookie":{"path":"/"},"x":"' + b"x" * 10_000 + b'"}', False),
        (b"[]", False),
    ],
)
def test_empty_is_nothing_but_the_library_s_own(raw: bytes, empty: bool) -> None:
    assert _READER is session("a").reader
    assert stats(MemoryStore([valued("a", raw)])).empty == empty


@pytest.mark.parametrize("size", [256, 257, 1024, 1025, 2**20, 2**20 + 1])
def test_sizes_fall_into_their_bands(size: int) -> None:
    found = stats(MemoryStore([valued("a", b"x" * size)]))
    ends = [end for end in SIZE_BANDS.values() if end is not None]
    name = list(SIZE_BANDS)[bisect_left(ends, size)]
    assert found.sizes.bands == {**dict.fromkeys(SIZE_BANDS, 0), name: 1}
    assert (found.sizes.sum, found.sizes.max) == (size, size)


def test_what_is_asked_for_is_counted_and_named() -> None:
    store = MemoryStore([session(f"s{n}", user=str(n % 5)) for n in range(50)])
    found = stats(store, Query(user="3"), top=2, largest=0)
    assert (found.sessions, found.users.top, found.largest) == (10, (("3", 10),), ())
    assert len(stats(store, top=2, largest=4).users.top) == 2
    assert len(stats(store, largest=4).largest) == 4


def test_progress_is_told_by_the_thousand() -> None:
    told: list[int] = []
    stats(MemoryStore([session(f"s{n}") for n in range(2500)]), progress=told.append)
    assert told == [1000, 1000]


def test_there_are_no_numbers_of_a_part_of_a_store() -> None:
    store = MemoryStore([session(f"s{n}") for n in range(9)], fail_after=5)
    with pytest.raises(StoreError, match="broke down"):
        stats(store)
