"""Names of cookie formats, where they are defined, and which values are worth asking them about.

A format's module is imported when its name is asked for, or when a value passes its `may_be`: a
look at the text that costs nothing and refuses no value of the format. Third parties add their own
through the entry-point group `sessctl.cookie_formats` (a class without arguments that implements
`CookieFormat`), read only for a name that is not ours or when none of ours matches.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from sessctl.cookies.base import CookieContext
from sessctl.errors import CookieError, UsageError, did_you_mean
from sessctl.plugins import COOKIE_FORMATS, installed, load, load_working, note_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sessctl.cookies.base import CookieFormat, Match


class Home(NamedTuple):
    """Where a format is defined, and whether a value may be one of its."""

    place: str
    may_be: Callable[[str, CookieContext], bool]


def _starts(*prefixes: str) -> Callable[[str, CookieContext], bool]:
    return lambda value, _: value.startswith(prefixes)


def _ends_signed(value: str, _: CookieContext) -> bool:
    """A signature of at least 27 characters behind a dot, and not Express's beginning."""
    return 27 <= len(value) - value.rfind(".") - 1 < len(value) and not value.startswith(_EXPRESS)


def _is_one_word(value: str, _: CookieContext) -> bool:
    return 16 <= len(value) <= 300 and not set(value[:8]) & set(":%={[. ")


_EXPRESS = ("s:", "s%3A", "s%3a")
_JSON_IN_BASE64 = ("ey", "e30")  # {" and {}
OPAQUE = "opaque"
_SURE = 51  # below: what ends in a dot and 43 characters may be anybody's
_PLAUSIBLE = 50  # formats of one shape that a secret tells apart


def _is_token(value: str, context: CookieContext) -> bool:  # JSON in base64url, and dots
    return value.startswith(("ey", "ew", "e30")) and "." in value


def _ends_behind_colon(value: str, _: CookieContext) -> bool:
    """A signature of Django's behind a colon."""
    return len(value) - value.rfind(":") - 1 in (27, 43, 64, 86) and ":" in value


def _is_blob(value: str, _: CookieContext) -> bool:
    """Base64 of a signature and more."""
    return len(value) >= 40 and not any(sign in value for sign in ".:|;%=+/{")


# `additional_authenticated_data=` in base64, wherever in three bytes it begins.
_LITESTAR = (
    *("YWRkaXRpb25hbF9hdXRoZW50aWNhdGVk", "FkZGl0aW9uYWxfYXV0aGVudGljYXRlZF"),
    "hZGRpdGlvbmFsX2F1dGhlbnRpY2F0ZW",
)  # fmt: skip
_HEX = frozenset("0123456789abcdef")


# Of two that fit equally well, the one whose usual name the cookie has, else the first.
FORMATS = {
    "express-session": Home("express:ExpressSession", _starts(*_EXPRESS)),
    "cookie-parser": Home("cookie_parser:CookieParser", _starts(*_EXPRESS, "j:", "j%3A", "j%3a")),
    "cookie-session": Home("cookie_session:CookieSession", _starts(*_JSON_IN_BASE64)),
    "koa-session": Home(
        "cookie_session:KoaSession",
        lambda value, given: given.companion is not None or value.startswith(_JSON_IN_BASE64),
    ),
    "flask": Home("flask:FlaskSession", _ends_signed),
    "starlette": Home("starlette:StarletteSession", _ends_signed),
    "flask-session-sid": Home("flask_session:FlaskSessionSid", _ends_signed),
    "flask-login-remember": Home(
        "flask_login:FlaskLoginRemember", lambda value, _: len(value) > 129 and value[-129] == "|"
    ),
    "itsdangerous": Home("itsdangerous:Itsdangerous", _ends_signed),
    "fastify-session": Home("fastify:FastifySession", _ends_signed),
    "fastify-cookie": Home("fastify:FastifyCookie", _ends_signed),
    "client-sessions": Home(
        "client_sessions:ClientSessions", lambda value, _: value.count(".") == 4
    ),
    "jwt": Home("jwt:Jwt", _is_token),
    "authjs": Home("authjs:AuthJs", _is_token),
    "nextauth-v4": Home("authjs:NextAuthV4", _is_token),
    "iron-session": Home("iron:IronSession", _starts("Fe26.")),
    "hapi-iron": Home("iron:HapiIron", _starts("Fe26.")),
    "fastify-secure-session": Home(
        "secure_session:FastifySecureSession",
        lambda value, _: any(semicolon in value for semicolon in (";", "%3B", "%3b")),
    ),
    "django-signed-cookies": Home("django:DjangoSignedCookies", _ends_behind_colon),
    "django-session-data": Home(
        "django:DjangoSessionData",
        lambda value, given: (
            value.startswith(("M", "N", "O", "Y", "Z")) or _ends_behind_colon(value, given)
        ),
    ),
    "django-signed-cookie": Home("django_signing:DjangoSignedCookie", _ends_behind_colon),
    "django-signing": Home("django_signing:DjangoSigning", _ends_behind_colon),
    "tornado": Home(
        "tornado:Tornado", lambda value, _: value.startswith("2|") or value.count("|") == 2
    ),
    "pyramid": Home("pyramid:Pyramid", _is_blob),
    "bottle": Home("bottle:Bottle", _starts("!")),
    "aiohttp-plain": Home("aiohttp:AiohttpPlain", _starts('{"created"')),
    "aiohttp-fernet": Home("aiohttp:AiohttpFernet", _starts("gAAAAA")),
    "aiohttp-nacl": Home(  # nothing but the name tells it from other ciphertexts
        "aiohttp:AiohttpNacl", lambda _, given: given.name == "AIOHTTP_SESSION"
    ),
    "beaker": Home(
        "beaker:Beaker", lambda value, _: len(value) > 40 and _HEX.issuperset(value[:40])
    ),
    "litestar": Home(
        "litestar:Litestar", lambda value, _: any(mark in value for mark in _LITESTAR)
    ),
    "paseto-v4": Home(
        "paseto:PasetoV4",
        _starts(*(f"v{n}.{use}." for n in "1234" for use in ("local", "public"))),
    ),
    "stored-json": Home(
        "stored_json:StoredJson", lambda value, _: value.lstrip()[:1] in ("{", "[")
    ),
    OPAQUE: Home("opaque:OpaqueId", _is_one_word),
}
NO_CONTEXT = CookieContext()


