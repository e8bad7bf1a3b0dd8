"""dynalite, which speaks DynamoDB's protocol, and the face of `engines` over it.

Amazon's own server cannot run here. dynalite checks expressions, types and limits as that does;
it never throttles, its answers are consistent at all times, and it takes no two maps or lists for
equal, as Amazon's does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3  # type: ignore[import-untyped,unused-ignore]

from sessctl.stores.opening import open_store
from tests.support.engines import with_layout
from tests.support.npm import PEERS, modules, program
from tests.support.peer import PeerApp

if TYPE_CHECKING:
    import pytest

    from sessctl.stores.base import Store

# dynalite takes any; both clients look for them where they look in production.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


class DynamoServer(PeerApp):
    """dynalite on a free port; started on construction, ended by `stop`."""

    TABLE = "sessions"

    def __init__(self) -> None:
        peer = PEERS / "dynamodb"
        super().__init__([program("node"), str(peer / "server.js")], NODE_PATH=str(modules(peer)))
        self.client: Any = boto3.client(
            "dynamodb", endpoint_url=self.url, region_name="local",
            aws_access_key_id="local", aws_secret_access_key="local",
        )  # fmt: skip

    @property
    def store_url(self) -> str:
        return f"dynamodb+http://127.0.0.1:{self.port}/{self.TABLE}?region=local"

    def empty(self, key: str = "id") -> None:
        """Make the table anew, as connect-dynamodb makes it."""
        if self.client.list_tables()["TableNames"]:
            self.client.delete_table(TableName=self.TABLE)
            self.client.get_waiter("table_not_exists").wait(
                TableName=self.TABLE, WaiterConfig={"Delay": 0}
            )
        self.client.create_table(
            TableName=self.TABLE,
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        )
        self.client.get_waiter("table_exists").wait(TableName=self.TABLE, WaiterConfig={"Delay": 0})

    def items(self) -> list[dict[str, Any]]:
        pages = self.client.get_paginator("scan").paginate(TableName=self.TABLE)
        return [item for page in pages for item in page["Items"]]

    def stop(self) -> None:
        if hasattr(self, "client"):
            self.client.close()
        super().stop()


class DynamoEngine:
    """connect-dynamodb's items in a table."""

    name = "dynamodb"

    def __init__(self, server: DynamoServer, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        self.server = server
        self.url = with_layout(server.store_url, "connect-dynamodb")
        self._table = {"TableName": server.TABLE}

    def open(self, *, write: bool = False, **options: Any) -> Store:
        return open_store(self.url, write=write, **options)

    def save(self, sid: bytes, raw: bytes, expires_ms: int | None) -> None:
        self.server.client.put_item(**self._table, Item=_item(sid, raw, expires_ms))

    def save_all(self, sids: list[bytes], raw: bytes, expires_ms: int) -> None:
        """As `save`, 25 in a request."""
        for first in range(0, len(sids), 25):
            items = [_item(sid, raw, expires_ms) for sid in sids[first : first + 25]]
            puts = [{"PutRequest": {"Item": item}} for item in items]
            self.server.client.batch_write_item(RequestItems={self.server.TABLE: puts})

    def touch(self, sid: bytes, expires_ms: int) -> None:
        self.server.client.update_item(
            **self._table,
            Key=_key(sid),
            UpdateExpression="set expires = :e",
            ExpressionAttributeValues={":e": _seconds(expires_ms)},
        )

    def drop(self, sid: bytes) -> None:
        self.server.client.delete_item(**self._table, Key=_key(sid))

    def holds(self, sid: bytes, beside: bytes = b"") -> bool:
        try:
            sid.decode()
        except UnicodeDecodeError:
            return False
        return sid != beside and len(sid) + len("sess:") <= 2048

    def everything(self) -> dict[bytes, tuple[Any, Any]]:
        return {
            item["id"]["S"].encode(): (item.get("sess"), item.get("expires"))
            for item in self.server.items()
        }


def _item(sid: bytes, raw: bytes, expires_ms: int | None) -> dict[str, Any]:
    item = {**_key(sid), "type": {"S": "connect-session"}, "sess": {"S": raw.decode()}}
    return item if expires_ms is None else {**item, "expires": _seconds(expires_ms)}


def _key(sid: bytes) -> dict[str, dict[str, str]]:
    return {"id": {"S": "sess:" + sid.decode()}}


def _seconds(ms: int) -> dict[str, str]:
    return {"N": str(ms / 1000)}
