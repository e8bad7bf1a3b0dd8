"""S7: the last milliseconds of a session are journalled, restored and copied as they are.

Nothing here may live longer than before: not by rounding, and not because its time ran out between
being read and being written, which must mean "gone" and never "no expiry".
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from sessctl import copy_sessions
from sessctl.admin.journal import JournalWriter, list_journals, open_journal
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal
from sessctl.admin.restore import Restore
from sessctl.session import Query
from sessctl.stores.base import Outcome
from sessctl.stores.opening import open_store
from tests.faults.stores import sid, stored
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.faults.stores import RedisSubject, SqliteSubject

ALL = Permissions(max_delete=10**9)
MOST_MS = 600
AT_ONCE = 60


def server_ms(subject: RedisSubject) -> int:
    seconds, micros = subject.client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def brief(subject: RedisSubject, rng: Random) -> dict[bytes, int]:
    """Sessions with 1 to 600 ms left: key -> when they end."""
    now = server_ms(subject)
    ends = {f"sess:{sid(rng)}".encode(): now + rng.randint(1, MOST_MS) for _ in range(AT_ONCE)}
    with subject.client.pipeline(transaction=False) as pipe:
        for key, end in ends.items():
            pipe.execute_command("SET", key, stored(rng), "PXAT", end)
        pipe.execute()
    return ends


def check(subject: RedisSubject, ends: dict[bytes, int], *, db: int = 0) -> int:
    """Each is gone or ends when it did; how many are there still."""
    subject.client.select(db)
    try:
        for key, (_, _, end) in subject.contents().items():
            assert end == ends[key], f"{end - ends[key]} ms longer" if end >= 0 else "immortal"
        return len(subject.client.keys())
    finally:
        subject.client.select(0)


def wait_until_over(subject: RedisSubject) -> None:
    """Until the server's clock has passed every one of them."""
    over = server_ms(subject) + MOST_MS + 1
    while server_ms(subject) < over:
        pass


def purge_and_restore(subject: RedisSubject, folder: Path, counts: Counter[str]) -> None:
    """Through a journal, as the commands do it."""
    with subject.open() as store:
        run = Removal(store, JournalWriter(folder, {"command": "purge"}), permissions=ALL)
        for page in run.purge(Query(everything=True)):
            counts.update(result.outcome.value for result in page)
        found = list_journals(folder)
        if found:
            undo = Restore(store, open_journal(found[0]))
            for page in undo.run():
                counts.update(result.outcome.value for result in page)


def copy(subject: RedisSubject, folder: Path, counts: Counter[str]) -> None:
    """To another database."""
    target = subject.url.replace("/0?", "/1?")
    with subject.open() as store, open_store(target, write=True) as other:
        counts.update(copy_sessions(store, other, journals=folder).counts)


def run_rounds(subject: RedisSubject, folder: Path, rng: Random, *, rounds: int) -> None:
    counts: Counter[str] = Counter()
    alive = 0
    for number in range(rounds):
        ends = brief(subject, rng)
        if number % 2:
            copy(subject, folder, counts)
            alive += check(subject, ends, db=1)
        else:
            purge_and_restore(subject, folder / str(number), counts)
        alive += check(subject, ends)
        subject.client.flushall()
    # And once more, to the end: nothing is left.
    ends = brief(subject, rng)
    copy(subject, folder, counts)
    purge_and_restore(subject, folder / "last", counts)
    wait_until_over(subject)
    assert check(subject, {}) == check(subject, {}, db=1) == 0
    print(f"{rounds * AT_ONCE} brief lives: {dict(counts)}, {alive} alive afterwards, 0 immortal")
    assert counts["stored"] > rounds
    assert counts["copied"] > rounds
    assert alive > rounds


def test_a_brief_life_stays_brief(redis_subject, tmp_path, rng) -> None:
    run_rounds(redis_subject, tmp_path, rng, rounds=24)


@pytest.mark.long
def test_ten_thousand_brief_lives_stay_brief(redis_subject, tmp_path, rng) -> None:
    run_rounds(redis_subject, tmp_path, rng, rounds=180)


@pytest.mark.parametrize("left_ms", [0, -1, -5000])
def test_what_is_over_is_not_put(redis_subject, rng, left_ms) -> None:
    """Redis would take the instant; a session must not be there for even a moment."""
    with redis_subject.open() as store:
        name = sid(rng)
        redis_subject.engine.save(name.encode(), stored(rng), now_ms() + 60_000)
        [session] = store.get([name])
        frozen = {"sid": name, **store.freeze(session)}
        redis_subject.client.flushall()
        gone = store.thaw(frozen, expires_ms=store.now_ms() + left_ms)
        assert [r.outcome for r in store.put([gone])] == [Outcome.LAPSED]
    assert redis_subject.contents() == {}


def test_time_that_runs_out_while_putting_is_not_eternity(redis_subject, rng) -> None:
    """A page is put one by one: its last ones may have ended when their turn comes."""
    with redis_subject.open() as store:
        now = server_ms(redis_subject)
        with redis_subject.client.pipeline(transaction=False) as pipe:
            for number in range(2000):
                pipe.execute_command(
                    "SET", f"sess:{sid(rng)}", stored(rng), "PXAT", now + 5000 + number % 40
                )
            pipe.execute()
        frozen = [{"sid": s.sid, **store.freeze(s)} for s in store.scan(Query())]
        redis_subject.client.flushall()
        soon = store.now_ms()
        put = store.put(
            [
                store.thaw(item, expires_ms=soon + 1 + number // 20)
                for number, item in enumerate(frozen)
            ]
        )
        for _, _, end in redis_subject.contents().values():
            assert soon < end <= soon + 1 + 2000 // 20
        wait_until_over(redis_subject)
    words = Counter(result.outcome.value for result in put)
    assert set(words) <= {"stored", "failed", "lapsed"}
    assert redis_subject.contents() == {}


def test_rows_keep_their_expiry_to_the_millisecond(
    sqlite_subject: SqliteSubject, tmp_path, rng
) -> None:
    """SQLite ends nothing by itself: what lapses in between stays away, the rest is as it was."""
    stayed = back = 0
    for number in range(12):
        sqlite_subject.client.execute("DELETE FROM sessions")
        start = now_ms()
        rows = [
            (sid(rng), kind(start + rng.randint(1, MOST_MS)), stored(rng).decode())
            for kind in (int, float)
            for _ in range(AT_ONCE)
        ]
        sqlite_subject.client.executemany("INSERT INTO sessions VALUES (?, ?, ?)", rows)
        original = sqlite_subject.contents()
        folder = tmp_path / str(number)
        with sqlite_subject.open() as store:
            run = Removal(store, JournalWriter(folder, {"command": "purge"}), permissions=ALL)
            ended = [r for page in run.purge(Query(everything=True)) for r in page]
            assert {r.outcome for r in ended} == {Outcome.DELETED}
            undo = Restore(store, open_journal(list_journals(folder)[0]))
            list(undo.run())
        left = sqlite_subject.contents()
        assert all(original[key] == cells for key, cells in left.items())
        assert len(left) == undo.counts["restored"] == len(original) - undo.counts["lapsed"]
        back += len(left)
        stayed += undo.counts["lapsed"]
    print(f"{back} came back as they were, {stayed} had lapsed and stayed away")
    assert back
