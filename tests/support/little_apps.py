"""Applications of a page or two, to play scenarios against."""

from __future__ import annotations

import json
import re
from itertools import count
from typing import TYPE_CHECKING

from tests.support.raw_http import reply

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from tests.support.raw_http import Script

    # From (method, path, cookies) to a whole answer.
    Page = Callable[[str, str, Mapping[str, str]], bytes]


def cookies_of(request: bytes) -> dict[str, str]:
    """The cookies of a request by name."""
    line = re.search(rb"\r\ncookie: ([^\r]*)", request, re.IGNORECASE)
    pairs = line[1].decode("latin-1").split("; ") if line else []
    return {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}


def paths(requests: list[bytes]) -> list[str]:
    """The paths that were asked for, in order."""
    return [request.split(b" ", 2)[1].decode() for request in requests]


def pages(page: Page) -> Script:
    """An application out of one function."""

    def script(connection: socket.socket, request: bytes) -> bool:
        method, path = request.split(b" ", 2)[:2]
        connection.sendall(page(method.decode(), path.decode(), cookies_of(request)))
        return True

    return script


def logging_in() -> Script:
    """What the starter of `sessctl replay new` expects: /login, /account and /logout."""
    logged_in: set[str] = set()
    numbers = count(1)

    def page(_method: str, path: str, cookies: Mapping[str, str]) -> bytes:
        sid = cookies.get("connect.sid", "")
        if path == "/login":
            sid = f"kQ7xZp2mVt9sWc4bNd8rLf{next(numbers):04d}"
            logged_in.add(sid)
            cookie = f"Set-Cookie: connect.sid={sid}; Path=/; HttpOnly".encode()
            return reply(b"", b"Location: /account", cookie, status=b"302 Found")
        if path == "/logout":
            logged_in.discard(sid)
        is_in = sid in logged_in
        status = b"401 Unauthorized" if path == "/account" and not is_in else b"200 OK"
        return reply(b"your account" if is_in else b"please log in", status=status)

    return pages(page)


def counting(name: str = "sid") -> Script:
    """Counts the visits of each browser at `/views`; whatever else is asked for, is "hello".

    Its session ids are 26 characters, the last of which count.
    """
    sessions: dict[str, int] = {}
    numbers = count(1)

    def page(_method: str, path: str, cookies: Mapping[str, str]) -> bytes:
        if path != "/views":
            return reply(b"hello", b"Content-Type: text/plain")
        sid = cookies.get(name, "")
        known = sid in sessions
        if not known:
            sid = f"kQ7xZp2mVt9sWc4bNd8rLf{next(numbers):04d}"
        sessions[sid] = sessions.get(sid, 0) + 1
        body = json.dumps({"views": sessions[sid]}).encode()
        set_cookie = [] if known else [f"Set-Cookie: {name}={sid}; Path=/; HttpOnly".encode()]
        return reply(body, b"Content-Type: application/json", *set_cookie)

    return pages(page)
