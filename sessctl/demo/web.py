"""As much of a web framework as the demo shop needs: requests, responses, routes, pages.

A page is data and a template. `Accept: application/json`, or `.json` behind the path, gets the data
itself, so that a scenario reads the very values that a person sees.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from sessctl.demo.express.cookie import decoded, sent_cookies
from sessctl.demo.express.middleware import KEY
from sessctl.errors import SessctlError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    Handler = Callable[["Request"], "Response"]
    Render = Callable[[str, Mapping[str, Any]], str]

_BODY_BYTES = 64 * 1024  # of a form; nobody types more
_CSP = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'"
_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Remembered(Protocol):
    """What a request remembers of its visitor, wherever that is kept."""

    @property
    def session(self) -> dict[str, Any] | None: ...

    @property
    def session_id(self) -> str | None: ...

    def regenerate(self) -> None: ...

    def destroy(self) -> None: ...


class Refusal(Exception):
    """A request that cannot be served; it becomes a page with this status."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Request:
    """One request, read lazily."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        path: str = environ.get("PATH_INFO", "/") or "/"
        self.path = path.removesuffix(".json") or "/"
        accept = environ.get("HTTP_ACCEPT", "")
        self.wants_json = path.endswith(".json") or "application/json" in accept
        self.suffix = ".json" if path.endswith(".json") else ""

    @property
    def remembered(self) -> Remembered:
        """The session's side of this request, destroyed or not."""
        found: Remembered = self.environ[KEY]
        return found

    @property
    def session(self) -> dict[str, Any]:
        """The session's data, to be changed in place."""
        found = self.remembered.session
        if found is None:
            raise RuntimeError("the session was destroyed by this request")
        return found

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Name to value, percent-decoded once, the first of each name."""
        sent = sent_cookies(self.environ.get("HTTP_COOKIE", ""))
        return {name: decoded(value) for name, value in sent.items()}

    @cached_property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True))

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a posted form, or of a flat JSON object. Raises Refusal."""
        size = int(self.environ.get("CONTENT_LENGTH") or 0)
        if size > _BODY_BYTES:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a form has {_BODY_BYTES} bytes")
        raw: bytes = self.environ["wsgi.input"].read(size)
        try:
            text = raw.decode()
            if "json" not in self.environ.get("CONTENT_TYPE", ""):
                return dict(parse_qsl(text, keep_blank_values=True))
            return {name: str(value) for name, value in dict(json.loads(text)).items()}
        except (ValueError, TypeError, RecursionError):
            raise Refusal(
                HTTPStatus.BAD_REQUEST, "the body is no form and no JSON object"
            ) from None

    def number(self, given: Mapping[str, str], name: str, default: int, most: int) -> int:
        """A whole number from a form or a query, 0 to `most`. Raises Refusal."""
        text = given.get(name, str(default))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= most):
            raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} is a whole number from 0 to {most}")
        return int(text)


@dataclass(slots=True)
class Response:
    """What a handler answers: a template with data, a place to go to, or bytes."""

    template: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    status: HTTPStatus = HTTPStatus.OK
    location: str = ""
    body: bytes | None = None
    content_type: str = ""
    set_cookies: list[str] = field(default_factory=list)
    scripts: bool = False  # the page may run the shop's own script


def see_other(path: str) -> Response:
    """After a form: go and look there."""
    return Response(status=HTTPStatus.FOUND, location=path)


def static(body: bytes, content_type: str) -> Handler:
    """A file of the package."""
    return lambda _request: Response(body=body, content_type=content_type)


class Web:
    """A WSGI app of routes: (method, path) to handler; `render` makes HTML of a template."""

    def __init__(self, routes: Mapping[tuple[str, str], Handler], render: Render) -> None:
        self._routes = routes
        self._render = render

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        return self.respond(request, self._answer(request), start_response)

    def respond(
        self, request: Request, response: Response, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Send a response: as a page, as JSON, or as what it already is."""
        content_type, body = self._body(request, response)
        csp = f"{_CSP}; script-src 'self'" if response.scripts else _CSP
        headers = [*_HEADERS.items(), ("Content-Security-Policy", csp)]
        headers += [("Content-Type", content_type), ("Content-Length", str(len(body)))]
        if response.location:
            headers.append(("Location", response.location + request.suffix))
        headers += [("Set-Cookie", line) for line in response.set_cookies]
        start_response(f"{response.status.value} {response.status.phrase}", headers)
        return [b"" if request.method == "HEAD" else body]

    def _answer(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        handler = self._routes.get((method, request.path))
        try:
            if handler is None:
                known = any(path == request.path for _, path in self._routes)
                if known:
                    reason = f"{request.path} takes no {method}"
                    raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, reason)
                raise Refusal(HTTPStatus.NOT_FOUND, "there is no such page in this shop")
            return handler(request)
        except Refusal as exc:
            return Response("error.html", {"error": exc.reason}, status=exc.status)

    def _body(self, request: Request, response: Response) -> tuple[str, bytes]:
        if response.body is not None:
            return response.content_type, response.body
        if response.location:
            return "text/plain; charset=utf-8", f"see {response.location}\n".encode()
        if request.wants_json:
            return "application/json", json.dumps(response.data).encode() + b"\n"
        html = self._render(response.template, {"status": response.status, **response.data})
        return "text/html; charset=utf-8", html.encode("utf-8", "backslashreplace")


class Guarded:
    """The outermost layer: a store that fails is an answer like any other, and no traceback."""

    def __init__(self, app: WSGIApplication, web: Web) -> None:
        self._app = app
        self._web = web

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            return self._app(environ, start_response)
        except SessctlError as exc:
            is_down = isinstance(exc, StoreError)
            status = HTTPStatus.SERVICE_UNAVAILABLE if is_down else HTTPStatus.INTERNAL_SERVER_ERROR
            answer = Response("error.html", {"error": exc.message}, status=status)
        return self._web.respond(Request(environ), answer, start_response)


__all__ = ["Guarded", "Refusal", "Remembered", "Request", "Response", "Web", "see_other", "static"]
