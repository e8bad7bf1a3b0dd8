"""The library's way to cookies: text in as people have it, one answer out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sessctl.cookies.paste import Pasted, is_cookie_name, unwrap
from sessctl.cookies.registry import best_format, cookie_format, detect
from sessctl.errors import CookieError, UsageError, did_you_mean
from sessctl.limits import DEFAULT, Budget
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sessctl.cookies.base import Cookie, CookieFormat, DecodedCookie, Verdict

_NAMES = 10  # in a hint; a header may hold thousands


def decode_cookie(
    text: str, format: str | None = None, *, name: str | None = None, budget: Budget = DEFAULT
) -> DecodedCookie:
    """Read a cookie without proving anything.

        >>> decode_cookie("connect.sid=s%3Aabc.def", "express-session").sid
        'abc'

    Args:
        text: a value, `name=value`, or a whole `Cookie:` or `Set-Cookie:` line.
        format: a format's name; detected if not given.
        name: the cookie's name, where a header holds several; else the likeliest is taken.

    Raises:
        CookieError: no known format, or not of the one named, or no cookie of this name.
        LimitExceeded: larger than `budget.cookie_bytes`.
    """
    chosen = pick(text, name=name, budget=budget)
    reader = cookie_format(format) if format else best_format(chosen.value)
    decoded = reader.decode(chosen.value, budget=budget)
    return replace(decoded, notes=(*chosen.notes, *decoded.notes))


def verify_cookie(
    text: str,
    secrets: str | bytes | Secret | Sequence[str | bytes | Secret],
    format: str | None = None,
    *,
    name: str | None = None,
    now: datetime | None = None,
    max_age: timedelta | None = None,
    budget: Budget = DEFAULT,
) -> Verdict:
    """Judge a cookie by secrets, newest first.

        >>> verify_cookie(cookie, ["new", "old"]).word
        <VerdictWord.VALID: 'valid'>

    Raises:
        CookieError: no known format, or no cookie of this name. A bad signature is a verdict,
            not an error.
        UsageError: there is no secret, or an empty one, or `max_age` for a cookie without a time.
    """
    chosen = pick(text, name=name, budget=budget)
    judge = cookie_format(format) if format else best_format(chosen.value)
    check_max_age(judge, max_age)
    verdict = judge.verify(
        chosen.value,
        as_secrets(secrets),
        budget=budget,
        now=now or datetime.now(UTC),
        max_age=max_age,
    )
    return replace(verdict, notes=(*chosen.notes, *verdict.notes))


def check_max_age(format: CookieFormat, max_age: timedelta | None) -> None:
    """Raise UsageError for an age that this format's cookies cannot be judged by."""
    if max_age is not None and not format.carries_time:
        raise UsageError(
            f"a cookie of {format.name} carries no time of its own, so its age cannot be judged",
            hint="verify it without --max-age; how long it counts is the store's to say",
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
        UsageError: the content does not fit the format, no cookie can have this name, or the secret
            is empty.
    """
    if name is not None and not is_cookie_name(name):
        raise UsageError(
            f"'{name}' cannot be a cookie's name",
            hint="letters, digits and !#$%&'*+-.^_`|~ make one (RFC 6265)",
        )
    writer = cookie_format(format)
    chosen = name or writer.cookie_name
    return writer.sign(content, as_secrets(secret)[0], name=chosen, now=now or datetime.now(UTC))


def as_secrets(given: str | bytes | Secret | Sequence[str | bytes | Secret]) -> list[Secret]:
    """One secret or several as a list of `Secret`.

    Raises:
        UsageError: none, or an empty one, with which anybody could sign.
    """
    many = [given] if isinstance(given, str | bytes | Secret) else list(given)
    found = [one if isinstance(one, Secret) else Secret(one) for one in many]
    if not found:
        raise UsageError("no secret is given")
    if not all(one.reveal() for one in found):
        raise UsageError("a secret is empty")
    return found


def pick(
    text: str,
    *,
    name: str | None = None,
    usual_name: str | None = None,
    budget: Budget = DEFAULT,
) -> Pasted:
    """The session cookie among the cookies of a pasted text.

    Args:
        name: the cookie to take. A bare value has no name, and is taken as it is.
        usual_name: the cookie to take if it is there. Else the one that fits a format best.

    Raises:
        CookieError: there is none, or none of this name.
    """
    if not text.lstrip().startswith(("{", "[")):
        budget.check_cookie(len(text))
    found = _without_repeats(unwrap(text))
    names = [one.name for one in found if one.name is not None]
    wanted = name if names and name is not None else usual_name
    for one in found:
        if wanted is not None and one.name == wanted:
            return one
    if names and name is not None:
        raise CookieError(
            f"no cookie named '{name}' in the input",
            hint=did_you_mean(name, names[:_NAMES], all_are="it has"),
        )
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


def _without_repeats(found: list[Pasted]) -> list[Pasted]:
    """The first cookie of each name, as servers read a header; a note where there were more."""
    if len(found) == 1:
        return found
    counts = Counter(one.name for one in found)
    firsts: dict[str | int, Pasted] = {}
    for place, one in enumerate(found):
        firsts.setdefault(place if one.name is None else one.name, one)
    return [
        one if one.name is None or counts[one.name] == 1 else _repeated(one, counts[one.name])
        for one in firsts.values()
    ]


def _repeated(first: Pasted, count: int) -> Pasted:
    note = (
        f"'{first.name}' is there {count} times; the first is taken: "
        "browsers send the most specific path's first"
    )
    return replace(first, notes=(note,))
