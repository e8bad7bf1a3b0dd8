"""What is expected of an answer, and whether it holds.

Values are compared as texts, as they were typed and as they were sent; `gt` and `lt` as numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TYPE_CHECKING

from sessctl.errors import UsageError
from sessctl.replay.extract import extract, fill_pattern
from sessctl.replay.variables import fill, shown
from sessctl.text import Secret, redact, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.replay.extract import Answer, Source
    from sessctl.replay.problems import Place
    from sessctl.replay.variables import Value

_SHOWN = 60  # characters of a value in a failure


class Operator(StrEnum):
    """How a value is compared; all but `exists` and `not` want a value that is there."""

    EQUALS = "equals"
    CONTAINS = "contains"
    MATCHES = "matches"
    GT = "gt"
    LT = "lt"
    EXISTS = "exists"
    NOT = "not"
    SAME_AS = "same-as"


@dataclass(frozen=True, slots=True)
class Matcher:
    """Comparisons that must all hold; the operand is text, and for `not` a matcher."""

    tests: tuple[tuple[Operator, str | Matcher], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is expected of an answer."""

    source: Source
    matcher: Matcher
    place: Place


@dataclass(frozen=True, slots=True)
class Expectation:
    """What an answer must be. `depends`: what the comparison of the runs must say of the step."""

    checks: tuple[Check, ...] = ()
    depends: bool | None = None


NOTHING = Expectation()


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that did not hold: `status: expected 302, found 200`."""

    check: Check
    message: str


def failures(
    expectation: Expectation, answer: Answer, values: Mapping[str, Value]
) -> list[Failure]:
    """The checks that do not hold; `depends` is for the comparison to judge.

    Args:
        values: variables and captures by name.

    Raises:
        UsageError: a check that cannot be made: a pattern that is none, a variable without a
            value, an operand of `gt` that is no number.
        MissingExtra: css and xpath need `sessctl[replay]`.
    """
    found = []
    for check in expectation.checks:
        value = extract(check.source, answer, values)
        told = why_not(check.matcher, value, values)
        if told is not None:
            found.append(Failure(check, f"{name_of(check.source)}: {told}"))
    return found


def name_of(source: Source) -> str:
    """How a report calls a source: `status`, `header Location`, `cookie sid path`."""
    words = [source.kind.value, source.expression, source.attr or ""]
    return shorten(" ".join(word for word in words if word), _SHOWN)


def why_not(matcher: Matcher, value: str | None, values: Mapping[str, Value]) -> str | None:
    """The first comparison that does not hold, in words; None when all do."""
    for operator, operand in matcher.tests:
        if not _holds(operator, operand, value, values):
            told = "nothing" if value is None else redact(shorten(value, _SHOWN)) or "''"
            return f"expected {_wanted(operator, operand, values)}, found {told}"
    return None


def _holds(
    operator: Operator, operand: str | Matcher, value: str | None, values: Mapping[str, Value]
) -> bool:
    if isinstance(operand, Matcher):
        return why_not(operand, value, values) is not None
    if operator is Operator.EXISTS:
        return (value is not None) == (operand == "true")
    if value is None:
        return False
    if operator is Operator.MATCHES:
        from sessctl.replay.pages import matches

        return matches(fill_pattern(operand, values), value)
    if operator is Operator.SAME_AS:
        other = values.get(operand)
        return other is not None and value == _plain(other)
    wanted = fill(operand, values)
    if operator is Operator.CONTAINS:
        return wanted in value
    if operator is Operator.EQUALS:
        return value == wanted
    found, limit = _number(value), _number(wanted)
    if limit is None:
        raise UsageError(f"'{shorten(wanted, _SHOWN)}' is no number", hint=f"{operator}: 3")
    return found is not None and (found > limit if operator is Operator.GT else found < limit)


def _plain(value: Value) -> str:
    return value.reveal_text() if isinstance(value, Secret) else value


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _wanted(operator: Operator, operand: str | Matcher, values: Mapping[str, Value]) -> str:
    if isinstance(operand, Matcher):
        inner = " and ".join(_wanted(*test, values) for test in operand.tests)
        return f"not {inner}"
    if operator is Operator.EXISTS:
        return "a value" if operand == "true" else "none"
    if operator is Operator.SAME_AS:
        return f"the same as '{operand}'"
    told = shorten(shown(operand, values), _SHOWN) or "''"
    return told if operator is Operator.EQUALS else f"{_WORDS[operator]} {told}"


_WORDS = {
    Operator.CONTAINS: "something with",
    Operator.MATCHES: "a match of",
    Operator.GT: "more than",
    Operator.LT: "less than",
}
