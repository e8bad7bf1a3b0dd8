"""Ending sessions page by page: journalled before, counted after, and honest about the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import JournalWriter, open_journal
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal
from sessctl.admin.restore import Restore
from sessctl.errors import Refused, StoreError, UsageError
from sessctl.session import Expiry, Query
from sessctl.stores.base import Outcome
from tests.support.memory import NOW_MS, MemoryStore, session
from tests.unit.test_plan import by_cookie_date, live, over

if TYPE_CHECKING:
    from pathlib import Path

EXPIRED, ALL = Query(expired=True), Query(everything=True)
HEAD = {"command": "purge", "backend": "prod"}


def writer_for(store: MemoryStore, folder: Path) -> JournalWriter:
    return JournalWriter(folder / "journals", {**HEAD, "store": store.identity.as_dict()})


def purge(
    store: MemoryStore, query: Query = EXPIRED, journal: JournalWriter | None = None, **options
):
    stop = options.pop("stop", None)
    run = Removal(store, journal, **options)
    run.stop = stop or run.stop
    for _ in run.purge(query):
        pass
    return run.summary


def expire(store: MemoryStore, *sids: str, user: str | None = None, **options):
    run = Removal(store, None, **options)
    for _ in run.expire(sids, user):
        pass
    return run.summary


class TestPurge:
    def test_only_what_matches_goes(self) -> None:
        store = MemoryStore([*live(3), *over(4)])
        summary = purge(store)
        assert set(store.sessions) == {"live0", "live1", "live2"}
        assert (summary.counts, summary.ended, summary.complete) == ({"deleted": 4}, 4, True)

    def test_renewed_sessions_are_left_and_counted(self) -> None:
        store = MemoryStore(over(3), renewed_during_delete={"over1": 1})
        summary = purge(store)
        assert set(store.sessions) == {"over1"}
        assert summary.counts == {"deleted": 2, "changed": 1}
        assert summary.complete

    def test_cookie_dates_alone_condemn_nothing(self) -> None:
        store = MemoryStore([*over(1), by_cookie_date("c")])
        purge(store)
        assert set(store.sessions) == {"c"}
        purge(store, permissions=Permissions(no_ttl_by_cookie_date=True))
        assert not store.sessions

    def test_every_page_is_in_the_journal_before_it_is_deleted(self, tmp_path: Path) -> None:
        store = MemoryStore(over(7), page_size=3)
        journal = writer_for(store, tmp_path)
        seen = []
        store.before_delete = lambda: seen.append(
            sum(len(page.sessions) for page in open_journal(journal.path).pages())
        )
        purge(store, journal=journal)
        assert seen == [3, 6, 7]
        found = open_journal(journal.path).summary()
        assert (found.sessions, found.complete, found.counts) == (7, True, {"deleted": 7})

    def test_a_failed_read_is_incomplete_and_not_the_end(self, tmp_path: Path) -> None:
        store = MemoryStore(over(7), page_size=2, fail_after=5)
        journal = writer_for(store, tmp_path)
        summary = purge(store, journal=journal)
        assert isinstance(summary.error, StoreError)
        assert not summary.complete
        assert summary.ended == 4
        assert open_journal(journal.path).summary().complete is False

    def test_a_failed_delete_is_incomplete_and_its_page_uncertain(self, tmp_path: Path) -> None:
        store = MemoryStore(over(2))

        def break_down() -> None:
            raise StoreError("the store broke down")

        store.before_delete = break_down
        journal = writer_for(store, tmp_path)
        summary = purge(store, journal=journal)
        assert summary.error is not None
        assert (summary.counts, summary.uncertain, summary.complete) == ({"failed": 2}, 2, False)
        (page,) = open_journal(journal.path).pages()
        assert page.outcomes == [Outcome.FAILED, Outcome.FAILED]

    def test_it_stops_between_pages_when_asked(self, tmp_path: Path) -> None:
        store = MemoryStore(over(7), page_size=2)
        journal = writer_for(store, tmp_path)
        summary = purge(store, journal=journal, stop=lambda: len(store.deletes) == 2)
        assert (summary.stopped, summary.complete, summary.ended) == ("interrupted", False, 4)
        assert [p.outcomes is not None for p in open_journal(journal.path).pages()] == [True, True]


class TestCeiling:
    @pytest.mark.parametrize(
        ("ceiling", "ended", "stopped"),
        [(0, 0, True), (3, 3, True), (4, 4, True), (7, 7, False), (8, 7, False)],
    )
    def test_max_delete_stops_exactly_there(self, ceiling: int, ended: int, stopped: bool) -> None:
        store = MemoryStore(over(7), page_size=2)
        summary = purge(store, permissions=Permissions(max_delete=ceiling))
        assert (summary.ended, summary.complete) == (ended, not stopped)
        assert (summary.stopped == f"--max-delete {ceiling} is reached") is stopped

    def test_sessions_that_were_left_do_not_count(self) -> None:
        store = MemoryStore(over(4), page_size=2, renewed_during_delete={"over0": 1})
        assert purge(store, permissions=Permissions(max_delete=3)).ended == 3

    def test_ten_thousand_live_sessions_are_the_end_without_a_number(self) -> None:
        store = MemoryStore(live(10_300))
        summary = purge(store, ALL, permissions=Permissions(frozenset({"share"})))
        assert summary.ended == 10_000
        assert "without --max-delete" in (summary.stopped or "")
        assert not summary.complete

    def test_a_rule_that_comes_to_end_a_large_part_stops_there(self) -> None:
        store = MemoryStore([*live(1_500), *over(500)], page_size=100)
        summary = purge(store, ALL)
        assert (summary.ended, summary.complete) == (200, False)  # a tenth of 2 000
        assert "--force=share" in (summary.stopped or "")

    def test_a_person_may_have_any_part_of_the_sessions(self) -> None:
        store = MemoryStore([session(f"s{i}", user="7") for i in range(150)], page_size=100)
        summary = expire(store, user="7")
        assert (summary.ended, summary.complete) == (150, True)


class TestExpire:
    def test_the_named_go_and_the_missing_are_told(self) -> None:
        store = MemoryStore(live(3))
        summary = expire(store, "live1", "nobody")
        assert set(store.sessions) == {"live0", "live2"}
        assert summary.counts == {"deleted": 1, "gone": 1}

    def test_naming_one_twice_ends_it_once(self) -> None:
        summary = expire(MemoryStore(live(1)), "live0", "live0")
        assert summary.counts == {"deleted": 1}

    def test_all_of_a_user_go_and_nobody_else(self) -> None:
        store = MemoryStore(
            [session("a", user="7"), session("b", user="8"), session("c", user="7")]
        )
        assert expire(store, user="7").counts == {"deleted": 2}
        assert set(store.sessions) == {"b"}

    @pytest.mark.parametrize(
        ("renewals", "outcome"), [(1, "deleted"), (4, "deleted"), (5, "changed")]
    )
    def test_a_person_who_keeps_clicking_is_tried_five_times(
        self, renewals: int, outcome: str
    ) -> None:
        store = MemoryStore(live(2), renewed_during_delete={"live0": renewals})
        summary = expire(store, "live0", "live1")
        assert summary.counts == (
            {"deleted": 2} if outcome == "deleted" else {"deleted": 1, "changed": 1}
        )
        assert len(store.deletes) == min(renewals + 1, 5)

    def test_a_session_that_changed_hands_meanwhile_is_not_ended(self) -> None:
        store = MemoryStore([session("a", user="7")], renewed_during_delete={"a": 1})

        def another_person_logs_in() -> None:
            store.sessions["a"] = session("a", user="8")

        store.before_delete = another_person_logs_in
        summary = expire(store, user="7")
        assert (summary.counts, summary.complete) == ({"gone": 1}, True)
        assert store.sessions["a"].user == "8"

    @pytest.mark.parametrize("sids", [[], ["a"]])
    def test_ids_or_a_user_have_to_be_said(self, sids: list[str]) -> None:
        with pytest.raises(UsageError):
            Removal(MemoryStore(live(2)), None).expire(sids, "7" if sids else None)

    def test_every_try_is_journalled(self, tmp_path: Path) -> None:
        store = MemoryStore(live(1), renewed_during_delete={"live0": 2})
        journal = writer_for(store, tmp_path)
        for _ in Removal(store, journal).expire(["live0"]):
            pass
        assert [p.outcomes for p in open_journal(journal.path).pages()] == [
            ["changed"], ["changed"], ["deleted"],
        ]  # fmt: skip


class TestRestore:
    def journalled(self, store: MemoryStore, folder: Path, query: Query = ALL):
        journal = writer_for(store, folder)
        purge(store, query, journal=journal)
        return open_journal(journal.path)

    def run(self, store: MemoryStore, journal, **options) -> Restore:
        undo = Restore(store, journal, **options)
        undo.check_store()
        for _ in undo.run():
            pass
        return undo

    def test_everything_comes_back_and_twice_changes_nothing(self, tmp_path: Path) -> None:
        store = MemoryStore([*live(5), session("never", left_ms=None)], page_size=2)
        before = {sid: (one.raw, one.expires_ms) for sid, one in store.sessions.items()}
        journal = self.journalled(store, tmp_path)
        assert not store.sessions
        assert self.run(store, journal).counts == {"restored": 6}
        assert {sid: (one.raw, one.expires_ms) for sid, one in store.sessions.items()} == before
        assert self.run(store, journal).counts == {"present": 6}

    def test_a_store_that_is_lost_in_the_middle_is_told(self, tmp_path: Path) -> None:
        store = MemoryStore(live(5), page_size=2)
        journal = self.journalled(store, tmp_path)
        whole, puts = store.put, []

        def put(sessions):
            puts.append(len(sessions))
            if len(puts) == 2:
                raise StoreError("the store broke down")
            return whole(sessions)

        store.put = put
        undo = self.run(store, journal)
        assert (undo.counts, undo.complete) == ({"restored": 1, "failed": 2}, False)
        assert undo.error is not None
        assert puts == [1, 2]

    def test_nothing_newer_is_overwritten(self, tmp_path: Path) -> None:
        store = MemoryStore(live(2))
        journal = self.journalled(store, tmp_path)
        newer = session("live0", user="again")
        store.sessions["live0"] = newer
        assert self.run(store, journal).counts == {"newer": 1, "restored": 1}
        assert store.sessions["live0"] is newer

    def test_what_the_run_did_not_end_does_not_come_back(self, tmp_path: Path) -> None:
        store = MemoryStore(live(2), renewed_during_delete={"live0": 1})
        journal = self.journalled(store, tmp_path)
        del store.sessions["live0"]  # the application ended it since
        assert self.run(store, journal).counts == {"restored": 1}
        assert set(store.sessions) == {"live1"}

    def test_lapsed_sessions_stay_away_unless_asked_for(self, tmp_path: Path) -> None:
        store = MemoryStore([*live(1), *over(2)])
        journal = self.journalled(store, tmp_path)
        plan = Restore(store, journal).plan()
        assert (plan.sessions, plan.live, plan.lapsed) == (3, 1, 2)
        assert self.run(store, journal).counts == {"restored": 1, "lapsed": 2}
        assert self.run(store, journal, lapsed=True).counts == {"restored": 2, "present": 1}

    def test_a_new_lifetime_counts_from_the_stores_now(self, tmp_path: Path) -> None:
        from datetime import timedelta

        store = MemoryStore(over(1))
        journal = self.journalled(store, tmp_path)
        self.run(store, journal, ttl=timedelta(hours=1))
        assert store.sessions["over0"].expires_ms == NOW_MS + 3_600_000
        assert store.sessions["over0"].expiry is Expiry.STORE

    @pytest.mark.parametrize(("certain_only", "count"), [(False, 1), (True, 0)])
    def test_an_uncertain_page_is_counted_apart_or_left(
        self, tmp_path, certain_only, count
    ) -> None:
        store = MemoryStore()
        journal = writer_for(store, tmp_path)
        journal.page(store, [session("a")])
        journal.close()
        undo = self.run(store, open_journal(journal.path), certain_only=certain_only)
        assert (undo.counts["restored"], undo.uncertain) == (count, count)

    def test_the_journal_of_another_store_is_refused(self, tmp_path: Path) -> None:
        store = MemoryStore(live(1))
        journal = self.journalled(store, tmp_path)
        with pytest.raises(Refused, match="the journal is of another store: database '0', not '1'"):
            self.run(store.belonging_to("1"), journal)
        assert not store.sessions
