"""The library's way to cookies: text in as people have it, one answer out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies.base import CookieContext, Signature, VerdictWord
from sessctl.cookies.paste import is_cookie_name
from sessctl.cookies.picking import pick
from sessctl.cookies.registry import best_of, cookie_format, detect, plausible
from sessctl.cookies.rotation import rotation_note
from sessctl.errors import UsageError, did_you_mean
from sessctl.limits import DEFAULT, Budget
from sessctl.text import Secret, encode_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sessctl.cookies.base import Cookie, CookieFormat, DecodedCookie, Match, Verdict
    from sessctl.cookies.paste import Pasted

    OneSecret = str | bytes | Secret
    # One, several (newest first), or several by their ids.
    Secrets = OneSecret | Sequence[OneSecret] | Mapping[str, OneSecret]


def decode_cookie(
    text: str,
    format: str | None = None,
    *,
    name: str | None = None,
    companion: str | None = None,
    parameters: Mapping[str, str] | None = None,
    budget: Budget = DEFAULT,
) -> DecodedCookie:
    """Read a cookie without proving anything.

        >>> decode_cookie("connect.sid=s%3Aabc.def", "express-session").sid
        'abc'

    Args:
        text: a value, `name=value`, or a whole `Cookie:` or `Set-Cookie:` line.
        format: a format's name; detected if not given.
        name: the cookie's name, where a header holds several; else the likeliest is taken.
        companion: the value of `<name>.sig`, where it does not stand in the same header.
        parameters: settings of the app that are not the library's defaults, `{"digest": "sha256"}`.

    Raises:
        CookieError: no known format, or not of the one named, or no cookie of this name.
        LimitExceeded: larger than `budget.cookie_bytes`.
        UsageError: no such format, or a parameter that it does not take.
    """
    found = find(text, format, name=name, companion=companion, parameters=parameters, budget=budget)
    decoded = found.format.decode(found.pasted.value, found.context)
    return replace(decoded, notes=(*found.pasted.notes, *decoded.notes))


def verify_cookie(
    text: str,
    secrets: Secrets,
    format: str | None = None,
    *,
    name: str | None = None,
    companion: str | None = None,
    parameters: Mapping[str, str] | None = None,
    now: datetime | None = None,
    max_age: timedelta | None = None,
    budget: Budget = DEFAULT,
) -> Verdict:
    """Judge a cookie by secrets, newest first. What stands around the cookie: `decode_cookie`.

        >>> verify_cookie(cookie, ["new", "old"]).word
        <VerdictWord.VALID: 'valid'>

    Args:
        secrets: one, several, or a mapping from key ids to them, for iron seals and the like.
        max_age: a cookie that was issued longer ago has expired.

    Raises:
        CookieError: no known format, or no cookie of this name. A bad signature is a verdict,
            not an error.
        UsageError: there is no secret, or an empty one, or `max_age` for a cookie without a time,
            or a parameter that the format does not take.
    """
    found = find(text, format, name=name, companion=companion, parameters=parameters, budget=budget)
    check_max_age(found.format, max_age)
    now = now or datetime.now(UTC)
    verdict = judge(found, as_secrets(secrets), now=now, max_age=max_age)
    return replace(verdict, notes=(*found.pasted.notes, *verdict.notes))


def sign_cookie(
    content: Any,
    secret: Secrets,
    format: str = "express-session",
    *,
    name: str | None = None,
    parameters: Mapping[str, str] | None = None,
    now: datetime | None = None,
    ttl: timedelta | None = None,
) -> list[Cookie]:
    """The cookies a framework would set for a session id or a payload.

        >>> sign_cookie("abc", "keyboard cat")[0].header
        'Cookie: connect.sid=s%3Aabc...'

    Args:
        secret: one; of several the first signs, or the one that the format's ids choose.
        ttl: how long the cookie counts, in formats that say so in the cookie.

    Raises:
        UsageError: the content does not fit the format, no cookie can have this name, the secret
            is empty, or the format takes no `ttl` or not such a parameter.
    """
    if name is not None and not is_cookie_name(name):
        raise UsageError(
            f"'{name}' cannot be a cookie's name",
            hint="letters, digits and !#$%&'*+-.^_`|~ make one (RFC 6265)",
        )
    writer = cookie_format(format)
    if ttl is not None and not writer.carries_expiry:
        raise UsageError(
            f"a cookie of {writer.name} carries no expiry, so it cannot be signed for a time",
            hint="sign it without --ttl; how long it counts is the store's to say",
        )
    context = CookieContext(
        name=name or writer.cookie_name, parameters=checked(writer, parameters or {})
    )
    return writer.sign(content, as_secrets(secret), context, now=now or datetime.now(UTC), ttl=ttl)


def recognise(
    text: str, *, name: str | None = None, companion: str | None = None, budget: Budget = DEFAULT
) -> tuple[Pasted, list[tuple[CookieFormat, Match]]]:
    """The cookie of a pasted text, and the formats that it could be of, the likeliest first.

    Raises:
        CookieError: there is no cookie in the text, or none of this name.
        LimitExceeded: larger than `budget.cookie_bytes`.
    """
    chosen = pick(text, name=name, budget=budget)
    return chosen, detect(chosen.value, _context(chosen, name, companion, budget))


class Found(NamedTuple):
    """The cookie meant, its format, and what the format is given besides the value."""

    pasted: Pasted
    format: CookieFormat
    context: CookieContext
    matches: list[tuple[CookieFormat, Match]]  # empty where the format was named


def find(
    text: str,
    format: str | None = None,
    *,
    name: str | None = None,
    usual_name: str | None = None,
    companion: str | None = None,
    parameters: Mapping[str, str] | None = None,
    usual_parameters: Mapping[str, str] | None = None,
    budget: Budget = DEFAULT,
) -> Found:
    """The cookie of a pasted text that is meant, and its format. Raises as `decode_cookie`.

    Args:
        usual_name: as `pick` takes it.
        usual_parameters: those of a backend; what the format does not take is left out.
    """
    chosen = pick(text, name=name, usual_name=usual_name, budget=budget)
    context = _context(chosen, name, companion, budget)
    matches = [] if format else detect(chosen.value, context)
    reader = cookie_format(format) if format else best_of(matches)
    usual = known(reader, usual_parameters or {})
    settings = {**usual, **checked(reader, parameters or {})}
    if settings:
        context = replace(context, parameters=settings)
    return Found(chosen, reader, context, matches)


def judge(
    found: Found, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
) -> Verdict:
    """The format's verdict; its notes say whether an older secret than the newest one fits.

    Several formats may have one shape, as all that Django signs. Of those that were detected, the
    one counts whose signature a secret fits; else the likeliest.
    """
    format, verdict = found.format, _verdict(found, found.format, secrets, now, max_age)
    if verdict.word is VerdictWord.BAD_SIGNATURE:
        for other in plausible(found.matches):
            if other is format or (max_age is not None and not other.carries_time):
                continue
            if found.context.parameters.keys() <= other.parameters.keys():
                second = _verdict(found, other, secrets, now, max_age)
                if second.signature is Signature.VALID:
                    format, verdict = other, second
                    break
    older = rotation_note(format, verdict, secrets)
    return replace(verdict, notes=(*verdict.notes, *older)) if older else verdict


def _verdict(
    found: Found,
    format: CookieFormat,
    secrets: Sequence[Secret],
    now: datetime,
    max_age: timedelta | None,
) -> Verdict:
    return format.verify(found.pasted.value, secrets, found.context, now=now, max_age=max_age)


def _context(
    chosen: Pasted, name: str | None, companion: str | None, budget: Budget
) -> CookieContext:
    _check_text("the cookie's name", name or "")
    return CookieContext(
        name=chosen.name or name,
        companion=chosen.companion if companion is None else companion,
        budget=budget,
    )


def _check_text(what: str, text: str) -> None:
    """Raise UsageError for a text that no bytes make."""
    try:
        encode_id(text)
    except UnicodeEncodeError:
        raise UsageError(f"{what} holds half an emoji, which nothing can carry") from None


def known(format: CookieFormat, parameters: Mapping[str, str]) -> dict[str, str]:
    """Of these parameters those that the format takes."""
    return {key: value for key, value in parameters.items() if key in format.parameters}


def checked(format: CookieFormat, parameters: Mapping[str, str]) -> Mapping[str, str]:
    """The parameters. Raises UsageError for one that the format does not know: it may be a typo."""
    for key, value in parameters.items():
        if key not in format.parameters:
            raise UsageError(
                f"{format.name} has no parameter '{key}'",
                hint=did_you_mean(key, format.parameters, all_are="it has"),
            )
        _check_text(f"the parameter '{key}'", value)
    return parameters


def check_max_age(format: CookieFormat, max_age: timedelta | None) -> None:
    """Raise UsageError for an age that this format's cookies cannot be judged by."""
    if max_age is not None and not format.carries_time:
        raise UsageError(
            f"a cookie of {format.name} carries no time of its own, so its age cannot be judged",
            hint="verify it without --max-age; how long it counts is the store's to say",
        )


def as_secrets(given: Secrets) -> list[Secret]:
    """One secret or several as a list of `Secret`, those of a mapping with their key ids.

    Raises:
        UsageError: none, or an empty one, with which anybody could sign.
    """
    if isinstance(given, str | bytes | Secret):
        given = [given]
    if isinstance(given, Mapping):
        found = [_as_secret(one, key_id) for key_id, one in given.items()]
    else:
        found = [_as_secret(one) for one in given]
    if not found:
        raise UsageError("no secret is given")
    if not all(one.reveal() for one in found):
        raise UsageError("a secret is empty")
    return found


def _as_secret(given: OneSecret, key_id: str | None = None) -> Secret:
    if not isinstance(given, Secret):
        return Secret(given, key_id=key_id)
    return given if key_id is None else Secret(given.reveal(), given.reference, key_id=key_id)
