"""Bottle's signed cookies: a name and a value, pickled.

Who writes them: Bottle 0.13 with SHA-256, earlier ones with MD5 (checked with 0.13.4, 0.12.25).

    "!kJALEz3Jae1C8K+GzWVHrlgzUETQHBAiHuIVUVkXP0E=?gAWVHAAAAAAAAABdlCiMB2FjY291bnSUjApwbGFpbiB0ZXh0lGUu"
    secret: correct horse battery staple

`!` + base64 of HMAC(secret, message) + `?` + message, and the message is base64 of a pickle of
`[name, value]` (up to 0.12 a tuple). The name in the pickle has to be the cookie's. There is no
time in it. The pickle is read, inert, and never run: one that calls anything is `unsafe_pickle`,
however good its signature. For the same reason no such cookie is signed here.
Source: Bottle 0.13.4 and 0.12.25 `bottle.py`, set_cookie and get_cookie.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.guessing import Mac
from sessctl.cookies.python import NO_PICKLE, why_unsafe
from sessctl.errors import CookieError, LimitExceeded, SerializerError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.serializers import Value
    from sessctl.text import Secret

_SHAPE = re.compile(r"!([A-Za-z0-9+/]+={0,2})\?([A-Za-z0-9+/]+={0,2})")
# Characters of a signature in base64 with padding.
_DIGESTS = {24: "md5", 28: "sha1", 44: "sha256", 64: "sha384", 88: "sha512"}


class Parts(NamedTuple):
    """A cookie in its parts: what its pickle says, or why that cannot be read."""

    signature: str
    message: bytes
    value: Value | None
    problem: SerializerError | None


class Bottle:
    """Anything that the app pickled."""

    name = "bottle"
    cookie_name = "account"
    carries_time = False
    carries_expiry = False
    parameters: Mapping[str, str] = {
        "digest": f"hash of the signature: {', '.join(_DIGESTS.values())} (by its length)"
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _SHAPE.fullmatch(value)
        if found is None:
            return None
        is_likely = len(found[1]) in _DIGESTS
        return Match(95 if is_likely else 30, "!, a signature, ? and base64, as Bottle writes them")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        parts = _split(value, context)
        if isinstance(parts.problem, LimitExceeded):
            raise parts.problem
        if parts.value is None:
            assert parts.problem is not None
            raise CookieError(f"not a cookie of Bottle: {parts.problem.message}")
        return self._decoded(parts.value)[0]

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
            parts = _split(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded, name = (None, None) if parts.value is None else self._decoded(parts.value)
        digest = _digest(context, parts)
        given = parts.signature.encode()
        index = next(
            (
                index
                for index, secret in enumerate(secrets)
                if compare_digest(_signature(parts.message, secret, digest), given)
            ),
            None,
        )
        if index is None:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)
        word, why = VerdictWord.VALID, None
        if parts.problem is not None:
            word, why = VerdictWord.PAYLOAD_ERROR, parts.problem.message
        elif parts.value is not None and (why := why_unsafe(parts.value)):
            word = VerdictWord.UNSAFE_PICKLE
        elif name is None:
            word, why = VerdictWord.PAYLOAD_ERROR, "expected a pickle of [name, value]"
        elif context.name is not None and name != context.name:
            word, why = VerdictWord.NAME_MISMATCH, f"signed as '{name}'"
        return Verdict(word, Signature.VALID, decoded, index, (why,) if why else ())

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        parts = _split(value, context)
        try:
            mac = b64decode(parts.signature, validate=True)
        except Base64Error:
            mac = b""
        if not mac or b64encode(mac).decode() != parts.signature:
            raise CookieError("its signature is not base64 as Bottle writes it: no secret made it")
        return Mac(parts.message, mac, _digest(context, parts))

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        raise UsageError(
            f"a cookie of Bottle holds a pickle, and {NO_PICKLE}",
            hint="let the app itself sign one: response.set_cookie(name, value, secret=...)",
        )

    def _decoded(self, value: Value) -> tuple[DecodedCookie, str | None]:
        """The value that the app gave, and the name it gave; of another pickle all of it."""
        data = value.data
        if isinstance(data, dict) and data.keys() == {"__tuple__"}:
            data = data["__tuple__"]
        if not isinstance(data, list) or len(data) < 2 or not isinstance(data[0], str):
            return DecodedCookie(self.name, payload=data, notes=value.notes), None
        return DecodedCookie(self.name, payload=data[1], notes=value.notes), data[0]


def _split(value: str, context: CookieContext) -> Parts:
    """Raises CookieError."""
    context.budget.check_cookie(len(value))
    found = _SHAPE.fullmatch(value)
    if found is None:
        raise CookieError("not !signature?message in base64")
    try:
        raw = b64decode(found[2])
    except Base64Error:
        raise CookieError("its message is not base64") from None
    from sessctl.serializers.pickle import decode

    message = found[2].encode()
    try:
        return Parts(found[1], message, decode(raw, context.budget), None)
    except SerializerError as exc:
        return Parts(found[1], message, None, exc)


def _signature(message: bytes, secret: Secret, digest: str) -> bytes:
    return b64encode(hmac_digest(secret.reveal(), message, digest))


def _digest(context: CookieContext, parts: Parts) -> str:
    """The hash that the context names, else the one whose signatures have this length."""
    named = context.parameters.get("digest")
    if named is None:
        return _DIGESTS.get(len(parts.signature), "sha256")
    found = named.lower().replace("-", "")
    if found not in _DIGESTS.values():
        raise UsageError(f"no digest '{found}'", hint=did_you_mean(found, _DIGESTS.values()))
    return found
