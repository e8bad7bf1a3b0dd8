"""What Flask-Session's stores have of their own: ids with a prefix, rows with a number, three ways
of writing side by side. What its applications write is proved in `tests/e2e/test_flask_session.py`.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sessctl.admin.convert import Conversion, same_value
from sessctl.admin.create import create
from sessctl.admin.removal import Removal
from sessctl.errors import ConfigError, SerializerError
from sessctl.session import Expiry, Query, Session, State
from sessctl.stores.base import Outcome
from sessctl.stores.compose import compose
from sessctl.stores.opening import detect_layouts, open_store
from tests.support.engines import now_ms
from tests.support.flask_session import DATA, FORMS, Table, naive

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.stores.base import Store
    from tests.support.dynamodb import DynamoEngine
    from tests.support.mariadb import MariaServer
    from tests.support.mongo import MongoServer
    from tests.support.postgres import PostgresServer

HOUR = 3_600_000
POSTGRES = (
    "CREATE TABLE sessions (id serial PRIMARY KEY, session_id varchar(255) UNIQUE, data bytea, "
    "expiry timestamp without time zone)"
)
MYSQL = (
    "CREATE TABLE sessions (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, session_id varchar(255) "
    "UNIQUE, data blob, expiry datetime) COLLATE utf8mb4_general_ci"
)


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "db")


def found(store: Store, **query: Any) -> set[str]:
    return {session.sid for session in store.scan(Query(**query))}


def ended_and_restored(store: Store, sid: str) -> Session:
    """What a journal would put back, after the session has been ended."""
    (session,) = store.get([sid])
    frozen = {"sid": sid, **store.freeze(session)}
    assert store.delete([session])[0].outcome is Outcome.DELETED
    back: Session = store.thaw(frozen)
    return back


# -- three ways of writing -------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_every_generation_reads_the_same_beside_the_others(table: Table, form: str) -> None:
    for name, raw in FORMS.items():
        table.save(f"session:{name}", raw)
    with table.open() as store:
        (session,) = store.get([form])
        assert (session.data, session.user, session.problem) == (DATA, "42", None)
        assert session.raw == FORMS[form]
        assert found(store, user="42") == set(FORMS)
        assert store.recognises(session)


@pytest.mark.parametrize("form", ["msgpack", "json"])
def test_an_edited_value_keeps_its_generation(table: Table, form: str) -> None:
    table.save("session:one", FORMS[form])
    with table.open() as store:
        (session,) = store.get(["one"])
        assert session.reader is not None
        raw = session.reader.edited(session.raw, {**DATA, "_user_id": "43"})
        (result,) = store.replace([(session, store.with_value(session, raw))])
        assert result.outcome is Outcome.STORED
    decode = msgspec.msgpack.decode if form == "msgpack" else msgspec.json.decode
    assert decode(table.rows()[0][2]) == {**DATA, "_user_id": "43"}


@pytest.mark.parametrize("form", ["pickle", "pickle-0"])
def test_a_pickle_is_only_read_and_comes_back_to_the_byte(table: Table, form: str) -> None:
    table.save("session:one", FORMS[form])
    rows = table.rows()
    with table.open() as store:
        (session,) = store.get(["one"])
        assert session.reader is not None
        with pytest.raises(SerializerError, match="pickle is only read") as caught:
            session.reader.edited(session.raw, {"_user_id": "43"})
        assert "rewrites it at its next save" in str(caught.value.hint)
        (result,) = store.put([ended_and_restored(store, "one")])
        assert result.outcome is Outcome.STORED
    assert table.rows() == rows


@pytest.mark.parametrize(
    "raw",
    [b"", b"\x80", b"[1]", b"\xc1\xffnope", b"\x81", b"{", b"null", b"\x80\x04", b"(dp0", b"}x"],
)  # fmt: skip
def test_what_is_no_session_is_a_problem_and_no_crash(table: Table, raw: bytes) -> None:
    table.save("session:odd", raw)
    table.save("session:none", None)
    with table.open() as store:
        odd, none = store.get(["odd", "none"])
        assert none.problem is not None
        if raw == b"\x80":  # an empty map
            assert odd.data == {}
        else:
            assert odd.problem is not None
            with pytest.raises(SerializerError):
                assert odd.data


# -- tables ----------------------------------------------------------------------------------------


def test_rows_without_the_prefix_are_no_sessions(table: Table) -> None:
    for key in ("session:a", "Session:b", "sessions:c", "other:session:d", "session", "session:"):
        table.save(key, FORMS["msgpack"])
    with table.open() as store:
        assert found(store) == {"a", ""}
        assert store.count(Query()) == 2
        assert [session.location for session in store.get(["a"])] == [
            "sessions.session_id=session:a"
        ]
        assert store.get(["session:a"]) == []
    with table.open(prefix="%") as store:
        assert found(store) == set()
    with table.open(prefix="") as store:
        assert store.count(Query()) == 6


def test_a_table_without_prefixes_takes_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no setting 'prefix'"):
        open_store(f"sqlite:///{tmp_path}/db", "connect-sqlite3", prefix="a")


def test_a_session_restored_keeps_its_row_s_number_if_that_is_free(table: Table) -> None:
    table.save("session:first", FORMS["msgpack"])
    table.save("session:last", FORMS["json"])
    rows = table.rows()
    with table.open() as store:
        back = ended_and_restored(store, "last")
        assert store.put([back])[0].outcome is Outcome.STORED
        assert table.rows() == rows
        back = ended_and_restored(store, "last")
        table.save("session:new", FORMS["pickle"])  # SQLite gives it the number that is free again
        assert store.put([back])[0].outcome is Outcome.STORED
        assert store.put([back])[0].outcome is Outcome.PRESENT
    keys = [(number, key) for number, key, *_ in table.rows()]
    assert keys == [(1, "session:first"), (2, "session:new"), (3, "session:last")]
    assert table.rows()[2][2:] == rows[1][2:]


def test_only_dates_of_the_library_are_dates(table: Table) -> None:
    """NULL is what 0.4 to 0.6 wrote where the cookie had no date: nobody knows when it is over."""
    past = {"whole": "2001-01-01 00:00:00", "micro": "2001-01-01 00:00:00.000001"}
    odd = {"null": None, "ms": "2001-01-01 00:00:00.000", "iso": "2001-01-01T00:00:00", "n": 5}
    odd |= {"february": "2001-02-30 00:00:00", "hour": "2001-01-01 24:00:00"}
    for name, ends in {**past, **odd}.items():
        table.save(f"session:{name}", FORMS["msgpack"])
        table.execute(
            "UPDATE sessions SET expiry = ? WHERE session_id = ?", ends, f"session:{name}"
        )
    table.save("session:live", FORMS["msgpack"])
    with table.open() as store:
        states = {session.sid: session.state(now_ms()) for session in store.scan(Query())}
        assert {sid for sid, state in states.items() if state is State.UNKNOWN} == set(odd)
        assert store.get(["micro"])[0].expires_ms == 978_307_200_001  # it is over when all of it is
        run = Removal(store, None, grace_ms=60_000)
        list(run.purge(Query(expired=True, grace_ms=60_000)))
        assert dict(run.summary.counts) == {"deleted": 2}
        assert found(store) == {*odd, "live"}


def test_a_renewal_by_a_microsecond_saves_a_session(table: Table) -> None:
    table.save("session:one", FORMS["msgpack"], "2001-01-01 00:00:00.000001")
    with table.open() as store:
        read = store.get(["one"])
        table.execute("UPDATE sessions SET expiry = '2001-01-01 00:00:00.000002'")
        assert store.delete(read, grace_ms=0)[0].outcome is Outcome.CHANGED


def made_and_used(store: Store, *, tick_ms: int = 1) -> None:
    """A new session is what the library writes; ended and restored it is the same again."""
    ends_ms = now_ms() // 1000 * 1000 + HOUR
    made = compose(store, "made", {"_user_id": "ana", "n": 1}, expires_ms=ends_ms)
    assert store.put([made])[0].outcome is Outcome.STORED
    (session,) = store.get(["made"])
    raw = msgspec.msgpack.encode({"_permanent": True, "_user_id": "ana", "n": 1})
    assert (session.raw, session.user, session.expiry) == (raw, "ana", Expiry.STORE)
    assert abs((session.expires_ms or 0) - ends_ms) < tick_ms
    assert store.put([made])[0].outcome in (Outcome.PRESENT, Outcome.NEWER)
    moved = store.with_end(session, ends_ms + 1000)
    assert store.replace([(session, moved)])[0].outcome is Outcome.STORED
    assert store.delete([session])[0].outcome is Outcome.CHANGED
    back = ended_and_restored(store, "made")
    assert found(store) == set()
    assert store.put([back])[0].outcome is Outcome.STORED
    assert store.put([back])[0].outcome is Outcome.PRESENT
    (again,) = store.get(["made"])
    assert (again.raw, again.expires_ms) == (raw, back.expires_ms)
    assert found(store, user="ana") == {"made"}
    assert found(store, user="7") == set()


def test_a_session_made_anew_in_sqlite(table: Table) -> None:
    with table.open() as store:
        made_and_used(store)
    (row,) = table.rows()
    assert (row[0], type(row[2]), row[3][-7:]) == (1, bytes, ".000000")


def test_a_session_made_anew_in_postgresql(postgres_server: PostgresServer) -> None:
    postgres_server.empty()
    with closing(postgres_server.connect()) as db:
        db.execute("SET ROLE app")
        db.execute(POSTGRES)
        with open_store(postgres_server.url, "flask-sqlalchemy", write=True) as store:
            made_and_used(store)
            assert found(store, user="nobody") == set()
            numbered = compose(store, "two", {"user_id": 7}, expires_ms=now_ms() + HOUR)
            store.put([numbered])
            assert found(store, user="7") == {"two"}  # msgpack writes it as one byte
        (row,) = db.execute("SELECT id, expiry FROM sessions WHERE session_id = 'session:made'")
        assert row[1].replace(tzinfo=UTC).timestamp() * 1000 % 1000 == 0
        db.execute("INSERT INTO sessions (session_id) VALUES ('session:next')")  # numbers go on


def test_a_session_made_anew_in_mariadb(maria_server: MariaServer) -> None:
    maria_server.empty()
    with closing(maria_server.connect()) as db, db.cursor() as cursor:
        cursor.execute(MYSQL)
        with open_store(maria_server.url, "flask-sqlalchemy", write=True) as store:
            made_and_used(store, tick_ms=1000)
            cursor.execute("UPDATE sessions SET session_id = 'SESSION:made'")
            db.commit()
            assert found(store) == set()
            large = compose(store, "large", {"x": "y" * 70_000}, expires_ms=now_ms() + HOUR)
            (result,) = store.put([large])
            assert (result.outcome, found(store)) == (Outcome.FAILED, set())
            assert "too long" in str(result.reason)


# -- other stores ----------------------------------------------------------------------------------


def test_a_session_made_anew_in_mongodb(mongo_server: MongoServer) -> None:
    mongo_server.empty()
    sessions = mongo_server.database()["sessions"]
    strangers: list[dict[str, Any]] = [{"id": "sessionx"}, {"id": "Session:a"}, {"id": 5}, {"x": 1}]
    sessions.insert_many(strangers)
    with open_store(mongo_server.url, "flask-mongodb", write=True) as store:
        made_and_used(store)
        assert store.count(Query()) == 1
    (document,) = sessions.find({"id": "session:made"})
    assert set(document) == {"_id", "id", "val", "expiration"}
    assert isinstance(document["val"], bytes)
    assert sessions.count_documents({}) == 1 + len(strangers)


def test_a_login_that_came_back_in_mongodb_is_seen(mongo_server: MongoServer) -> None:
    """The library finds a session by `id`, of which there may be another document meanwhile."""
    mongo_server.empty()
    sessions = mongo_server.database()["sessions"]
    document = {"id": "session:a", "val": FORMS["msgpack"], "expiration": naive(now_ms() + HOUR)}
    sessions.insert_one(dict(document))
    with open_store(mongo_server.url, "flask-mongodb", write=True) as store:
        read = store.get(["a"])
        sessions.delete_many({})
        sessions.insert_one(dict(document))
        assert store.delete(read)[0].outcome is Outcome.CHANGED
        back = ended_and_restored(store, "a")
        sessions.insert_one({**document, "val": FORMS["json"]})
        assert store.put([back])[0].outcome is Outcome.NEWER
    assert sessions.count_documents({}) == 1


def test_a_session_made_anew_in_dynamodb(dynamodb_engine: DynamoEngine) -> None:
    with open_store(dynamodb_engine.server.store_url, "flask-dynamodb", write=True) as store:
        made_and_used(store)
    (item,) = dynamodb_engine.server.items()
    assert set(item) == {"id", "val", "expiration"}
    assert isinstance(item["val"]["B"], bytes)


# -- between stores, and which one it is -----------------------------------------------------------


def test_to_express_and_back_the_data_is_the_same(table: Table, tmp_path: Path) -> None:
    table.save("session:one", FORMS["msgpack"])
    with closing(sqlite3.connect(tmp_path / "express")) as db:
        db.execute("CREATE TABLE sessions (sid PRIMARY KEY, expired, sess)")
    url = f"sqlite:///{tmp_path}/express"
    with table.open() as flask, open_store(url, "connect-sqlite3", write=True) as express:
        (there,) = flask.get(["one"])
        assert express.put([Conversion(express).of(there)])[0].outcome is Outcome.STORED
        (copied,) = express.get(["one"])
        assert copied.data == {key: DATA[key] for key in ("_user_id", "cart")}
        assert "cookie" in copied.decoded.extra
        assert same_value(there, copied)
        table.execute("DELETE FROM sessions")
        assert flask.put([Conversion(flask).of(copied)])[0].outcome is Outcome.STORED
    assert msgspec.msgpack.decode(table.rows()[0][2]) == DATA


@pytest.mark.parametrize("form", FORMS)
def test_between_two_stores_of_flask_session_the_bytes_are_the_same(
    table: Table, tmp_path: Path, form: str
) -> None:
    other = Table(tmp_path / "other")
    table.save("session:one", FORMS[form])
    with table.open() as source, other.open(prefix="web:") as target:
        (made,) = (Conversion(target).of(session) for session in source.get(["one"]))
        assert target.put([made])[0].outcome is Outcome.STORED
    assert other.rows()[0][1:3] == ("web:one", FORMS[form])


def test_a_table_is_told_by_its_columns_and_values(table: Table) -> None:
    table.save("session:one", FORMS["msgpack"])
    (candidate,) = detect_layouts(table.url)
    assert (candidate.layout, candidate.settings, candidate.sure) == ("flask-sqlalchemy", {}, True)


def test_a_setting_leaves_out_the_layouts_without_it(table: Table) -> None:
    """Only this one of SQLite's has a prefix."""
    table.save("web:one", FORMS["msgpack"])
    with open_store(f"{table.url}?prefix=web:") as store:
        assert (store.layout.name, found(store)) == ("flask-sqlalchemy", {"one"})


def test_a_new_user_stands_where_flask_login_looks(table: Table) -> None:
    with table.open() as store:
        assert create(store, {}, user="42").session.data == {"_permanent": True, "_user_id": "42"}
