"""What two looks at a store tell, by a clock of the test's own."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sessctl.admin import watch as module
from sessctl.admin.watch import Change, Pace, Watch, watch
from sessctl.errors import AccessDenied, Refused, StoreError, StoreUnreachable, UsageError
from sessctl.session import Expiry, Need, Query, Session
from tests.support.memory import NOW_MS, MemoryStore, session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

HOUR_MS = 3_600_000


class Ticking(MemoryStore):
    """A store whose clock can be moved, and which fails when it is told to."""

    def __init__(self, *sessions: Session) -> None:
        super().__init__(sessions)
        self.clock_ms = NOW_MS
        self.problems: list[Exception] = []  # one for each look to come
        self.breaks_at: int | None = None
        self.twice = False

    def now_ms(self) -> int:
        return self.clock_ms

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        if self.problems:
            raise self.problems.pop(0)
        for number, one in enumerate(list(self.sessions.values())):
            if number == self.breaks_at:
                raise StoreUnreachable("the store is gone")
            if query.matches(one, self.clock_ms):
                yield one
                if self.twice:
                    yield one

    def save(self, sid: str, raw: bytes | None = None, **more: Any) -> None:
        """Write a session, or write it anew."""
        old = self.sessions.get(sid) or session(sid)
        changes = {**more} if raw is None else {"raw": raw, **more}
        self.sessions[sid] = msgspec.structs.replace(old, **changes)


def told(watching: Watch) -> list[tuple[str, str, Any]]:
    return [(str(event.change), event.sid, event.changed) for event in watching.look()]


@pytest.fixture
def store() -> Ticking:
    return Ticking(
        session("a", user="42"), session("b", user="7"), session("c", left_ms=None, user="8")
    )


@pytest.fixture
def watching(store: Ticking) -> Watch:
    found = Watch(store, Query())
    assert told(found) == []
    return found


# -- what happens ----------------------------------------------------------------------------------


def test_the_first_look_is_silent_unless_it_is_asked_for(store: Ticking) -> None:
    assert told(Watch(store, Query(), initial=True)) == [
        ("appeared", "a", ()), ("appeared", "b", ()), ("appeared", "c", ()),
    ]  # fmt: skip


def test_nothing_happens(watching: Watch) -> None:
    assert (told(watching), told(watching), len(watching)) == ([], [], 3)


def test_a_session_appears(store: Ticking, watching: Watch) -> None:
    store.save("d", user="1")
    (event,) = watching.look()
    assert (event.change, event.sid, event.at_ms) == (Change.APPEARED, "d", NOW_MS)
    assert event.session is not None
    assert event.session.user == "1"
    assert told(watching) == []


def test_data_changes_and_the_paths_are_named(store: Ticking, watching: Watch) -> None:
    store.save("a", b'{"cookie":{},"user":"42","cart":[{"sku":1}],"b c":1}')
    assert told(watching) == [("changed", "a", ("data.cart", 'data["b c"]'))]
    store.save("a", b'{"cookie":{},"user":"42","cart":[{"sku":2}]}', expires_ms=NOW_MS + 1)
    assert told(watching) == [("changed", "a", ("data.cart[0].sku", 'data["b c"]'))]


@pytest.mark.parametrize("moved", [60_000, -60_000, None])
def test_only_the_end_moves(store: Ticking, watching: Watch, moved: int | None) -> None:
    if moved is None:
        store.save("a", expires_ms=None, expiry=Expiry.NEVER)
    else:
        store.save("a", expires_ms=NOW_MS + HOUR_MS + moved)
    assert told(watching) == [("renewed", "a", ())]
    assert told(watching) == []


def test_a_value_written_again_with_a_new_cookie_date_is_renewed(
    store: Ticking, watching: Watch
) -> None:
    raw = b'{"cookie":{"expires":"2027-01-15T09:00:00.000Z"},"user":"42"}'
    store.save("a", raw, expires_ms=NOW_MS + 2 * HOUR_MS)
    assert told(watching) == [("renewed", "a", ())]


def test_the_same_data_in_another_order_is_renewed(store: Ticking, watching: Watch) -> None:
    store.save("a", b'{"cookie":{},"x":1,"user":"42"}')
    assert told(watching) == [("changed", "a", ("data.x",))]
    store.save("a", b'{"cookie":{},"user":"42","x":1}', expires_ms=NOW_MS + 2 * HOUR_MS)
    assert told(watching) == [("renewed", "a", ())]


def test_a_clock_that_is_read_twice_renews_nothing(store: Ticking, watching: Watch) -> None:
    """Before Redis 7.0 the end is reckoned from two answers, and is a millisecond off."""
    store.save("a", expires_ms=NOW_MS + HOUR_MS + 2)
    assert told(watching) == []
    store.save("a", expires_ms=NOW_MS + HOUR_MS + 5)
    assert told(watching) == [("renewed", "a", ())]


def test_a_session_ends_before_its_time(store: Ticking, watching: Watch) -> None:
    del store.sessions["a"]
    (event,) = watching.look()
    assert (event.change, event.sid, event.expires_ms) == (Change.ENDED, "a", NOW_MS + HOUR_MS)
    assert event.session is not None  # as it was
    assert event.session.user == "42"
    assert (told(watching), len(watching)) == ([], 2)


def test_a_session_without_an_end_can_only_be_ended(store: Ticking, watching: Watch) -> None:
    del store.sessions["c"]
    store.clock_ms += 10**12
    assert ("ended", "c", ()) in told(watching)


def test_a_session_expires_where_its_store_keeps_it(store: Ticking, watching: Watch) -> None:
    store.clock_ms += HOUR_MS
    assert told(watching) == [("expired", "a", ()), ("expired", "b", ())]
    del store.sessions["a"]  # the library clears it away: that is no news
    assert told(watching) == []
    store.save("b", expires_ms=store.clock_ms + HOUR_MS)
    assert told(watching) == [("renewed", "b", ())]


def test_a_session_expires_where_its_store_removes_it(store: Ticking, watching: Watch) -> None:
    store.clock_ms += HOUR_MS
    del store.sessions["a"]
    assert told(watching)[-1] == ("expired", "a", ())


def test_its_time_may_come_while_the_store_is_looked_at(store: Ticking, watching: Watch) -> None:
    """Gone at the scan, and not over by the clock that the look began with."""
    store.clock_ms += HOUR_MS - 5
    del store.sessions["a"]
    get = store.get

    def later(sids: Sequence[str]) -> list[Session]:
        store.clock_ms += 10
        return get(sids)

    store.get = later  # type: ignore[method-assign]
    assert told(watching) == [("expired", "a", ())]


def test_what_was_over_at_the_first_look_is_no_news(store: Ticking) -> None:
    store.save("old", expires_ms=NOW_MS - 1)
    watching = Watch(store, Query())
    assert (told(watching), told(watching)) == ([], [])
    del store.sessions["old"]
    assert told(watching) == []


def test_a_scan_that_meets_a_session_twice_tells_it_once(store: Ticking, watching: Watch) -> None:
    store.twice = True
    store.save("a", b'{"cookie":{},"user":"43"}')
    store.save("d")
    assert told(watching) == [("changed", "a", ("data.user",)), ("appeared", "d", ())]


def test_data_that_cannot_be_read_has_no_paths(store: Ticking, watching: Watch) -> None:
    store.save("a", b'{"cookie":{}')
    assert told(watching) == [("changed", "a", None)]
    store.save("a", b'{"cookie":{},"user":"42"}')
    assert told(watching) == [("changed", "a", None)]


# -- a query ---------------------------------------------------------------------------------------


def test_a_session_that_matches_no_more_has_changed_and_not_ended(store: Ticking) -> None:
    watching = Watch(store, Query(user="42"))
    assert (told(watching), len(watching)) == ([], 1)
    store.save("a", b'{"cookie":{}}', user=None)  # logged out, and there still
    assert told(watching) == [("changed", "a", ("data.user",))]
    assert (told(watching), len(watching)) == ([], 0)
    store.save("b", b'{"cookie":{},"user":"42"}', user="42")
    assert told(watching) == [("appeared", "b", ())]


def test_an_active_session_that_expires_is_told_though_it_matches_no_more(store: Ticking) -> None:
    watching = Watch(store, Query(active=True))
    assert told(watching) == []
    store.clock_ms += HOUR_MS
    assert told(watching) == [("expired", "a", ()), ("expired", "b", ())]
    assert (told(watching), len(watching)) == ([], 1)


def test_what_leaves_a_query_by_the_clock_alone_goes_silently(store: Ticking) -> None:
    watching = Watch(store, Query(sids=("a", "b")))
    assert told(watching) == []
    watching._query = Query(sids=("b",))
    assert (told(watching), len(watching)) == ([], 1)


def test_a_session_that_a_scan_has_missed_is_still_there(store: Ticking, watching: Watch) -> None:
    """Written behind the scan's back: it is asked for by its id before it is called ended."""
    hidden = store.sessions.pop("a")
    store.get = lambda sids: [hidden]  # type: ignore[method-assign]
    assert (told(watching), len(watching)) == ([], 3)


