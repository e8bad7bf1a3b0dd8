"""What a run is about to do, and the guards that judge it before the first write."""

from __future__ import annotations

import pytest

from sessctl.admin.clock import measure_skew
from sessctl.admin.plan import Permissions, Plan, check_guards, check_query, make_plan
from sessctl.errors import GuardRefused, UsageError
from sessctl.session import Expiry, Query
from tests.support.memory import NOW_MS, MemoryStore, session

ALL = Query(everything=True)
EXPIRED = Query(expired=True)
NONE = Permissions()


def live(count: int):
    return [session(f"live{i}") for i in range(count)]


def over(count: int):
    return [session(f"over{i}", left_ms=-1000 * (i + 1)) for i in range(count)]


def by_cookie_date(sid: str, left_ms: int = -1000):
    import msgspec

    return msgspec.structs.replace(session(sid, left_ms=left_ms), expiry=Expiry.COOKIE_DATE)


def guard_of(
    plan: Plan, store: MemoryStore, permissions: Permissions = NONE, *, by_rule: bool = True
):
    """The guard that refuses, or None."""
    try:
        check_guards(plan, store, permissions, by_rule=by_rule)
    except GuardRefused as refused:
        return refused.guard if refused.hint else "no hint"
    return None


def test_a_plan_counts_and_samples() -> None:
    store = MemoryStore([*live(3), *over(4), session("never", left_ms=None)])
    plan = make_plan(store, ALL, NONE)
    assert (plan.matches, plan.live, plan.store_total, plan.exact) == (8, 4, 8, True)
    assert (plan.oldest_ms, plan.newest_ms) == (NOW_MS - 4000, NOW_MS + 3_600_000)
    assert plan.samples == ["live0", "live1", "live2"]
    assert plan.share == 1.0
    assert 0 < plan.journal_bytes < 8 * 64  # values of 23 bytes: their ids weigh more


def test_the_share_is_of_the_sessions_and_not_of_all_keys() -> None:
    """An estimate may count what is no session: other keys of the same Redis."""
    store = MemoryStore(live(500))
    store.estimate = lambda: 100_000
    plan = make_plan(store, ALL, NONE)
    assert (plan.store_total, guard_of(plan, store)) == (500, "share")


def test_named_sessions_take_no_sample_of_the_store() -> None:
    store = MemoryStore(live(50))
    plan = make_plan(store, Query(sids=("live1",)), NONE)
    assert (plan.matches, plan.sampled) == (1, 0)


def test_an_empty_store_is_no_division_by_zero() -> None:
    plan = make_plan(MemoryStore(), EXPIRED, NONE)
    assert (plan.matches, plan.share, plan.live_share, plan.journal_bytes) == (0, 0.0, 0.0, 0)
    assert guard_of(plan, MemoryStore()) is None


def test_what_only_a_cookie_date_condemns_is_counted_and_left() -> None:
    store = MemoryStore([*over(2), by_cookie_date("c")])
    plan = make_plan(store, EXPIRED, NONE)
    assert (plan.matches, plan.left_no_ttl) == (2, 1)


@pytest.mark.parametrize(
    "permissions",
    [Permissions(no_ttl_by_cookie_date=True), Permissions(forced=frozenset({"no-ttl"}))],
)
def test_the_owner_may_have_cookie_dates_believed(permissions: Permissions) -> None:
    plan = make_plan(MemoryStore([*over(2), by_cookie_date("c")]), EXPIRED, permissions)
    assert (plan.matches, plan.by_cookie_date, plan.left_no_ttl) == (3, 1, 0)


def test_a_plan_writes_nothing() -> None:
    store = MemoryStore([*live(3), *over(3)])
    make_plan(store, ALL, NONE)
    assert store.deletes == []
    assert len(store.sessions) == 6


class TestBoundedCount:
    @pytest.mark.parametrize(("count", "exact"), [(10_000, True), (10_001, False)])
    def test_at_its_edge(self, count: int, exact: bool) -> None:
        plan = make_plan(MemoryStore(over(count)), EXPIRED, NONE)
        assert (plan.matches, plan.exact) == (10_000, exact)

    def test_beyond_it_a_sample_is_scaled(self) -> None:
        plan = make_plan(MemoryStore(over(12_000)), EXPIRED, NONE)
        assert plan.estimated == 12_000
        assert plan.share == 1.0

    def test_exact_counts_all(self) -> None:
        plan = make_plan(MemoryStore(over(10_500)), EXPIRED, NONE, exact=True)
        assert (plan.matches, plan.exact) == (10_500, True)


