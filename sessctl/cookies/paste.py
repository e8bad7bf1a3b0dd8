"""What people paste around a cookie: header names, curl flags, quotes, attributes, whole lines.

Cookie: theme=dark; connect.sid=s%3Aabc.def
Set-Cookie: connect.sid=s%3Aabc.def; Path=/; HttpOnly
-H 'Cookie: connect.sid=s%3Aabc.def'
connect.sid=s%3Aabc.def
"s%3Aabc.def"
"a value of Python\073 with a semicolon"
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEADER = re.compile(r"[<>*\s]*(?P<set>set-)?cookie\s*:\s*", re.IGNORECASE)
# Only what stands before: a pattern for the quotes and the backslash behind as well would try
# every blank of a hostile text for the end, which takes the square of its length.
_CURL = re.compile(r"(?:-H|--header|-b|--cookie)[\s=]+")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265: a token
# A value that merely ends in base64 padding is not name=value, nor is one of Starlette's that has
# it before a time and a signature.
_PADDING = r"=*$|=?\.[\w-]{6}\.[\w-]{27}=?$"
_PAIR = re.compile(rf"(?P<name>{_NAME.pattern})=(?P<value>(?!{_PADDING}).*)", re.DOTALL)
# One value with a semicolon in it, once its %3B is decoded: @fastify/secure-session's.
_TWO_HALVES = re.compile(r"[A-Za-z0-9+/_-]{22,}+={0,2};[A-Za-z0-9+/_-]{32}")
# One value that a name and `=` seem to begin: Bottle's, Tornado's of before 2013, and what Beaker
# has encrypted.
_NO_PAIR = re.compile(
    r"![A-Za-z0-9+/]+={0,2}\?[A-Za-z0-9+/]+={0,2}"
    r"|[A-Za-z0-9+/]*={1,2}\|[0-9]{10}\|[0-9a-f]{40}"
    r"|[0-9a-f]{40}[A-Za-z0-9+/]{22}==[A-Za-z0-9+/]+={0,2}"
)
# Python's http.cookies quotes a value with a blank, a comma, a semicolon or the like in it.
_ESCAPED = re.compile(r"((?:\\[0-3][0-7]{2})+)|\\(.)", re.DOTALL)
_ATTRIBUTES = frozenset(
    (
        "path",
        "domain",
        "expires",
        "max-age",
        "secure",
        "httponly",
        "samesite",
        "partitioned",
        "priority",
    )
)
_ESCAPES = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Pasted:
    """One cookie found in a text; `name` is None for a bare value."""

    name: str | None
    value: str
    notes: tuple[str, ...] = ()
    companion: str | None = None  # the value of `<name>.sig`, if that is there too


def is_cookie_name(text: str) -> bool:
    """Whether browsers and servers take the text for a cookie's name."""
    return _NAME.fullmatch(text) is not None


def unwrap(text: str) -> list[Pasted]:
    """The cookies in one pasted line, in order, attributes left out."""
    line = text.strip().removeprefix("\ufeff")
    if curl := _CURL.match(line):
        line = _unquote(line[curl.end() :].removesuffix("\\").rstrip()).strip()
    header = _HEADER.match(line)
    if header:
        line = line[header.end() :]
        if header["set"]:
            return [_pair(line.partition(";")[0])]
    elif line.startswith(("{", "[")):
        return [Pasted(None, line)]  # a stored value, not a cookie: leave its ; and = alone
    elif _TWO_HALVES.fullmatch(_unquote(line)):
        return [Pasted(None, _unquote(line))]
    pairs = [_pair(part) for part in _split(line)]
    kept = [pair for pair in pairs if not _is_attribute(pair)]
    return kept or pairs[:1]


def _split(line: str) -> list[str]:
    if "\t" in line and "=" not in line.partition("\t")[0]:
        name, _, rest = line.partition("\t")  # a row copied from the browser's developer tools
        line = f"{name}={rest.partition(chr(9))[0]}"
    return [part for part in (piece.strip() for piece in line.split(";")) if part] or [""]


def _pair(text: str) -> Pasted:
    text = text.strip()
    found = None if _NO_PAIR.fullmatch(text) else _PAIR.fullmatch(text)
    if found is None:
        return Pasted(None, _unescape(text))
    return Pasted(found["name"], _unescape(found["value"].strip()))


def _is_attribute(pair: Pasted) -> bool:
    word = pair.name if pair.name is not None else pair.value
    return word.lower() in _ATTRIBUTES


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text


def _unescape(text: str) -> str:
    """A value without its quotes; `\\073` and `\\"` in double ones are single characters.

    Three octal digits are a byte of UTF-8 for werkzeug and a letter of Latin-1 for `http.cookies`:
    what cannot be the first is the second. Source: CPython `http/cookies.py`, _unquote; werkzeug
    3.1 `sansio/http.py`, parse_cookie.
    """
    inner = _unquote(text)
    if "\\" not in inner or inner is text or not text.startswith('"'):
        return inner
    return _ESCAPED.sub(_unescaped, inner)


def _unescaped(found: re.Match[str]) -> str:
    if found[2]:
        return found[2]
    raw = bytes(int(digits, 8) for digits in found[1].split("\\")[1:])
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def percent_decode(text: str) -> str:
    """One pass of JavaScript's decodeURIComponent; a text that it would refuse stays as it is.

    Source: jshttp/cookie 1.0 `index.js`, decode. A value encoded twice does not come out clean,
    on purpose: the framework would not accept it either.
    """
    if "%" not in text or _ESCAPES.search(text):
        return text
    try:
        return _unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode()
    except UnicodeError:
        return text


def _unquote_to_bytes(raw: bytes) -> bytes:
    """%XX as bytes, each known to be two digits. urllib's own costs `decode` 6 ms to import."""
    first, *rest = raw.split(b"%")
    return first + b"".join(bytes.fromhex(part[:2].decode()) + part[2:] for part in rest)
