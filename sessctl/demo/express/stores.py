"""Stores for the middleware, laid out as the Node libraries leave them, so that sessctl reads them.

This module plays the application that writes sessions, which is why it speaks SQL and Redis.
Source: express-session 1.19.0 `session/memory.js`; connect-sqlite3 0.9.18
`lib/connect-sqlite3.js`; connect-redis 9.0.0 `dist/connect-redis.js`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any

from sessctl.errors import StoreError
from sessctl.serializers import json as stored_json
from sessctl.stores.layouts.express import CONNECT_REDIS, CONNECT_SQLITE3
from sessctl.text import encode_id
from sessctl.timespec import local_ms, parse_iso_ms

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.demo.express.cookie import Clock
    from sessctl.demo.express.session import Session

_BUSY_S = 5.0  # how long a request waits for another's write to the same file
_REDIS_S = 2.0  # a page that waits longer for its session is no demonstration


class MemoryStore:
    """Sessions that live and die with the process; a session that is over goes when asked for."""

    def __init__(self, *, clock: Clock = local_ms) -> None:
        self._sessions: dict[str, bytes] = {}
        self._clock = clock

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, sid: str) -> dict[str, Any] | None:
        raw = self._sessions.get(sid)
        if raw is None:
            return None
        stored = _object(raw)
        cookie = stored.get("cookie")
        expires = cookie.get("expires") if isinstance(cookie, dict) else None
        ends_ms = parse_iso_ms(expires) if isinstance(expires, str) else None
        if ends_ms is not None and ends_ms <= self._clock():
            self._sessions.pop(sid, None)
            return None
        return stored

    def set(self, sid: str, session: Session) -> None:
        self._sessions[sid] = stored_json.encode(session.to_json())

    def touch(self, sid: str, session: Session) -> None:
        stored = self.get(sid)
        if stored is not None:
            stored["cookie"] = session.cookie.to_json()
            self._sessions[sid] = stored_json.encode(stored)

    def destroy(self, sid: str) -> None:
        self._sessions.pop(sid, None)

    def close(self) -> None:
        self._sessions.clear()


class SqliteStore:
    """connect-sqlite3's table in a file; a connection a call, since requests come in threads.

    Raises:
        StoreError: the file cannot be opened, or is no database.
    """

    def __init__(self, path: Path, *, clock: Clock = local_ms) -> None:
        self._path = path
        self._clock = clock
        try:
            path.touch(mode=0o600)  # SQLite would make it readable by all
        except OSError as exc:
            reason = (exc.strerror or "error").lower()
            raise StoreError(f"cannot open {path} ({reason})") from None
        self._run("CREATE TABLE IF NOT EXISTS sessions (sid PRIMARY KEY, expired, sess)")
        self._run("DELETE FROM sessions WHERE ? > expired", clock())

    def get(self, sid: str) -> dict[str, Any] | None:
        sql = "SELECT sess FROM sessions WHERE sid = ? AND ? <= expired"
        for (raw,) in self._run(sql, sid, self._clock()):
            return _object(raw.encode() if isinstance(raw, str) else bytes(raw))
        return None

    def set(self, sid: str, session: Session) -> None:
        left_ms = session.cookie.max_age_ms or CONNECT_SQLITE3.lifetime_s * 1000
        # npm's sqlite3 binds every JavaScript number as REAL.
        ends = float(self._clock() + left_ms)
        text = stored_json.encode(session.to_json()).decode()
        self._run("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", sid, ends, text)

    def touch(self, sid: str, session: Session) -> None:
        if session.cookie.expires_ms is None:
            return
        sql = "UPDATE sessions SET expired = ? WHERE sid = ? AND ? <= expired"
        self._run(sql, float(session.cookie.expires_ms), sid, self._clock())

    def destroy(self, sid: str) -> None:
        self._run("DELETE FROM sessions WHERE sid = ?", sid)

    def close(self) -> None:
        """Nothing is open between two requests."""

    def _run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as db, db:
                return db.execute(sql, values).fetchall()
        except sqlite3.Error as exc:
            raise StoreError(f"sqlite at {self._path} failed ({exc})") from exc


class RedisStore:
    """connect-redis' keys; one connection, which requests take in turn.

    Raises:
        UsageError: not a Redis URL. StoreUnreachable, AccessDenied: at once, not at the first
            request.
    """

    def __init__(self, url: str, *, clock: Clock = local_ms) -> None:
        # 97 ms with the driver; only this store needs it
        from sessctl.stores.access import Access
        from sessctl.stores.engines.redis_connect import Target
        from sessctl.stores.registry import parse_url

        self._prefix = encode_id(CONNECT_REDIS.prefix)
        self._clock = clock
        access = Access(read_only=False, timeout_s=_REDIS_S)
        self._channel = Target.of(parse_url(url), access).node().channel()
        self._turn = Lock()
        self._ask("PING")

    def get(self, sid: str) -> dict[str, Any] | None:
        raw = self._ask("GET", self._key(sid))
        return _object(bytes(raw)) if raw else None

    def set(self, sid: str, session: Session) -> None:
        ttl_s = self._ttl_s(session)
        if ttl_s <= 0:
            self.destroy(sid)
            return
        value = stored_json.encode(session.to_json())
        self._ask("SET", self._key(sid), value, "EX", ttl_s)

    def touch(self, sid: str, session: Session) -> None:
        self._ask("EXPIRE", self._key(sid), self._ttl_s(session))

    def destroy(self, sid: str) -> None:
        self._ask("DEL", self._key(sid))

    def close(self) -> None:
        self._channel.close()

    def _key(self, sid: str) -> bytes:
        return self._prefix + encode_id(sid)

    def _ttl_s(self, session: Session) -> int:
        left_ms = session.cookie.max_age_ms
        return CONNECT_REDIS.lifetime_s if left_ms is None else -(-left_ms // 1000)

    def _ask(self, *words: bytes | str | int) -> Any:
        with self._turn:  # `ask` may repeat what got no answer; all of ours can be
            return self._channel.ask(*words)


def _object(raw: bytes) -> dict[str, Any]:
    data = stored_json.decode(raw).data
    return data if isinstance(data, dict) else {}


__all__ = ["MemoryStore", "RedisStore", "SqliteStore"]
