"""express-session as WSGI middleware: `SessionMiddleware(app, store, options)`.

    exchange = exchange_of(environ)
    exchange.session["views"] = exchange.session.get("views", 0) + 1

A response is held until it is whole and the session is stored: a WSGI app here does not stream.
A store that fails is an error of the request, before anything of the response is sent; Express
would have sent a part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.demo.express.session import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from sessctl.demo.express.session import SessionOptions, SessionStore

KEY = "sessctl.session"  # of the environ


def exchange_of(environ: WSGIEnvironment) -> Exchange | None:
    """The sessions' side of a request; None outside of the cookie's path."""
    found = environ.get(KEY)
    return found if isinstance(found, Exchange) else None


class SessionMiddleware:
    """Gives every request of an app its session."""

    def __init__(self, app: WSGIApplication, store: SessionStore, options: SessionOptions) -> None:
        self._app = app
        self._store = store
        self._options = options

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "") or "/"
        if KEY in environ or not path.startswith(self._options.cookie.path):
            return self._app(environ, start_response)
        cookies, is_secure = environ.get("HTTP_COOKIE", ""), self._is_secure(environ)
        exchange = Exchange(self._store, self._options, cookies, is_secure=is_secure)
        environ[KEY] = exchange
        status, headers, body = whole_response(self._app, environ)
        line = exchange.end()
        if line is not None:
            headers.append(("Set-Cookie", line))
        start_response(status, headers)
        return [body]

    def _is_secure(self, environ: WSGIEnvironment) -> bool:
        if environ.get("wsgi.url_scheme") == "https":
            return True
        said = environ.get("HTTP_X_FORWARDED_PROTO", "") if self._options.proxy else ""
        return bool(said.partition(",")[0].strip().lower() == "https")


def whole_response(
    app: WSGIApplication, environ: WSGIEnvironment
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Call an app and wait for all of its response: status line, headers, body."""
    status, headers, written = "", list[tuple[str, str]](), list[bytes]()

    def start(line: str, given: list[tuple[str, str]], exc_info: object = None, /) -> object:
        nonlocal status, headers
        status, headers = line, list(given)
        return written.append

    answer = app(environ, start)  # type: ignore[arg-type]
    try:
        body = b"".join((*written, *answer))
    finally:
        if hasattr(answer, "close"):
            answer.close()
    return status, headers, body


__all__ = ["KEY", "SessionMiddleware", "exchange_of", "whole_response"]
