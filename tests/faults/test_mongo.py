"""S1, S5 and S6 on MongoDB: fewer sessions than elsewhere, for each is a command of its own."""

from __future__ import annotations

import pytest

from tests.faults import test_killer, test_renewer
from tests.faults.mongo import MongoSubject
from tests.faults.renewer import Renewers
from tests.faults.test_undo_property import run_worlds
from tests.support.mongo import MongoEngine, MongoServer

SESSIONS = 300


@pytest.fixture
def subject(mongo_server: MongoServer) -> MongoSubject:
    mongo_server.empty()
    return MongoSubject(MongoEngine(mongo_server))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_renewer, "SESSIONS", SESSIONS)


def test_no_live_session_is_lost(subject, few, tmp_path, rng) -> None:
    test_renewer.run_rounds(subject, tmp_path, rng, processes=2, rounds=2)


def test_a_naive_purge_loses_some(subject, few, tmp_path, rng) -> None:
    """The same renewers against reading and deleting by id: without losses they prove nothing."""
    with Renewers(subject.url, 2) as renewers:
        run = test_renewer.purge_once
        _, _, lost = run(subject, renewers, test_renewer.naive, "ending", tmp_path, rng)
    assert lost


def test_any_history_ends_well(subject, tmp_path, rng) -> None:
    run_worlds(subject, tmp_path, rng, worlds=3)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_many_rounds(subject, tmp_path, rng) -> None:
    test_renewer.run_rounds(subject, tmp_path, rng, processes=4)
    run_worlds(subject, tmp_path / "worlds", rng, worlds=100)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_killed_purge_loses_nothing_and_is_resumed(subject, tmp_path, rng) -> None:
    print(test_killer.kill_and_resume(subject, tmp_path / "resumed", rng, part=0.5))
    hunt = test_killer.Hunt(subject, tmp_path, rng)
    for number in range(40):
        hunt.kill(number, 40)
    print(hunt.seen)
