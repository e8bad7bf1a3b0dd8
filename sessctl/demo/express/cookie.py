"""The cookie that belongs to a session: its attributes, its end, and its `Set-Cookie` line.

Source: express-session 1.19.0 `session/cookie.js`; cookie 0.7.2 `index.js`, serialize.
Not supported: attributes that a function chooses for each request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self
from wsgiref.handlers import format_date_time

from sessctl.cookies.paste import percent_decode
from sessctl.errors import SerializerError, UsageError
from sessctl.timespec import iso, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Clock = Callable[[], int]  # ms since 1970 UTC

_BLANK = " \t"
_PATH = re.compile(r"[ -:=-~]*")
_DOMAIN = re.compile(r"\.?[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.IGNORECASE)
# express-session's name of each attribute and ours, in the order in which it writes them.
_ATTRIBUTES = {
    "partitioned": "partitioned",
    "priority": "priority",
    "expires": "",
    "secure": "secure",
    "httpOnly": "http_only",
    "domain": "domain",
    "path": "path",
    "sameSite": "same_site",
}

SameSite = Literal["strict", "lax", "none", "auto"]
Priority = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CookieOptions:
    """The `cookie` option of express-session; None means that it was not given.

    `secure` and `same_site` may be "auto": by the connection of the request that makes the session.

    Raises:
        UsageError: a path or domain that no cookie can have.
    """

    path: str = "/"
    domain: str | None = None
    http_only: bool = True
    secure: bool | Literal["auto"] | None = None
    same_site: bool | SameSite | None = None
    max_age_ms: int | None = None
    partitioned: bool | None = None
    priority: Priority | None = None

    def __post_init__(self) -> None:
        for name, value, form in (("path", self.path, _PATH), ("domain", self.domain, _DOMAIN)):
            if value is not None and form.fullmatch(value) is None:
                raise UsageError(
                    f"'{value}' cannot be a cookie's {name}", hint="plain ASCII without ; or ,"
                )


class SessionCookie:
    """`req.session.cookie`: what a session carries of its cookie."""

    __slots__ = ("_attributes", "_clock", "_original_max_age_ms", "expires_ms")

    def __init__(self, options: CookieOptions, clock: Clock, *, is_secure: bool = False) -> None:
        given = {word: getattr(options, name) for word, name in _ATTRIBUTES.items() if name}
        if options.secure == "auto":
            given["secure"] = is_secure
        if options.same_site == "auto":
            given["sameSite"] = "none" if is_secure else "lax"
        self._attributes = {word: value for word, value in given.items() if value is not None}
        self._clock = clock
        self.expires_ms: int | None = None
        self.max_age_ms = options.max_age_ms

    @classmethod
    def load(cls, stored: Any, clock: Clock) -> Self:
        """The cookie of a stored session. Raises SerializerError where there is none."""
        if not isinstance(stored, dict):
            raise SerializerError("the stored session has no cookie, so express-session wrote none")
        cookie = cls(CookieOptions(), clock)
        cookie._attributes |= {word: stored[word] for word in _ATTRIBUTES if word in stored}
        expires = cookie._attributes.pop("expires", None)
        cookie.expires_ms = parse_iso_ms(expires) if isinstance(expires, str) else None
        age = stored.get("originalMaxAge")
        cookie._original_max_age_ms = age if isinstance(age, int) else None
        return cookie

    @property
    def max_age_ms(self) -> int | None:
        """What is left of the session; None until the browser closes. Setting it starts anew."""
        return None if self.expires_ms is None else self.expires_ms - self._clock()

    @max_age_ms.setter
    def max_age_ms(self, value: int | None) -> None:
        self._original_max_age_ms = value
        self.touch()

    def touch(self) -> None:
        """Start the session's time again."""
        age = self._original_max_age_ms
        self.expires_ms = None if age is None else self._clock() + age

    @property
    def secure(self) -> bool:
        """To be sent over https only."""
        return bool(self._attributes.get("secure"))

    def to_json(self) -> dict[str, Any]:
        """The object that express-session stores, its keys in its order."""
        found: dict[str, Any] = {"originalMaxAge": self._original_max_age_ms}
        for word in _ATTRIBUTES:
            if word == "expires":
                found[word] = None if self.expires_ms is None else iso(self.expires_ms)
            elif word in self._attributes:
                found[word] = self._attributes[word]
        return found

    def line(self, name: str, value: str) -> str:
        """The `Set-Cookie` line for a value in wire form."""
        return f"{name}={value}{attributes(self._attributes, self.expires_ms)}"


def attributes(given: Mapping[str, Any], expires_ms: int | None = None) -> str:
    """`; Path=/; HttpOnly` and so on, as npm's cookie writes them: spelling and order."""
    same_site = given.get("sameSite")
    words = [
        f"Domain={given['domain']}" if given.get("domain") else "",
        f"Path={given['path']}" if given.get("path") else "",
        "" if expires_ms is None else f"Expires={format_date_time(expires_ms // 1000)}",
        "HttpOnly" if given.get("httpOnly") else "",
        "Secure" if given.get("secure") else "",
        "Partitioned" if given.get("partitioned") else "",
        f"Priority={str(given['priority']).capitalize()}" if given.get("priority") else "",
        f"SameSite={'Strict' if same_site is True else same_site.capitalize()}"
        if same_site
        else "",
    ]
    return "".join(f"; {word}" for word in words if word)


def sent_cookies(header: str) -> dict[str, str]:
    """The cookies of a `Cookie` header in wire form, the first of each name.

    Source: cookie 0.7.2 `index.js`, parse: a part without `=` is skipped, one pair of double quotes
    goes. `decoded` does the rest of what that function does.
    """
    found: dict[str, str] = {}
    for part in header.split(";"):
        name, equals, value = part.partition("=")
        name, value = name.strip(_BLANK), value.strip(_BLANK)
        if equals and name not in found:
            quoted = len(value) > 1 and value[0] == value[-1] == '"'
            found[name] = value[1:-1] if quoted else value
    return found


def decoded(value: str) -> str:
    """A cookie's value as the app sees it: percent-decoded once, or as it is."""
    return percent_decode(value)


__all__ = ["CookieOptions", "SessionCookie", "attributes", "decoded", "sent_cookies"]
