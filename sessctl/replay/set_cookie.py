"""One `Set-Cookie` line as the server wrote it, taken apart and not judged yet.

    connect.sid=s%3Aabc.def; Path=/; Max-Age=60; HttpOnly; SameSite=Lax

Source: RFC 6265bis, 5.6. Names, values and paths are text that keeps every byte: what is not UTF-8
is a lone surrogate each (PEP 383), and `sessctl.text.encode_id` gives the bytes back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from sessctl.replay.cookie_date import parse_cookie_date
from sessctl.text import decode_id
from sessctl.timespec import MAX_MS, MIN_MS

MAX_PAIR_BYTES = 4096  # name and value together
MAX_ATTRIBUTE_BYTES = 1024
MAX_AGE_MS = 400 * 86_400_000  # what browsers cut a longer life to
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BLANK = b" \t"
_AGE = re.compile(rb"(-?)([0-9]+)")


class SameSite(StrEnum):
    """What `SameSite` says; UNSET is what browsers treat as Lax."""

    STRICT = "Strict"
    LAX = "Lax"
    NONE = "None"
    UNSET = "unset"


class Refusal(StrEnum):
    """Why a browser does not keep what a `Set-Cookie` line says."""

    EMPTY = "neither a name nor a value"
    CONTROL = "a control character"
    TAB = "a tab in the name or the value"
    SIZE = "name and value over 4096 bytes"
    PREFIX_SECURE = "the prefix __Secure- asks for Secure"
    PREFIX_HOST = "the prefix __Host- asks for Secure, Path=/ and no Domain"
    PREFIX_HTTP = "the prefix asks for Secure and HttpOnly"
    PREFIX_NAMELESS = "the value of a cookie without a name starts as a prefix of names"
    DOMAIN = "a foreign domain"
    PUBLIC_SUFFIX = "a top-level domain"
    SECURE = "Secure over plain http"
    SECURE_KEPT = "a Secure cookie of that name is not replaced from plain http"
    SAMESITE_NONE = "SameSite=None asks for Secure"
    SAMESITE = "SameSite cookie in the answer to a cross-site request"
    PARTITIONED = "Partitioned asks for Secure"


@dataclass(frozen=True, slots=True)
class SetCookie:
    """What a line says. `domain` and `path` are "" where the line gives none of use; an instant
    of `expires_ms` holds at `now_ms`, by Max-Age before Expires, and None is a session cookie."""

    name: str
    value: str
    domain: str = ""
    path: str = ""
    expires_ms: int | None = None
    secure: bool = False
    http_only: bool = False
    same_site: SameSite = SameSite.UNSET
    partitioned: bool = False
    ignored: tuple[str, ...] = ()  # attributes that are unknown, unreadable or too long


def parse_set_cookie(raw: bytes, now_ms: int) -> SetCookie | Refusal:
    """Take the value of a `Set-Cookie` header apart. Never raises; the last of equal attributes
    wins, and one that cannot be read is as if it was not there."""
    if _CONTROL.search(raw):
        return Refusal.CONTROL
    pair, *attributes = raw.split(b";")
    name, equals, value = pair.partition(b"=")
    if not equals:
        name, value = b"", pair
    name, value = name.strip(_BLANK), value.strip(_BLANK)
    if not name and not value:
        return Refusal.EMPTY
    if b"\t" in name or b"\t" in value:
        return Refusal.TAB
    if len(name) + len(value) > MAX_PAIR_BYTES:
        return Refusal.SIZE
    return _Attributes(now_ms, attributes).on(decode_id(name), decode_id(value))


class _Attributes:
    """Collects the attributes of one line, in order."""

    def __init__(self, now_ms: int, attributes: list[bytes]) -> None:
        self._now_ms = now_ms
        self._domain = self._path = ""
        self._age_ms: int | None = None
        self._date_ms: int | None = None
        self._flags: set[bytes] = set()
        self._same_site = SameSite.UNSET
        self._ignored: list[str] = []
        for attribute in attributes:
            key, _, value = (part.strip(_BLANK) for part in attribute.partition(b"="))
            if key and not self._take(key.lower(), value):
                self._ignored.append(decode_id(key[:40]))

    def on(self, name: str, value: str) -> SetCookie:
        ends = self._date_ms if self._age_ms is None else self._age_ms
        return SetCookie(
            name,
            value,
            domain=self._domain,
            path=self._path,
            expires_ms=None if ends is None else min(ends, self._now_ms + MAX_AGE_MS),
            secure=b"secure" in self._flags,
            http_only=b"httponly" in self._flags,
            same_site=self._same_site,
            partitioned=b"partitioned" in self._flags,
            ignored=tuple(self._ignored),
        )

    def _take(self, key: bytes, value: bytes) -> bool:
        """Whether the attribute is known and readable."""
        if len(value) > MAX_ATTRIBUTE_BYTES:
            return False
        match key:
            case b"secure" | b"httponly" | b"partitioned":
                self._flags.add(key)
            case b"domain":
                self._domain = decode_id(value).removeprefix(".").lower()
            case b"path":
                self._path = decode_id(value) if value.startswith(b"/") else ""
            case b"expires":
                found = parse_cookie_date(value)
                if found is None:
                    return False
                self._date_ms = found
            case b"max-age":
                found = _age_end_ms(value, self._now_ms)
                if found is None:
                    return False
                self._age_ms = found
            case b"samesite":
                words = {b"strict": SameSite.STRICT, b"lax": SameSite.LAX, b"none": SameSite.NONE}
                self._same_site = words.get(value.lower(), SameSite.UNSET)
                return value.lower() in words
            case _:
                return False
        return True


def _age_end_ms(value: bytes, now_ms: int) -> int | None:
    found = _AGE.fullmatch(value)
    if found is None:
        return None
    digits = found[2].lstrip(b"0")
    if found[1] or not digits:
        return MIN_MS  # over since ever
    seconds = int(digits[:15])  # more digits are as much "the longest there is"
    return min(now_ms + seconds * 1000, MAX_MS)
