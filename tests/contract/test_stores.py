"""What every engine owes the operations above it, on a real Redis and a real SQLite file."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sessctl.admin.removal import Removal
from sessctl.errors import JournalError, Refused
from sessctl.session import Expiry, Need, Query, Session, State
from sessctl.stores.base import Outcome
from sessctl.stores.compose import compose
from tests.support import engines
from tests.support.dynamodb import DynamoEngine
from tests.support.engines import Engine, value
from tests.support.vectors import hostile

HOUR = 3_600_000
DAY = 24 * HOUR
STEP = 1000  # ms; two of the engines keep whole seconds
END_INSIDE = ("files",)  # engines whose values alone tell when a session ends
EXPIRING = ("redis", "cluster", "memcached", "dynamodb")  # that are not given what is over
IDS = [case for case in hostile("sid-", kind="sid") if case.raw]


def now_ms() -> int:
    """This moment, as every engine can keep it."""
    return engines.now_ms() // STEP * STEP


def outcomes(results) -> list[Outcome]:
    return [result.outcome for result in results]


def sids(sessions) -> set[str]:
    return {session.sid for session in sessions}


def save_all(engine: Engine, names: set[str]) -> None:
    """Many sessions like each other; an engine may know how to write them at once."""
    raws = [name.encode() for name in names]
    if isinstance(engine, DynamoEngine):
        engine.save_all(raws, value(), now_ms() + DAY)
        return
    for raw in raws:
        engine.save(raw, value(), now_ms() + DAY)


def kept(engine: Engine, raw: bytes, expires_ms: int) -> bytes:
    """A value as the engine's layout keeps it."""
    return engine.raw(raw, expires_ms) if engine.name in END_INSIDE else raw


def kept_like(engine: Engine, one: Session) -> bytes:
    """Another value for a session that leaves its end where it is."""
    return kept(engine, value("1"), one.expires_ms or now_ms() + HOUR)


@pytest.fixture
def filled(engine: Engine) -> Engine:
    """Six sessions: of two users, over (in the way the engine can hold that) and not."""
    now = now_ms()
    engine.save(b"soon", value("7"), now + 30 * 60_000)
    engine.save(b"later", value("7"), now + DAY)
    engine.save(b"other", value("8"), now + DAY)
    engine.save(b"large", value("8").replace(b"}}", b'},"x":"' + b"x" * 5000 + b'"}'), now + DAY)
    engine.save(b"broken", b"{nonsense 7", now + DAY)
    engine.save(b"open", value("9"), None)
    return engine


ALL = {"soon", "later", "other", "large", "broken", "open"}


