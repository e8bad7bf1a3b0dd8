"""S1: a session that is renewed after it was read survives, however it was renewed.

Two rules take turns. `expired`: rows whose date has passed, keys without TTL that only the date
inside condemns; the server judges again. `ending`: sessions that end within the hour; nothing but
the comparison with what was read protects them.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sessctl.admin.journal import JournalWriter
from sessctl.admin.plan import Permissions
from sessctl.admin.removal import Removal
from sessctl.session import Query
from tests.faults.renewer import Log, Renewers
from tests.faults.stores import HOUR_MS, FilesSubject, sid, stored
from tests.support.engines import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

    from tests.faults.stores import Subject

    Purge = Callable[[Subject, str, Path], Counter[str]]

SESSIONS = 3_000
ROUNDS = 20
GRACE_MS = 60_000

RULES = {
    "expired": Query(expired=True, grace_ms=GRACE_MS),
    "ending": Query(expires_within=timedelta(hours=1)),
}


def fill(subject: Subject, rule: str, rng: Random) -> list[str]:
    """Sessions that the rule selects until they are renewed."""
    new_sid = subject.sid if isinstance(subject, FilesSubject) else sid
    sids = [new_sid(rng) for _ in range(SESSIONS)]
    ends = now_ms() + (-HOUR_MS if rule == "expired" else HOUR_MS // 2)
    # What Redis itself ends is never expired: only the date inside says so.
    stays = rule == "expired" and subject.name == "redis"
    subject.replace([(name, stored(rng, ends_ms=ends), None if stays else ends) for name in sids])
    return sids


def careful(subject: Subject, rule: str, folder: Path) -> Counter[str]:
    """sessctl's own purge, with its journal."""
    with subject.open() as store:
        journal = JournalWriter(folder / "journals", {"command": "purge", "backend": "x"})
        run = Removal(
            store,
            journal,
            permissions=Permissions(frozenset({"share"}), no_ttl_by_cookie_date=True),
            grace_ms=GRACE_MS if rule == "expired" else None,
        )
        outcomes = {r.sid: r.outcome.value for page in run.purge(RULES[rule]) for r in page}
    assert run.summary.complete, run.summary
    assert sum(run.summary.counts.values()) == len(outcomes)
    return Counter(outcomes.values())


def naive(subject: Subject, rule: str, folder: Path) -> Counter[str]:
    """What everybody writes first: read a page, judge it, delete it by its ids."""
    with subject.engine.open() as store:
        page = [one.sid for one in store.scan(RULES[rule])]
    deleted = sum(subject.remove(page[start : start + 500]) for start in range(0, len(page), 500))
    return Counter(deleted=deleted)


def purge_once(
    subject: Subject, renewers: Renewers, purge: Purge, rule: str, folder: Path, rng: Random
) -> tuple[Counter[str], Log, list[str]]:
    """One purge against the renewers: outcomes, what they did, live sessions that are gone."""
    sids = fill(subject, rule, rng)
    # A new value under an old TTL renews nothing: only the date inside says that it lives.
    only = rule == "expired" and subject.name == "redis"
    renewers.start(sids, rng.randrange(2**32), value_only=only)
    counts = purge(subject, rule, folder)
    log = renewers.stop()
    now = subject.sessions()
    return counts, log, [name for name in log.last if name not in now]


def check_values(subject: Subject, log: Log) -> None:
    """What survived is what the application last wrote, to the byte and the millisecond."""
    now = subject.sessions()
    for name, (raw, ends) in log.last.items():
        value, expires = now[name]
        assert raw is None or value == raw.encode()
        assert ends is None or expires == ends
    assert set(now) >= set(log.last)


def run_rounds(
    subject: Subject, folder: Path, rng: Random, *, processes: int, rounds: int = ROUNDS
) -> None:
    total, renewed, missed, purging_s = Counter[str](), 0, 0, 0.0
    with Renewers(subject.url, processes) as renewers:
        for number in range(rounds):
            rule = list(RULES)[number % 2]
            started = time.monotonic()
            counts, log, lost = purge_once(subject, renewers, careful, rule, folder, rng)
            purging_s += time.monotonic() - started
            assert not lost, f"{len(lost)} live sessions were ended by rule {rule}"
            assert not log.lost
            # A page that waited too long for SQLite's lock is reported as failed, and is there.
            assert 0 <= SESSIONS - counts["deleted"] - len(log.last) <= counts["failed"], counts
            check_values(subject, log)
            total += counts
            renewed += log.renewed
            missed += log.missed
    print(
        f"{subject.name}: {rounds} purges, {processes} renewers, {renewed} renewals "
        f"({renewed / purging_s:.0f}/s, filling included), "
        f"{dict(total)}, {missed} came too late, 0 live sessions lost"
    )
    assert total["changed"] >= rounds, "nobody renewed between reading and deleting"
    assert total["deleted"] >= rounds


@pytest.mark.quick_on("redis", "postgres", "mysql", "files")
def test_no_live_session_is_lost(subject, tmp_path, rng) -> None:
    run_rounds(subject, tmp_path, rng, processes=2, rounds=2 if subject.name == "files" else 6)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_no_live_session_is_lost_with_four_renewers(subject, tmp_path, rng) -> None:
    for _ in range(5):
        run_rounds(subject, tmp_path, rng, processes=4)


@pytest.mark.quick_on("redis", "sqlite", "postgres")
def test_a_naive_purge_loses_some(subject, tmp_path, rng) -> None:
    """The same renewers against reading and deleting by id: without losses they prove nothing."""
    gone = 0
    with Renewers(subject.url, 2) as renewers:
        for number in range(ROUNDS):
            rule = list(RULES)[number % 2]
            _, _, lost = purge_once(subject, renewers, naive, rule, tmp_path, rng)
            gone += len(lost)
            if gone and number >= 3:
                break
    print(f"{subject.name}: the naive purge ended {gone} live sessions in {number + 1} rounds")
    assert gone
