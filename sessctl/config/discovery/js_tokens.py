"""JavaScript and TypeScript as tokens, in one pass over the text; enough to read settings.

Regular expressions are told from divisions by what stands before them, as every highlighter does.
What cannot be read ends the file there: half of its settings are better than a guess.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 5_000  # a longer one is made by a program: minified, or data
_STRING = re.compile(r"'((?:\\.|[^'\\\n])*)'|\"((?:\\.|[^\"\\\n])*)\"")
_TEMPLATE = re.compile(r"`((?:\\.|[^`\\])*)`", re.DOTALL)
_REGEX = re.compile(r"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F_]+|(?:\d[\d_]*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_SIGN = re.compile(r"=>|\?\?=?|\|\|=?|&&|\.\.\.|\?\.|[=!]==?|.")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "v": "\v"}


class Token(NamedTuple):
    """`kind`: name, text, number, template (one with holes), regex or sign."""

    kind: str
    text: str
    line: int


def tokens(source: str) -> list[Token]:
    """The tokens of a file; none of one that no person wrote."""
    if max(map(len, source.splitlines()), default=0) > _LONGEST_LINE:
        return []
    return list(_scanned(source))


def _scanned(source: str) -> Iterator[Token]:
    place, line, before = 0, 1, Token("sign", ";", 1)
    while place < len(source):
        char = source[place]
        if char in " \t\r\n\ufeff":
            line += char == "\n"
            place += 1
            continue
        if source.startswith(("//", "#!"), place):
            end = source.find("\n", place)
            place = len(source) if end < 0 else end
            continue
        if source.startswith("/*", place):
            end = source.find("*/", place)
            if end < 0:
                return
            line += source.count("\n", place, end)
            place = end + 2
            continue
        found = _token(source, place, char, before)
        if found is None:
            return
        kind, text, end = found
        before = Token(kind, text, line)
        yield before
        line += source.count("\n", place, end)
        place = end


def _token(source: str, place: int, char: str, before: Token) -> tuple[str, str, int] | None:
    """(kind, text, where it ends)."""
    if char in "'\"":
        found = _STRING.match(source, place)
        if found is None:
            return None
        return "text", _unescaped(found[1] if found[1] is not None else found[2]), found.end()
    if char == "`":
        found = _TEMPLATE.match(source, place)
        if found is None:
            return None
        kind = "template" if "${" in found[1] else "text"
        return kind, _unescaped(found[1]), found.end()
    if char == "/" and _may_begin_regex(before) and (found := _REGEX.match(source, place)):
        return "regex", "", found.end()
    if char.isascii() and char.isdigit() and (found := _NUMBER.match(source, place)):
        return "number", found[0].replace("_", ""), found.end()
    if found := _NAME.match(source, place):
        return "name", found[0], found.end()
    found = _SIGN.match(source, place)
    return ("sign", found[0], found.end()) if found else None


def _may_begin_regex(before: Token) -> bool:
    if before.kind == "sign":
        return before.text not in (")", "]", "}")
    return before.kind == "name" and before.text in ("return", "typeof", "case", "of", "in")


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        number = match[1] or match[2]
        return chr(int(number, 16)) if number else _ESCAPED.get(match[3], match[3])

    return _ESCAPE.sub(plain, text) if "\\" in text else text
