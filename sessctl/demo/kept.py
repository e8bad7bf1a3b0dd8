"""A session kept whole in the browser's cookie, as npm's cookie-session keeps it.

The server keeps nothing: a copy of a cookie counts as long as the secret does.
The cookie itself: `sessctl/cookies/cookie_session.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from wsgiref.handlers import format_date_time

from sessctl.cookies.base import Cookie, CookieContext
from sessctl.cookies.cookie_session import CookieSession
from sessctl.demo.express.cookie import sent_cookies
from sessctl.demo.express.middleware import KEY, whole_response
from sessctl.serializers import json as stored_json
from sessctl.timespec import from_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from sessctl.demo.express.cookie import Clock
    from sessctl.text import Secret

_FORMAT = CookieSession()


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
        context = CookieContext(name=self._name, companion=cookies.get(f"{self._name}.sig"))
        value, now = cookies.get(self._name, ""), from_ms(self._clock())
        verdict = _FORMAT.verify(value, self._secrets, context, now=now)
        payload = verdict.decoded.payload if verdict.valid and verdict.decoded else None
        return payload if isinstance(payload, dict) else None

    def _lines(self, exchange: KeptExchange) -> list[str]:
        session, now_ms = exchange.session, self._clock()
        if session is None:
            gone = [Cookie(self._name, ""), Cookie(f"{self._name}.sig", "")]
            return [] if exchange.is_new else [_line(one, expires_ms=0) for one in gone]
        if stored_json.encode(session) == exchange.read:
            return []
        context = CookieContext(name=self._name)
        made = _FORMAT.sign(session, self._secrets, context, now=from_ms(now_ms))
        age = self._max_age_ms
        return [_line(one, expires_ms=None if age is None else now_ms + age) for one in made]


def _line(cookie: Cookie, *, expires_ms: int | None) -> str:
    ends = "" if expires_ms is None else f"; expires={format_date_time(expires_ms // 1000)}"
    return f"{cookie.name}={cookie.value}; path=/{ends}; samesite=lax; httponly"


__all__ = ["CookieSessionMiddleware", "KeptExchange"]
