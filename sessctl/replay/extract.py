"""One value out of an answer. The answer is a stranger's: every way of reading it is bounded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.replay.jsonpath import MISSING, find, parse_path
from sessctl.replay.variables import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sessctl.replay.variables import Value


class SourceKind(StrEnum):
    """Where in an answer a value stands."""

    CSS = "css"
    XPATH = "xpath"
    JSON = "json"
    REGEX = "regex"
    HEADER = "header"
    COOKIE = "cookie"
    STATUS = "status"
    URL = "url"
    BODY = "body"
    SESSION = "session"  # what became of the session in the store
    VALUE = "value"  # what a capture or show has read, by its name


WORDS = ("status", "url", "body", "session")
EXPRESSIONS = ("css", "xpath", "json", "regex", "header", "cookie")
COOKIE_ATTRIBUTES = (
    *("set", "changed", "deleted", "secure", "httponly", "samesite", "path", "domain"),
    *("max-age", "prefix", "value"),
)
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_PREFIXES = ("__Host-", "__Secure-")


@dataclass(frozen=True, slots=True)
class Source:
    """`expression` (text) is the selector, path, pattern or name; empty for `WORDS`.

    `attr` is an attribute of the element (css) or of the cookie (cookie); `default` is the value
    where the answer has none.
    """

    kind: SourceKind
    expression: str = ""
    attr: str | None = None
    default: str | None = None


@dataclass(frozen=True, slots=True)
class SeenCookie:
    """A cookie as the jar holds it after an answer.

    Attributes:
        value: None when the jar holds none of that name.
        set, changed, deleted: what this answer did to it.
        samesite: `strict`, `lax`, `none`, or empty.
        domain: empty for the host alone.
        max_age_s: what it has left; None for a cookie that ends with the browser.
    """

    value: str | None
    set: bool = False
    changed: bool = False
    deleted: bool = False
    secure: bool = False
    httponly: bool = False
    samesite: str = ""
    path: str = "/"
    domain: str = ""
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What values are read from.

    Attributes:
        url: the final one.
        headers: raw lines in order, names in any letter case.
        body: decoded content, what was kept of it.
        cookies: by name.
        session: what became of the store's session, as `join.Fate` says it; None without a store.
    """

    status: int
    url: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""
    cookies: Mapping[str, SeenCookie] = field(default_factory=dict)
    session: str | None = None

    def header(self, name: str) -> str | None:
        """The header's values, joined by a comma and a blank; None where it is not there."""
        wanted = name.lower().encode("utf-8", "surrogateescape")
        found = [value for key, value in self.headers if key.lower() == wanted]
        return b", ".join(found).decode("latin-1") if found else None

    @property
    def charset(self) -> str | None:
        """What `Content-Type` says of the body, if anything."""
        match = _CHARSET.search(self.header("content-type") or "")
        return match[1] if match else None

    @property
    def text(self) -> str:
        """The body as text; bytes that do not fit are replaced."""
        try:
            return self.body.decode(self.charset or "utf-8", "replace")
        except (LookupError, ValueError):
            return self.body.decode("utf-8", "replace")


def extract(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    """The value at a source, as text; None where the answer has none and no default is given.

    JSON scalars are as in JSON (`3`, `true`, `null`), strings without quotes, the rest compact.

    Args:
        values: for `${name}` in the source, and for `value` sources.

    Raises:
        UsageError: a selector, path or pattern that is none or takes too long (TooSlow),
            or a variable without a value.
        MissingExtra: css and xpath need `sessctl[replay]`.
    """
    found = _READERS[source.kind](source, answer, values)
    if found is None and source.default is not None:
        return fill(source.default, values)
    return found


def _css(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    from sessctl.replay.pages import select

    selector = fill(source.expression, values)
    return select(answer.body, answer.charset, css=selector, attr=source.attr)


def _xpath(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    from sessctl.replay.pages import evaluate

    return evaluate(answer.body, answer.charset, xpath=fill(source.expression, values))


def _regex(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    from sessctl.replay.pages import search

    return search(fill_pattern(source.expression, values), answer.text)


def _json(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    from sessctl.serializers import json

    path = fill(source.expression, values)
    parse_path(path)  # a path that is none is told, whatever came
    try:
        found: Any = find(json.decode(answer.body.removeprefix(b"\xef\xbb\xbf")).data, path)
    except SerializerError:
        return None
    if found is MISSING:
        return None
    return found if isinstance(found, str) else json.encode(found).decode()


def _header(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    return answer.header(fill(source.expression, values))


def _cookie(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    name = fill(source.expression, values)
    cookie = answer.cookies.get(name)
    attr = source.attr or "value"
    if attr in ("set", "changed", "deleted"):
        return "true" if cookie is not None and getattr(cookie, attr) else "false"
    if cookie is None or cookie.value is None:
        return None
    if attr in ("secure", "httponly"):
        return "true" if getattr(cookie, attr) else "false"
    if attr == "max-age":
        return "none" if cookie.max_age_s is None else str(cookie.max_age_s)
    if attr == "prefix":
        return next((p for p in _PREFIXES if name.lower().startswith(p.lower())), "")
    found: str = getattr(cookie, attr)
    return found


def _value(source: Source, answer: Answer, values: Mapping[str, Value]) -> str | None:
    found = values.get(source.expression)
    return None if found is None else fill(f"${{{source.expression}}}", values)


def fill_pattern(pattern: str, values: Mapping[str, Value]) -> str:
    """A pattern with values put in: each stands for itself, whatever characters it has."""
    return fill(pattern, values, quote=re.escape)


_READERS: dict[SourceKind, Callable[[Source, Answer, Mapping[str, Value]], str | None]] = {
    SourceKind.CSS: _css,
    SourceKind.XPATH: _xpath,
    SourceKind.REGEX: _regex,
    SourceKind.JSON: _json,
    SourceKind.HEADER: _header,
    SourceKind.COOKIE: _cookie,
    SourceKind.VALUE: _value,
    SourceKind.STATUS: lambda source, answer, values: str(answer.status),
    SourceKind.URL: lambda source, answer, values: answer.url,
    SourceKind.BODY: lambda source, answer, values: answer.text,
    SourceKind.SESSION: lambda source, answer, values: answer.session,
}
