"""The Express peer application, and a browser small enough to see every cookie on the wire."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.support.npm import PEERS, modules, program
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from collections.abc import Mapping


class ExpressApp(PeerApp):
    """An application of `tests/peers/express` under node; started on construction, ended by `stop`.

    Args (all by keyword, `None` and absent mean the library's own default):
        app: "app.js", or "shop.js" with its further keys (see there).
        node_options: for node itself.
        peer: the folder of `tests/peers` whose `stores.js` knows the store; "express" by itself.
        store: "memory" (express-session's own), "redis", "sqlite3", "pg" or "mysql".
        redisUrl, redisCa (file), prefix, ttl (s), ttlAlways (s: connect-redis' `ttl` function),
            disableTTL, disableTouch: for connect-redis.
        dir, db, table, concurrentDb (WAL): for connect-sqlite3.
        pgUrl, pgCa (file), schemaName, table, ttl (s), disableTouch: for connect-pg-simple.
        mysqlUrl, mysqlCa (file), table, columnNames ({session_id, expires, data}),
            expiration (ms), disableTouch: for express-mysql-session.
        sqlite (file), pgUrl or mysqlUrl, table, sid: for those of "express-sql" (see there).
        secrets, name, cookie ({maxAge: ms, …}), resave, saveUninitialized, rolling, unset: for
            express-session; resave and saveUninitialized are false unless given.
    """

    def __init__(
        self,
        *,
        secrets: list[str],
        app: str = "app.js",
        peer: str = "express",
        node_options: str = "",
        **options: Any,
    ) -> None:
        self.secrets = secrets
        config = {key: value for key, value in options.items() if value is not None}
        super().__init__(
            [program("node"), str(PEERS / "express" / app)],
            NODE_OPTIONS=node_options,
            NODE_PATH=os.pathsep.join(
                str(modules(PEERS / name))
                for name in dict.fromkeys((peer, "express"))
                if (PEERS / name / "package.json").exists()
            ),
            SESSCTL_PEER=json.dumps({"secrets": secrets, "peer": peer, **config}),
        )

    def browser(self) -> Browser:
        """Return a new browser without cookies."""
        return Browser(self.port)


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: its status, its decoded JSON and its `Set-Cookie` lines as received."""

    status: int
    json: Any
    set_cookie: list[str]


class Browser:
    """One person's browser: it sends back the cookies that it was given, byte for byte."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    def cookie(self, name: str = "connect.sid") -> str:
        """Return the raw value of a cookie as it stands on the wire, percent-encoding included."""
        return self.cookies[name]

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        return self.request("POST", path, {} if body is None else body)

    def submit(self, path: str, fields: Mapping[str, str]) -> Answer:
        """Send a form."""
        form = "application/x-www-form-urlencoded"
        return self._request("POST", path, urlencode(fields).encode(), form)

    def request(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request on its own connection; a status of 400 or more is no exception."""
        payload = None if body is None else json.dumps(body).encode()
        return self._request(method, path, payload, "application/json")

    def _request(self, method: str, path: str, payload: bytes | None, kind: str) -> Answer:
        headers = {"Connection": "close"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if payload is not None:
            headers["Content-Type"] = kind
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            text = response.read().decode()
            given = response.headers.get_all("Set-Cookie") or []
        finally:
            connection.close()
        for line in given:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()
        is_json = "json" in (response.headers.get("Content-Type") or "")
        return Answer(response.status, json.loads(text) if is_json else text, given)
