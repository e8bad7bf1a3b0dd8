"""PostgreSQL: a row is deleted by its version, and never one that only looks like what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.session import Query
from sessctl.stores.base import Outcome
from tests.support.engines import now_ms, value

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.session import Session
    from sessctl.stores.base import Result, Store
    from tests.support.sql_engines import PostgresEngine

HOUR = 3_600_000
EXPIRED = Query(expired=True)
RENEWED = (Outcome.CHANGED, "renewed since it was read")
PAST = {f"s{number:02}".encode() for number in range(0, 30, 2)}
LIVE = {f"s{number:02}".encode() for number in range(1, 30, 2)}


@pytest.fixture
def engine(postgres_engine: PostgresEngine) -> PostgresEngine:
    """Thirty sessions of one transaction, every other one past."""
    fill(postgres_engine)
    return postgres_engine


def fill(engine: PostgresEngine) -> None:
    with engine.client.transaction():
        for sid in sorted(PAST | LIVE):
            engine.save(sid, value(), now_ms() + (HOUR if sid in LIVE else -HOUR))


def places(engine: PostgresEngine) -> dict[str, str]:
    """Place and writer -> id."""
    rows = engine.client.execute("SELECT ctid::text || xmin::text, sid FROM session").fetchall()
    return dict(rows)


def delete(store: Store, sessions: list[Session]) -> dict[str, tuple[Outcome, str | None]]:
    results: list[Result] = store.delete(sessions, grace_ms=0)
    assert [result.sid for result in results] == [session.sid for session in sessions]
    return {result.sid: (result.outcome, result.reason) for result in results}


def test_what_stands_as_it_was_read_is_not_sent_again(engine: PostgresEngine) -> None:
    with engine.open(write=True) as store, engine.server.recorded() as statements:
        found = list(store.scan(EXPIRED))
        assert set(delete(store, found).values()) == {(Outcome.DELETED, None)}
    assert sum("AS sess" in statement for statement in statements) == 1
    assert set(engine.everything()) == LIVE


@pytest.mark.parametrize("command", ["VACUUM FULL session", "CLUSTER session USING session_pkey"])
def test_rows_that_moved_into_the_places_of_others_are_not_taken_for_them(
    engine: PostgresEngine, command: str
) -> None:
    """They keep the number of the transaction that wrote them all."""
    with engine.open(write=True) as store:
        found = list(store.scan(EXPIRED))
        before = places(engine)
        engine.drop(b"s00")
        engine.client.execute(command)
        after = places(engine)
        swapped = [at for at in before if at in after and before[at] != after[at]]
        assert any(after[at].encode() in LIVE for at in swapped)
        results = delete(store, found)
    assert results.pop("s00") == (Outcome.GONE, None)
    assert set(results.values()) == {(Outcome.DELETED, None)}
    assert set(engine.everything()) == LIVE


def written_twice(engine: PostgresEngine) -> None:
    with engine.client.transaction():
        engine.touch(b"s00", now_ms() + HOUR)
        with engine.client.transaction():
            engine.touch(b"s00", now_ms() + 2 * HOUR)


def written_again_in_its_place(engine: PostgresEngine) -> None:
    at = "SELECT ctid::text FROM session WHERE sid = 's00'"
    before = engine.client.execute(at).fetchall()
    engine.drop(b"s00")
    engine.client.execute("VACUUM session")
    engine.save(b"s00", value(), now_ms() + HOUR)
    assert engine.client.execute(at).fetchall() == before


def other_data(engine: PostgresEngine) -> None:
    engine.client.execute("UPDATE session SET sess = '{}' WHERE sid = 's00'")


@pytest.mark.parametrize("renew", [written_twice, written_again_in_its_place, other_data])
def test_another_version_is_left_alone(
    engine: PostgresEngine, renew: Callable[[PostgresEngine], None]
) -> None:
    with engine.open(write=True) as store:
        found = list(store.scan(EXPIRED))
        renew(engine)
        results = delete(store, found)
    assert results.pop("s00") == RENEWED
    assert set(results.values()) == {(Outcome.DELETED, None)}
    assert set(engine.everything()) == {b"s00", *LIVE}


def test_the_same_written_again_is_what_was_read(engine: PostgresEngine) -> None:
    with engine.open(write=True) as store:
        found = list(store.scan(EXPIRED))
        engine.client.execute("UPDATE session SET expire = expire")
        assert set(delete(store, found).values()) == {(Outcome.DELETED, None)}
    assert set(engine.everything()) == LIVE


def test_a_version_is_good_for_the_connection_that_read_it(engine: PostgresEngine) -> None:
    with engine.open(write=True) as store:
        found = list(store.scan(EXPIRED))
        engine.server.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'sessctl'"
        )
        store.now_ms()
        with engine.server.recorded() as statements:
            assert set(delete(store, found).values()) == {(Outcome.DELETED, None)}
    assert any("FOR UPDATE" in statement and "AS sess" in statement for statement in statements)
    assert set(engine.everything()) == LIVE


def test_a_trigger_that_keeps_a_row_keeps_its_page(engine: PostgresEngine) -> None:
    engine.client.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF old.sid = 's00' THEN RETURN NULL; END IF; RETURN old; END $$"
    )
    engine.client.execute(
        "CREATE TRIGGER keep BEFORE DELETE ON session FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    with engine.open(write=True) as store:
        results = delete(store, list(store.scan(EXPIRED)))
    assert set(results.values()) == {
        (Outcome.FAILED, "15 rows were to go and 14 did: none was deleted")
    }
    assert set(engine.everything()) == PAST | LIVE


def test_rows_of_heirs_are_told_apart(engine: PostgresEngine) -> None:
    """Their rows stand at the same places as those of the table they inherit from."""
    engine.client.execute("CREATE TABLE old_session () INHERITS (session)")
    engine.client.execute("INSERT INTO old_session SELECT 'o' || sid, sess, expire FROM session")
    with engine.open(write=True) as store:
        results = delete(store, list(store.scan(EXPIRED)))
    assert set(results.values()) == {(Outcome.DELETED, None)}
    assert set(engine.everything()) == LIVE | {b"o" + sid for sid in LIVE}
