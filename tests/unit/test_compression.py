"""zlib streams: all of what they hold within the budget, or an error with a name."""

from __future__ import annotations

import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers.compression import inflate
from tests.support.child import in_child
from tests.support.vectors import hostile

SMALL = Budget(unpacked_bytes=1_000)


@settings(max_examples=20)
@given(data=st.binary(max_size=1_000), level=st.integers(0, 9))
def test_what_was_packed_comes_back(data: bytes, level: int) -> None:
    assert inflate(zlib.compress(data, level), SMALL) == data


def test_the_budget_is_exact() -> None:
    with pytest.raises(LimitExceeded, match="more than 1000 bytes"):
        inflate(zlib.compress(b"a" * 1_001), SMALL)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "cut off at byte 0"),
        (zlib.compress(b"abc" * 50)[:-3], "cut off at byte"),
        (zlib.compress(b"abc") + b"!", "after the end of the zlib stream at byte 11"),
        (zlib.compress(b"abc")[:-1] + b"?", "incorrect data check"),
        (b'{"user":1}', "not zlib"),
    ],
)
def test_what_is_not_whole_is_an_error(raw: bytes, words: str) -> None:
    with pytest.raises(SerializerError, match=words):
        inflate(raw)


@pytest.mark.parametrize("case", hostile("bomb-", "zlib-", kind="value"), ids=lambda case: case.id)
def test_hostile_streams(case: Any) -> None:
    def read() -> str:
        try:
            return str(len(inflate(case.raw)))
        except SerializerError as exc:
            return str(exc)

    ran = in_child(read)
    assert ran.acts == frozenset()
    assert (ran.rss_mib < case.max_rss_mib, ran.seconds < case.max_seconds) == (True, True)
    assert not ran.answer.isdecimal() or int(ran.answer) <= Budget().unpacked_bytes
