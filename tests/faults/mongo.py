"""A MongoDB collection full of sessions, as the other subjects of `stores`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson.datetime_ms import DatetimeMS

from tests.faults.stores import RowSubject, over, sid, stored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.faults.stores import Contents, Row
    from tests.support.mongo import MongoEngine


class MongoSubject(RowSubject):
    """Texts and objects of connect-mongo that no TTL index removes: the tests need them."""

    name = "mongo"

    def __init__(self, engine: MongoEngine) -> None:
        super().__init__(engine)
        self.client = engine.client
        self.client.drop_indexes()

    def fill(self, count: int, rng: Random) -> Contents:
        self.replace([(sid(rng), stored(rng), over(rng, number)) for number in range(count)])
        odd: list[dict[str, Any]] = [
            {"_id": 7, "session": {"cookie": {}}, "expires": DatetimeMS(over(rng, 0)), "more": 1.0},
            {"_id": "never", "session": "{}"},
            {"_id": "null", "session": None, "expires": None},
        ]
        self.client.insert_many(odd)
        return self.contents()

    def replace(self, rows: Sequence[Row]) -> None:
        self.client.delete_many({})
        self.client.insert_many(
            [
                {"_id": name, "session": raw.decode()}
                | ({} if ends is None else {"expires": DatetimeMS(ends)})
                for name, raw, ends in rows
            ]
        )

    def remove(self, sids: Sequence[str]) -> int:
        return self.client.delete_many({"_id": {"$in": list(sids)}}).deleted_count

    def sessions(self) -> dict[str, tuple[bytes, int]]:
        found = self.engine.server.documents().find({})
        return {one["_id"]: (one["session"].encode(), int(one["expires"])) for one in found}

    def contents(self) -> Contents:
        return {key: cells[:1] for key, cells in self.engine.everything().items()}

    def frozen(self, item: dict[str, Any]) -> tuple[Any, tuple[Any, ...]]:
        return self.key(item["sid"]), (item["bson"],)

    def quiesce(self) -> None:
        """A command is over when its client is gone: a delete takes a millisecond."""
