"""The query language: what it selects, and what it says of a bad expression."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessctl.errors import SerializerError, UsageError
from sessctl.query import parse_condition

VALUE = "expected a value: a text in quotes, a number, 30m, 8KiB, a date, "
NOW = 1_795_200_000_000  # 2026-11-20T18:40:00Z
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


@dataclass
class One:
    sid: str = "abc"
    user: str | None = "42"
    created_ms: int | None = NOW - 8 * DAY
    seen_ms: int | None = NOW - 3 * HOUR
    expires_ms: int | None = NOW + 20 * MINUTE
    size_bytes: int = 5000
    problem: object | None = None
    value: Any = field(
        default_factory=lambda: {
            "role": "guest",
            "cart": [{"sku": "tea", "qty": 2}],
            "admin": True,
            "visits": 3,
            "last-seen": "2026-11-20T18:30:00.000Z",
            "odd key": {"a.b": 1},
            "empty": [],
            "nothing": None,
        }
    )

    @property
    def data(self) -> Any:
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def holds(text: str, **changes: Any) -> bool:
    return parse_condition(text).matches(One(**changes), NOW)


@pytest.mark.parametrize(
    "text",
    [
        'user == "42"',
        "user == 42",
        "user == '42' and ttl < 30m",
        "user in (7, 42)",
        'user ~ "4*" and sid ~ "?bc"',
        'user != "7"',
        "ttl < 30m and ttl > 19m",
        "ttl <= 1200",
        "idle > 2h and idle < 4h",
        "size > 4KiB and size < 8KiB and size == 5000",
        "created < now-7d and created > now-9d",
        "created < 2026-11-19 and seen > 2026-11-20",
        "expires > now and expires <= now+20m",
        "expires < 2026-11-20T19:30:00Z",
        'expires < "2026-11-20T19:30:00+00:00"',
        "seen > @1795000000",
        'data.role == "guest"',
        'data.role in ("guest", "bot")',
        "data.admin == true and data.admin != 1",
        "data.visits == 3 and data.visits == 3.0 and data.visits >= 2.5 and data.visits < 1e3",
        "data.cart.0.sku == 'tea' and data.cart[0]['qty'] == 2",
        "data.last-seen > now-30m and data.last-seen < now",
        'data["odd key"]["a.b"] == 1',
        "len(data.cart) == 1 and len(data.empty) == 0 and len(data.role) > 4 and len(sid) == 3",
        "exists(data.cart) and not exists(data.nothing) and not exists(data.cart.7)",
        "data.nothing == null and data.absent == null and data.cart != null",
        "not (user == 7 or user == 8) and (sid == \"x\" or sid == \"abc\")",
        "not not user == 42",
    ],
)  # fmt: skip
def test_what_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        "user == 420",
        'user ~ "4"',
        'user ~ "[4]2"',
        "ttl > 30m",
        "ttl < -1s",
        "size < 1KB",
        "data.visits == true",
        'data.visits == "3"',
        'data.visits < "9"',
        "data.role < 9",
        "data.cart == 1",
        "data.role.x == 1",
        "exists(data.absent.deeper)",
        "data.last-seen > now",
        "data.role > now-1h",
        "user == 7 or user == 8 and sid == \"abc\"",
    ],
)  # fmt: skip
def test_what_does_not(text: str) -> None:
    assert not holds(text)


@pytest.mark.parametrize("text", ["ttl < 30m", "ttl > 30m", "expires < now", "expires >= now"])
def test_null_is_on_no_side_of_a_limit(text: str) -> None:
    assert not holds(text, expires_ms=None)


def test_null_equals_null_and_nothing_else() -> None:
    assert holds("user == null", user=None)
    assert holds('user != "42"', user=None)
    assert not holds("user == null")


@pytest.mark.parametrize(
    "text", ["exists(data.a)", "not exists(data.a)", "data.a != 1", "len(data) > 0"]
)
def test_a_session_that_cannot_be_read_matches_nothing_that_looks_into_it(text: str) -> None:
    assert not holds(text, value=SerializerError("damaged"))
    assert holds("user == 42", value=SerializerError("damaged"))


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("user == null", {"user": None}),
        ('user != "42"', {"user": None}),
        ('not user in ("42", "7")', {"user": None}),
        ("not exists(user) and ttl < 1h", {"user": None}),
        ("not idle < 2d", {"seen_ms": None}),
        ("created == null", {"created_ms": None}),
    ],
)
def test_what_could_not_be_read_is_not_taken_for_absent(text: str, changes: dict[str, Any]) -> None:
    """`purge -w 'user == null'` is for anonymous sessions: a damaged one may be somebody's."""
    assert holds(text, **changes)
    assert not holds(text, **changes, problem="damaged")
    assert holds("ttl < 30m", **changes, problem="damaged")


