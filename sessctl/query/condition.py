"""`Condition`: a parsed expression, compiled to one function of a session and the store's clock.

A missing field is null, and null is on no side of any limit. A session whose value cannot be read
matches no condition that looks into it, be it for the data, the user, or a time that the library
keeps there, whichever way it asks: nothing is purged because it could not be read.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.query.field import FIELDS, Kind
from sessctl.timespec import parse_iso_ms

if TYPE_CHECKING:
    from sessctl.query.field import Field, Subject

Test = Callable[["Subject", int], bool]
_IN_THE_VALUE = ("user", "created", "seen", "idle")  # most libraries keep them there
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moving:
    """An instant: ms since 1970 UTC, or ms from the moment of judging (`now-2h`)."""

    ms: int
    from_now: bool = True

    def at(self, now_ms: int) -> int:
        return self.ms + now_ms if self.from_now else self.ms


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field against one value or several; `function` is `len` or nothing."""

    field: Field
    operator: str  # == != < <= > >= ~ in exists
    values: tuple[Any, ...] = ()
    function: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression as it was written, and what it asks.

    `all_of` are the comparisons that every match must fulfil: what a store may be asked for.
    """

    text: str
    test: Test = field(compare=False)
    all_of: tuple[Comparison, ...] = field(compare=False)
    fields: frozenset[str] = field(compare=False)  # names; `data` for any path of the data

    def matches(self, session: Subject, now_ms: int) -> bool:
        """Judge one session by a clock in ms since 1970 UTC."""
        if session.problem is not None and self._asks_the_unread(session, now_ms):
            return False
        try:
            return self.test(_Once(session) if "data" in self.fields else session, now_ms)
        except SerializerError:
            return False

    def _asks_the_unread(self, session: Subject, now_ms: int) -> bool:
        """What is null here may only not have been read: it is no answer."""
        return any(
            FIELDS[name].get(session, now_ms) is None
            for name in _IN_THE_VALUE
            if name in self.fields
        )


class _Once:
    """A session whose data is decoded at the first look, and once."""

    def __init__(self, session: Subject) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    @cached_property
    def data(self) -> Any:
        return self._session.data


def compare(comparison: Comparison) -> Test:
    """The test of one comparison."""
    get = comparison.field.get
    if comparison.function == "len":
        get = _length(get)
    if any(isinstance(value, Moving) for value in comparison.values):
        return _moments(get, comparison)
    if comparison.operator == "exists":
        return lambda session, now_ms: get(session, now_ms) is not None
    if comparison.operator == "~":
        return _glob(get, comparison.values[0])
    if comparison.operator in ORDER:
        return _order(get, ORDER[comparison.operator], comparison)
    # A set would take 1 for true, and needs what can be hashed.
    wanted = [(_kind(value), value) for value in comparison.values]
    inside = comparison.operator != "!="

    def equal(session: Subject, now_ms: int) -> bool:
        found = get(session, now_ms)
        return ((_kind(found), found) in wanted) is inside

    return equal


def every(tests: Sequence[Test]) -> Test:
    """All of them, in their order; a chain of pairs would be as deep as the expression is long."""
    return lambda session, now_ms: all(test(session, now_ms) for test in tests)


def some(tests: Sequence[Test]) -> Test:
    """One of them at the least."""
    return lambda session, now_ms: any(test(session, now_ms) for test in tests)


def negated(inner: Test) -> Test:
    return lambda session, now_ms: not inner(session, now_ms)


def _order(
    get: Callable[[Subject, int], Any], holds: Callable[[Any, Any], bool], asked: Comparison
) -> Test:
    limit = asked.values[0]
    kind = _kind(limit)

    def ordered(session: Subject, now_ms: int) -> bool:
        found = get(session, now_ms)
        return _kind(found) is kind and holds(found, limit)

    return ordered


def _moments(get: Callable[[Subject, int], Any], asked: Comparison) -> Test:
    """Instants against a field of them, or against a date with a zone in the data."""

    def judged(session: Subject, now_ms: int) -> bool:
        found = get(session, now_ms)
        if asked.field.kind is Kind.DATA:
            found = parse_iso_ms(found) if isinstance(found, str) else None
        wanted = [v.at(now_ms) if isinstance(v, Moving) else v for v in asked.values]
        if asked.operator in ORDER:
            return found is not None and ORDER[asked.operator](found, wanted[0])
        return (found in wanted) is (asked.operator != "!=")

    return judged


def _glob(get: Callable[[Subject, int], Any], pattern: str) -> Test:
    # `*` and `?` only; fnmatch's own expressions do not run away.
    fits = re.compile(translate(pattern.replace("[", "[[]"))).match

    def like(session: Subject, now_ms: int) -> bool:
        found = get(session, now_ms)
        return isinstance(found, str) and fits(found) is not None

    return like


def _length(get: Callable[[Subject, int], Any]) -> Callable[[Subject, int], Any]:
    def length(session: Subject, now_ms: int) -> Any:
        found = get(session, now_ms)
        return len(found) if isinstance(found, (str, list, dict)) else None

    return length


def _kind(value: Any) -> type:
    """Its type, where 1 and 1.0 are one kind of number; true is none."""
    return float if type(value) is int else type(value)
