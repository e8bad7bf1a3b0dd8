"""Flask-Login's `remember_token`: the id of a user, signed, who is logged in again by it.

Who writes it: Flask-Login (checked with 0.6.3).

    42|70710a0cdf994e449c18d2074116f6d0e8d4976dd41c29940f0bc8442ca600df...844c7741
    secret: correct horse battery staple

The id, a bar, and the hex HMAC-SHA512 of the id under SECRET_KEY itself; the *last* bar splits.
There is no time in it, so it counts until the secret changes. A secret that is text is taken in
latin-1.
The library knows no fallback keys; several secrets are tried one after the other.
On the wire an id with a blank or a letter that is not ASCII stands in quotes, as werkzeug does it.
Source: Flask-Login 0.6.3 `utils.py`; werkzeug 3.1 `http.py`, dump_cookie.
"""

from __future__ import annotations

import re
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.errors import CookieError, UsageError
from sessctl.text import encode_id, is_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Guess, Mac
    from sessctl.text import Secret

_DIGEST, _HEX_DIGITS = "sha512", 128
_SHAPE = re.compile(r".+\|[0-9a-f]{128}", re.DOTALL)
# What werkzeug quotes for, and how: bytes of UTF-8 in octal.
_BARE = re.compile(rb"[A-Za-z0-9_!#$%&'()*+./:<=>?@\[\]^`{|}~-]*")
_ESCAPED = re.compile(rb"[\x00-\x19\",;\\\x7f-\xff]")


class FlaskLoginRemember:
    """The id of a user."""

    name = "flask-login-remember"
    cookie_name = "remember_token"
    carries_time = False
    carries_expiry = False
    parameters: Mapping[str, str] = {}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if not _SHAPE.fullmatch(value):
            return None
        return Match(95, "a text, a bar, and a signature of 128 hexadecimal digits")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        return self._decoded(_split(value, context)[0])

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
            user, given = _split(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded = self._decoded(user)
        for index, secret in enumerate(secrets):
            for key in _keys(secret.reveal()):
                if compare_digest(_signature(key, user), given):
                    return Verdict(VerdictWord.VALID, Signature.VALID, decoded, index)
        return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        from sessctl.cookies.guessing import Mac

        user, given = _split(value, context)
        text = given.decode("latin-1")
        if len(given) != _HEX_DIGITS or text.strip("0123456789abcdef"):
            raise CookieError("its signature is not 128 small hex digits: no secret made it")
        return Mac(user, bytes.fromhex(text), _DIGEST)

    def guesser(self, value: str, context: CookieContext) -> Guess:
        from sessctl.cookies.guessing import hmac_guesser

        fits = hmac_guesser(*self.plain_mac(value, context))
        return lambda secret: fits(secret) if secret.isascii() else any(map(fits, _keys(secret)))

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        if not isinstance(content, str) or not content or not is_utf8(content):
            raise UsageError(
                "a flask-login-remember cookie carries the id of a user, a text",
                hint="sessctl sign --format flask-login-remember 42",
            )
        user = content.encode()
        value = user + b"|" + _signature(next(iter(_keys(secrets[0].reveal()))), user)
        return [Cookie(context.name or self.cookie_name, _quoted(value).decode("ascii"))]

    def _decoded(self, user: bytes) -> DecodedCookie:
        return DecodedCookie(self.name, payload=user.decode("utf-8", "replace"))


def _split(value: str, context: CookieContext) -> tuple[bytes, bytes]:
    """(the user's id, signature) of a value. Raises CookieError."""
    context.budget.check_cookie(len(value))
    try:
        raw = encode_id(value)
    except UnicodeEncodeError:
        raise CookieError("a lone surrogate, which no cookie can carry") from None
    user, bar, signature = raw.rpartition(b"|")
    if not bar:
        raise CookieError("no '|' between the user's id and a signature")
    return user, signature


def _keys(secret: bytes) -> list[bytes]:
    """What the library makes of a secret: of text its bytes in latin-1, of bytes themselves."""
    if secret.isascii():
        return [secret]
    try:
        return [secret.decode().encode("latin-1"), secret]
    except UnicodeError:  # no text, or none of latin-1, with which the library fails
        return [secret]


def _signature(key: bytes, user: bytes) -> bytes:
    return hmac_digest(key, user, _DIGEST).hex().encode()


def _quoted(raw: bytes) -> bytes:
    """A value as werkzeug puts it into a header."""
    if _BARE.fullmatch(raw):
        return raw
    return b'"%b"' % _ESCAPED.sub(_escape, raw)


def _escape(found: re.Match[bytes]) -> bytes:
    byte = found[0]
    return b"\\" + (byte if byte in (b'"', b"\\") else b"%03o" % byte[0])
