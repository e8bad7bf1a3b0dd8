"""From the text of an expression to a `Condition`; every error names its column.

either := both ("or" both)*        both := one ("and" one)*
one    := "not" one | "(" either ")" | test
test   := "exists" "(" field ")" | subject operator literal | subject "in" "(" literal, ... ")"
subject := field | "len" "(" field ")"
field  := sid user created seen expires ttl idle size data.PATH data["odd key"]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sessctl.errors import UsageError, did_you_mean
from sessctl.query.condition import (
    ORDER,
    Comparison,
    Condition,
    Moving,
    compare,
    every,
    negated,
    some,
)
from sessctl.query.field import FIELD_NAMES, FIELDS, Field, Kind, data_field
from sessctl.timespec import parse_duration, parse_instant, parse_size, to_ms

if TYPE_CHECKING:
    from sessctl.query.condition import Test

_MAX_TEXT = 10_000
_MAX_DEPTH = 50
_MAX_GLOB = 200
_MAX_NUMBER = 100  # characters; Python reads no more than 4 300 digits
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<instant>\d{4}-\d\d-\d\d(?:T[0-9:.,]+(?:Z|[+-][0-9:]+)?)?|@\d+(?:\.\d+)?"""
    r"""|(?:now|today)\b(?:[+-][0-9][0-9A-Za-z.]*)?)"""
    r"""|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))"""
    r"""|(?P<measure>-?\d[0-9A-Za-z.]*)"""
    r"""|(?P<sign>==|!=|<=|>=|<|>|~|\(|\)|,|\[|\])"""
    r"""|(?P<word>[A-Za-z_](?:[\w.-]*[\w])?)"""
)
_CONSTANTS = {"true": True, "false": False, "null": None}
_KEYWORDS = ("and", "or", "not", "in", *_CONSTANTS)
_SIGNS = ("==", "!=", "<", "<=", ">", ">=", "~", "in")
_SIZE_UNIT = re.compile(r"[\d.]+([kKmMgG]i?)?[bB]")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


