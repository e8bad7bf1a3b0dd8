"""Checks of single sessions: each says what is wrong with one; the audit counts.

A check yields once for each thing that it finds, with the word to group by, or an empty one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sessctl.admin.audit.finding import Rule, Severity
from sessctl.admin.audit.look import Look
from sessctl.session import Expiry, State
from sessctl.text import shorten
from sessctl.timespec import format_size

_DAY_MS = 86_400_000
_YEAR_MS = 366 * _DAY_MS
_SLACK_MS = 60_000
_LARGE = 64 * 1024

Judge = Callable[[Look], Iterator[str]]


@dataclass(frozen=True, slots=True)
class SessionCheck:
    """A rule and how one session breaks it."""

    rule: Rule
    judge: Judge


SESSION_CHECKS: list[SessionCheck] = []


def check(rule: Rule) -> Callable[[Judge], Judge]:
    """Add a check to those that every session goes through."""

    def add(judge: Judge) -> Judge:
        SESSION_CHECKS.append(SessionCheck(rule, judge))
        return judge

    return add


# -- expiry ----------------------------------------------------------------------------------------


@check(
    Rule(
        "expiry.none",
        Severity.MEDIUM,
        "sessions that never end",
        "a stolen id stays good for ever, and the store only grows",
        "cookie: { maxAge: 24 * 60 * 60 * 1000 }   // in the session library's options",
    )
)
def never_ends(look: Look) -> Iterator[str]:
    if look.session.expiry is Expiry.NEVER:
        yield ""


@check(
    Rule(
        "expiry.unenforced",
        Severity.MEDIUM,
        "sessions whose end the store does not know",
        "only a date inside the value says that they are over: the store never removes them",
        "let the library set a TTL (connect-redis: leave `disableTTL` out)",
    )
)
def not_enforced(look: Look) -> Iterator[str]:
    if look.session.expiry is Expiry.COOKIE_DATE:
        yield ""


@check(
    Rule(
        "expiry.far",
        Severity.MEDIUM,
        "sessions that end in more than a year",
        "an id that leaks today opens the account until then",
        "cookie: { maxAge: 30 * 24 * 60 * 60 * 1000 }   // and log in again after that",
    )
)
def far_future(look: Look) -> Iterator[str]:
    ends = look.session.expires_ms
    if ends is not None and ends > look.now_ms + _YEAR_MS:
        yield ""


@check(
    Rule(
        "expiry.beyond-lifetime",
        Severity.LOW,
        "sessions that end long after the backend's lifetime",
        "the configured lifetime is not the one that the application uses",
        "set `lifetime` of the backend to what the application uses, or shorten its maxAge",
    )
)
def beyond_lifetime(look: Look) -> Iterator[str]:
    ends, lifetime = look.session.expires_ms, look.lifetime_s
    if ends is not None and lifetime and ends > look.now_ms + 2000 * lifetime + _SLACK_MS:
        yield ""


@check(
    Rule(
        "expiry.outlives-cookie",
        Severity.LOW,
        "sessions kept far longer than their cookies",
        "the browser has forgotten the id, whoever copied it can still use it",
        "give the store the cookie's life: leave its `ttl` out, or set it to maxAge in seconds",
    )
)
def outlives_cookie(look: Look) -> Iterator[str]:
    age, ends = look.cookie.get("originalMaxAge"), look.session.expires_ms
    if isinstance(age, bool) or not isinstance(age, int | float) or not age > 0 or ends is None:
        return
    if look.session.expiry is Expiry.STORE and ends > look.now_ms + 2 * age + _SLACK_MS:
        yield ""


@check(
    Rule(
        "expiry.unreadable",
        Severity.MEDIUM,
        "sessions whose end cannot be read",
        "nobody can say when they are over, so nothing ever removes them",
        "sessctl list -b BACKEND -o wide   # then: is the layout right, and its expires_zone?",
    )
)
def unreadable_end(look: Look) -> Iterator[str]:
    if look.session.state(look.now_ms) is State.UNKNOWN and look.problem is None:
        yield ""


@check(
    Rule(
        "expiry.left-over",
        Severity.LOW,
        "expired sessions that nobody removes",
        "they hold people's data longer than needed; a library that forgets to check revives them",
        "sessctl purge --expired -b BACKEND   # in cron",
    )
)
def left_over(look: Look) -> Iterator[str]:
    ends = look.session.expires_ms
    if ends is not None and ends < look.now_ms - _DAY_MS:
        yield ""


# -- what they are ---------------------------------------------------------------------------------


@check(
    Rule(
        "data.large",
        Severity.LOW,
        f"sessions larger than {format_size(_LARGE)}",
        "every request reads and writes all of it: a cheap way to slow the application down",
        "sessctl list --larger-than 64KiB --sort -size -b BACKEND   # keep an id, not the thing",
    )
)
def large(look: Look) -> Iterator[str]:
    if look.session.size_bytes > _LARGE:
        yield f"up to {format_size(1 << (look.session.size_bytes - 1).bit_length())}"


@check(
    Rule(
        "data.unreadable",
        Severity.MEDIUM,
        "sessions that cannot be decoded",
        "damaged or foreign values: the application fails on them or takes them for empty",
        "sessctl list -b BACKEND -o wide   # names each with its problem",
    )
)
def unreadable(look: Look) -> Iterator[str]:
    if look.problem is not None:
        yield look.problem


# -- the cookie's settings, as express-session keeps them in the value -----------------------------


@check(
    Rule(
        "cookie.http-only",
        Severity.HIGH,
        "cookies that scripts can read",
        "one cross-site script sends the session's id to whoever wrote it",
        "cookie: { httpOnly: true }",
    )
)
def script_can_read(look: Look) -> Iterator[str]:
    if look.cookie.get("httpOnly", True) is False:
        yield ""


@check(
    Rule(
        "cookie.secure",
        Severity.MEDIUM,
        "cookies that travel without TLS, too",
        "one http:// link is enough to read the id on the way",
        "cookie: { secure: true }   // behind a proxy also app.set('trust proxy', 1)",
    )
)
def not_secure(look: Look) -> Iterator[str]:
    if look.cookie and not look.cookie.get("secure"):
        yield ""


@check(
    Rule(
        "cookie.same-site",
        Severity.MEDIUM,
        "cookies for all sites, without TLS",
        "sameSite=none lets any site act as its visitor, and browsers drop it without secure",
        "cookie: { sameSite: 'lax', secure: true }",
    )
)
def for_all_sites(look: Look) -> Iterator[str]:
    if str(look.cookie.get("sameSite", "")).lower() == "none" and not look.cookie.get("secure"):
        yield ""


@check(
    Rule(
        "cookie.long-lived",
        Severity.LOW,
        "cookies that stay for more than a year",
        "browsers cut them at 400 days; until then a copied profile is a login",
        "cookie: { maxAge: 30 * 24 * 60 * 60 * 1000 }",
    )
)
def long_lived(look: Look) -> Iterator[str]:
    age = look.cookie.get("originalMaxAge")
    if isinstance(age, int | float) and not isinstance(age, bool) and age > _YEAR_MS:
        years = round(min(age, 1000 * _YEAR_MS) / _YEAR_MS, 1)
        yield f"maxAge of {years:g} years{' or more' if years == 1000 else ''}"


_DOMAIN = re.compile(r"\.?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


@check(
    Rule(
        "cookie.domain",
        Severity.LOW,
        "cookies that every subdomain gets",
        "a forgotten or hosted subdomain reads them, and can plant its own",
        "leave `domain` out of the cookie's options: then this host alone gets it",
    )
)
def wide_domain(look: Look) -> Iterator[str]:
    domain = look.cookie.get("domain")
    if isinstance(domain, str) and domain and domain.lower() != "localhost":
        yield shorten(domain, 60) if _DOMAIN.fullmatch(domain) else "an odd domain"
