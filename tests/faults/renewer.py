"""An application that renews its sessions as fast as it can, in a process of its own.

Every renewal is conditional: `SET .. XX`, `PEXPIREAT`, `UPDATE`, and an upsert that is taken back
where it inserts, succeed only where the session is there. So a success proves that it was alive at
that moment, and one that follows a success and fails proves that somebody took a live session away.

    python -m tests.faults.renewer URL

reads orders, a JSON line each: `{"sids": [...], "seed": 1, "value_only": true}`; says `renewing`
after its first renewal, goes on until the next line, then answers with what it did.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self
from urllib.parse import urlsplit

from tests.faults.stores import DAY_MS, stored
from tests.support.engines import now_ms, write_file
from tests.support.file_forms import FILE_FORMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from tests.support.file_forms import FileForm

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # fcntl.h, renameat2(2)
ROOT = Path(__file__).parents[2]


class Application(Protocol):
    """What renews one session; True if it was there."""

    unit_ms: int  # of its expiries

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool: ...

    def touch(self, sid: str, ends_ms: int) -> bool: ...

    def write(self, sid: str, raw: bytes) -> bool:
        """A new value alone: the expiry of the store stays."""


class RedisApplication:
    unit_ms = 1

    def __init__(self, url: str) -> None:
        import redis

        self._client = redis.Redis.from_url(url)

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        done = self._client.execute_command("SET", f"sess:{sid}", raw, "XX", "PXAT", ends_ms)
        return bool(done)

    def touch(self, sid: str, ends_ms: int) -> bool:
        return bool(self._client.execute_command("PEXPIREAT", f"sess:{sid}", ends_ms))

    def write(self, sid: str, raw: bytes) -> bool:
        return bool(self._client.execute_command("SET", f"sess:{sid}", raw, "XX", "KEEPTTL"))


class SqliteApplication:
    unit_ms = 1

    def __init__(self, url: str) -> None:
        path = url.removeprefix("sqlite://")
        self._client = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._client.execute("PRAGMA synchronous = OFF")

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        return self._do(
            "UPDATE sessions SET sess = ?, expired = ? WHERE sid = ?", raw.decode(), ends_ms, sid
        )

    def touch(self, sid: str, ends_ms: int) -> bool:
        return self._do("UPDATE sessions SET expired = ? WHERE sid = ?", ends_ms, sid)

    def write(self, sid: str, raw: bytes) -> bool:
        return self._do("UPDATE sessions SET sess = ? WHERE sid = ?", raw.decode(), sid)

    def _do(self, statement: str, *values: Any) -> bool:
        return self._client.execute(statement, values).rowcount == 1


class PostgresApplication:
    """connect-pg-simple's own statements; one that would make a session anew is taken back."""

    unit_ms = 1000

    def __init__(self, url: str) -> None:
        import psycopg

        self._client: Any = psycopg.connect(url, autocommit=True)
        self._rollback = psycopg.Rollback

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        with self._client.transaction():
            done = self._client.execute(
                "INSERT INTO session (sess, expire, sid)"
                " SELECT %(sess)s, to_timestamp(%(ends)s), %(sid)s"
                " ON CONFLICT (sid) DO UPDATE SET sess = %(sess)s, expire = to_timestamp(%(ends)s)"
                " RETURNING xmax <> 0",
                {"sess": raw.decode(), "ends": ends_ms // 1000, "sid": sid},
            ).fetchone()
            if done != (True,):
                raise self._rollback
        return done == (True,)

    def touch(self, sid: str, ends_ms: int) -> bool:
        return self._do(
            "UPDATE session SET expire = to_timestamp(%s) WHERE sid = %s", ends_ms // 1000, sid
        )

    def write(self, sid: str, raw: bytes) -> bool:
        return self._do("UPDATE session SET sess = %s WHERE sid = %s", raw.decode(), sid)

    def _do(self, statement: str, *values: Any) -> bool:
        return self._client.execute(statement, values).rowcount == 1


class MysqlApplication:
    """express-mysql-session's own statements; one that would make a session anew is taken back."""

    unit_ms = 1000

    def __init__(self, url: str) -> None:
        import pymysql
        from pymysql.constants import CLIENT

        at = urlsplit(url)
        self._client = pymysql.connect(
            host=at.hostname,
            port=at.port,
            user=at.username,
            password=at.password,
            database=at.path[1:],
            autocommit=True,
            client_flag=CLIENT.FOUND_ROWS,  # as mysql2: a row that stays the same was there, too
        )

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        self._client.begin()
        touched = self._do(
            "INSERT INTO sessions (session_id, expires, data) VALUES (%s, %s, %s)"
            " ON DUPLICATE KEY UPDATE expires = VALUES(expires), data = VALUES(data)",
            sid, ends_ms // 1000, raw.decode(),
        )  # fmt: skip
        if touched == 1:  # inserted
            self._client.rollback()
            return False
        self._client.commit()
        return True

    def touch(self, sid: str, ends_ms: int) -> bool:
        return bool(
            self._do("UPDATE sessions SET expires = %s WHERE session_id = %s", ends_ms // 1000, sid)
        )

    def write(self, sid: str, raw: bytes) -> bool:
        return bool(
            self._do("UPDATE sessions SET data = %s WHERE session_id = %s", raw.decode(), sid)
        )

    def _do(self, statement: str, *values: Any) -> int:
        with self._client.cursor() as cursor:
            return int(cursor.execute(statement, values))


class MongoApplication:
    """connect-mongo's own updates, but for the upsert."""

    unit_ms = 1

    def __init__(self, url: str) -> None:
        from pymongo import MongoClient

        client: Any = MongoClient(url)
        self._client = client.get_default_database()["sessions"]

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        return self._set(sid, session=raw.decode(), expires=_date(ends_ms))

    def touch(self, sid: str, ends_ms: int) -> bool:
        return self._set(sid, expires=_date(ends_ms))

    def write(self, sid: str, raw: bytes) -> bool:
        return self._set(sid, session=raw.decode())

    def _set(self, sid: str, **fields: Any) -> bool:
        return bool(self._client.update_one({"_id": sid}, {"$set": fields}).matched_count)


def _date(ms: int) -> Any:
    from bson.datetime_ms import DatetimeMS

    return DatetimeMS(ms)


class FilesApplication:
    """A library's write, a rename over the file, here as an exchange of the two names, which fails
    where there is none. What is gone is looked for again, as session-file-store does."""

    def __init__(self, url: str, form: FileForm) -> None:
        self._form, self.unit_ms = form, form.unit_ms
        self._path = Path(url.removeprefix("file://"))
        self._libc = ctypes.CDLL(None)
        self._part = self._path / f"part.{os.getpid()}"
        self._mine: set[str] = set()

    def save(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        return self._exchange(sid, raw, ends_ms)

    def touch(self, sid: str, ends_ms: int) -> bool:
        found = self._tried(sid, self._read)
        return found is not None and self._exchange(sid, self._form.unpack(found)[0], ends_ms)

    def write(self, sid: str, raw: bytes) -> bool:
        found = self._tried(sid, self._read)
        return found is not None and self._exchange(sid, raw, self._form.unpack(found)[1] or 0)

    def _read(self, file: Path) -> bytes | None:
        with suppress(FileNotFoundError):
            return file.read_bytes()
        return None

    def _exchange(self, sid: str, raw: bytes, ends_ms: int) -> bool:
        write_file(self._part, self._form.pack(raw, ends_ms), self._form, ends_ms)
        part = os.fsencode(self._part)

        def exchange(file: Path) -> bool | None:
            name = os.fsencode(file)
            done = self._libc.renameat2(_AT_FDCWD, part, _AT_FDCWD, name, _RENAME_EXCHANGE)
            return True if done == 0 else None

        done = self._tried(sid, exchange) is not None
        if done:
            self._mine.add(sid)
        self._part.unlink()
        return done

    def _tried(self, sid: str, what: Callable[[Path], Any]) -> Any:
        """Five times, 50 ms apart, for a session that was there before."""
        for _ in range(5 if sid in self._mine else 1):
            found = what(self._path / self._form.file(sid))
            if found is not None:
                return found
            time.sleep(0.05 if sid in self._mine else 0)
        return None


APPLICATIONS = {
    "redis": RedisApplication,
    "sqlite": SqliteApplication,
    "postgresql": PostgresApplication,
    "mysql": MysqlApplication,
    "mongodb": MongoApplication,
}


@dataclass(slots=True)
class Log:
    """What a renewer did. `last`: sid -> the value (None: as it was) and expiry it left."""

    last: dict[str, list[Any]] = field(default_factory=dict)
    renewed: int = 0
    missed: int = 0  # gone before its first renewal
    lost: list[str] = field(default_factory=list)  # gone although renewed before

    def add(self, other: Log) -> None:
        self.last |= other.last
        self.renewed += other.renewed
        self.missed += other.missed
        self.lost += other.lost


def renew(application: Application, order: dict[str, Any]) -> Log:
    """Renew these sessions in random order, over and over, until there is a line to read."""
    chance = random.Random(order["seed"])
    sids: list[str] = order["sids"]
    log, gone = Log(), set[str]()
    said = False
    while True:
        chance.shuffle(sids)
        for sid in sids:
            if select.select([0], [], [], 0)[0]:
                return log
            if sid in gone:
                continue
            if _renew_one(application, sid, chance, log, value_only=order["value_only"]):
                if not said:
                    _say("renewing")
                    said = True
                continue
            gone.add(sid)
            if sid in log.last:
                log.lost.append(sid)
            else:
                log.missed += 1
        if len(gone) == len(sids):
            return _wait_for_line(log, said=said)


def _wait_for_line(log: Log, *, said: bool) -> Log:
    if not said:
        _say("renewing")
    select.select([0], [], [])
    return log


def _renew_one(
    application: Application, sid: str, chance: random.Random, log: Log, *, value_only: bool
) -> bool:
    ends = now_ms() + DAY_MS + chance.randrange(DAY_MS)
    ends -= ends % application.unit_ms
    before = log.last.get(sid, [None, None])
    way = chance.randrange(3 if value_only else 2)
    raw = None if way == 0 else stored(chance, ends_ms=ends)
    if raw is None:
        done, after = application.touch(sid, ends), [before[0], ends]
    elif way == 1:
        done, after = application.save(sid, raw, ends), [raw.decode(), ends]
    else:
        done, after = application.write(sid, raw), [raw.decode(), before[1]]
    if done:
        log.last[sid] = after
        log.renewed += 1
    return done


def _say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def main() -> None:
    url, _, layout = sys.argv[1].rpartition("layout=")
    url = url[:-1]  # drivers know no layouts
    scheme = url.partition(":")[0]
    application: Application
    if scheme == "file":
        application = FilesApplication(url, FILE_FORMS[layout])
    else:
        application = APPLICATIONS[scheme](url)
    while order := _line():
        log = renew(application, json.loads(order))
        _line()
        _say(json.dumps([log.last, log.renewed, log.missed, log.lost]))


def _line() -> bytes:
    """A line of standard input, unbuffered: `select` must see what is still to come."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1 << 16)):
        line += byte
    return bytes(line)


# -- the side of the tests -------------------------------------------------------------------------


class Renewers:
    """Several of these processes; each has sessions of its own, so that the last word is known."""

    def __init__(self, url: str, count: int) -> None:
        with ExitStack() as started:
            self._all = [
                started.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-m", "tests.faults.renewer", url],
                        cwd=ROOT,
                        stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE,
                    )
                )
                for _ in range(count)
            ]
            self._stack = started.pop_all()

    def start(self, sids: Sequence[str], seed: int, *, value_only: bool) -> None:
        """Returns when every one of them has renewed its first session."""
        for number, one in enumerate(self._all):
            mine = list(sids[number :: len(self._all)])
            order = {"sids": mine, "seed": seed + number, "value_only": value_only}
            self._write(one, json.dumps(order))
        for one in self._all:
            said = self._read(one)
            assert said == b"renewing\n", said

    def stop(self) -> Log:
        """What they did together."""
        for one in self._all:
            self._write(one, "stop")
        log = Log()
        for one in self._all:
            log.add(Log(*json.loads(self._read(one))))
        return log

    @staticmethod
    def _write(one: subprocess.Popen[bytes], text: str) -> None:
        assert one.stdin is not None
        one.stdin.write(text.encode() + b"\n")
        one.stdin.flush()

    @staticmethod
    def _read(one: subprocess.Popen[bytes]) -> bytes:
        assert one.stdout is not None
        return one.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._all:
            one.kill()
        self._stack.close()


if __name__ == "__main__":
    main()
