"""The demo's session middleware under the same handler as the Express peer's `/act`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from sessctl.demo.express.cookie import CookieOptions
from sessctl.demo.express.middleware import SessionMiddleware, exchange_of
from sessctl.demo.express.session import SessionOptions
from sessctl.demo.listener import LocalServer
from sessctl.text import Secret
from tests.support.express import Browser

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

    from sessctl.demo.express.session import Exchange, SessionStore

COOKIE_WORDS = {
    "path": "path",
    "domain": "domain",
    "httpOnly": "http_only",
    "secure": "secure",
    "sameSite": "same_site",
    "maxAge": "max_age_ms",
    "partitioned": "partitioned",
    "priority": "priority",
}


class ActsApp:
    """Started with the options of `ExpressApp`, in its words, on a store of the demo's."""

    def __init__(
        self,
        store: SessionStore,
        *,
        secrets: list[str],
        cookie: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        given = {
            "secrets": tuple(map(Secret, secrets)),
            "resave": options.pop("resave", False),
            "save_uninitialized": options.pop("saveUninitialized", False),
            "cookie": CookieOptions(**{COOKIE_WORDS[k]: v for k, v in (cookie or {}).items()}),
            **{key: value for key, value in options.items() if value is not None},
        }
        self._server = LocalServer(SessionMiddleware(_act, store, SessionOptions(**given)))
        self.port = self._server.port

    def browser(self) -> Browser:
        """Return a new browser without cookies."""
        return Browser(self.port)

    def stop(self) -> None:
        self._server.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def _act(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    exchange = exchange_of(environ)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    for act, *values in json.loads(body):
        if exchange is not None and exchange.session is not None:
            _do(exchange, act, *values)
    session = exchange.session if exchange else None
    answer = {"sid": exchange.session_id if exchange else None, "data": session}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def _do(exchange: Exchange, act: str, *values: Any) -> None:
    session = exchange.session
    assert session is not None
    if act == "set":
        session[values[0]] = values[1]
    elif act == "delete":
        session.pop(values[0], None)
    elif act == "maxAge":
        session.cookie.max_age_ms = values[0]
    elif act == "unset":
        exchange.session = None
    else:
        getattr(session, act)()
