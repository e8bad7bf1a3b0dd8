"""Names of cookie formats, where they are defined, and which values are worth asking them about.

A format's module is imported when its name is asked for, or when a value passes its `may_be`: a
look at the text that costs nothing and refuses no value of the format. Third parties add their own
through the entry-point group `sessctl.cookie_formats` (a class without arguments that implements
`CookieFormat`), read only for a name that is not ours or when none of ours matches.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies.base import CookieContext
from sessctl.errors import CookieError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sessctl.cookies.base import CookieFormat, Match


class Home(NamedTuple):
    """Where a format is defined, and whether a value may be one of its."""

    place: str
    may_be: Callable[[str, CookieContext], bool]


def _starts(*prefixes: str) -> Callable[[str, CookieContext], bool]:
    return lambda value, _: value.startswith(prefixes)


_EXPRESS = ("s:", "s%3A", "s%3a")
_JSON_IN_BASE64 = ("eyJ", "e30")  # {" and {}
OPAQUE = "opaque"
# Of two that fit equally well, the one whose usual name the cookie has, else the first.
FORMATS = {
    "express-session": Home("express:ExpressSession", _starts(*_EXPRESS)),
    "cookie-parser": Home("cookie_parser:CookieParser", _starts(*_EXPRESS, "j:", "j%3A", "j%3a")),
    "cookie-session": Home("cookie_session:CookieSession", _starts(*_JSON_IN_BASE64)),
    "koa-session": Home(
        "cookie_session:KoaSession",
        lambda value, given: given.companion is not None or value.startswith(_JSON_IN_BASE64),
    ),
    "fastify-session": Home("fastify:FastifySession", lambda value, _: "." in value),
    "fastify-cookie": Home("fastify:FastifyCookie", lambda value, _: "." in value),
    "client-sessions": Home(
        "client_sessions:ClientSessions", lambda value, _: value.count(".") == 4
    ),
    "stored-json": Home(
        "stored_json:StoredJson", lambda value, _: value.lstrip()[:1] in ("{", "[")
    ),
    OPAQUE: Home("opaque:OpaqueId", lambda value, _: 16 <= len(value) <= 300),
}
NO_CONTEXT = CookieContext()


def cookie_format(name: str) -> CookieFormat:
    """A format by its name. Raises UsageError with the nearest name."""
    if name in FORMATS:
        return _ours(name)
    theirs = _third_party()
    if name in theirs:
        return _load(theirs[name])
    raise UsageError(f"no cookie format '{name}'", hint=did_you_mean(name, [*FORMATS, *theirs]))


def detect(
    value: str, context: CookieContext = NO_CONTEXT, *, third_parties: bool = True
) -> list[tuple[CookieFormat, Match]]:
    """Formats the value could be, the likeliest first.

    Those of third parties are asked if ours see no more in it than an id.
    """
    possible = (_ours(name) for name, home in FORMATS.items() if home.may_be(value, context))
    found = _ranked(value, context, possible)
    if not third_parties or is_known(found):
        return found
    return [*_ranked(value, context, map(_load, _third_party().values())), *found]


def is_known(found: list[tuple[CookieFormat, Match]]) -> bool:
    """Whether a value fits a format that is more than a bare id."""
    return any(one.name != OPAQUE for one, _ in found)


def best_format(value: str, context: CookieContext = NO_CONTEXT) -> CookieFormat:
    """The likeliest format. Raises CookieError when the value fits none."""
    found = detect(value, context)
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


@cache  # they are stateless, and a batch of cookies asks for them a million times
def _ours(name: str) -> CookieFormat:
    module, _, attribute = FORMATS[name].place.partition(":")
    found: CookieFormat = getattr(import_module(f"sessctl.cookies.{module}"), attribute)()
    return found


@cache  # 2 ms a time even when warm, and a header may hold thousands of cookies
def _third_party() -> dict[str, Any]:
    from importlib.metadata import entry_points  # 15 ms; only when none of ours fits

    return {entry.name: entry for entry in entry_points(group="sessctl.cookie_formats")}


def _load(entry: Any) -> CookieFormat:
    try:
        found: CookieFormat = entry.load()()
    except Exception as exc:  # a plug-in may fail in any way; name it
        raise UsageError(
            f"the plug-in '{entry.name}' (sessctl.cookie_formats) failed to load: "
            f"{type(exc).__name__}",
            hint="update or remove the package that provides it",
        ) from exc
    return found