class TestReading:
    def test_an_empty_store_is_empty(self, engine: Engine) -> None:
        with engine.open() as store:
            assert list(store.scan(Query())) == []
            assert store.count(Query()) == store.estimate() == 0
            assert store.get(["x"]) == []

    def test_the_server_says_who_it_is(self, engine: Engine) -> None:
        with engine.open() as store:
            server = store.server()
        assert server.name
        assert server.version is None or server.version[0].isdigit()

    def test_scan_finds_every_session_once(self, filled: Engine) -> None:
        with filled.open() as store:
            found = [session.sid for session in store.scan(Query())]
        assert sorted(found) == sorted(ALL)

    @pytest.mark.parametrize("need", [Need.ID, Need.EXPIRY, Need.VALUE, Need.ALL])
    def test_what_is_read_besides_changes_no_ids(self, filled: Engine, need: Need) -> None:
        with filled.open() as store:
            assert sids(store.scan(Query(), need)) == ALL

    def test_scan_goes_over_pages(self, engine: Engine) -> None:
        expected = {f"s{i:04}" for i in range(2500)}
        save_all(engine, expected)
        with engine.open() as store:
            assert sids(store.scan(Query())) == expected
            assert store.count(Query()) == 2500

    def test_get_answers_in_the_order_asked_for(self, filled: Engine) -> None:
        with filled.open() as store:
            found = store.get(["open", "nobody", "soon", "other"])
        assert [session.sid for session in found] == ["open", "soon", "other"]

    def test_a_session_has_its_value_user_and_expiry(self, filled: Engine) -> None:
        now = now_ms()
        filled.save(b"one", value("42"), now + HOUR)
        with filled.open() as store:
            one = store.get(["one"])[0]
        assert one.raw == kept(filled, value("42"), now + HOUR)
        assert (one.user, one.problem) == ("42", None)
        assert (one.expires_ms, one.expiry) == (now + HOUR, Expiry.STORE)
        assert one.data == {"passport": {"user": "42"}}
        assert one.decoded.extra["cookie"] == {"expires": None}
        assert one.state(store_now := now) is State.ACTIVE, store_now

    def test_a_broken_value_is_a_session_with_a_problem(self, filled: Engine) -> None:
        with filled.open() as store:
            broken = store.get(["broken"])[0]
        assert broken.problem is not None
        assert broken.problem.code == "value.unreadable"

    def test_the_clock_is_the_stores(self, engine: Engine) -> None:
        with engine.open() as store:
            assert abs(store.now_ms() - now_ms()) < 5000

    def test_the_estimate_is_no_less_than_there_is(self, filled: Engine) -> None:
        with filled.open() as store:
            assert store.estimate() >= 6

    def test_the_librarys_mark_is_recognised(self, filled: Engine) -> None:
        filled.save(b"foreign", b'{"a":1}', now_ms() + DAY)
        with filled.open() as store:
            found = {one.sid: store.recognises(one) for one in store.scan(Query())}
        assert (found["soon"], found["broken"], found["foreign"]) == (True, False, False)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            (Query(user="7"), {"soon", "later"}),
            (Query(user="8"), {"other", "large"}),
            (Query(user="nobody"), set()),
            (Query(user="7' OR '1'='1"), set()),
            (Query(user="%"), set()),
            (Query(sids=("soon", "other", "x")), {"soon", "other"}),
            (Query(sids=("soon", "other"), user="8"), {"other"}),
            (Query(active=True), ALL - {"open"}),
            (Query(expired=True), set()),
            (Query(larger_than=1000), {"large"}),
            (Query(expires_within=timedelta(hours=1)), {"soon"}),
            (Query(user="7", expires_within=timedelta(hours=1)), {"soon"}),
        ],
        ids=lambda value: value.describe() if isinstance(value, Query) else "",
    )
    def test_what_the_server_answers_is_what_the_evaluator_says(
        self, filled, query, expected
    ) -> None:
        with filled.open() as store:
            found = sids(store.scan(query))
            everything = list(store.scan(Query()))
            assert found == {s.sid for s in everything if query.matches(s, store.now_ms())}
            assert store.count(query) == len(found)
        if filled.name in END_INSIDE and query.active:
            expected = expected - {"broken"}  # and of "open" nothing is known
        elif filled.name != "sqlite" and query.active:
            expected = expected | {"open"}  # no TTL: never; NULL: unknown; others give it a day
        assert found == expected

    def test_a_user_written_with_escapes_is_found_too(self, engine: Engine) -> None:
        engine.save(b"a", b'{"cookie":{},"user":"\\u0061nn"}', now_ms() + DAY)
        engine.save(b"b", b'{"cookie":{},"user":"ann"}', now_ms() + DAY)
        with engine.open() as store:
            assert sids(store.scan(Query(user="ann"))) == {"a", "b"}

    def test_two_reads_at_once_do_not_mix(self, filled: Engine) -> None:
        with filled.open() as store:
            first = store.scan(Query())
            some = {next(first).sid, next(first).sid}
            assert [s.sid for s in store.get(["soon"])] == ["soon"]
            assert sids(store.scan(Query())) == ALL
            assert some | sids(first) == ALL


