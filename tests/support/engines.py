"""One face over real stores: Redis, a SQLite file, a folder, as an application sees sessions."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from typing import TYPE_CHECKING, Any, Protocol

import redis

from sessctl.stores.opening import open_store
from tests.support.file_forms import EXPRESS

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.file_forms import FileForm
    from tests.support.servers import RedisServer

VALUE = b'{"cookie":{"expires":null},"passport":{"user":"%b"}}'


def value(user: str = "7") -> bytes:
    """A stored session of express-session."""
    return VALUE % user.encode()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def with_layout(url: str, layout: str) -> str:
    """The URL with its layout named, without which nothing is written."""
    return f"{url}{'&' if '?' in url else '?'}layout={layout}"


class Engine(Protocol):
    """What an application and its administrator do behind sessctl's back."""

    name: str
    url: str

    def open(self, *, write: bool = False, **options: Any) -> Store: ...

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        """Write a session as the library does; None: one that never ends, or of unknown end."""

    def touch(self, sid: bytes, expires_ms: int) -> None:
        """Renew without changing the value."""

    def drop(self, sid: bytes) -> None: ...

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        """The engine can store this id, and another one beside it."""

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        """All that is stored, sessions and neighbours: key -> (value, expiry)."""


class RedisEngine:
    """connect-redis' layout in the database of a real server."""

    name = "redis"

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.url = with_layout(f"redis://127.0.0.1:{server.port}/0", "connect-redis")
        self.client: Any = redis.Redis(port=server.port)

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        self.client.execute_command("SET", b"sess:" + sid, raw)
        if expires_ms is not None:
            self.touch(sid, expires_ms)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.client.execute_command("PEXPIREAT", b"sess:" + sid, expires_ms)

    def drop(self, sid: bytes) -> None:
        self.client.delete(b"sess:" + sid)

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        return sid != beside

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        keys: list[Any] = list(self.client.scan_iter(count=1000))
        return {key: (self.client.dump(key), self.client.pexpiretime(key)) for key in keys}


class SqliteEngine:
    """connect-sqlite3's table in a file."""

    name = "sqlite"
    layout = "connect-sqlite3"
    DDL = "CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)"

    def __init__(self, path: Path, ddl: str = DDL) -> None:
        self.path = path
        self.url = with_layout(f"sqlite:///{path}", self.layout)
        self.client = sqlite3.connect(path, isolation_level=None)
        self.client.text_factory = bytes
        self.client.execute("PRAGMA synchronous = OFF")
        if ddl:
            self.client.executescript(ddl)

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        ends = None if expires_ms is None else float(expires_ms)  # as npm's driver binds numbers
        self.client.execute(
            "INSERT OR REPLACE INTO sessions VALUES (CAST(? AS TEXT), ?, CAST(? AS TEXT))",
            (sid, ends, raw),
        )

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.client.execute(
            "UPDATE sessions SET expired = ? WHERE sid = CAST(? AS TEXT)", (float(expires_ms), sid)
        )

    def drop(self, sid: bytes) -> None:
        self.client.execute("DELETE FROM sessions WHERE sid = CAST(? AS TEXT)", (sid,))

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        return sid != beside

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        rows = self.client.execute("SELECT sid, sess, expired FROM sessions").fetchall()
        return {sid: (sess, expired) for sid, sess, expired in rows}


class FilesEngine:
    """A directory of session files, written as its library writes: another name first, then a
    rename."""

    name = "files"

    def __init__(self, path: Path, form: FileForm = EXPRESS) -> None:
        path.mkdir(exist_ok=True)
        self.path, self.form = path, form
        self.url = with_layout(f"file://{path}", form.layout)
        self._written = 0

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def raw(self, value: bytes, expires_ms: int | None) -> bytes:
        """The value with its end inside, as the library keeps it."""
        return value if expires_ms is None else self.form.pack(value, expires_ms)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        self._write(self._file(sid), self.raw(raw, expires_ms), expires_ms)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        if self._file(sid).exists():
            value, _ = self.form.unpack(self._file(sid).read_bytes())
            self._write(self._file(sid), self.form.pack(value, expires_ms), expires_ms)

    def drop(self, sid: bytes) -> None:
        self._file(sid).unlink(missing_ok=True)

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        """What a file can be called is not what a session can: see `files_names.py`."""
        visible = all(0x20 < byte < 0x7F and byte != 0x2F for byte in sid)
        return visible and sid != beside and not sid.startswith(b".") and 0 < len(sid) <= 200

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        found = {}
        for file in self.path.iterdir():
            at = file.lstat()
            small = stat.S_ISREG(at.st_mode) and at.st_size < 2**24
            kept = file.read_bytes() if small else at.st_size
            found[os.fsencode(file.name)] = (kept, (at.st_mtime_ns, at.st_mode, at.st_uid))
        return found

    def _file(self, sid: bytes) -> Path:
        return self.path / self.form.file(os.fsdecode(sid))

    def _write(self, file: Path, raw: bytes, expires_ms: int | None) -> None:
        self._written += 1
        part = file.with_name(f"{file.name}.{self._written}")
        write_file(part, raw, self.form, expires_ms)
        part.rename(file)


def write_file(path: Path, content: bytes, form: FileForm, expires_ms: int | None) -> None:
    """A file with this content, of the time that makes it end then."""
    path.write_bytes(content)
    if form.by_mtime and expires_ms is not None:
        mtime_ns = (expires_ms - form.by_mtime) * 1_000_000
        os.utime(path, ns=(mtime_ns, mtime_ns))