class TestGuards:
    def test_no_filter_is_not_all(self) -> None:
        with pytest.raises(UsageError, match="needs a query"):
            check_query(Query())
        check_query(ALL)
        check_query(EXPIRED)

    @pytest.mark.parametrize(("count", "guard"), [(10_000, None), (10_001, "max-delete")])
    def test_many_live_sessions_need_a_number(self, count: int, guard: str | None) -> None:
        plan = Plan(matches=count, live=count, store_total=10**6, sampled=1, recognised=1)
        assert guard_of(plan, MemoryStore()) == guard
        assert guard_of(plan, MemoryStore(), Permissions(max_delete=20_000)) is None

    @pytest.mark.parametrize(
        ("live_count", "total", "guard"),
        [(100, 200, None), (101, 1010, None), (101, 1009, "share"), (101, 101, "share")],
    )
    def test_a_large_share_of_live_sessions_needs_a_word(self, live_count, total, guard) -> None:
        plan = Plan(matches=live_count, live=live_count, store_total=total, sampled=1, recognised=1)
        assert guard_of(plan, MemoryStore()) == guard
        assert guard_of(plan, MemoryStore(), by_rule=False) is None
        assert guard_of(plan, MemoryStore(), Permissions(forced=frozenset({"share"}))) is None
        assert guard_of(plan, MemoryStore(), Permissions(max_delete=101)) is None

    def test_expired_sessions_are_no_share(self) -> None:
        assert (
            guard_of(make_plan(MemoryStore([*over(500), *live(1)]), EXPIRED, NONE), MemoryStore())
            is None
        )

    def test_a_store_of_strangers_is_the_wrong_store(self) -> None:
        store = MemoryStore(over(3), recognised=False)
        plan = make_plan(store, EXPIRED, NONE)
        assert guard_of(plan, store) == "wrong-store"
        assert guard_of(plan, store, Permissions(forced=frozenset({"wrong-store"}))) is None
        assert guard_of(plan, store, by_rule=False) is None

    def test_a_delete_that_sets_off_more_is_refused_by_rule_and_by_name(self) -> None:
        store = MemoryStore(over(3), cascades="trigger audit")
        plan = make_plan(store, EXPIRED, NONE)
        assert guard_of(plan, store) == "cascade"
        assert guard_of(plan, store, by_rule=False) == "cascade"
        assert guard_of(plan, store, Permissions(forced=frozenset({"cascade"}))) is None

    @pytest.mark.parametrize(("count", "guard"), [(110, None), (111, "expect")])
    def test_a_count_that_has_grown_by_a_tenth_is_refused(self, count: int, guard) -> None:
        store = MemoryStore([*live(1), *over(count)])
        plan = make_plan(store, EXPIRED, NONE)
        assert guard_of(plan, store, Permissions(expect=100)) == guard

    def test_one_word_lifts_one_guard(self) -> None:
        store = MemoryStore(over(3), cascades="trigger audit", recognised=False)
        plan = make_plan(store, EXPIRED, NONE)
        assert guard_of(plan, store, Permissions(forced=frozenset({"cascade"}))) == "wrong-store"


@pytest.mark.parametrize(
    ("ours", "extra", "note"),
    [
        ([NOW_MS, NOW_MS], 0, None),
        ([NOW_MS - 3_600_000] * 2, 3_600_000, "the store's clock is 1h ahead of this machine's"),
        ([NOW_MS + 3_600_000] * 2, 0, "the store's clock is 1h behind this machine's"),
        ([NOW_MS - 4000] * 2, 4000, None),
        ([NOW_MS - 10_000, NOW_MS + 10_000], 0, None),  # a slow network is no skew
    ],
)
def test_a_store_that_is_ahead_adds_to_the_grace(
    ours: list[int], extra: int, note: str | None
) -> None:
    ticks = iter(ours)
    skew = measure_skew(MemoryStore(), lambda: next(ticks))
    assert (skew.extra_grace_ms, skew.note) == (extra, note)


class TestExpiriesThatCannotBeRight:
    def test_a_store_in_which_all_is_over_is_suspicious(self) -> None:
        for count, guard in ((99, None), (100, "zone")):
            store = MemoryStore(over(count))
            plan = make_plan(store, EXPIRED, NONE)
            assert guard_of(plan, store) == guard
            assert guard_of(plan, store, Permissions(frozenset({"zone"}))) is None

    def test_one_live_session_is_enough(self) -> None:
        store = MemoryStore([*over(2_000), *live(1)])
        assert guard_of(make_plan(store, EXPIRED, NONE), store) is None

    def test_another_query_does_not_ask(self) -> None:
        store = MemoryStore(over(200))
        assert guard_of(make_plan(store, ALL, NONE), store) is None

    @pytest.mark.parametrize("left_ms", [-NOW_MS + 5_000, 5_000_000_000_000])
    def test_expiries_outside_of_this_century_are_another_unit(self, left_ms: int) -> None:
        store = MemoryStore([session(f"s{i}", left_ms=left_ms) for i in range(3)])
        plan = make_plan(store, EXPIRED, NONE)
        everything = frozenset({"zone", "share", "wrong-store", "no-ttl", "cascade"})
        assert guard_of(plan, store, Permissions(everything, max_delete=10)) == "unit"