class TestDeleting:
    def test_what_is_unchanged_goes(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["soon", "broken", "open"])
            assert outcomes(store.delete(found)) == [Outcome.DELETED] * 3
            assert sids(store.scan(Query())) == {"later", "other", "large"}
            assert outcomes(store.delete(found)) == [Outcome.GONE] * 3

    def test_nothing_is_deleted_by_naming_nothing(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            assert store.delete([]) == []
        assert len(filled.everything()) == 6

    def test_renewed_by_value_is_changed(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["soon", "later"])
            ends = found[0].expires_ms
            filled.save(b"soon", value("8"), ends)
            results = store.delete(found)
        assert outcomes(results) == [Outcome.CHANGED, Outcome.DELETED]
        assert results[0].reason == "renewed since it was read"

    def test_renewed_by_touch_alone_is_changed(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["soon"])
            filled.touch(b"soon", found[0].expires_ms + STEP)
            assert outcomes(store.delete(found)) == [Outcome.CHANGED]
            assert sids(store.get(["soon"])) == {"soon"}

    def test_an_expiry_that_appears_is_a_change(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["open"])
            filled.touch(b"open", now_ms() + 2 * DAY)
            assert outcomes(store.delete(found)) == [Outcome.CHANGED]

    def test_logged_out_in_between_is_gone(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["soon", "later"])
            filled.drop(b"soon")
            assert outcomes(store.delete(found)) == [Outcome.GONE, Outcome.DELETED]

    def test_a_thousand_go_at_once(self, engine: Engine) -> None:
        save_all(engine, {f"s{i}" for i in range(1100)})
        with engine.open(write=True) as store:
            results = store.delete(list(store.scan(Query())))
        assert set(outcomes(results)) == {Outcome.DELETED}
        assert len(results) == 1100
        assert engine.everything() == {}

    def test_with_a_grace_the_store_judges_again(self, filled: Engine) -> None:
        """Whatever we believe: these sessions are live, and the unknown one is not expired."""
        with filled.open(write=True) as store:
            found = store.get(["soon", "later", "open"])
            assert set(outcomes(store.delete(found, grace_ms=60_000))) == {Outcome.CHANGED}
        assert len(filled.everything()) == 6


class TestWriting:
    @pytest.mark.parametrize("sid", ["soon", "broken", "open"])
    def test_frozen_and_thawed_it_comes_back_exactly(self, filled: Engine, sid: str) -> None:
        before = filled.everything()
        with filled.open(write=True) as store:
            found = store.get([sid])
            frozen = {"sid": sid, **store.freeze(found[0])}
            store.delete(found)
            assert filled.everything() != before
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
        assert filled.everything() == before

    def test_put_never_overwrites(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["soon", "later", "other"])
            filled.save(b"soon", value("8"), found[0].expires_ms)
            filled.touch(b"later", found[1].expires_ms + STEP)
            before = filled.everything()
            assert outcomes(store.put(found)) == [Outcome.NEWER, Outcome.NEWER, Outcome.PRESENT]
        assert filled.everything() == before

    def test_thawed_with_a_new_expiry(self, filled: Engine) -> None:
        ends = now_ms() + 2 * DAY
        with filled.open(write=True) as store:
            found = store.get(["soon"])
            frozen = {"sid": "soon", **store.freeze(found[0])}
            store.delete(found)
            store.put([store.thaw(frozen, expires_ms=ends)])
            assert store.get(["soon"])[0].expires_ms == ends

    @pytest.mark.parametrize("frozen", [{}, {"kind": "hash"}, {"kind": "row"}, {"kind": "string"}])
    def test_what_another_engine_froze_is_refused(self, engine: Engine, frozen: dict) -> None:
        with engine.open() as store, pytest.raises(JournalError):
            store.thaw({"sid": "x", **frozen})

    def test_moving_an_expiry_keeps_the_value(self, filled: Engine) -> None:
        ends = now_ms() + 3 * DAY
        with filled.open(write=True) as store:
            found = store.get(["soon", "later", "other"])
            filled.touch(b"later", found[1].expires_ms + STEP)
            filled.drop(b"other")
            assert outcomes(store.set_expiry(found, ends)) == [
                Outcome.STORED, Outcome.CHANGED, Outcome.GONE,
            ]  # fmt: skip
            moved = store.get(["soon"])[0]
        assert (moved.expires_ms, moved.raw) == (ends, kept(filled, value("7"), ends))

    def test_replaced_it_keeps_its_end(self, engine: Engine) -> None:
        """To the last digit that the engine keeps: none becomes immortal (S7)."""
        ends = engines.now_ms() + HOUR
        engine.save(b"one", value("7"), ends)
        engine.save(b"open", value("9"), None)
        with engine.open(write=True) as store:
            was = store.get(["one", "open"])
            other = [one.raw.replace(b'"7"', b'"8"').replace(b'"9"', b'"10"') for one in was]
            pairs = [(one, store.with_value(one, raw)) for one, raw in zip(was, other, strict=True)]
            assert outcomes(store.replace(pairs)) == [Outcome.STORED] * 2
            now = store.get(["one", "open"])
        assert [one.raw for one in now] == other
        assert [one.user for one in now] == ["8", "10"]
        assert [one.expires_ms for one in now] == [one.expires_ms for one in was]
        assert [one.expiry for one in now] == [one.expiry for one in was]

    def test_only_what_is_as_it_was_read_is_replaced(self, filled: Engine) -> None:
        with filled.open(write=True) as store:
            found = store.get(["soon", "later", "other", "large"])
            pairs = [(one, store.with_value(one, kept_like(filled, one))) for one in found]
            filled.save(b"soon", value("12"), found[0].expires_ms)
            filled.touch(b"later", found[1].expires_ms + STEP)
            filled.drop(b"other")
            assert outcomes(store.replace(pairs)) == [
                Outcome.CHANGED, Outcome.CHANGED, Outcome.GONE, Outcome.STORED,
            ]  # fmt: skip
            now = store.get(["soon", "later", "other", "large"])
            assert outcomes(store.replace(pairs[-1:])) == [Outcome.CHANGED]
        assert [one.user for one in now] == ["12", "7", "1"]
        assert now[1].expires_ms == found[1].expires_ms + STEP

    def test_replaced_and_replaced_again_by_what_was_frozen(self, filled: Engine) -> None:
        names = ["soon", "broken", "open"]
        before = filled.everything()
        with filled.open(write=True) as store:
            was = store.get(names)
            frozen = [{"sid": one.sid, **store.freeze(one)} for one in was]
            pairs = [(one, store.with_value(one, kept_like(filled, one))) for one in was]
            assert outcomes(store.replace(pairs)) == [Outcome.STORED] * 3
            assert filled.everything() != before
            back = zip(store.get(names), map(store.thaw, frozen), strict=True)
            assert outcomes(store.replace(list(back))) == [Outcome.STORED] * 3
        assert filled.everything() == before

    def test_replaced_by_a_session_made_anew(self, filled: Engine) -> None:
        ends = now_ms() + 2 * DAY
        with filled.open(write=True) as store:
            (was,) = store.get(["soon"])
            made = compose(store, "soon", {"user": "77"}, expires_ms=ends)
            assert outcomes(store.replace([(was, made)])) == [Outcome.STORED]
            (now,) = store.get(["soon"])
            assert (now.user, now.expires_ms, now.data) == ("77", ends, {"user": "77"})
            assert outcomes(store.replace([(now, now)])) == [Outcome.STORED]

    def test_what_would_be_over_is_not_written(self, filled: Engine) -> None:
        """No write may make a session vanish: in Redis, a date that has passed ends the key."""
        if not any(filled.name.startswith(name) for name in EXPIRING):
            return
        before = filled.everything()
        with filled.open(write=True) as store:
            (was,) = store.get(["soon"])
            over = store.with_end(was, now_ms() - DAY)
            assert outcomes(store.replace([(was, over)])) == [Outcome.LAPSED]
            assert outcomes(store.set_expiry([was], now_ms() - DAY)) == [Outcome.LAPSED]
        assert filled.everything() == before

    def test_a_reader_changes_nothing(self, filled: Engine) -> None:
        before = filled.everything()
        with filled.open() as store:
            found = list(store.scan(Query()))
            writes = (
                store.delete,
                store.put,
                lambda s: store.set_expiry(s, now_ms() + DAY),
                lambda s: store.replace([(one, one) for one in s]),
            )
            for write in writes:
                with pytest.raises(Refused, match="for reading only"):
                    write([one for one in found if one.sid != "broken"])
        assert filled.everything() == before

    @pytest.mark.parametrize("left_ms", [250, 1500])
    def test_a_short_life_stays_short(self, engine: Engine, left_ms: int) -> None:
        with engine.open(write=True) as store:
            ends = engines.now_ms() + left_ms
            engine.save(b"brief", value(), ends)
            found = store.get(["brief"])
            frozen = {"sid": "brief", **store.freeze(found[0])}
            store.delete(found)
            done = outcomes(store.put([store.thaw(frozen)]))
            if done == [Outcome.LAPSED]:  # on a busy machine it may be over by now
                assert store.now_ms() >= found[0].expires_ms
                return
            assert done == [Outcome.STORED]
            assert store.get(["brief"])[0].expires_ms == found[0].expires_ms
            assert abs(found[0].expires_ms - ends) < STEP


@pytest.mark.parametrize("case", IDS, ids=lambda case: case.id)
class TestHostileIds:
    """An id is bytes: it finds exactly itself, and its neighbours stay as they are."""

    @pytest.mark.quick_on("redis", "sqlite", "postgres", "mongo", "memcached", "files")
    def test_it_is_found_and_only_it(self, engine: Engine, case) -> None:
        now = now_ms()
        engine.save(b"neighbour", value("7"), now + DAY)
        if not engine.holds(case.raw):  # then nobody has it
            with engine.open() as store:
                assert store.get([case.text]) == []
            return
        engine.save(case.raw, value("evil"), now + DAY)
        with engine.open() as store:
            assert sids(store.scan(Query())) == {case.text, "neighbour"}
            assert sids(store.get([case.text])) == {case.text}
            assert sids(store.scan(Query(sids=(case.text,)))) == {case.text}
            assert store.get([case.text + "x"]) == []

    # On memcached each id takes a second.
    @pytest.mark.quick_on("redis", "sqlite", "postgres", "mysql", "mongo", "files")
    def test_ending_it_touches_nothing_else(self, engine: Engine, case) -> None:
        now = now_ms()
        if not engine.holds(case.raw):
            return
        for sid in (b"neighbour", b"a", b"abc", case.raw + b"x", case.raw[:-1] + b"~"):
            if engine.holds(sid, beside=case.raw):
                engine.save(sid, value("7"), now + DAY)
        before = engine.everything()
        engine.save(case.raw, value("evil"), now + DAY)
        with engine.open(write=True) as store:
            found = store.get([case.text])
            frozen = {"sid": case.text, **store.freeze(found[0])}
            run = Removal(store, None)
            assert [page[0].outcome for page in run.expire([case.text])] == [Outcome.DELETED]
            assert engine.everything() == before
            assert outcomes(store.put([store.thaw(frozen)])) == [Outcome.STORED]
            assert sids(store.get([case.text])) == {case.text}

    @pytest.mark.quick_on("redis", "sqlite", "postgres", "mongo", "memcached", "files")
    def test_naming_it_where_it_is_not_touches_nothing(self, engine: Engine, case) -> None:
        engine.save(b"neighbour", value("7"), now_ms() + DAY)
        engine.save(b"ab", value("7"), now_ms() + DAY)
        before = engine.everything()
        with engine.open(write=True) as store:
            if case.raw not in (b"neighbour", b"ab"):
                run = Removal(store, None)
                assert [page[0].outcome for page in run.expire([case.text])] == [Outcome.GONE]
        assert engine.everything() == before
