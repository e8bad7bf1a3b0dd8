"""Values of JavaScript source as they stand there: literals, `process.env.X`, calls; nothing runs.

What is more than that (a function, a sum of texts, a condition) is `UNKNOWN`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sessctl.config.discovery.js_tokens import Token, tokens
from sessctl.config.discovery.js_values import (
    UNKNOWN,
    Array,
    Call,
    Env,
    Import,
    JsValue,
    Literal,
    Member,
    Name,
    Object,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH = 40
_STEPS = 1_000_000  # 0.5 s; a file of 256 KiB that people wrote takes a tenth of it
_END = Token("sign", "", 0)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_CONSTANTS = ("true", "false", "null", "undefined")


class Source:
    """One file: its tokens, and what its names stand for."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.scope: dict[str, JsValue] = {}
        self._left = _STEPS
        self._read_scope()

    # -- names ------------------------------------------------------------------------------------

    def _read_scope(self) -> None:
        """`import` and `const`, wherever they stand; of two the first one counts."""
        for place, token in enumerate(self.tokens):
            if token.kind != "name" or self.at(place - 1).text == ".":
                continue
            found: dict[str, JsValue] = {}
            if token.text == "import":
                found = self._imports(place + 1)
            elif token.text in ("const", "let", "var"):
                found = self._declared(place + 1)
            for name, value in found.items():
                self.scope.setdefault(name, value)

    def _imports(self, place: int) -> dict[str, JsValue]:
        """`D, { A, B as C } from "p"`, `* as N from "p"`."""
        names: dict[str, str] = {}
        while (token := self.at(place)).kind != "text":
            if token is _END or token.text in (";", "("):
                return {}
            if token.text == "*":
                names[self.at(place + 2).text] = "*"
                place += 2
            elif token.text == "{":
                inside, place = self._braced(place)
                names |= inside
            elif token.kind == "name" and token.text not in ("from", "type"):
                names[token.text] = "default"
            place += 1
        return {name: Import(token.text, export, token.line) for name, export in names.items()}

    def _braced(self, place: int) -> tuple[dict[str, str], int]:
        """Local name -> exported name of `{ A, B as C, D: E }`, and where it ends."""
        names: dict[str, str] = {}
        while (token := self.at(place)).text != "}" and token is not _END:
            if token.kind == "name" and token.text != "type":
                local = token.text
                if self.at(place + 1).text in ("as", ":"):
                    place += 2
                    local = self.at(place).text
                names[local] = token.text
            place += 1
        return names, place

    def _declared(self, place: int) -> dict[str, JsValue]:
        """`a = 1, { b, c: d } = e`."""
        found: dict[str, JsValue] = {}
        while True:
            token, names = self.at(place), {self.at(place).text: ""}
            if token.text == "{":
                names, place = self._braced(place)
            elif token.kind != "name":
                return found
            place = self._equals(place + 1)
            if self.at(place).text != "=":
                return found
            value, place = self.value(place + 1)
            for local, name in names.items():
                found[local] = Member(value, name, token.line) if name else value
            if self.at(place).text != ",":
                return found
            place += 1

    def _equals(self, place: int) -> int:
        """Where the `=` is; there may be a type before it: `const store: Store = ...`."""
        while self.at(place).text not in ("=", ";", ",", ")", "of", ""):
            place += 1
        return place

    def resolved(self, value: JsValue, depth: int = 0) -> JsValue:
        """What a name stands for, as far as this file tells."""
        if depth > _DEPTH:
            return UNKNOWN
        if isinstance(value, Name):
            known = self.scope.get(value.name)
            return self.resolved(known, depth + 1) if known is not None else value
        if isinstance(value, Member):
            of = self.resolved(value.of, depth + 1)
            if isinstance(of, Import):
                return Import(of.package, value.name, of.line)
            if isinstance(of, Object):
                return self.resolved(of.entries.get(value.name, UNKNOWN), depth + 1)
            return Member(of, value.name, value.line)
        if isinstance(value, Call) and _loads(value.callee):
            package = value.args[0] if value.args else UNKNOWN
            if isinstance(package, Literal) and isinstance(package.value, str):
                return Import(package.value, "default", value.line)
        return value

    def package_of(self, value: JsValue, depth: int = 0) -> str | None:
        """The package that something comes from: imported, or made by what is."""
        found = self.resolved(value)
        if isinstance(found, Import):
            return found.package
        if depth > _DEPTH:
            return None
        if isinstance(found, Call):
            return self.package_of(found.callee, depth + 1)
        return self.package_of(found.of, depth + 1) if isinstance(found, Member) else None

    # -- calls ------------------------------------------------------------------------------------

    def calls(self) -> Iterator[Call]:
        """Every call in the file, those in the arguments of another one too."""
        for place, token in enumerate(self.tokens):
            before = self.at(place - 1).text
            if token.kind != "name" or before in (".", "?.", "new", "function"):
                continue
            if token.text != "new" and self.at(place + 1).text not in ("(", "."):
                continue
            value = self._primary(place, 0)[0]
            if isinstance(value, Call):
                yield value

    def assigned(self, member: str) -> Iterator[JsValue]:
        """What `anything.member = ...` sets."""
        for place, token in enumerate(self.tokens):
            around = self.at(place - 1).text, token.text, self.at(place + 1).text
            if around == (".", member, "="):
                yield self.value(place + 2)[0]

    # -- values -----------------------------------------------------------------------------------

    def at(self, place: int) -> Token:
        """The token at this place; there is none any more when the file takes too long."""
        self._left -= 1
        return self.tokens[place] if self._left > 0 <= place < len(self.tokens) else _END

    def value(self, place: int, depth: int = 0) -> tuple[JsValue, int]:
        """The value that begins here, and where it ends: at `,`, `;` or a closing bracket."""
        if depth > _DEPTH:
            return UNKNOWN, self._skipped(place)
        found, place = self._term(place, depth)
        while (sign := self.at(place)).text in ("||", "??", "+", "-", "as", "satisfies", "!"):
            if sign.text == "!":
                place += 1
            elif sign.text in ("as", "satisfies"):
                place = self._skipped(place)
            elif sign.text in ("||", "??"):
                other, place = self.value(place + 1, depth + 1)
                found = _or(found, other)
            else:
                other, place = self._term(place + 1, depth)
                found = _computed(found, other, sign.text)
        if self._ends_at(place):
            return found, place
        return Unknown(self.at(place).line), self._skipped(place)

    def _ends_at(self, place: int) -> bool:
        """Nothing of the value follows; without a `;` a new line ends it, too."""
        token, before = self.at(place), self.at(place - 1)
        if token is _END or token.text in (",", ";", ")", "]", "}", ":"):
            return True
        return token.kind == "name" and token.line > before.line

    def _term(self, place: int, depth: int) -> tuple[JsValue, int]:
        found, place = self._primary(place, depth)
        while self.at(place).text in ("*", "/"):
            sign = self.at(place).text
            other, place = self._primary(place + 1, depth)
            found = _computed(found, other, sign)
        return found, place

    def _primary(self, place: int, depth: int) -> tuple[JsValue, int]:
        token = self.at(place)
        if depth > _DEPTH:
            return UNKNOWN, self._skipped(place)
        if token.kind == "text":
            return Literal(token.text, token.line), place + 1
        if token.kind == "number":
            return Literal(_number(token.text), token.line), place + 1
        if token.text == "{":
            return self._object(place, depth)
        if token.text == "[":
            items, place = self._listed(place, depth)
            return Array(items, token.line), place
        if token.text == "(":
            items, after = self._listed(place, depth)
            if self.at(after).text == "=>" or len(items) != 1:
                return Unknown(token.line), self._skipped(after)
            return items[0], after
        if token.kind == "name" and token.text in ("await", "new"):
            return self._primary(place + 1, depth + 1)
        if token.kind == "name" and token.text in _CONSTANTS:
            word = {"true": True, "false": False}.get(token.text)
            return Literal(word, token.line), place + 1
        if token.kind != "name" or token.text in ("function", "class", "async"):
            return Unknown(token.line), self._skipped(place)
        return self._path(Name(token.text, token.line), place + 1, depth)

    def _path(self, found: JsValue, place: int, depth: int) -> tuple[JsValue, int]:
        """`.member`, `["member"]` and `(args)` behind a name."""
        while True:
            token = self.at(place)
            if token.text in (".", "?.") and self.at(place + 1).kind == "name":
                found = _member(found, self.at(place + 1).text, token.line)
                place += 2
            elif token.text == "[" and self.at(place + 1).kind == "text":
                found = _member(found, self.at(place + 1).text, token.line)
                place = self._skipped(place + 1) + 1
            elif token.text == "(":
                items, place = self._listed(place, depth)
                found = Call(found, items, token.line)
            elif token.text == "=>":
                return Unknown(token.line), self._skipped(place)
            else:
                return found, place

    def _listed(self, place: int, depth: int) -> tuple[tuple[JsValue, ...], int]:
        """The values between brackets, and what follows the closing one."""
        closing, items = _CLOSING[self.at(place).text], []
        place += 1
        while (token := self.at(place)) is not _END and token.text != closing:
            if token.text == ",":
                place += 1
                continue
            start = place
            item, place = self.value(place + (token.text == "..."), depth + 1)
            items.append(UNKNOWN if token.text == "..." else item)
            if place == start:
                place += 1
        return tuple(items), place + 1

    def _object(self, place: int, depth: int) -> tuple[JsValue, int]:
        entries: dict[str, JsValue] = {}
        line = self.at(place).line
        place += 1
        while (token := self.at(place)) is not _END and token.text != "}":
            after = self.at(place + 1).text
            if token.kind in ("name", "text", "number") and after == ":":
                entries[token.text], place = self.value(place + 2, depth + 1)
            elif token.kind == "name" and after in (",", "}"):
                entries[token.text] = Name(token.text, token.line)
                place += 1
            elif token.text != ",":
                place = self._skipped(place)  # a method, a spread, a computed key
            place += self.at(place).text in (",", ";", ":", ")", "]")
        return Object(entries, line), place + 1

    def _skipped(self, place: int) -> int:
        """The end of what begins here, whatever it is."""
        open_brackets = 0
        while (token := self.at(place)) is not _END:
            if token.kind == "sign" and token.text in _CLOSING:
                open_brackets += 1
            elif token.kind == "sign" and token.text in (")", "]", "}"):
                if not open_brackets:
                    return place
                open_brackets -= 1
            elif token.text in (",", ";") and token.kind == "sign" and not open_brackets:
                return place
            place += 1
        return place


