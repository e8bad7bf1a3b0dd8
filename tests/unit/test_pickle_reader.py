"""Pickles read as data: the same values as Python's own module gives, and nothing run for them."""

from __future__ import annotations

import enum
import json
import pickle
import uuid
import zoneinfo
from collections import Counter, OrderedDict, defaultdict, deque
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from sessctl.errors import LimitExceeded, SerializerError
from sessctl.limits import Budget
from sessctl.serializers import pickle as reader
from tests.support.child import in_child
from tests.support.vectors import hostile

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
SMALL = Budget(value_bytes=100_000, unpacked_bytes=100_000, depth=20, nodes=1_000)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)  # fmt: skip


class Colour(enum.Enum):
    RED = 1


class Cart:
    def __init__(self) -> None:
        self.items = [("pear", 2)]


def all_forms(value: Any) -> Any:
    """The value as each protocol has it, which has to be the same."""
    found = {json.dumps(reader.decode(pickle.dumps(value, n)).data): n for n in PROTOCOLS}
    assert len(found) == 1, found
    return json.loads(next(iter(found)))


@settings(max_examples=40)
@given(value=DATA, protocol=st.sampled_from(PROTOCOLS))
def test_plain_data_comes_back_as_it_was(value: Any, protocol: int) -> None:
    assert reader.decode(pickle.dumps(value, protocol)).data == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ((1, (2,)), {"__tuple__": [1, {"__tuple__": [2]}]}),
        (b"\xff\0", {"__bytes__": "/wA="}),
        (bytearray(b"ab"), {"__bytes__": "YWI="}),
        ({1}, {"__set__": [1]}),
        (frozenset(["a"]), {"__set__": ["a"]}),
        ({7: "a", "b": None}, {"__map__": [[7, "a"], ["b", None]]}),
        (float("-inf"), {"__float__": "-INF"}),
        (datetime(2026, 1, 2, 3, 4, 5, 6), {"__datetime__": "2026-01-02T03:04:05.000006"}),
        (datetime(2026, 1, 2, tzinfo=UTC), {"__datetime__": "2026-01-02T00:00:00+00:00"}),
        (
            datetime(2026, 1, 2, fold=1, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
            {"__datetime__": "2026-01-02T00:00:00-03:30"},
        ),
        (
            datetime(2026, 1, 2, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
            {"__datetime__": "2026-01-02T00:00:00[Europe/Berlin]"},
        ),
        (date(2026, 1, 2), {"__object__": "datetime.date", "state": "2026-01-02"}),
        (time(1, 2, 3), {"__object__": "datetime.time", "state": "01:02:03"}),
        (timedelta(1, 2), {"__object__": "datetime.timedelta", "state": "1 day, 0:00:02"}),
        (Decimal("1.50"), {"__object__": "decimal.Decimal", "state": "1.50"}),
        (uuid.UUID(int=5), {"__uuid__": "00000000-0000-0000-0000-000000000005"}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (deque([1, 2], 5), [1, 2]),
        (Markup("<b>"), {"__markup__": "<b>"}),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_usual_values_are_shown_as_such(value: Any, shown: Any) -> None:
    assert all_forms(value) == shown
    assert reader.decode(pickle.dumps(value)).notes in ((), ("-INF is not JSON",))


def test_objects_are_named_and_never_built() -> None:
    found = reader.decode(pickle.dumps([Cart(), Colour.RED, Cart]))
    name = f"{__name__}.Cart"
    assert found.data == [
        {"__object__": name, "state": {"items": [{"__tuple__": ["pear", 2]}]}},
        {"__object__": f"{__name__}.Colour", "args": [1], "state": None},
        {"__object__": name},
    ]
    assert found.notes == (
        f"'{name}' is shown, not looked up",
        f"'{__name__}.Colour' is shown, not looked up",
    )


def test_text_of_python_2_is_text_where_it_is_utf_8() -> None:
    raw = b"(dp0\nS'user'\np1\nS'chlo\\xc3\\xa9'\np2\nsS'raw'\nS'\\xff\\\\\\''\ns."
    assert reader.decode(raw).data == {"user": "chloé", "raw": {"__bytes__": "/1wn"}}
    assert reader.peek(["user"])(raw) == ("chloé",)


def test_what_a_value_holds_twice_is_shown_twice_and_counted_twice() -> None:
    shared = ["x" * 600]
    assert reader.decode(pickle.dumps([shared] * 100), SMALL).data == [shared] * 100
    with pytest.raises(LimitExceeded, match=r"more than 100000 bytes"):
        reader.decode(pickle.dumps([shared] * 200), SMALL)
    with pytest.raises(LimitExceeded, match=r"more than 1000 values"):
        reader.decode(pickle.dumps([[1] * 30] * 40), SMALL)


def test_a_value_that_holds_itself_is_cut_there() -> None:
    knot: list[Any] = [1]
    knot.append({"again": knot})
    found = reader.decode(pickle.dumps(knot))
    assert found.data == [1, {"again": {"__object__": "itself", "state": None}}]
    assert found.notes == ("a value that holds itself is cut there",)


def test_depth_counts_lists_objects_and_arguments_alike() -> None:
    value: Any = 1
    for _ in range(SMALL.depth):
        value = [value]
    assert reader.decode(pickle.dumps(value), SMALL).data == value
    with pytest.raises(LimitExceeded, match="deeper than 20"):
        reader.decode(pickle.dumps([value]), SMALL)
    usual: Any = 1
    for _ in range(Budget().depth):
        usual = [usual]
    assert reader.decode(pickle.dumps(usual)).data == usual


def test_long_integers_are_text() -> None:
    found = reader.decode(pickle.dumps([10**4_299, 10**5_000], 2))
    assert found.data[0] == 10**4_299
    assert int(found.data[1], 16) == 10**5_000
    assert "kept as text" in found.notes[0]


def test_several_pickles_in_a_row_are_told_apart() -> None:
    raw = pickle.dumps(1795200107) + pickle.dumps({"user_id": 7}, 2)
    expiry, end = reader.first(raw)
    value, last = reader.first(raw, start=end)
    assert (expiry.data, value.data, last) == (1795200107, {"user_id": 7}, len(raw))
    whole = reader.decode(raw)
    assert (whole.data, whole.notes) == (
        1795200107, (f"{len(raw) - end} bytes after the end of the pickle",),
    )  # fmt: skip


def test_peek_reads_users_out_of_dicts_of_every_kind() -> None:
    value = {"user": OrderedDict(id=7), 5: "x", "at": datetime(2026, 1, 2), "n": None}
    read = reader.peek(["user.id", "at", "n", "nobody", "at.year", "user"])
    for protocol in PROTOCOLS:
        assert read(pickle.dumps(value, protocol)) == (
            *(7, {"__datetime__": "2026-01-02T00:00:00"}, None, None, None, {"id": 7}),
        )
    with pytest.raises(SerializerError, match="expected an object"):
        read(pickle.dumps([1]))


def test_pickles_are_not_written() -> None:
    for write in (reader.encode, reader.written, lambda data: reader.edited(b"}.", data)):
        with pytest.raises(SerializerError, match="only read, never written"):
            write({})


@settings(max_examples=60)
@given(data=st.data(), protocol=st.sampled_from(PROTOCOLS))
def test_no_damage_does_more_than_fail(data: st.DataObject, protocol: int) -> None:
    whole = bytearray(pickle.dumps({"u": uuid.UUID(int=5), "d": datetime(2026, 1, 2, tzinfo=UTC), "l": [{1}, b"x", (1.5, "é")]}, protocol))  # fmt: skip  # noqa: E501
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    _only_fails(bytes(whole))


@settings(max_examples=60)
@given(raw=st.lists(st.sampled_from([bytes((n,)) for n in b"].}()0123tleasudRibocgpqhMKNX\x80\x81\x85\x8c\x93\x94"]), max_size=60))  # fmt: skip  # noqa: E501
def test_no_mixture_of_opcodes_does_more_than_fail(raw: list[bytes]) -> None:
    _only_fails(b"".join(raw) + b".")


def _only_fails(raw: bytes) -> None:
    for read in (lambda one: reader.decode(one, SMALL).data, reader.peek(["u", "l.x"])):
        with suppress(SerializerError):
            json.dumps(read(raw), allow_nan=False)


@pytest.mark.parametrize("case", hostile("pickle-", kind="value"), ids=lambda case: case.id)
def test_hostile_pickles(case: Any) -> None:
    """Nothing is imported, opened or run, by the reader or because of what it read."""

    def read() -> str:
        with suppress(SerializerError):
            reader.peek(["user_id"])(case.raw)
        try:
            shown = json.dumps(reader.decode(case.raw).data, allow_nan=False)
        except SerializerError as exc:
            return f"{type(exc).__name__}: {exc}"
        return shown

    read()  # once before, so that what it imports itself is there
    ran = in_child(read)
    assert ran.acts == frozenset()
    assert (ran.rss_mib < case.max_rss_mib, ran.seconds < case.max_seconds) == (True, True)
    failed = ran.answer.startswith(("SerializerError", "LimitExceeded"))
    assert failed == {"error": True, "ok": False}.get(case.expect, failed)


BOMBS = {
    "lists": b"]" * 8_000_000,
    "memo": b"N" + b"\x94" * 8_000_000,
    "names": b"X\xe8\x01\0\0" + b"a" * 488 + b"q\x000" + b"h\0h\0\x93" * 1_600_000,
    "shared bytes": b"(B\0\0\x40\0" + b"a" * 4_194_304 + b"q\0" + b"h\0" * 100_000 + b"t.",
    "octets in octets": b"c__builtin__\nbytes\nq\x000N" + b"q\x01h\0h\x01\x85R" * 200_000 + b".",
    "escapes": b"S'" + b"\\x41" * 2_000_000 + b"'\n.",
}


@pytest.mark.long
@pytest.mark.parametrize("name", BOMBS)
def test_large_values_stay_within_memory_and_time(name: str) -> None:
    def read() -> None:
        with suppress(SerializerError):
            reader.decode(BOMBS[name])

    ran = in_child(read)
    assert ran.rss_mib < 256
    assert ran.seconds < 20  # of a busy machine; 2 s of an idle one