def cookie_format(name: str) -> CookieFormat:
    """A format by its name. Raises UsageError with the nearest name."""
    if name in FORMATS:
        return _ours(name)
    theirs = installed(COOKIE_FORMATS)
    if name in theirs:
        found: CookieFormat = load(COOKIE_FORMATS, name)
        return found
    raise UsageError(f"no cookie format '{name}'", hint=did_you_mean(name, [*FORMATS, *theirs]))


def detect(
    value: str, context: CookieContext = NO_CONTEXT, *, third_parties: bool = True
) -> list[tuple[CookieFormat, Match]]:
    """Formats the value could be, the likeliest first.

    Those of third parties are asked if ours see no more in it than an id, or only guess.
    """
    possible = (_ours(name) for name, home in FORMATS.items() if home.may_be(value, context))
    found = _ranked(value, context, possible)
    if not third_parties or is_known(found):
        return found
    both = [*_ranked(value, context, _of_others(value, context)), *found]
    return sorted(both, key=lambda pair: -pair[1].score)  # of equals, theirs is the narrower one


def is_known(found: list[tuple[CookieFormat, Match]]) -> bool:
    """Whether a value surely fits a format that is more than a bare id."""
    return any(one.name != OPAQUE and match.score >= _SURE for one, match in found)


def plausible(found: list[tuple[CookieFormat, Match]]) -> list[CookieFormat]:
    """The formats that are worth a try with the secrets, the likeliest first."""
    return [one for one, match in found if match.score >= _PLAUSIBLE]


def best_format(value: str, context: CookieContext = NO_CONTEXT) -> CookieFormat:
    """The likeliest format. Raises CookieError when the value fits none."""
    return best_of(detect(value, context))


def best_of(found: list[tuple[CookieFormat, Match]]) -> CookieFormat:
    """The first of the formats that `detect` found. Raises CookieError when it found none."""
    if not found:
        raise CookieError(
            "not a cookie of any format this version knows",
            hint="sessctl help formats lists them; --format NAME tells why one does not fit",
        )
    return found[0][0]


def _ranked(
    value: str, context: CookieContext, formats: Iterable[CookieFormat]
) -> list[tuple[CookieFormat, Match]]:
    found = [(one, match) for one in formats if (match := one.sniff(value, context)) is not None]
    return sorted(found, key=lambda pair: (-pair[1].score, pair[0].cookie_name != context.name))


def _of_others(value: str, context: CookieContext) -> Iterator[CookieFormat]:
    """The formats of other packages that can be asked at all: one that fails breaks no other."""
    for one in load_working(COOKIE_FORMATS):
        try:
            one.sniff(value, context)
        except Exception as exc:  # noqa: BLE001 - a plug-in may fail in any way; it is named
            note_failure(COOKIE_FORMATS, type(one).__name__, exc)
        else:
            yield one


@cache  # they are stateless, and a batch of cookies asks for them a million times
def _ours(name: str) -> CookieFormat:
    module, _, attribute = FORMATS[name].place.partition(":")
    found: CookieFormat = getattr(import_module(f"sessctl.cookies.{module}"), attribute)()
    return found