def test_what_is_known_of_a_damaged_session_counts() -> None:
    assert holds("user == 42 and idle > 2h", problem="damaged")


@pytest.mark.parametrize("field", ["data.visits", "size", "ttl", "user", "expires"])
def test_a_number_has_an_end(field: str) -> None:
    with pytest.raises(UsageError, match="a number of more than 100 characters"):
        parse_condition(f"{field} == {'9' * 5000}")


@pytest.mark.parametrize("number", [2**53, 2**60 + 1, 10**400, 1e300])
def test_large_numbers_are_numbers(number: float) -> None:
    """Ids and nanoseconds do not fit a float of 53 bits."""
    assert holds("data.n > 5 and data.n >= 5.5 and data.n != 5", value={"n": number})
    assert not holds("data.n < 5 or data.n == 5.0", value={"n": number})
    assert holds(f"data.n == {2**60 + 1}", value={"n": number}) is (number == 2**60 + 1)


def test_a_path_of_digits_is_a_path() -> None:
    assert not holds(f"exists(data.{'9' * 5000})")


def test_an_expression_as_long_as_it_may_be_is_judged() -> None:
    terms = ["ttl<1"] * 990
    assert holds(" or ".join([*terms, "user==42"]))
    assert not holds(" and ".join([*terms, "user==42"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the expression is empty (column 1)"),
        ("usr == 1", "no field 'usr' (column 1)"),
        ("user = 1", "unexpected '=' (column 6)"),
        ('user == "x', "unexpected a text without its closing quote (column 9)"),
        ("user ==", VALUE + "found the end (column 8)"),
        ("ttl < 8KiB", "'ttl' is a duration, '8KiB' is not (column 7)"),
        ("ttl < 30x", "'30x' is not a duration (column 7)"),
        ("size > 30m", "'30m' is not a size (column 8)"),
        ('size > "8"', "'size' is a size, '\"8\"' is not (column 8)"),
        ("expires < 5", "'expires' is an instant, '5' is not (column 11)"),
        ("expires < 2026-13-45", "'2026-13-45' is not an instant (column 11)"),
        ("user == true", "'user' is a text, 'true' is not (column 9)"),
        ("data.x < null", "nothing is < null, true or false (column 8)"),
        ("data.x == 30m", "'data.x' is a value of JSON, '30m' is not (column 11)"),
        ("user ~ 4", None),
        ("(user == 1", "expected ')', found the end (column 11)"),
        ("user == 1 user == 2", "expected and, or, or the end, found 'user' (column 11)"),
        ("user in 1", "expected '(', found '1' (column 9)"),
        ("not", "expected a field, found the end (column 4)"),
        ("(" * 60 + "user == 1" + ")" * 60, "nested too deep (column 51)"),
        ("data[x] == 1", "expected a key in quotes or a number (column 6)"),
        ("x" * 10_001, "the expression is longer than 10000 characters"),
    ],
)  # fmt: skip
def test_a_bad_expression_names_its_column(text: str, words: str | None) -> None:
    if words is None:
        assert not holds(text)
        return
    with pytest.raises(UsageError) as caught:
        parse_condition(text)
    assert caught.value.message == words


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(UsageError):
        parse_condition(text).matches(One(), NOW)


WORDS = st.sampled_from(
    ["user", "sid", "ttl", "size", "data.a", "data.b.c", "==", "!=", "<", ">", "~", "in", "(", ")",
     "and", "or", "not", "exists", "len", ",", "1", "2.5", "30m", "8KiB", "'x'", '"y"', "null",
     "true", "now-2h", "2026-11-20"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=14))
def test_no_row_of_words_breaks_it_either(words: list[str]) -> None:
    with suppress(UsageError):
        parse_condition(" ".join(words)).matches(One(), NOW)


def test_a_glob_does_not_run_away() -> None:
    text = "a" * 5000
    assert not holds(f'user ~ "{"*a" * 90}b"', user=text)


def test_a_condition_knows_what_every_match_fulfils() -> None:
    found = parse_condition('user == "42" and (ttl < 1h or size > 1KB) and sid in ("a", "b")')
    assert [(one.field.name, one.operator, one.values) for one in found.all_of] == [
        ("user", "==", ("42",)), ("sid", "in", ("a", "b")),
    ]  # fmt: skip
    assert found.fields == {"user", "ttl", "size", "sid"}
