"""A session kept whole in the browser's cookie, as npm's cookie-session keeps it.

    session=eyJ1c2VyX2lkIjo0MiwibmFtZSI6ImFsaWNlIn0=; session.sig=yu6A1PrA76q9BiPSnNBkC4W2WXE
    secret: correct horse battery staple

The payload is base64 of JSON, readable by whoever holds it. The companion is HMAC-SHA1 of
`name=value`, so that nobody else can write one. The server keeps nothing: a copy of a cookie counts
as long as the secret does. Source: cookie-session 2.1.1, cookies 0.9.2, keygrip 1.1.0 `index.js`.
"""

from __future__ import annotations

import binascii
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

from sessctl.demo.express.cookie import sent_cookies
from sessctl.demo.express.middleware import KEY, whole_response
from sessctl.errors import SerializerError
from sessctl.serializers import json as stored_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from sessctl.demo.express.cookie import Clock
    from sessctl.text import Secret


class KeptExchange:
    """One request and its response; `session` is the payload, None once it is destroyed."""

    session_id = None  # there is none: the cookie is the session

    def __init__(self, payload: dict[str, Any] | None) -> None:
        self.is_new = payload is None
        self.session: dict[str, Any] | None = payload or {}
        self.read = stored_json.encode(self.session)

    def regenerate(self) -> None:
        """Start an empty session; the old cookie stays good in other hands."""
        self.session = {}

    def destroy(self) -> None:
        """Take the cookie from this browser, which is all that a server without memory can do."""
        self.session = None


class CookieSessionMiddleware:
    """Gives every request of an app the session of its cookie."""

    def __init__(
        self,
        app: WSGIApplication,
        secrets: Sequence[Secret],
        *,
        clock: Clock,
        name: str = "session",
        max_age_ms: int | None = None,
    ) -> None:
        self._app = app
        self._secrets = secrets
        self._clock = clock
        self._name = name
        self._max_age_ms = max_age_ms

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        exchange = KeptExchange(self._payload(sent_cookies(environ.get("HTTP_COOKIE", ""))))
        environ[KEY] = exchange
        status, headers, body = whole_response(self._app, environ)
        headers += [("Set-Cookie", line) for line in self._lines(exchange)]
        start_response(status, headers)
        return [body]

    def _payload(self, cookies: dict[str, str]) -> dict[str, Any] | None:
        value, given = cookies.get(self._name, ""), cookies.get(f"{self._name}.sig", "")
        known = [signature(self._name, value, secret) for secret in self._secrets]
        if not value or not any(compare_digest(one.encode(), given.encode()) for one in known):
            return None
        try:
            data = stored_json.decode(urlsafe_b64decode(value)).data
        except (binascii.Error, ValueError, SerializerError):
            return None
        return data if isinstance(data, dict) else None

    def _lines(self, exchange: KeptExchange) -> list[str]:
        session = exchange.session
        if session is None:
            return [] if exchange.is_new else self._pair("", "", expires_ms=0)
        raw = stored_json.encode(session)
        if raw == exchange.read:
            return []
        value = b64encode(raw).decode()
        age = self._max_age_ms
        ends_ms = None if age is None else self._clock() + age
        signed = signature(self._name, value, self._secrets[0])
        return self._pair(value, signed, expires_ms=ends_ms)

    def _pair(self, value: str, signed: str, *, expires_ms: int | None) -> list[str]:
        ends = "" if expires_ms is None else f"; expires={format_date_time(expires_ms // 1000)}"
        rest = f"; path=/{ends}; samesite=lax; httponly"
        return [f"{self._name}={value}{rest}", f"{self._name}.sig={signed}{rest}"]


def signature(name: str, value: str, secret: Secret) -> str:
    """The companion's value: 27 characters of base64url."""
    mac = hmac_digest(secret.reveal(), f"{name}={value}".encode(), "sha1")
    return urlsafe_b64encode(mac).rstrip(b"=").decode()


__all__ = ["CookieSessionMiddleware", "KeptExchange", "signature"]