def parse_condition(text: str, *, now: datetime | None = None) -> Condition:
    """Read an expression.

        parse_condition('user == "42" and ttl < 30m').matches(session, store.now_ms())

    Args:
        now: what `today` is counted from; `now` in an expression is the store's clock.

    Raises:
        UsageError: what is wrong, at which column, and what would be right.
    """
    if len(text) > _MAX_TEXT:
        raise UsageError(f"the expression is longer than {_MAX_TEXT} characters")
    return _Parser(text, now or datetime.now(UTC)).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the expression: its test, and what each of its matches fulfils."""

    test: Test
    all_of: tuple[Comparison, ...] = ()


class _Parser:
    def __init__(self, text: str, now: datetime) -> None:
        self._text, self._now = text, now
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._fields: set[str] = set()

    def whole(self) -> Condition:
        if self._here.kind == "end":
            raise _error("the expression is empty", 0, 'write for example: user == "42"')
        part = self._either()
        if self._here.kind != "end":
            raise self._unexpected("and, or, or the end")
        return Condition(self._text.strip(), part.test, part.all_of, frozenset(self._fields))

    # -- structure --------------------------------------------------------------------------------

    def _either(self) -> _Part:
        parts = [self._both()]
        while self._takes("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else _Part(some([part.test for part in parts]))

    def _both(self) -> _Part:
        parts = [self._one()]
        while self._takes("and"):
            parts.append(self._one())
        if len(parts) == 1:
            return parts[0]
        all_of = tuple(one for part in parts for one in part.all_of)
        return _Part(every([part.test for part in parts]), all_of)

    def _one(self) -> _Part:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _error("nested too deep", self._here.at)
        try:
            if self._takes("not"):
                return _Part(negated(self._one().test))
            if self._takes("("):
                inner = self._either()
                self._need(")")
                return inner
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> _Part:
        function = ""
        if self._here.text in ("exists", "len") and self._tokens[self._at + 1].text == "(":
            function = self._next().text
            self._need("(")
            field = self._field()
            self._need(")")
        else:
            field = self._field()
        if function == "exists":
            return self._tested(Comparison(field, "exists"))
        sign = self._here
        if sign.text not in _SIGNS or sign.kind == "string":
            raise self._unexpected(f"one of {' '.join(_SIGNS)}")
        self._next()
        asked = replace(field, kind=Kind.DATA) if function else field
        values = self._list(asked) if sign.text == "in" else (self._value(asked, sign.text),)
        if sign.text == "~" and (not isinstance(values[0], str) or function):
            raise _error("~ compares a text with a pattern", sign.at, 'write user ~ "test-*"')
        if sign.text in ORDER and (values[0] is None or isinstance(values[0], bool)):
            raise _error(f"nothing is {sign.text} null, true or false", sign.at, "== asks that")
        return self._tested(Comparison(field, sign.text, values, function))

    def _tested(self, comparison: Comparison) -> _Part:
        return _Part(compare(comparison), (comparison,))

    # -- fields and values ------------------------------------------------------------------------

    def _field(self) -> Field:
        token = self._here
        if token.kind != "word" or token.text in _KEYWORDS:
            raise self._unexpected("a field")
        self._next()
        head, *rest = token.text.split(".")
        if head == "data":
            self._fields.add("data")
            return data_field((*map(_step, rest), *self._bracketed()))
        if rest or head not in FIELDS:
            hint = did_you_mean(token.text, FIELD_NAMES, all_are="fields:")
            raise _error(f"no field '{token.text}'", token.at, hint)
        self._fields.add(head)
        return FIELDS[head]

    def _bracketed(self) -> list[str | int]:
        steps: list[str | int] = []
        while self._takes("["):
            token = self._next()
            if token.kind == "string":
                steps.append(_unquoted(token))
            elif token.kind == "number" and token.text.isdigit():
                steps.append(int(token.text))
            else:
                raise _error("expected a key in quotes or a number", token.at, 'data["odd key"]')
            self._need("]")
        return steps

    def _list(self, field: Field) -> tuple[Any, ...]:
        self._need("(")
        values = [self._value(field, "in")]
        while self._takes(","):
            values.append(self._value(field, "in"))
        self._need(")")
        return tuple(values)

    def _value(self, field: Field, sign: str) -> Any:
        token = self._next()
        if token.kind == "word" and token.text in _CONSTANTS:
            value = _CONSTANTS[token.text]
            if value is not None and field.kind is not Kind.DATA:
                raise self._unlike(field, token)
            return value
        if token.kind == "string":
            if field.kind is Kind.INSTANT:
                return self._instant(token, _unquoted(token))
            if field.kind not in (Kind.TEXT, Kind.DATA):
                raise self._unlike(field, token)
            text = _unquoted(token)
            if sign == "~" and len(text) > _MAX_GLOB:
                raise _error(f"a pattern of more than {_MAX_GLOB} characters", token.at)
            return text
        if token.kind == "instant":
            if field.kind not in (Kind.INSTANT, Kind.DATA):
                raise self._unlike(field, token)
            return self._instant(token, token.text)
        if token.kind in ("number", "measure"):
            return self._measure(field, token)
        raise self._unexpected("a value: a text in quotes, a number, 30m, 8KiB, a date", token)

    def _measure(self, field: Field, token: _Token) -> Any:
        plain = token.kind == "number"
        try:
            if field.kind is Kind.TEXT and plain:
                return token.text  # user == 42: ids are texts
            if field.kind is Kind.DURATION and (plain or not _SIZE_UNIT.fullmatch(token.text)):
                sign = -1 if token.text.startswith("-") else 1
                span = parse_duration(token.text.removeprefix("-"))
                return sign * round(span.total_seconds() * 1000)
            if field.kind is Kind.SIZE and not token.text.startswith("-"):
                return parse_size(token.text)
        except UsageError as exc:
            raise _error(exc.message, token.at, exc.hint) from None
        if field.kind is Kind.DATA and plain:
            return int(token.text) if token.text.lstrip("-").isdigit() else float(token.text)
        raise self._unlike(field, token)

    def _instant(self, token: _Token, text: str) -> Any:
        """`now-2h` moves with the store's clock; every other instant stands."""
        try:
            if text.startswith("now"):
                epoch = datetime(2000, 1, 1, tzinfo=UTC)
                return Moving(to_ms(parse_instant(text, epoch)) - to_ms(epoch))
            return Moving(to_ms(parse_instant(text, self._now)), from_now=False)
        except UsageError as exc:
            raise _error(exc.message, token.at, exc.hint) from None

    # -- tokens -----------------------------------------------------------------------------------

    @property
    def _here(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _takes(self, text: str) -> bool:
        if self._here.text != text or self._here.kind not in ("word", "sign"):
            return False
        self._next()
        return True

    def _need(self, text: str) -> None:
        if not self._takes(text):
            raise self._unexpected(f"'{text}'")

    def _unexpected(self, wanted: str, token: _Token | None = None) -> UsageError:
        token = token or self._here
        found = f"'{token.text}'" if token.kind != "end" else "the end"
        return _error(f"expected {wanted}, found {found}", token.at, "sessctl help queries")

    @staticmethod
    def _unlike(field: Field, token: _Token) -> UsageError:
        examples = {
            Kind.TEXT: f'{field.name} == "42"',
            Kind.INSTANT: f"{field.name} < now-2h",
            Kind.DURATION: f"{field.name} < 30m",
            Kind.SIZE: f"{field.name} > 8KiB",
            Kind.DATA: f'{field.name} == "admin"',
        }
        return _error(
            f"'{field.name}' is {field.kind}, '{token.text}' is not",
            token.at,
            f"write {examples[field.kind]}",
        )


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            what = "a text without its closing quote" if text[at] in "\"'" else f"'{text[at]}'"
            raise _error(f"unexpected {what}", at, "sessctl help queries")
        token = _Token(str(match.lastgroup), match.group(), at)
        if token.kind in ("number", "measure") and len(token.text) > _MAX_NUMBER:
            raise _error(f"a number of more than {_MAX_NUMBER} characters", at, "quote a text")
        found.append(token)
        at = match.end()
    return [*found, _Token("end", "", end)]


def _unquoted(token: _Token) -> str:
    return _ESCAPE.sub(r"\1", token.text[1:-1])


def _step(text: str) -> str | int:
    is_place = text.isascii() and text.isdigit() and len(text) <= _MAX_NUMBER
    return int(text) if is_place else text


def _error(message: str, at: int, hint: str | None = None) -> UsageError:
    return UsageError(f"{message} (column {at + 1})", hint=hint)
