"""What MongoDB has of its own: ids and values of any type, TTL indexes, majorities, its URLs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, ObjectId, Regex, Timestamp
from bson.binary import UuidRepresentation
from bson.datetime_ms import DatetimeMS

from sessctl.errors import AccessDenied, Refused, StoreError, StoreUnreachable, UsageError
from sessctl.session import Expiry, Query, Session, State
from sessctl.stores.access import Access
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from sessctl.text import Secret
from tests.support.engines import now_ms, value
from tests.support.load_vectors import load_mongo
from tests.support.mongo import MongoEngine, MongoServer
from tests.support.proxy import Proxy
from tests.support.servers import make_certificates
from tests.support.vectors import VECTORS

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000
DAY = 24 * HOUR
UUID_ID = Binary.from_uuid(
    UUID("12345678-1234-5678-1234-567812345678"), UuidRepresentation.STANDARD
)
IDS: dict[str, Any] = {
    "plain": "plain",
    "64b7f0c2a1d3e4f5a6b7c8d9": "64b7f0c2a1d3e4f5a6b7c8d9",
    '{"$oid": "64b7f0c2a1d3e4f5a6b7c8d9"}': ObjectId("64b7f0c2a1d3e4f5a6b7c8d9"),
    '{"$numberInt": "7"}': 7,
    "7": "7",
    '{"$numberLong": "5000000000"}': Int64(5_000_000_000),
    '{"$numberDouble": "1.5"}': 1.5,
    '{"$numberDouble": "NaN"}': float("nan"),
    '{"$numberDecimal": "3.3"}': Decimal128("3.3"),
    '{"$binary": {"base64": "EjRWeBI0VngSNFZ4EjRWeA==", "subType": "04"}}': UUID_ID,
    '{"$date": {"$numberLong": "1000"}}': DatetimeMS(1000),
    '{"tenant": "a", "sid": {"$numberInt": "1"}}': {"tenant": "a", "sid": 1},
    "true": True,
    "null": None,
}


def outcomes(results: list[Any]) -> list[Outcome]:
    return [result.outcome for result in results]


def insert(engine: MongoEngine, sid: Any, session: Any, **fields: Any) -> None:
    fields.setdefault("expires", DatetimeMS(now_ms() + DAY))
    engine.client.insert_one({"_id": sid, "session": session, **fields})


class TestIds:
    """An `_id` may be of any type; `transformId` can make it so."""

    @pytest.fixture
    def filled(self, mongo_engine: MongoEngine) -> MongoEngine:
        for sid in IDS.values():
            insert(mongo_engine, sid, value("7").decode())
        return mongo_engine

    def test_each_is_listed_by_its_type(self, filled: MongoEngine) -> None:
        with filled.open() as store:
            assert sorted(s.sid for s in store.scan(Query())) == sorted(IDS)

    def test_each_is_found_by_what_it_is_listed_as(self, filled: MongoEngine) -> None:
        with filled.open() as store:
            assert [s.sid for s in store.get(list(IDS))] == list(IDS)
            assert store.get(["64b7f0c2a1d3e4f5a6b7c8d8", "8", '{"$gt": ""}', "{", "false"]) == []

    @pytest.mark.parametrize("sid", IDS)
    def test_ending_one_ends_no_other(self, filled: MongoEngine, sid: str) -> None:
        before = filled.everything()
        with filled.open(write=True) as store:
            found = store.get([sid])
            frozen = {"sid": sid, **store.freeze(found[0])}
            assert outcomes(store.delete(found)) == [Outcome.DELETED]
            assert sorted(s.sid for s in store.scan(Query())) == sorted(set(IDS) - {sid})
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
        assert filled.everything() == before

    def test_pages_go_over_from_one_type_to_the_next(self, mongo_engine: MongoEngine) -> None:
        kinds = (lambda n: f"s{n}", lambda n: n, lambda n: ObjectId(f"{n:024x}"))
        mongo_engine.client.insert_many(
            [{"_id": kind(n), "session": "{}"} for kind in kinds for n in range(700)]
        )
        with mongo_engine.open() as store:
            assert len({s.sid for s in store.scan(Query())}) == store.count(Query()) == 2100

    def test_no_size_hides_what_comes_after(self, mongo_engine: MongoEngine) -> None:
        """A reply holds 16 MB: one of these, and not the next as well."""
        for number in range(3):
            insert(mongo_engine, f"s{number}", "x" * 9_000_000)
        with mongo_engine.open() as store:
            found = [(s.sid, s.problem.code) for s in store.scan(Query())]
        assert found == [(f"s{number}", "input.limit") for number in range(3)]


class TestValues:
    """`serialize` may make anything of a session: whatever there is is listed as what it is."""

    @pytest.mark.parametrize(
        ("session", "user", "problem"),
        [
            (value("7").decode(), "7", None),
            (value("7"), "7", "a bytes in a store of texts"),
            ({"cookie": {}, "user": {"_id": ObjectId("64b7f0c2a1d3e4f5a6b7c8d9")}},
             "64b7f0c2a1d3e4f5a6b7c8d9", "an object in a store of texts"),
            ({"cookie": {}, "user": 3e9}, "3000000000", "an object in a store of texts"),
            ([1, 2], None, "an array"),
            (5, None, "a int"),
            (None, None, "null"),
            ("not JSON", None, "not JSON"),
        ],
        ids=["text", "binary", "object", "double", "array", "number", "null", "broken"],
    )  # fmt: skip
    def test_it_is_an_item(self, mongo_engine: MongoEngine, session, user, problem) -> None:
        for n in range(3):
            insert(mongo_engine, f"other{n}", value("1").decode())
        insert(mongo_engine, "it", session)
        with mongo_engine.open(write=True) as store:
            (found,) = store.get(["it"])
            assert found.user == user
            assert (found.problem is None) == (problem is None)
            assert problem is None or problem in found.problem.message
            assert outcomes(store.delete([found])) == [Outcome.DELETED]

    def test_one_without_a_value_says_so(self, mongo_engine: MongoEngine) -> None:
        mongo_engine.client.insert_one({"_id": "it", "expires": DatetimeMS(now_ms() + DAY)})
        with mongo_engine.open(write=True) as store:
            (found,) = store.scan(Query())
            assert (found.problem.code, found.state(now_ms())) == ("value.missing", State.ACTIVE)
            mongo_engine.client.update_one({"_id": "it"}, {"$set": {"session": None}})
            assert outcomes(store.delete([found])) == [Outcome.CHANGED]

    def test_what_only_bson_has_is_shown_and_does_nothing(self, mongo_engine: MongoEngine) -> None:
        odd = {
            "code": Code("while (true) {}"), "scoped": Code("x", {"x": 1}), "re": Regex("(a+)+$"),
            "ref": DBRef("users", 7), "id": ObjectId("64b7f0c2a1d3e4f5a6b7c8d9"),
            "decimal": Decimal128("1.10"), "stamp": Timestamp(5, 6), "most": MaxKey(),
            "raw": b"\0\1", "uuid": UUID_ID, "nan": float("nan"),
            "long": Int64(2**60), "date": datetime(2026, 1, 1, tzinfo=UTC), "half": 0.5,
            "whole": 3.0,
        }  # fmt: skip
        insert(mongo_engine, "it", {"cookie": {"path": "/"}, **odd})
        with mongo_engine.open() as store:
            (found,) = store.get(["it"])
        assert found.decoded.extra == {"cookie": {"path": "/"}}
        assert found.data == {
            "code": {"__bson__": "Code", "value": "while (true) {}"},
            "scoped": {"__bson__": "Code", "value": "x", "scope": {"x": 1}},
            "re": {"__bson__": "RegExp", "value": "(a+)+$", "flags": 0},
            "ref": {"$ref": "users", "$id": 7},
            "id": {"__bson__": "ObjectId", "value": "64b7f0c2a1d3e4f5a6b7c8d9"},
            "decimal": {"__bson__": "Decimal128", "value": "1.10"},
            "stamp": {"__bson__": "Timestamp", "value": [5, 6]},
            "most": {"__bson__": "MaxKey", "value": "MaxKey()"},
            "raw": {"__bytes__": "AAE="},
            "uuid": {"__uuid__": "12345678-1234-5678-1234-567812345678"},
            "nan": {"__float__": "NAN"},
            "long": 2**60, "date": "2026-01-01T00:00:00.000Z", "half": 0.5, "whole": 3,
        }  # fmt: skip

    def test_only_a_change_of_case_is_a_change(self, mongo_server: MongoServer) -> None:
        """A collation may hold two texts for one; to sessctl they are two."""
        mongo_server.empty()
        mongo_server.database().create_collection(
            "sessions", collation={"locale": "en", "strength": 2}
        )
        engine = MongoEngine(mongo_server)
        insert(engine, "it", '{"cookie":{},"user":"ana"}')
        with engine.open(write=True) as store:
            found = store.get(["it"])
            assert store.get(["IT"]) == []
            engine.client.update_one(
                {"_id": "it"}, {"$set": {"session": '{"cookie":{},"user":"Ana"}'}}
            )
            assert outcomes(store.delete(found)) == [Outcome.CHANGED]


class TestExpiry:
    @pytest.mark.parametrize(
        ("expires", "expiry", "state"),
        [
            (DatetimeMS(1_000), Expiry.STORE, State.EXPIRED),
            (DatetimeMS(4_000_000_000_000), Expiry.STORE, State.ACTIVE),
            (DatetimeMS(0), Expiry.UNKNOWN, State.UNKNOWN),
            (DatetimeMS(-1), Expiry.UNKNOWN, State.UNKNOWN),
            (None, Expiry.UNKNOWN, State.UNKNOWN),
            (1_000, Expiry.UNKNOWN, State.UNKNOWN),
            ("2001-01-01T00:00:00Z", Expiry.UNKNOWN, State.UNKNOWN),
            ([DatetimeMS(1_000)], Expiry.UNKNOWN, State.UNKNOWN),
        ],
    )
    def test_only_a_date_is_an_end(self, mongo_engine, expires, expiry, state) -> None:
        mongo_engine.client.drop_indexes()  # or the server would remove some of them
        insert(mongo_engine, "it", value().decode(), expires=expires)
        with mongo_engine.open(write=True) as store:
            (found,) = store.scan(Query())
            assert (found.expiry, found.state(now_ms())) == (expiry, state)
            over = [s.sid for s in store.scan(Query(expired=True))]
            assert over == (["it"] if state is State.EXPIRED else [])
            due = Outcome.DELETED if state is State.EXPIRED else Outcome.CHANGED
            assert outcomes(store.delete([found], grace_ms=60_000)) == [due]

    def test_the_server_removes_what_is_over_where_there_is_a_ttl_index(
        self, mongo_engine: MongoEngine
    ) -> None:
        mongo_engine.save(b"over", value(), now_ms() - HOUR)
        mongo_engine.save(b"never", value(), None)
        with mongo_engine.open() as store:
            assert store.capabilities.expires_by_itself
            deadline = time.monotonic() + 20
            while store.get(["over"]) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert [s.sid for s in store.scan(Query())] == ["never"]
        mongo_engine.client.drop_indexes()
        with mongo_engine.open() as store:
            assert not store.capabilities.expires_by_itself

    def test_the_dates_of_use_are_read(self, mongo_engine: MongoEngine) -> None:
        dates = {"createdAt": DatetimeMS(1000), "updatedAt": DatetimeMS(2000)}
        insert(mongo_engine, "6.0", "{}", **dates)
        insert(mongo_engine, "touched", "{}", lastModified=DatetimeMS(3000), **dates)
        insert(mongo_engine, "odd", "{}", lastModified="soon", updatedAt=None)
        with mongo_engine.open() as store:
            found = {s.sid: (s.created_ms, s.seen_ms) for s in store.scan(Query())}
        assert found == {"6.0": (1000, 2000), "touched": (1000, 3000), "odd": (None, None)}


class TestEncrypted:
    def test_without_the_secret_all_but_the_value_is_known(self, mongo_engine: MongoEngine) -> None:
        vector = json.loads((VECTORS / "stores" / "connect-mongo-crypto.json").read_bytes())
        mongo_engine.client.drop()
        load_mongo(mongo_engine.server, vector["raw"])
        with mongo_engine.open() as store:
            listed = {s.sid: s for s in store.scan(Query())}
        assert set(listed) == {row["sid"] for row in vector["truth"]}
        for row in vector["truth"]:
            if row["state"] in ("live", "expired", "session-cookie"):
                session = listed[row["sid"]]
                assert session.expiry is Expiry.STORE
                assert session.problem.message.startswith("encrypted, and the backend names no")

    def test_a_session_in_clear_among_encrypted_ones_is_none_of_the_application_s(
        self, mongo_engine: MongoEngine
    ) -> None:
        insert(mongo_engine, "it", value().decode())
        with mongo_engine.open(store_secrets=["Keyboard-Cat-42-&%"]) as store:
            (found,) = store.get(["it"])
        assert found.problem.message == "not encrypted, though the backend has store_secrets"

    def test_nothing_is_put_in_clear_among_encrypted_ones(self, mongo_engine: MongoEngine) -> None:
        with mongo_engine.open(write=True, store_secrets=["Keyboard-Cat-42-&%"]) as store:
            (result,) = store.put([Session(sid="new", raw=value(), location="")])
        assert (result.outcome, mongo_engine.everything()) == (Outcome.FAILED, {})
        assert "no encrypted session to see" in result.reason


class TestWriting:
    @pytest.fixture
    def one(self, mongo_engine: MongoEngine) -> MongoEngine:
        insert(mongo_engine, "it", value().decode())
        return mongo_engine

    def test_a_command_that_never_arrived_is_not_sent_again(self, one: MongoEngine) -> None:
        with one.open(write=True) as store:
            found = store.get(["it"])
            one.server.fail("delete", closeConnection=True)
            (result,) = store.delete(found)
        assert (result.outcome, result.reason) == (Outcome.FAILED, "connection lost, still there")

    def test_a_lost_reply_is_unconfirmed(self, one: MongoEngine) -> None:
        with Proxy(one.server.port) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/shop?directConnection=true"
            with open_store(url, "connect-mongo", write=True) as store:
                found = store.get(["it"])
                proxy.lose_reply(b"delete\0")
                (result,) = store.delete(found)
        assert result.outcome is Outcome.UNCONFIRMED
        assert one.everything() == {}

    def test_a_lost_reply_to_a_read_is_asked_for_again(self, one: MongoEngine) -> None:
        with Proxy(one.server.port) as proxy:
            url = f"mongodb://127.0.0.1:{proxy.port}/shop?directConnection=true"
            with open_store(url) as store:
                proxy.lose_reply(b"find\0")
                assert [s.sid for s in store.scan(Query())] == ["it"]

    def test_without_a_majority_a_delete_is_unconfirmed(self, one: MongoEngine) -> None:
        late = {"code": 64, "errmsg": "timed out", "errInfo": {"wtimeout": True}}
        with one.open(write=True) as store:
            found = store.get(["it"])
            one.server.fail("delete", writeConcernError=late)
            (result,) = store.delete(found)
        assert (result.outcome, result.reason) == (
            Outcome.UNCONFIRMED, "a majority of the replica set did not confirm it in time",
        )  # fmt: skip

    @pytest.mark.parametrize("command", ["delete", "update", "insert"])
    def test_an_error_of_the_server_fails_one_session(self, one: MongoEngine, command: str) -> None:
        insert(one, "other", value().decode())
        with one.open(write=True) as store:
            found = store.get(["it", "other"])
            one.server.fail(command, errorCode=112)  # WriteConflict
            if command == "delete":
                results = store.delete(found)
            elif command == "update":
                results = store.set_expiry(found, now_ms() + HOUR)
            else:
                guests = [Session(sid=sid, raw=value(), location="") for sid in ("a", "b")]
                results = store.put(guests)
        assert results[0].outcome is Outcome.FAILED
        assert results[1].outcome in (Outcome.DELETED, Outcome.STORED)

    def test_what_is_over_is_put_back_as_it_was(self, mongo_engine: MongoEngine) -> None:
        """`restore --lapsed` asks for it; who asks without, never gets here."""
        mongo_engine.client.drop_indexes()
        mongo_engine.save(b"it", value(), now_ms() - DAY)
        before = mongo_engine.everything()
        with mongo_engine.open(write=True) as store:
            found = store.get(["it"])
            frozen = {"sid": "it", **store.freeze(found[0])}
            assert outcomes(store.delete(found, grace_ms=HOUR)) == [Outcome.DELETED]
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
        assert mongo_engine.everything() == before

    def test_a_missing_right_ends_the_run(self, one: MongoEngine) -> None:
        with one.open(write=True) as store:
            found = store.get(["it"])
            one.server.fail("delete", errorCode=13)
            with pytest.raises(AccessDenied, match="lacks a right"):
                store.delete(found)

    def test_a_session_of_another_store_is_put_as_the_others_are(
        self, mongo_engine: MongoEngine
    ) -> None:
        raw = b'{"cookie":{"expires":"2033-01-01T00:00:00.000Z"},"user":7}'
        ends = now_ms() + HOUR
        guest = Session(sid="guest", raw=raw, location="", expires_ms=ends, expiry=Expiry.STORE)
        insert(mongo_engine, "host", {"cookie": {"expires": DatetimeMS(1)}, "user": 1})
        with mongo_engine.open(write=True) as store:
            assert outcomes(store.put([guest, guest])) == [Outcome.STORED, Outcome.PRESENT]
        kept = mongo_engine.server.documents().find_one({"_id": "guest"})
        assert int(kept["expires"]) == ends
        assert int(kept["session"]["cookie"]["expires"]) == 1_988_150_400_000


class TestPlaces:
    def test_a_collection_that_is_not_there_is_named(self, mongo_engine: MongoEngine) -> None:
        with pytest.raises(StoreError, match="'shop' has no collection 'sesions'") as caught:
            mongo_engine.open(collection="sesions")
        assert "it has: sessions" in caught.value.hint

    def test_a_view_is_read_and_not_changed(self, mongo_engine: MongoEngine) -> None:
        insert(mongo_engine, "it", value().decode())
        mongo_engine.server.database().command(
            "create", "some", viewOn="sessions", pipeline=[{"$match": {}}]
        )
        with pytest.raises(Refused, match="a view"):
            mongo_engine.open(write=True, collection="some")

    def test_a_secondary_is_neither_read_nor_written(self) -> None:
        with MongoServer() as server:
            engine = MongoEngine(server)
            server.database().client.admin.command("replSetStepDown", 60, force=True)
            with pytest.raises(Refused, match="is a secondary"):
                open_store(f"{engine.server.url}?directConnection=true")

    def test_nobody_there(self, mongo_server: MongoServer) -> None:
        with pytest.raises(StoreUnreachable, match="connection refused"):
            open_store("mongodb://127.0.0.1:1/shop", access=Access(timeout_s=0.3))

    @pytest.mark.parametrize(
        ("url", "error", "message"),
        [
            ("mongodb://h/a/b", UsageError, "no valid database"),
            ("mongodb://h/a?no=1", UsageError, "no option 'no'"),
            ("mongodb://h/a?tls=perhaps", UsageError, "tls of a MongoDB URL is true or false"),
            ("mongodb://h:1,h:x/a", UsageError, "no valid port"),
            ("mongodb+srv://h:1/a", UsageError, "takes no port"),
        ],
    )
    def test_a_wrong_url_is_refused(self, url: str, error, message: str) -> None:
        with pytest.raises(error, match=message):
            open_store(url)

    def test_what_an_application_wants_of_its_driver_is_no_mistake(
        self, mongo_engine: MongoEngine
    ) -> None:
        words = "retryWrites=true&w=majority&appName=shop&readpreference=secondary"
        with open_store(f"{mongo_engine.server.url}?{words}") as store:
            assert list(store.scan(Query())) == []

    def test_the_driver_is_an_extra(self) -> None:
        code = (
            "import sys; sys.modules['bson'] = sys.modules['pymongo'] = None\n"
            "from sessctl.stores.opening import open_store\n"
            "from sessctl.errors import MissingExtra\n"
            "try: open_store('mongodb://h/db')\n"
            "except MissingExtra as exc: print(exc.message, exc.hint)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout == (
            "a mongodb store needs the extra 'mongo', which is not installed "
            "pip install 'sessctl[mongo]'\n"
        )


class TestCredentials:
    def test_the_right_password_opens_and_a_wrong_one_is_shown_nowhere(self) -> None:
        with MongoServer(user=["ops", "p@ss/word"]) as server:
            place = f"127.0.0.1:{server.port}/shop"
            with open_store(f"mongodb://ops:p%40ss%2Fword@{place}") as store:
                assert list(store.scan(Query())) == []
            with open_store(
                f"mongodb://{place}", access=Access(username="ops", password=Secret("p@ss/word"))
            ) as store:
                assert store.count(Query()) == 0
            for url in (f"mongodb://ops:canary-84@{place}", f"mongodb://{place}"):
                with pytest.raises(AccessDenied) as caught:
                    open_store(url)
                assert "canary" not in f"{caught.value} {caught.value.hint} {caught.value.where}"

    def test_tls_means_a_verified_host(self, tmp_path: Path) -> None:
        make_certificates(tmp_path)
        ca = Access(ca_file=str(tmp_path / "ca.crt"), timeout_s=1)
        with MongoServer(tls=str(tmp_path)) as server:
            url = f"mongodb://127.0.0.1:{server.port}/shop?directConnection=true"
            with pytest.raises(StoreError, match="has no collection"):  # it got that far
                open_store(f"{url}&tls=true", access=ca)
            with pytest.raises(StoreUnreachable, match=r"TLS with .* failed"):
                open_store(f"{url}&tls=true", access=Access(timeout_s=1))

    @pytest.mark.parametrize("words", ["", "?tls=false", "?tls=true&tlsInsecure=true"])
    def test_less_than_that_is_refused_where_it_is_required(self, words: str) -> None:
        with pytest.raises(Refused, match="requires TLS with a verified host name"):
            open_store(f"mongodb://db.example/shop{words}", access=Access(require_tls=True))
