"""Stored rows of the vectors, put back into real stores exactly as they were dumped."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from bson import json_util

from sessctl.timespec import parse_iso_ms
from tests.support.vectors import stored

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.engines import RedisEngine
    from tests.support.mariadb import MariaServer
    from tests.support.memcached import MemcachedServer
    from tests.support.memory_app import MemoryApp
    from tests.support.mongo import MongoServer
    from tests.support.postgres import PostgresServer


def load_redis(engine: RedisEngine, raw: dict[str, Any], now: int) -> None:
    """Keys of every type; the time that was left is left from now on."""
    for row in raw["rows"]:
        key, kind, content = stored(row["key"]), row["type"], row["value"]
        if kind == "string":
            engine.client.execute_command("SET", key, stored(content))
        elif kind == "list":
            engine.client.rpush(key, *[stored(item) for item in content])
        else:
            engine.client.hset(key, mapping={k: stored(v) for k, v in content.items()})
        if row["pttl"] >= 0:
            engine.client.execute_command("PEXPIREAT", key, now + row["pttl"])


def load_memcached(server: MemcachedServer, vector: dict[str, Any], shift_ms: int) -> None:
    """Items with their flags; each ends as long after now as it did after it was dumped."""
    client = server.client()
    truth = {row["key"]: row for row in vector["truth"]}
    made_ms = parse_iso_ms(vector["made_at"]) or 0
    for row in vector["raw"]["rows"]:
        key = stored(row["key"])
        known = truth.get(key.decode(), {})
        ends_ms = parse_iso_ms(known.get("expires") or "")
        if ends_ms is None:
            ends_ms = made_ms + 1000 * int(vector["default_ttl"])
        flags = int(row["head"].split()[2])
        client.set(key, stored(row["value"]), expire=(ends_ms + shift_ms) // 1000, flags=flags)
    client.close()


def load_sqlite(path: Path, raw: dict[str, Any]) -> None:
    """Cells with the type that they were stored with."""
    connection = sqlite3.connect(path)
    for statement in raw["ddl"]:
        connection.execute(statement)
    for table, rows in raw["tables"].items():
        for row in rows:
            marks = ", ".join(
                "CAST(? AS TEXT)" if cell["typeof"] == "text" else "?" for cell in row.values()
            )
            names = ", ".join(row)
            values = [stored(cell) for cell in row.values()]
            connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
    connection.commit()
    connection.close()


def load_files(path: Path, raw: dict[str, Any]) -> None:
    """Files with their content, mode and time."""
    for row in raw["rows"]:
        file = path / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(stored(row["content"]))
        file.chmod(int(row["mode"], 8))
        os.utime(file, (row["mtime"], row["mtime"]))


def load_postgres(server: PostgresServer, raw: dict[str, Any]) -> None:
    """Tables in their schemas; dates as the wall clock of the server that they come from."""
    with server.connect() as connection:
        connection.execute("SET ROLE app")
        for one in raw["ddl"]:
            schema, _, _ = one["table"].partition(".")
            if schema != "public":
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            columns = ", ".join(
                f'"{column["name"]}" {column["type"]}{" NOT NULL" if column["not_null"] else ""}'
                for column in one["columns"]
            )
            connection.execute(f"CREATE TABLE {_quoted(one['table'])} ({columns})")
            for statement in one["indexes"]:
                connection.execute(statement)
        for table, rows in raw["tables"].items():
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                names = ", ".join(f'"{name}"' for name in row)
                connection.execute(
                    f"INSERT INTO {_quoted(table)} ({names}) VALUES ({marks})",
                    [_bound(cell) for cell in row.values()],
                )


def _bound(cell: Any) -> Any:
    """A cell as a driver takes it; what is no text was stored as bytes."""
    if not isinstance(cell, dict):
        return cell
    return stored(cell) if "base64" in cell else stored(cell).decode()


def _quoted(table: str) -> str:
    schema, _, name = table.partition(".")
    return f'"{schema}"."{name}"'


def load_mysql(server: MariaServer, raw: dict[str, Any]) -> None:
    """Tables and rows, numbers as numbers."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        for statement in raw["ddl"]:
            cursor.execute(statement)
        for table, rows in raw["tables"].items():
            for row in rows:
                values = [_bound(cell) for cell in row.values()]
                marks = ", ".join(["%s"] * len(row))
                cursor.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", values)
        connection.commit()


def load_mongo(server: MongoServer, raw: dict[str, Any]) -> None:
    """Documents from canonical extended JSON. Without the TTL index: nothing may go meanwhile."""
    for name, collection in raw["collections"].items():
        documents = json_util.loads(json.dumps(collection["documents"]))
        server.database()[name].insert_many(documents)


def load_memory(app: MemoryApp, raw: dict[str, Any]) -> None:
    """`JSON.stringify(store.sessions)` of MemoryStore."""
    for sid, text in json.loads(stored(raw["content"])).items():
        app.ask("save", sid, text)
