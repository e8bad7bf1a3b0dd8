"""A small web shop's sessions, made up: its SQLite file, its signing secret, a configuration.

This module plays the application that writes sessions, which is why it speaks SQL: rows are laid
out as express-session 1.19 and connect-sqlite3 0.9.18 on npm's sqlite3 leave them. The same seed
and moment give the same sessions; the seed decides the signing secret too, so it protects nothing.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.cookies.api import sign_cookie
from sessctl.demo.folder import configuration, write_private
from sessctl.demo.samples import DAY, MINUTE, Row, Shop
from sessctl.errors import UsageError
from sessctl.timespec import to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

SESSIONS = 200
EXPIRED = 55  # for whatever seed

_ADMIN, _MARA = 1, 42


@dataclass(frozen=True, slots=True)
class Demo:
    """What `build_demo` made. The cookies are as a browser would send them."""

    directory: Path
    config_path: Path
    database: Path
    secret_path: Path
    user: str  # logged in on exactly three devices
    cookie: str  # one of this user's, genuine
    forged_cookie: str  # the id of an administrator's session, signed with a wrong secret
    sid: str  # what `cookie` carries
    hostile_sid: str  # a session whose texts attack whatever shows them


def build_demo(directory: Path, *, now: datetime, seed: int = 20) -> Demo:
    """Make a folder with 200 sessions of a shop, its signing secret and a `sessctl.toml`.

    Args:
        directory: created, parents too; one that exists has to be empty. Readable by nobody else.
        now: aware; all times are set relative to it.

    Raises:
        UsageError: the folder has something in it.
    """
    directory = directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", hint="name a folder that does not exist yet")
    directory.chmod(0o700)
    shop = Shop(to_ms(now), seed)
    secret = shop.token(48)  # 64 characters; this length also gives seed 20 a varied first page
    mara = shop.three_devices(_MARA, "Mara")
    admin = shop.row(shop.member(_ADMIN, shop.seen(20 * MINUTE, DAY), name="Ada", role="admin"))
    hostile = shop.hostile()
    rows = [*mara, admin, hostile, *shop.others()]

    database, secret_path = directory / "sessions.db", directory / "session-secret"
    config_path = directory / "sessctl.toml"
    write_private(secret_path, f"{secret}\n")
    write_private(config_path, configuration(directory, database, [f"file:{secret_path}"]))
    _write_rows(database, rows)
    return Demo(
        directory=directory,
        config_path=config_path,
        database=database,
        secret_path=secret_path,
        user=str(_MARA),
        cookie=_wire_cookie(mara[0].sid, secret),
        forged_cookie=_wire_cookie(admin.sid, "keyboard cat"),
        sid=mara[0].sid,
        hostile_sid=hostile.sid,
    )


def _wire_cookie(sid: str, secret: str) -> str:
    (cookie,) = sign_cookie(sid, secret, "express-session")
    return f"{cookie.name}={cookie.value}"


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    path.touch(mode=0o600, exist_ok=False)  # SQLite would make it readable by all
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)")
        cells = [(row.sid, row.expired, row.sess) for row in rows]
        connection.executemany("INSERT INTO sessions VALUES (?, ?, ?)", cells)


__all__ = ["EXPIRED", "SESSIONS", "Demo", "build_demo"]
