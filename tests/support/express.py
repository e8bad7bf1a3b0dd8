"""The Express peer application, and a browser small enough to see every cookie on the wire."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import tempfile
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Self

from tests.support.npm import PEERS, express_modules, program

if TYPE_CHECKING:
    from types import TracebackType

START_TIMEOUT_S = 30.0


class ExpressApp:
    """`tests/peers/express/app.js` under node; started on construction, ended by `stop`.

    Args (all by keyword, `None` and absent mean the library's own default):
        store: "redis", "sqlite3", "pg", "mysql" or "memory" (express-session's own).
        redisUrl, redisCa (file), prefix, ttl (s), ttlAlways (s: connect-redis' `ttl` function),
            disableTTL, disableTouch: for connect-redis.
        dir, db, table, concurrentDb (WAL): for connect-sqlite3.
        pgUrl, pgCa (file), schemaName, table, ttl (s), disableTouch: for connect-pg-simple.
        mysqlUrl, mysqlCa (file), table, columnNames ({session_id, expires, data}),
            expiration (ms), disableTouch: for express-mysql-session.
        secrets, name, cookie ({maxAge: ms, …}), resave, saveUninitialized, rolling, unset: for
            express-session; resave and saveUninitialized are false unless given.
    """

    def __init__(self, *, secrets: list[str], **options: Any) -> None:
        self.secrets = secrets
        config = {key: value for key, value in options.items() if value is not None}
        # Not a pipe: one that nobody reads would block the app.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self._process = subprocess.Popen(
            [program("node"), str(PEERS / "express" / "app.js")],
            env={
                **os.environ,
                "NODE_PATH": str(express_modules()),
                "SESSCTL_PEER": json.dumps({"secrets": secrets, **config}),
            },
            stdin=subprocess.PIPE,  # closes with us, and the app ends with it
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        try:
            self.port = self._read_port()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def errors(self) -> str:
        """Return what the app has written to stderr so far."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def browser(self) -> Browser:
        """Return a new browser without cookies."""
        return Browser(self.port)

    def stop(self) -> None:
        """End the app; harmless when repeated."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if waiting.select(START_TIMEOUT_S) else b""
        if not line:
            msg = f"the Express peer did not start: {self.errors()}"
            raise RuntimeError(msg)
        return int(json.loads(line)["port"])


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

    def request(self, method: str, path: str, body: Any = None) -> Answer:
        """Send one request on its own connection; a status of 400 or more is no exception."""
        headers = {"Connection": "close"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
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
