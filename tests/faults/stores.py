"""Stores full of sessions and, to the byte, what is in them: before, after, and in a journal."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sessctl.admin.journal import list_journals, open_journal
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from sessctl.admin.journal import JournalKey
    from sessctl.stores.base import Store
    from tests.support.engines import Engine, FilesEngine, RedisEngine, SqliteEngine
    from tests.support.sql_engines import MariaEngine, PostgresEngine

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

# Key -> the rest, every cell with its type. Two of these are equal when nothing differs at all.
Contents = dict[Any, tuple[Any, ...]]
Row = tuple[str, bytes, "int | None"]  # sid, value, expiry in ms; None: no expiry


class Subject(Protocol):
    """A store to be mistreated."""

    engine: Engine
    name: str
    url: str
    purge: list[str]  # a purge that takes most of what `fill` wrote
    lapsed: list[str]  # what `restore` needs to bring that back

    def fill(self, count: int, rng: Random) -> Contents:
        """Replace everything by `count` sessions and a few neighbours; what is there then."""

    def replace(self, rows: Sequence[Row]) -> None:
        """Replace everything by these sessions."""

    def remove(self, sids: Sequence[str]) -> int:
        """Delete by the ids alone, in one command; how many were there."""

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        """What is there as an application sees it: sid -> (value, expiry in ms)."""

    def contents(self) -> Contents: ...

    def key(self, sid: str) -> bytes:
        """Of a session in `contents`."""

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        """An entry of a journal as it would stand in `contents`."""

    def quiesce(self) -> None:
        """Wait until nothing that a killed sessctl had sent is still being worked on."""

    def open(self, **options: Any) -> Store: ...


def sid(rng: Random) -> str:
    """As uid-safe makes them: 32 characters of base64url."""
    return "".join(rng.choices("ABCDEFGHabcdefgh01234567-_", k=32))


def stored(rng: Random, *, ends_ms: int | None = None, size: int = 0) -> bytes:
    """A value as express-session writes it, no two alike."""
    expires = None if ends_ms is None else _iso(ends_ms)
    data = {
        "cookie": {"originalMaxAge": DAY_MS, "expires": expires, "httpOnly": True, "path": "/"},
        "passport": {"user": str(rng.randrange(1000))},
        "csrf": rng.randbytes(12 + size // 2).hex(),
    }
    return json.dumps(data, separators=(",", ":")).encode()


def _iso(ms: int) -> str:
    from datetime import UTC, datetime

    when = datetime.fromtimestamp(ms / 1000, UTC)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


class RedisSubject:
    """Live sessions of connect-redis, with and without TTL, beside keys of other kinds."""

    name = "redis"
    purge: list[str] = ["purge", "--all", "--yes", "--max-delete", "1000000"]
    lapsed: list[str] = []

    def __init__(self, engine: RedisEngine) -> None:
        self.engine = engine
        self.url = engine.url
        self.client = engine.client

    def fill(self, count: int, rng: Random) -> Contents:
        self.client.flushall()
        now = now_ms()
        with self.client.pipeline(transaction=False) as pipe:
            for number in range(count):
                raw = rng.randbytes(90) if number % 50 == 0 else stored(rng)
                ends = [] if number % 20 == 7 else ["PXAT", now + rng.randrange(HOUR_MS, DAY_MS)]
                pipe.execute_command("SET", f"sess:{sid(rng)}", raw, *ends)
            pipe.execute_command("SET", "other:x", "stays")
            pipe.execute_command("HSET", "sess:hash", "a", "1")
            pipe.execute()
        return self.contents()

    def replace(self, rows: Sequence[Row]) -> None:
        self.client.flushall()
        with self.client.pipeline(transaction=False) as pipe:
            for name, raw, ends in rows:
                lasts = [] if ends is None else ["PXAT", ends]
                pipe.execute_command("SET", f"sess:{name}", raw, *lasts)
            pipe.execute()

    def remove(self, sids: Sequence[str]) -> int:
        return int(self.client.unlink(*map(self.key, sids)))

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        found = self.contents().items()
        return {key[5:].decode(): (value, ends) for key, (_, value, ends) in found}

    def contents(self) -> Contents:
        keys: list[Any] = list(dict.fromkeys(self.client.scan_iter(count=10_000)))
        with self.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.execute_command("TYPE", key)
                pipe.execute_command("GET", key)
                pipe.execute_command("PEXPIRETIME", key)
            found = pipe.execute(raise_on_error=False)
        return {
            key: (kind, None if isinstance(value, Exception) else value, ends)
            for key, kind, value, ends in zip(
                keys, found[::3], found[1::3], found[2::3], strict=True
            )
            if ends != -2  # over since it was scanned
        }

    def key(self, sid: str) -> bytes:
        return b"sess:" + sid.encode("utf-8", "surrogateescape")

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        return self.key(item["sid"]), (b"string", item["value"], item["expires_ms"])

    def quiesce(self) -> None:
        while any(one["name"] == "sessctl" for one in self.client.client_list()):
            pass

    def open(self, **options: Any) -> Store:
        return self.engine.open(write=True, **options)


class RowSubject:
    """Rows of a table, most of them over, with cells of every kind beside them."""

    name: ClassVar[str]
    purge: list[str] = ["purge", "--expired", "--yes"]
    lapsed: list[str] = ["--lapsed"]

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.url = engine.url

    def key(self, sid: str) -> bytes:
        return sid.encode("utf-8", "surrogateescape")

    def open(self, **options: Any) -> Store:
        return self.engine.open(write=True, **options)


def over(rng: Random, number: int) -> int:
    """When a session of `fill` ended, in ms; of some, when it will end."""
    live = 2 * DAY_MS if number % 30 == 7 else 0
    return now_ms() - rng.randrange(HOUR_MS, DAY_MS) + live


class SqliteSubject(RowSubject):
    """Rows of connect-sqlite3, with cells of every type."""

    name = "sqlite"

    def __init__(self, engine: SqliteEngine) -> None:
        super().__init__(engine)
        self.path, self.folder = engine.path, engine.path.parent
        self.client = engine.client
        # Renewers leave the lock free for moments only; Python's own 5 s may all miss one.
        self.client.execute("PRAGMA busy_timeout = 60000")

    def fill(self, count: int, rng: Random) -> Contents:
        rows: list[tuple[Any, ...]] = []
        for number in range(count):
            ends: Any = float(over(rng, number))  # npm's driver binds REAL
            raw: Any = stored(rng).decode()
            if number % 20 == 3:
                ends = int(ends)
            if number % 25 == 5:
                raw = rng.randbytes(200)  # a BLOB, and no session
            rows.append((sid(rng), ends, raw))
        rows += [("null", None, "{}"), ("text", "tomorrow", "{}"), ("negative", -5, "{}")]
        self._insert(rows)
        # TEXT that is not UTF-8
        self.client.execute(
            "UPDATE sessions SET sess = CAST(x'7b22636f6f6b6965223a7b7d2c2275223a22ff227d' AS TEXT)"
            " WHERE rowid % 40 = 9"
        )
        return self.contents()

    def replace(self, rows: Sequence[Row]) -> None:
        self._insert([(name, ends, raw.decode()) for name, raw, ends in rows])

    def _insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.client.execute("BEGIN IMMEDIATE")
        self.client.execute("DELETE FROM sessions")
        self.client.executemany("INSERT INTO sessions VALUES (?, ?, ?)", rows)
        self.client.execute("COMMIT")

    def remove(self, sids: Sequence[str]) -> int:
        marks = ",".join("?" * len(sids))
        return self.client.execute(f"DELETE FROM sessions WHERE sid IN ({marks})", sids).rowcount

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        return {cells[1].decode(): (cells[5], cells[3]) for cells in self.contents().values()}

    def contents(self) -> Contents:
        rows = self.client.execute(
            "SELECT typeof(sid), sid, typeof(expired), expired, typeof(sess), sess FROM sessions"
        )
        return {row[1]: row for row in map(tuple, rows.fetchall())}

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        cells: list[Any] = []
        for name in ("sid", "expired", "sess"):
            cells += _cell(item["cells"][name])
        return cells[1], tuple(cells)

    def quiesce(self) -> None:
        """A killed process holds no locks; the next reader rolls its transaction back."""


class PostgresSubject(RowSubject):
    """Rows of connect-pg-simple, as PostgreSQL writes them."""

    name = "postgres"

    def __init__(self, engine: PostgresEngine) -> None:
        super().__init__(engine)
        self.server = engine.server
        self.client = engine.client

    def fill(self, count: int, rng: Random) -> Contents:
        rows: list[Row] = []
        for number in range(count):
            raw = stored(rng)
            if number % 20 == 3:
                raw = b' {"cookie" : {},  "a":1, "a":2, "u":"\\u0131\xc4\xb1"}\n'  # json keeps it
            if number % 25 == 5:
                raw = b"[1.0, 1e3]"  # no session
            rows.append((sid(rng), raw, over(rng, number)))
        self.replace(rows)
        self.client.execute(
            "INSERT INTO session VALUES ('inf', '{}', 'infinity'), ('old', '{}', '-infinity'),"
            " ('bc', '{}', '0044-03-15 12:00:00 BC'), ('micro', '{}', '2025-01-01 00:00:00.123456')"
        )
        return self.contents()

    def replace(self, rows: Sequence[Row]) -> None:
        with self.client.transaction(), self.client.cursor() as cursor:
            cursor.execute("DELETE FROM session")
            cursor.executemany(
                "INSERT INTO session (sid, sess, expire)"
                " VALUES (%s, %s, to_timestamp(%s::numeric / 1000))",
                [(name, raw.decode(), ends) for name, raw, ends in rows],
            )

    def remove(self, sids: Sequence[str]) -> int:
        return self.client.execute("DELETE FROM session WHERE sid = ANY(%s)", [sids]).rowcount

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        rows = self.client.execute(
            "SELECT sid, sess::text, (extract(epoch FROM expire::timestamptz) * 1000)::bigint"
            " FROM session"
        )
        return {name: (raw.encode(), ends) for name, raw, ends in rows}

    def contents(self) -> Contents:
        rows = self.client.execute("SELECT sid, sess::text, expire::text FROM session")
        return {self.key(row[0]): row for row in rows}

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        cells = item["cells"]
        return self.key(cells["sid"]), (cells["sid"], cells["sess"], cells["expire"])

    def quiesce(self) -> None:
        while self.server.query("SELECT FROM pg_stat_activity WHERE application_name = 'sessctl'"):
            pass


class MysqlSubject(RowSubject):
    """Rows of express-mysql-session."""

    name = "mysql"

    def __init__(self, engine: MariaEngine) -> None:
        super().__init__(engine)
        self.server = engine.server
        self.client = engine.client

    def fill(self, count: int, rng: Random) -> Contents:
        rows: list[Row] = []
        for number in range(count):
            raw = stored(rng)
            if number % 20 == 3:
                raw = rng.choice([' {"cookie":{}} ', "", "\U0001f36a", "{'a\\0\0\r\n"]).encode()
            rows.append((sid(rng), raw, over(rng, number)))
        self.replace(rows)
        self._do(
            "INSERT INTO sessions VALUES ('null', 1700000000, NULL), ('zero', 0, '{}'),"
            " ('most', 4294967295, '{}'), ('CaSe ', 1700000000, '{}'), ('case', 1700000000, '{}')"
        )
        return self.contents()

    def replace(self, rows: Sequence[Row]) -> None:
        self._do("DELETE FROM sessions")
        with self.client.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO sessions (session_id, data, expires) VALUES (%s, %s, %s DIV 1000)",
                [(name, raw.decode(), ends) for name, raw, ends in rows],
            )

    def remove(self, sids: Sequence[str]) -> int:
        return self._do("DELETE FROM sessions WHERE session_id IN %s", sids)

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        return {
            name.decode(): (raw.encode(), int(ends) * 1000)
            for name, (_, ends, raw) in self.contents().items()
        }

    def contents(self) -> Contents:
        with self.client.cursor() as cursor:
            cursor.execute("SELECT session_id, CAST(expires AS CHAR), data FROM sessions")
            return {self.key(row[0]): row for row in cursor.fetchall()}

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        cells = item["cells"]
        return self.key(cells["session_id"]), (
            cells["session_id"], cells["expires"], cells["data"]
        )  # fmt: skip

    def quiesce(self) -> None:
        while self.server.query("SELECT 1 FROM information_schema.processlist WHERE user = 'app'"):
            pass

    def _do(self, sql: str, *params: Any) -> int:
        with self.client.cursor() as cursor:
            return int(cursor.execute(sql, params or None))


class FilesSubject:
    """Session files, most of them over, with rights and times of every kind."""

    name = "files"
    purge: ClassVar[list[str]] = ["purge", "--expired", "--yes"]
    lapsed: ClassVar[list[str]] = ["--lapsed"]

    def __init__(self, engine: FilesEngine) -> None:
        self.engine = engine
        self.folder = engine.path
        self.url = engine.url

    def fill(self, count: int, rng: Random) -> Contents:
        rows: list[Row] = []
        for number in range(count):
            raw = stored(rng)
            if number % 20 == 3:
                raw = b' {"cookie" : {},  "a":1, "a":2, "u":"\\u0131\xc4\xb1"}'
            if number % 25 == 5:
                raw = rng.randbytes(200)  # no session
            rows.append((self.sid(rng), raw, over(rng, number)))
        self.replace(rows)
        for name, _, _ in rows:
            file = self._file(name)
            file.chmod(rng.choice((0o600, 0o640, 0o644)))
            if not self.engine.form.by_mtime:
                os.utime(file, ns=(0, rng.randrange(2**60)))
        (self.engine.path / "README.txt").write_bytes(b"no session")
        return self.contents()

    def replace(self, rows: Sequence[Row]) -> None:
        for file in self.engine.path.iterdir():
            file.unlink()
        for name, raw, ends in rows:
            self.engine.save(name.encode(), raw, ends)

    def remove(self, sids: Sequence[str]) -> int:
        there = [name for name in sids if self._file(name).exists()]
        for name in there:
            self.engine.drop(name.encode())
        return len(there)

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        form, found = self.engine.form, dict[str, tuple[bytes, int]]()
        before, _, after = form.file("*").partition("*")
        for name, (content, mtime_ns, _) in self.contents().items():
            raw, ends = form.unpack(content)
            if form.by_mtime:
                ends = mtime_ns // 1_000_000 + form.by_mtime
            found[name.decode().removeprefix(before).removesuffix(after)] = (raw, ends or 0)
        return found

    def sid(self, rng: Random) -> str:
        return self.engine.form.sid(rng)

    def _file(self, sid: str) -> Path:
        return self.engine.path / self.engine.form.file(sid)

    def contents(self) -> Contents:
        return {
            name: (content, mtime_ns, stat.S_IMODE(mode))
            for name, (content, (mtime_ns, mode, _)) in self.engine.everything().items()
        }

    def key(self, sid: str) -> bytes:
        return self.engine.form.file(sid).encode()

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        return self.key(item["sid"]), (item["content"], item["mtime_ns"], item["mode"])

    def quiesce(self) -> None:
        """What a killed sessctl had taken aside stays under a name of its own: one file at most,
        and its session is in the journal."""
        left = [file for file in self.engine.path.iterdir() if ".sessctl-" in file.name]
        assert len(left) <= 1
        for file in left:
            file.unlink()

    def open(self, **options: Any) -> Store:
        return self.engine.open(write=True, **options)


def _cell(value: Any) -> tuple[bytes, Any]:
    if value is None:
        return b"null", None
    if isinstance(value, str):
        return b"text", value.encode("utf-8", "surrogateescape")
    kind = {bytes: b"blob", int: b"integer", float: b"real"}[type(value)]
    return kind, value


def journals(home: Path) -> list[Path]:
    """The journals that runs with this home have left, newest first."""
    return list_journals(home / "state" / "sessctl" / "journals")


def journalled(subject: Subject, path: Path, key: JournalKey | None = None) -> Contents:
    """Every session of a journal, whatever became of it."""
    found: Contents = {}
    for page in open_journal(path, key=key).pages():
        found.update(subject.frozen(item) for item in page.sessions)
    return found


def check_nothing_lost(subject: Subject, original: Contents, saved: Contents) -> Contents:
    """Store and journal together are what there was, to the byte; the store as it is now."""
    now = subject.contents()
    for key, was in original.items():
        there = now.get(key)
        assert there == was if there is not None else saved.get(key) == was, (key, was, there)
    assert set(now) <= set(original), "something came into being"
    assert all(original.get(key) == cells for key, cells in saved.items()), "the journal differs"
    return now
