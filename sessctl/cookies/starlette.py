"""Starlette's and FastAPI's `session`: the whole session in a signed cookie.

Who writes it: SessionMiddleware of Starlette (checked with 1.10.0), through itsdangerous.

    eyJ1c2VyX2lkIjogNDIsICJuYW1lIjogImFsaWNlIn0=.aVW5AA.k4GisUpYsfBDlzATfNTT-_PtPxI
    secret: correct horse battery staple

JSON as Python writes it, in base64 with padding; then the time and the signature of a
TimestampSigner. `max_age` of the middleware is 14 days; it has one secret and no rotation.
Not supported: starsessions, whose cookie is an opaque id.
Source: Starlette 1.10.0 `middleware/sessions.py`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import DecodedCookie, Match
from sessctl.cookies.itsdangerous_signing import SignedByItsdangerous, Signing, is_stamp
from sessctl.errors import SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.cookies.base import CookieContext

_SHAPE = re.compile(r"([A-Za-z0-9+/]+={0,2})\.([A-Za-z0-9_-]{6})\.([A-Za-z0-9_-]{27})=?")
_OBJECT = re.compile(rb'\{(?:"(?:[^"\\]++|\\.)*+": .*)?\}', re.DOTALL)


class StarletteSession(SignedByItsdangerous):
    """A session as JSON."""

    name = "starlette"
    cookie_name = "session"
    parameters: Mapping[str, str] = {}
    signing = Signing(b"itsdangerous.Signer", "django-concat")
    lifetime = timedelta(days=14)
    setting = "max_age"

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _SHAPE.fullmatch(value)
        if found is None or not is_stamp(found[2]):
            return None
        try:
            raw = b64decode(found[1])
        except ValueError:
            return None
        is_padded = len(found[1]) % 4 == 0
        if not is_padded or not _OBJECT.fullmatch(raw):
            return None
        return Match(95, "base64 of JSON with blanks, a time and a signature")

    def _read(self, value: str, body: bytes, context: CookieContext) -> DecodedCookie:
        from sessctl.serializers.json import decode  # 9 ms; only JSON needs it

        try:
            raw = b64decode(body)
        except ValueError:
            raise SerializerError("not base64 with its padding") from None
        found = decode(raw, context.budget)
        if not isinstance(found.data, dict):
            raise SerializerError("JSON, but no object, which a session is")
        return DecodedCookie(self.name, payload=found.data, notes=found.notes)

    def _written(self, content: Any, context: CookieContext) -> bytes:
        from sessctl.serializers.python_json import encode

        if not isinstance(content, dict):
            raise UsageError(
                "the session is an object of JSON", hint="""sessctl sign '{"user_id": 42}'"""
            )
        return b64encode(encode(content))
