"""The library's way to cookies: text in as people have it, one answer out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sessctl.cookies.paste import Pasted, unwrap
from sessctl.cookies.registry import best_format, cookie_format, detect
from sessctl.errors import CookieError
from sessctl.limits import DEFAULT, Budget
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sessctl.cookies.base import Cookie, DecodedCookie, Verdict

Secrets = "str | bytes | Secret | Sequence[str | bytes | Secret]"


def decode_cookie(
    text: str, format: str | None = None, *, budget: Budget = DEFAULT
) -> DecodedCookie:
    """Read a cookie without proving anything.

        >>> decode_cookie("connect.sid=s%3Aabc.def", "express-session").sid
        'abc'

    Args:
        text: a value, `name=value`, or a whole `Cookie:` or `Set-Cookie:` line.
        format: a format's name; detected if not given.

    Raises:
        CookieError: no known format, or not of the one named.
        LimitExceeded: larger than `budget.cookie_bytes`.
    """
    chosen = pick(text, budget=budget)
    reader = cookie_format(format) if format else best_format(chosen.value)
    return reader.decode(chosen.value, budget=budget)


def verify_cookie(
    text: str,
    secrets: str | bytes | Secret | Sequence[str | bytes | Secret],
    format: str | None = None,
    *,
    now: datetime | None = None,
    max_age: timedelta | None = None,
    budget: Budget = DEFAULT,
) -> Verdict:
    """Judge a cookie by secrets, newest first.

        >>> verify_cookie(cookie, ["new", "old"]).word
        <VerdictWord.VALID: 'valid'>

    Raises:
        CookieError: no known format. A bad signature is a verdict, not an error.
    """
    chosen = pick(text, budget=budget)
    judge = cookie_format(format) if format else best_format(chosen.value)
    return judge.verify(
        chosen.value,
        as_secrets(secrets),
        budget=budget,
        now=now or datetime.now(UTC),
        max_age=max_age,
    )


def sign_cookie(
    content: Any,
    secret: str | bytes | Secret,
    format: str = "express-session",
    *,
    name: str | None = None,
    now: datetime | None = None,
) -> list[Cookie]:
    """The cookies a framework would set for a session id or a payload.

        >>> sign_cookie("abc", "keyboard cat")[0].header
        'Cookie: connect.sid=s%3Aabc...'

    Raises:
        UsageError: the content does not fit the format.
    """
    writer = cookie_format(format)
    chosen = name or writer.cookie_name
    return writer.sign(content, as_secrets(secret)[0], name=chosen, now=now or datetime.now(UTC))


def as_secrets(given: str | bytes | Secret | Sequence[str | bytes | Secret]) -> list[Secret]:
    """One secret or several as a list of `Secret`."""
    many = [given] if isinstance(given, str | bytes | Secret) else list(given)
    return [one if isinstance(one, Secret) else Secret(one) for one in many]


def pick(text: str, *, budget: Budget = DEFAULT) -> Pasted:
    """The session cookie among the cookies of a pasted text: the one that fits a format best."""
    if not text.lstrip().startswith(("{", "[")):
        budget.check_cookie(len(text))
    found = unwrap(text)
    for third_parties in (False, True):  # ours first: asking for others' takes 15 ms
        ranked = [
            (matches[0][1].score, one)
            for one in found
            if (matches := detect(one.value, third_parties=third_parties))
        ]
        if ranked:
            return max(ranked, key=lambda pair: pair[0])[1]
    if not found or not found[0].value:
        raise CookieError("there is no cookie in the input", hint="sessctl decode COOKIE")
    return found[0]
