"""S16 and S10: a replica that stops following pauses the purge; a server that is gone ends it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.killer import Victim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.stores import Subject

SESSIONS = 8_000
PATIENCE_S = 30.0


@pytest.fixture
def replica(rows: Any, rng) -> Iterator[Any]:
    """A replica in step with a primary that is full, and a user who may ask how far it is."""
    rows.fill(SESSIONS, rng)
    if rows.name == "postgres":
        rows.server.query("GRANT pg_monitor TO app")
    with rows.server.replica() as found:
        found.catch_up()
        if rows.name == "mysql":
            found.query("GRANT REPLICA MONITOR ON *.* TO app@'%'")
        yield found
    if rows.name == "postgres":
        rows.server.query("REVOKE pg_monitor FROM app")


def wait_for(words: str, run: Victim) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while words not in run.stderr:
        assert run.process.poll() is None, run.stderr
        assert time.monotonic() < deadline, run.stderr
        time.sleep(0.05)


def test_a_stopped_replica_pauses_the_purge(rows: Subject, replica: Any, home: Path) -> None:
    """Deletes stop when it is too far behind, and go on when it follows again."""
    # MySQL's replicas are asked themselves. A slow pace, so that the pause comes in mid-run.
    asked = ["--lag-from", replica.url] if rows.name == "mysql" else []
    pace = ["--rate", "2000", "--max-lag", "1s", "--max-latency", "10s"]
    command = [*rows.purge, *pace, *asked, "-b", rows.url]
    with Victim(*command, home=home) as run:
        assert run.wait_for_journal(1), run.stderr
        replica.pause()
        wait_for("paused: replica", run)
        time.sleep(0.5)  # the page in hand
        left = len(rows.contents())
        time.sleep(2)
        assert len(rows.contents()) == left > SESSIONS // 4
        replica.resume()
        code = run.process.wait(PATIENCE_S * 2)
        assert code == 0, run.stderr
    print(f"{rows.name}: paused with {left} of {SESSIONS} left")
    assert len(rows.contents()) < SESSIONS // 4
    replica.catch_up()
