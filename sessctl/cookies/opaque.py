"""A session id with nothing around it: PHP, Django, Tomcat, and every framework that signs nothing.

    77dcdfe979873f3c3fba26e35ab97161     PHPSESSID
    qak2xh7st6z7z59egq1dkr7ot7d295h4     sessionid of Django

What it leads to is in a store; there is nothing in it to verify. The alphabet and the length name a
family, the cookie's name settles it. Never taken where another format fits.
Sources: PHP 8.2 `ext/session/session.c` (4, 5 or 6 bits a character), Django 5.2
`sessions/backends/base.py`, Tomcat 9 `SessionIdGeneratorBase`, Jetty, Spring Session, Python's
`secrets.token_urlsafe(32)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.paste import percent_decode
from sessctl.errors import CookieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret


class Family(NamedTuple):
    """What ids of a kind look like, and the name their cookie has by default."""

    name: str
    shape: str
    cookie_name: str
    words: str


# The narrower first: of those that fit, the one of the cookie's name, else the first.
_FAMILIES = (
    Family("php", r"[A-Za-z0-9,-]{22,256}", "PHPSESSID", "as PHP makes them"),
    Family(
        "tomcat", r"(?:[0-9A-F]{2}){16,32}(?:\.[\w-]+)?", "JSESSIONID", "upper-case hex, Tomcat"
    ),
    Family("jetty", r"node[0-9][a-z0-9]{16,}\.node[0-9]+", "JSESSIONID", "as Jetty makes them"),
    Family("uuid", r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", "session_id", "a UUID"),
    Family("spring", r"(?=.*[A-Z])[A-Za-z0-9+/]{48}", "SESSION", "48 base64 characters, Spring"),
    Family("hex", r"(?:[0-9a-f]{2}){12,64}", "session", "hexadecimal digits"),
    Family("php", r"[0-9a-v]{26}", "PHPSESSID", "26 characters of 5 bits, PHP"),
    Family("django", r"[a-z0-9]{32}", "sessionid", "32 small letters and digits, Django"),
    Family("base64url", r"(?=.*[A-Z])(?=.*[a-z])(?=.*[0-9])[\w-]{21,128}", "session", "base64url"),
)


class OpaqueId:
    """An id that a framework left unsigned."""

    name = "opaque"
    cookie_name = "session"
    carries_time = False
    carries_expiry = False
    parameters: Mapping[str, str] = {}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        family, is_named = family_of(value, context.name)
        if family is None:
            return None
        words = f"a session id: {family.words}"
        return Match(10, f"{words}, and its cookie's name") if is_named else Match(5, words)

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        context.budget.check_cookie(len(value))
        sid = percent_decode(value)
        if not sid or not sid.isprintable() or not sid.isascii() or " " in sid:
            raise CookieError("not a session id: blank, or characters that no cookie can have")
        family, _ = family_of(value, context.name)
        looks = f"looks like {family.name}: {family.words}" if family else "of no known family"
        return DecodedCookie(self.name, sid=sid, signed=False, notes=(looks,))

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        try:
            decoded = self.decode(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        note = "an id has no signature: whether it counts is the store's to say"
        return Verdict(VerdictWord.UNVERIFIED, Signature.NONE, decoded, notes=(note,))

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        raise UsageError("an opaque id is not signed; the id is the cookie's value")


def family_of(value: str, name: str | None) -> tuple[Family | None, bool]:
    """(the likeliest family, whether the cookie's name says so); None: no id of a usual form."""
    sid = percent_decode(value)
    fitting = [one for one in _FAMILIES if re.fullmatch(one.shape, sid)]
    for one in fitting:
        if one.cookie_name == name:
            return one, True
    # PHP's widest alphabet says nothing by itself: nearly every other id fits it.
    narrow = [one for one in fitting if one is not _FAMILIES[0]]
    return next(iter(narrow), None), False
