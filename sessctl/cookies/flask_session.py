"""Flask-Session's signed id: the session itself is in a store.

Who writes it: Flask-Session with SESSION_USE_SIGNER (checked with 0.8.0, which deprecates it).

    7d8f2c1e4b5a69788796a5b4c3d2e1f0.KiGXZ4UDCFoZTgr0u4kXTcDWQ_Y
    secret: correct horse battery staple

The id, a dot, and the signature of an itsdangerous Signer; no time, expiry is the store's. Without
SESSION_USE_SIGNER, which is the default, the cookie is the id alone (`opaque`).
The library knows no fallback keys; several secrets are tried one after the other.
Source: Flask-Session 0.8.0 `base.py`, `_get_signer`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import DecodedCookie, Match
from sessctl.cookies.itsdangerous_signing import SignedByItsdangerous, Signing
from sessctl.errors import SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.cookies.base import CookieContext

_SHAPE = re.compile(r"([A-Za-z0-9_.-]{8,256})\.[A-Za-z0-9_-]{27}=?")
_USUAL_LENGTH = 16
_IN_A_COOKIE = re.compile(r"[!#-+.-:<-\[\]-~-]+")  # RFC 6265, as it stands


class FlaskSessionSid(SignedByItsdangerous):
    """A session id, signed."""

    name = "flask-session-sid"
    cookie_name = "session"
    carries_time = False
    parameters: Mapping[str, str] = {}
    signing = Signing(b"flask-session", "hmac", timed=False)

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _SHAPE.fullmatch(value)
        if found is None:
            return None
        usual = len(found[1]) >= _USUAL_LENGTH
        return Match(55 if usual else 45, "what looks like a session id, with a signature (sha1)")

    def _read(self, value: str, body: bytes, context: CookieContext) -> DecodedCookie:
        try:
            return DecodedCookie(self.name, sid=body.decode())
        except UnicodeDecodeError:
            raise SerializerError("the session id is not UTF-8") from None

    def _written(self, content: Any, context: CookieContext) -> bytes:
        if not isinstance(content, str) or not _IN_A_COOKIE.fullmatch(content):
            raise UsageError(
                "a flask-session-sid cookie carries a session id: no data, no blanks, no quotes",
                hint="give the id of a session in the store, as `sessctl list -o name` prints them",
            )
        return content.encode()
