"""A MongoDB server for the tests, and the face of `engines` over connect-mongo's collection."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from bson import json_util
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from sessctl.stores.opening import open_store
from tests.support.engines import with_layout
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

    from sessctl.stores.base import Store

TTL_S = 1
_AS_STORED = CodecOptions(
    document_class=RawBSONDocument, datetime_conversion=DatetimeConversion.DATETIME_MS
)


class MongoServer(PeerApp):
    """SecantusDB in a process of its own; see `mongo_process`. Ended by `stop`.

    Args:
        options: `ttl_s`, `user`, `tls`, as the module says.
    """

    def __init__(self, **options: Any) -> None:
        self.client: MongoClient[dict[str, Any]] | None = None
        self._folder = tempfile.mkdtemp(prefix="sessctl-mongo-")
        given = json.dumps({"ttl_s": TTL_S, "folder": self._folder, **options})
        super().__init__([sys.executable, "-m", "tests.support.mongo_process", given])

    @property
    def url(self) -> str:
        """The address of the database `shop`."""
        return f"mongodb://127.0.0.1:{self.port}/shop"

    def database(self) -> Database[dict[str, Any]]:
        """The database, for one who is the application."""
        if self.client is None:
            self.client = MongoClient("127.0.0.1", self.port)
        return self.client["shop"]

    def documents(self) -> Collection[Any]:
        """The sessions as they are stored: documents as bytes, dates as numbers."""
        return self.database().get_collection("sessions", codec_options=_AS_STORED)

    def empty(self) -> None:
        self.database().client.drop_database("shop")

    def fail(self, command: str, **how: Any) -> None:
        """Let the next command of this name fail, as `configureFailPoint` of mongod has it."""
        data = {"failCommands": [command], **how}
        admin = self.database().client.admin
        admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=data)

    def stop(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            client.close()
        super().stop()
        shutil.rmtree(self._folder, ignore_errors=True)


class MongoEngine:
    """connect-mongo's collection with its TTL index, made by itself so that no app is started."""

    name = "mongo"

    def __init__(self, server: MongoServer) -> None:
        self.server = server
        self.url = with_layout(server.url, "connect-mongo")
        self.client: Collection[dict[str, Any]] = server.database()["sessions"]
        self.client.create_index("expires", expireAfterSeconds=0)

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        document: dict[str, Any] = {"_id": sid.decode(), "session": raw.decode()}
        if expires_ms is not None:
            document["expires"] = _date(expires_ms)
        self.client.replace_one({"_id": {"$eq": sid.decode()}}, document, upsert=True)

    def touch(self, sid: bytes, expires_ms: int) -> None:
        change = {"$set": {"expires": _date(expires_ms)}}
        self.client.update_one({"_id": {"$eq": sid.decode()}}, change)

    def drop(self, sid: bytes) -> None:
        self.client.delete_one({"_id": {"$eq": sid.decode()}})

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        try:
            sid.decode()
        except UnicodeDecodeError:
            return False
        return sid != beside

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        found = self.server.documents().find({})
        return {_id_bytes(one["_id"]): (bytes(one.raw), one.get("expires")) for one in found}


def _id_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode()
    return json_util.dumps(value, json_options=json_util.CANONICAL_JSON_OPTIONS).encode()


def _date(ms: int) -> DatetimeMS:
    return DatetimeMS(ms)
