"""What `replSetGetStatus` of a replica set says of its secondaries.

Source: MongoDB manual, `replSetGetStatus`: `members[].state` is 1 for the primary, 2 for a
secondary and 7 for an arbiter, which has no data; `optimeDate` is the last write that it has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

from sessctl.stores.base import Lag
from sessctl.stores.engines.mongo_errors import NO_REPLICA_SET, translated
from sessctl.text import escape

if TYPE_CHECKING:
    from pymongo import MongoClient

_PRIMARY, _SECONDARY, _ARBITER = 1, 2, 7


def replica_lags(client: MongoClient[Any], address: str) -> list[Lag]:
    """One for each member with data; one that is down or starting does not tell.

    Raises:
        StoreError: this user may not ask, or mongos is asked, which does not know.
    """
    with translated(address):
        try:
            status = client.admin.command("replSetGetStatus")
        except OperationFailure as exc:
            if exc.code == NO_REPLICA_SET:
                return []
            raise
    return lags_of(status)


def lags_of(status: dict[str, Any]) -> list[Lag]:
    """The lags in a reply to `replSetGetStatus`."""
    members = status.get("members", [])
    newest = next((m.get("optimeDate") for m in members if m.get("state") == _PRIMARY), None)
    lags: list[Lag] = []
    for member in members:
        if member.get("state") in (_PRIMARY, _ARBITER):
            continue
        has = member.get("optimeDate")
        tells = member.get("state") == _SECONDARY and has is not None and newest is not None
        behind = max((newest - has).total_seconds(), 0.0) if tells else None
        lags.append(Lag(escape(str(member.get("name", "?"))), behind))
    return lags
