"""Stores full of sessions and, to the byte, what is in them: before, after, and in a journal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from sessctl.admin.journal import list_journals, open_journal
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from sessctl.stores.base import Store
    from tests.support.engines import Engine, RedisEngine, SqliteEngine

HOUR_MS, DAY_MS = 3_600_000, 86_400_000

# Key -> the rest, every cell with its type. Two of these are equal when nothing differs at all.
Contents = dict[Any, tuple[Any, ...]]


class Subject(Protocol):
    """A store to be mistreated."""

    engine: Engine
    name: str
    url: str
    purge: list[str]  # a purge that takes most of what `fill` wrote
    lapsed: list[str]  # what `restore` needs to bring that back

    def fill(self, count: int, rng: Random) -> Contents:
        """Replace everything by `count` sessions and a few neighbours; what is there then."""

    def contents(self) -> Contents: ...

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

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        key = b"sess:" + item["sid"].encode("utf-8", "surrogateescape")
        return key, (b"string", item["value"], item["expires_ms"])

    def quiesce(self) -> None:
        while any(one["name"] == "sessctl" for one in self.client.client_list()):
            pass

    def open(self, **options: Any) -> Store:
        return self.engine.open(write=True, **options)


class SqliteSubject:
    """Rows of connect-sqlite3, most of them over, with cells of every type beside them."""

    name = "sqlite"
    purge: list[str] = ["purge", "--expired", "--yes"]
    lapsed: list[str] = ["--lapsed"]

    def __init__(self, engine: SqliteEngine) -> None:
        self.engine = engine
        self.url = engine.url
        self.path = engine.path
        self.client = engine.client

    def fill(self, count: int, rng: Random) -> Contents:
        now = now_ms()
        rows: list[tuple[Any, ...]] = []
        for number in range(count):
            ends: Any = float(now - rng.randrange(HOUR_MS, DAY_MS))  # npm's driver binds REAL
            raw: Any = stored(rng).decode()
            if number % 20 == 3:
                ends = int(ends)
            if number % 25 == 5:
                raw = rng.randbytes(200)  # a BLOB, and no session
            if number % 30 == 7:
                ends += 2 * DAY_MS  # live
            rows.append((sid(rng), ends, raw))
        rows += [("null", None, "{}"), ("text", "tomorrow", "{}"), ("negative", -5, "{}")]
        self.client.execute("BEGIN IMMEDIATE")
        self.client.execute("DELETE FROM sessions")
        self.client.executemany("INSERT INTO sessions VALUES (?, ?, ?)", rows)
        # TEXT that is not UTF-8
        self.client.execute(
            "UPDATE sessions SET sess = CAST(x'7b22636f6f6b6965223a7b7d2c2275223a22ff227d' AS TEXT)"
            " WHERE rowid % 40 = 9"
        )
        self.client.execute("COMMIT")
        return self.contents()

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


def journalled(subject: Subject, path: Path) -> Contents:
    """Every session of a journal, whatever became of it."""
    found: Contents = {}
    for page in open_journal(path).pages():
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