# -- failures --------------------------------------------------------------------------------------


def test_an_error_is_never_the_end_of_sessions(store: Ticking, watching: Watch) -> None:
    store.save("a", b'{"cookie":{},"user":"43"}')
    store.breaks_at = 1
    events = watching.look()
    assert next(events).sid == "a"
    with pytest.raises(StoreUnreachable):
        next(events)
    store.breaks_at = None
    assert (told(watching), len(watching)) == ([], 3)


def test_an_error_while_the_missing_are_asked_for_loses_none(
    store: Ticking, watching: Watch
) -> None:
    get, gone = store.get, store.sessions.pop("a")

    def broken(sids: Sequence[str]) -> list[Session]:
        raise StoreUnreachable("the store is gone")

    store.get = broken  # type: ignore[method-assign]
    with pytest.raises(StoreUnreachable):
        list(watching.look())
    store.get = get  # type: ignore[method-assign]
    assert told(watching) == [("ended", gone.sid, ())]


class Time:
    """A clock that goes on when somebody sleeps, and things that happen at its moments."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []
        self.plans: list[tuple[float, Callable[[], object]]] = []

    def at(self, moment_s: float, plan: Callable[[], object]) -> None:
        self.plans.append((moment_s, plan))

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        for one in [one for one in self.plans if one[0] <= self.now_s]:
            self.plans.remove(one)
            one[1]()

    def pace(self, **more: Any) -> Pace:
        return Pace(**{"clock": self.clock, "sleep": self.sleep, "for_s": 600.0, **more})


def test_events_come_as_they_happen(store: Ticking) -> None:
    time = Time()
    time.at(1, lambda: store.save("d"))
    time.at(5, lambda: store.sessions.pop("a"))
    looks: list[int] = []
    found = watch(store, pace=time.pace(for_s=8.0), looked=looks.append)
    assert [(str(event.change), event.sid) for event in found] == [
        ("appeared", "d"),
        ("ended", "a"),
    ]
    assert (time.now_s, looks) == (8.0, [3, 4, 4, 3])
    assert max(time.slept) <= 0.25  # a signal is heard


def test_a_look_that_fails_is_told_and_made_again(store: Ticking) -> None:
    time, said = Time(), list[str]()
    time.at(1, lambda: store.problems.extend([StoreUnreachable("no connection")] * 3))
    time.at(3, lambda: store.save("d"))
    events = watch(store, pace=time.pace(), say=said.append)
    assert [event.sid for event in islice(events, 1)] == ["d"]
    assert said == [
        "no connection; looking again in 2s (1 of 5)",
        "no connection; looking again in 4s (2 of 5)",
        "no connection; looking again in 8s (3 of 5)",
    ]


def test_patience_ends(store: Ticking) -> None:
    time, said = Time(), list[str]()
    store.problems = [StoreUnreachable("no connection")] * 9
    with pytest.raises(StoreUnreachable, match="no connection"):
        list(watch(store, pace=time.pace(retries=2), say=said.append))
    assert (len(said), len(store.problems)) == (2, 6)


def test_patience_begins_anew_after_a_good_look(store: Ticking) -> None:
    time, said = Time(), list[str]()
    for moment in (1, 7, 13):
        time.at(moment, lambda: store.problems.append(StoreError("busy")))
    assert list(watch(store, pace=time.pace(for_s=30.0, retries=1), say=said.append)) == []
    assert len(said) == 3


def test_whoever_may_not_look_is_not_kept_waiting(store: Ticking) -> None:
    store.problems = [AccessDenied("no")]
    with pytest.raises(AccessDenied):
        list(watch(store, pace=Time().pace()))


def test_the_time_is_over_while_the_store_is_gone(store: Ticking) -> None:
    """What happened could not be found out: that is no good end."""
    time = Time()
    time.at(1, lambda: store.problems.extend([StoreUnreachable("no connection")] * 99))
    with pytest.raises(StoreUnreachable):
        list(watch(store, pace=time.pace(for_s=5.0)))
    assert time.now_s == 5.0


def test_a_long_look_hears_that_it_is_to_stop_and_misses_nobody() -> None:
    store = Many(5_000, b'{"cookie":{}}')
    watching, asked = Watch(store, Query()), list[bool]()
    assert list(watching.look()) == []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 3

    assert list(watching.look(stop)) == []
    assert (len(asked), len(watching)) == (3, 5_000)


@pytest.mark.parametrize("failing", [True, False])
def test_it_stops_when_it_is_told_to(store: Ticking, failing: bool) -> None:
    time, stopped = Time(), list[bool]()
    time.at(3, lambda: stopped.append(True))
    store.problems = [StoreUnreachable("no connection")] * (99 if failing else 0)
    assert list(watch(store, pace=time.pace(stop=lambda: bool(stopped)))) == []
    assert time.now_s < 4


def test_the_store_rests_as_long_as_a_look_takes(store: Ticking) -> None:
    time = Time()
    scan = store.scan

    def slow(query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        time.now_s += 10
        return scan(query, need)

    store.scan = slow  # type: ignore[method-assign]
    assert list(watch(store, pace=time.pace(for_s=40.0))) == []
    assert sum(time.slept) == 20


class Hinting(Ticking):
    """A store that tells of changes by itself, rightly or not."""

    def __init__(self, *sessions: Session) -> None:
        super().__init__(*sessions)
        self.capabilities = replace(self.capabilities, hints=True)
        self.hints = 0

    def heard(self) -> bool:
        self.hints -= 1
        return self.hints >= 0


def test_a_hint_lets_the_next_look_come_sooner() -> None:
    store, time = Hinting(session("a")), Time()
    time.at(1, lambda: (store.save("b"), setattr(store, "hints", 1)))
    (event,) = islice(watch(store, pace=time.pace(every_s=60)), 1)
    assert (event.sid, time.now_s) == ("b", 1)


def test_hints_without_end_leave_the_store_its_rest() -> None:
    store, time, looks = Hinting(session("a")), Time(), list[int]()
    store.hints = 10**6
    assert list(watch(store, pace=time.pace(every_s=60, for_s=5.0), looked=looks.append)) == []
    assert len(looks) == 10


def test_without_a_hint_the_look_comes_all_the_same() -> None:
    store, time = Hinting(session("a")), Time()
    time.at(1, lambda: store.save("b"))
    (event,) = islice(watch(store, pace=time.pace(every_s=3)), 1)
    assert (event.sid, time.now_s) == ("b", 3)


@pytest.mark.parametrize("every_s", [0.0, 0.1, 0.49])
def test_looks_too_close_to_each_other_are_refused(every_s: float) -> None:
    with pytest.raises(UsageError, match="would not let the store rest"):
        Pace(every_s)


# -- memory ----------------------------------------------------------------------------------------


def test_too_many_sessions_are_refused(store: Ticking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    with pytest.raises(Refused, match="more than 2 sessions match"):
        list(Watch(store, Query()).look())


def test_what_changed_is_not_known_of_what_is_not_kept(
    store: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", 1000)  # one session
    watching = Watch(store, Query())
    assert told(watching) == []
    store.save("a", b'{"cookie":{},"user":"43"}')
    assert told(watching) == [("changed", "a", None)]
    store.save("a", b'{"cookie":{},"user":"44"}')
    assert told(watching) == [("changed", "a", ("data.user",))]  # it is the latest now
    del store.sessions["b"]
    (event,) = watching.look()
    assert (event.change, event.sid, event.session) == (Change.ENDED, "b", None)
    assert event.expires_ms == NOW_MS + HOUR_MS


def test_a_renewal_is_one_though_the_session_is_not_kept(
    store: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", 1)
    watching = Watch(store, Query())
    assert told(watching) == []
    raw = b'{"cookie":{"expires":"2027-01-15T09:00:00.000Z"},"user":"42"}'
    store.save("a", raw, expires_ms=NOW_MS + 2 * HOUR_MS)
    assert told(watching) == [("renewed", "a", ())]


class Many(Ticking):
    """So many sessions, none of which is held."""

    def __init__(self, count: int, raw: bytes) -> None:
        super().__init__()
        self._count, self._raw = count, raw

    def scan(self, query: Query, need: Need = Need.ALL) -> Iterator[Session]:
        for number in range(self._count):
            sid = f"{number:032d}"
            yield msgspec.structs.replace(session(sid), raw=bytes(bytearray(self._raw)))


def test_a_session_takes_300_bytes_at_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", 0)
    few, many = (_peak(Many(count, b'{"cookie":{}}')) for count in (1_000, 9_000))
    print(f"{(many - few) / 8_000:.0f} bytes a session")
    assert (many - few) / 8_000 < 300


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_BYTES", 2**20)
    assert _peak(Many(5_000, b'{"cookie":{}}' + b" " * 2000)) < 2**20 + 5_000 * 300 + 2**18


def _peak(store: Many) -> int:
    watching = Watch(store, Query())
    tracemalloc.start()
    try:
        for _ in range(2):
            assert list(watching.look()) == []
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
