"""Changes in place beside everything else that happens to a store: kills, and users who go on.

S5 and S6 for `set`: killed at any moment, store and journal together hold what there was. S1 for
`touch`: what an application writes meanwhile is never lost.
"""

from __future__ import annotations

import json
import time
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest

from sessctl import open_store, touch
from sessctl.admin.journal import open_journal
from tests.faults.killer import Victim
from tests.faults.stores import journals
from tests.support.cli import Cli
from tests.support.engines import now_ms, value

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from tests.faults.stores import Subject

MOMENTS = 4
HOUR_MS = 3_600_000


@pytest.fixture(params=["redis", "sqlite"])
def place(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.getfixturevalue(f"{request.param}_subject")
    return found


def check_killed_set(subject: Subject, folder: Path, rng: Random, moments: int) -> None:
    subject.engine.save(b"one", value("7"), now_ms() + HOUR_MS)
    subject.engine.save(b"beside", value("8"), now_ms() + HOUR_MS)
    before = subject.engine.everything()
    for number in range(moments):
        home = folder / f"home-{number}"
        with Victim("set", "one", f"n:={number}", "-b", subject.engine.url, home=home) as victim:
            # Its head is on the disk; page, write and record follow within milliseconds.
            victim.wait_for_journal(1)
            victim.kill(after_s=rng.random() * 0.02)
        subject.quiesce()
        with open_store(subject.engine.url) as store:
            (now,) = store.get(["one"])
        if now.data != {"passport": {"user": "7"}}:
            assert now.data == {"passport": {"user": "7"}, "n": number}
            kept = [json.dumps(one, default=str) for path in journals(home)
                    for page in open_journal(path).pages() for one in page.sessions]  # fmt: skip
            assert len(kept) == 1
            done = Cli(home)("restore", "--last", "--yes", "-o", "json", "-b", subject.engine.url)
            recorded = next(iter(open_journal(journals(home)[0]).pages())).outcomes is not None
            counts = done.json()["summary"]
            # Without its record nobody knows whose the value is: it stands, and the journal has
            # the one before.
            assert counts["restored" if recorded else "newer"] == 1, (recorded, counts)
            if not recorded:
                subject.engine.save(b"one", value("7"), now.expires_ms)
        assert subject.engine.everything().keys() == before.keys()
    assert subject.engine.everything() == before


def test_a_killed_set_loses_nothing(place: Subject, tmp_path: Path, rng: Random) -> None:
    check_killed_set(place, tmp_path, rng, MOMENTS)


@pytest.mark.long
def test_a_set_killed_at_many_moments_loses_nothing(
    place: Subject, tmp_path: Path, rng: Random
) -> None:
    check_killed_set(place, tmp_path, rng, 40)


def test_a_renewer_beside_touch_loses_nothing(place: Subject, tmp_path: Path) -> None:
    """An application that counts up in its sessions: no count goes back, no session becomes
    immortal or ends."""
    engine, names = place.engine, [f"s{number}" for number in range(40)]
    for name in names:
        engine.save(name.encode(), value("0"), now_ms() + HOUR_MS)
    written: dict[str, int] = {}
    over = Event()

    def renew() -> None:
        count = 0
        with open_store(engine.url, write=True) as store:
            while not over.is_set():
                count += 1
                (was,) = store.get([names[count % len(names)]])
                raw = was.raw.replace(f'"{was.user}"'.encode(), f'"{count}"'.encode())
                if store.replace([(was, store.with_value(was, raw))])[0].outcome == "stored":
                    written[was.sid] = count

    renewer = Thread(target=renew)
    renewer.start()
    try:
        counts = []
        with open_store(engine.url, write=True) as store:
            until = time.monotonic() + 20
            while (len(written) < len(names) or len(counts) < 5) and time.monotonic() < until:
                done = touch(store, names, journals=tmp_path / "journals")
                counts.append(done.summary.counts)
    finally:
        over.set()
        renewer.join()
    with open_store(engine.url) as store:
        found = {one.sid: one for one in store.get(names)}
    assert {name: int(one.user or -1) for name, one in found.items()} == written
    assert all(one.expires_ms and one.expires_ms > now_ms() for one in found.values())
    assert sum(count["stored"] for count in counts) > len(names)
    assert {word for count in counts for word in count} <= {"stored", "changed", "failed"}