def _loads(callee: JsValue) -> bool:
    return isinstance(callee, Name) and callee.name in ("require", "import")


def _member(of: JsValue, name: str, line: int) -> JsValue:
    if isinstance(of, Member) and of.name == "env" and isinstance(of.of, Name | Member):
        base = of.of.name
        if base in ("process", "meta"):  # import.meta.env
            return Env(name, line)
    return Member(of, name, line)


def _or(found: JsValue, other: JsValue) -> JsValue:
    if isinstance(found, Env) and found.default is None:
        return Env(found.name, found.line, other)
    return found


def _number(text: str) -> float:
    with suppress(ValueError, OverflowError):
        return float(int(text, 16)) if text[:2] in ("0x", "0X") else float(text)
    return 0.0


def _computed(left: JsValue, right: JsValue, sign: str) -> JsValue:
    """60 * 60 * 24 and the like."""
    values = [
        one.value
        for one in (left, right)
        if isinstance(one, Literal) and isinstance(one.value, float)
    ]
    if len(values) < 2:
        return Unknown(left.line)
    first, second = values
    with suppress(ZeroDivisionError, OverflowError):
        found = {"*": first * second, "+": first + second, "-": first - second}.get(sign)
        return Literal(first / second if found is None else found, left.line)
    return UNKNOWN
