"""S5: whenever a purge dies, store and journal together are what there was, and restore undoes it.

Moments are those of the run's own progress: a kill waits until the journal has grown to a drawn
size, then a drawn part of a page's time more.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalKey, open_journal
from tests.faults.killer import Victim
from tests.faults.stores import RedisSubject, check_nothing_lost, journalled, journals
from tests.support.cli import Cli
from tests.support.engines import RedisEngine
from tests.support.run import sessctl
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from tests.faults.stores import Contents, Subject

    Report = tuple[int, dict[str, Any]]  # exit code, JSON

SESSIONS = 3_000  # three pages and more
JOURNAL_BYTES = 300_000  # about, of so many


class Hunt:
    """One whole run, measured; then as many that are killed."""

    def __init__(
        self, subject: Subject, folder: Path, rng: Random, key_file: Path | None = None
    ) -> None:
        self.subject, self._folder, self._rng = subject, folder, rng
        self._key = None if key_file is None else JournalKey.from_file(key_file)
        self._sealing = [] if key_file is None else ["--journal-key-file", str(key_file)]
        self.seen: Counter[str] = Counter()
        self.original = subject.fill(SESSIONS, rng)
        with Victim(
            *subject.purge, *self._sealing, "-b", subject.url, home=folder / "whole"
        ) as whole:
            assert whole.wait_for_journal(1)
            self._start_s = time.monotonic() - whole.started
            assert whole.wait() == 0, whole.stderr
            self._pages_s = time.monotonic() - whole.started - self._start_s
        journal = journals(folder / "whole")[0]
        self._size = journal.stat().st_size
        self._pages = sum(1 for _ in open_journal(journal, key=self._key).pages())
        assert self._pages >= 3
        done = sessctl(
            "restore", "--last", "--yes", *subject.lapsed, *self._sealing, "-b", subject.url,
            home=folder / "whole",
        )  # fmt: skip
        assert (done.code, subject.contents() == self.original) == (0, True), done.stderr

    def kill(self, number: int, of: int) -> None:
        """Moment `number` of so many, spread over the run; everything is as it was afterwards."""
        home = self._folder / f"home-{number}"
        subject, rng = self.subject, self._rng
        with Victim(*subject.purge, *self._sealing, "-b", subject.url, home=home) as victim:
            if number % 20 == 0:
                code = victim.kill(after_s=rng.random() * self._start_s)  # before its first write
            else:
                # Up to the last page: what comes after it is soon over.
                part = (number % of - rng.random()) / (of - 1) * (1 - 0.5 / self._pages)
                victim.wait_for_journal(int(part * self._size))
                code = victim.kill(after_s=rng.random() * self._pages_s / self._pages)
        subject.quiesce()
        found = journals(home)
        saved = self._examine(found, code)
        check_nothing_lost(subject, self.original, saved)
        if found and saved:
            self._restore(home)
        else:
            assert subject.contents() == self.original

    def _examine(self, found: list[Path], code: int) -> Contents:
        """What the journal holds, and at which kind of moment it was cut off."""
        if not found or not found[0].read_bytes().count(b"\n"):
            self.seen["before the first page"] += 1
            return {}
        journal = open_journal(found[0], key=self._key)
        pages = list(journal.pages())
        ended = journal.summary().complete
        if code != -9 or ended:
            self.seen["after the end"] += 1
        else:
            self.seen["in mid-run"] += 1
            self.seen["of these with an uncertain page"] += any(p.outcomes is None for p in pages)
            self.seen["of these with a torn line"] += bool(journal.notes)
        return journalled(self.subject, found[0], self._key)

    def _restore(self, home: Path) -> None:
        cli = Cli(home)
        command = ["restore", "--last", "--yes", *self.subject.lapsed, "-b", self.subject.url]
        command += self._sealing
        once = cli(*command)
        assert once.code == 0, once.stderr
        assert self.subject.contents() == self.original
        again = cli(*command, "-o", "json")
        assert again.code == 0, again.stderr
        assert again.json()["summary"]["restored"] == 0
        assert self.subject.contents() == self.original


def kill_and_resume(
    subject: Subject, folder: Path, rng: Random, *, part: float, key_file: Path | None = None
) -> str:
    """A purge is killed, another process goes on in its journal: all is gone, all comes back."""
    key = None if key_file is None else JournalKey.from_file(key_file)
    sealing = [] if key_file is None else ["--journal-key-file", str(key_file)]
    original = subject.fill(SESSIONS, rng)
    with Victim(*subject.purge, *sealing, "-b", subject.url, home=folder) as victim:
        alive = victim.wait_for_journal(int(part * JOURNAL_BYTES))
        victim.kill(after_s=rng.random() * 0.02)
    subject.quiesce()
    (path,) = journals(folder)
    left, before = len(subject.contents()), open_journal(path, key=key)
    if before.summary().complete:
        return f"over before the kill ({alive})"
    limits = ["--yes", "--max-delete", "1000000", *sealing]
    done = Cli(folder)("purge", "--resume", path, *limits, "-b", subject.url)
    assert done.code == 0, done.stderr
    again = Cli(folder)(*subject.purge, "--dry-run", "-b", subject.url)
    assert "Would end 0 sessions." in again.stderr
    after = open_journal(path, key=key)
    assert after.summary().complete
    saved = journalled(subject, path, key)
    assert check_nothing_lost(subject, original, saved) == subject.contents()
    back = Cli(folder)("restore", path, "--yes", *subject.lapsed, *sealing, "-b", subject.url,
                       "--confirm", label(subject))  # fmt: skip
    assert back.code == 0, back.stderr
    assert subject.contents() == original
    return f"{left} left of {len(original)}, {after.summary().uncertain} uncertain"


def label(subject: Subject) -> str:
    with subject.open() as store:
        return store.identity.label


@pytest.mark.quick_on("redis", "postgres")
@pytest.mark.parametrize("part", [0.001, 0.5])
def test_a_killed_purge_is_resumed_and_one_restore_undoes_both(
    subject, tmp_path, rng, part
) -> None:
    print(f"{subject.name}: {kill_and_resume(subject, tmp_path / 'home', rng, part=part)}")


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_and_resumed_at_forty_moments(subject, tmp_path, rng) -> None:
    for number in range(40):
        home = tmp_path / f"home-{number}"
        print(f"{subject.name}: {kill_and_resume(subject, home, rng, part=rng.uniform(0, 0.9))}")


def hunt(
    subject: Subject, folder: Path, rng: Random, *, moments: int, key_file: Path | None = None
) -> None:
    run = Hunt(subject, folder, rng, key_file)
    for number in range(2 * moments):
        if number >= moments and run.seen["in mid-run"] >= moments // 2:
            break
        run.kill(number, moments)
    print(f"{subject.name}: {moments} kills: {dict(run.seen)}")
    assert run.seen["in mid-run"] >= moments // 2, run.seen


@pytest.mark.quick_on("redis", "postgres")
def test_killed_at_any_moment_nothing_is_lost(subject, tmp_path, rng) -> None:
    # On a server two restores of 3 000 rows, one by one, take 2 s.
    moments = 6 if subject.name == "redis" else 4
    hunt(subject, tmp_path, rng, moments=moments)


@pytest.fixture
def key_file(tmp_path: Path, rng: Random) -> Path:
    """A key for journals."""
    path = tmp_path / "journal.key"
    path.write_bytes(rng.randbytes(32))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("subject", ["sqlite"], indirect=True)
def test_killed_while_it_encrypts_its_journal(subject, tmp_path, rng, key_file) -> None:
    hunt(subject, tmp_path, rng, moments=3, key_file=key_file)


@pytest.mark.parametrize("subject", ["sqlite"], indirect=True)
def test_a_killed_purge_goes_on_in_its_encrypted_journal(subject, tmp_path, rng, key_file) -> None:
    home = tmp_path / "home"
    print(kill_and_resume(subject, home, rng, part=0.5, key_file=key_file))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("subject", ["sqlite"], indirect=True)
def test_killed_at_a_hundred_moments_of_an_encrypted_journal(
    subject, tmp_path, rng, key_file
) -> None:
    hunt(subject, tmp_path, rng, moments=100, key_file=key_file)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_at_two_hundred_moments_nothing_is_lost(subject, tmp_path, rng) -> None:
    hunt(subject, tmp_path, rng, moments=200)


class DurableRedis(RedisServer):
    """A server that answers a write only when it is on the disk."""

    def __init__(self) -> None:
        super().__init__(settings=["appendonly yes", "appendfsync always"])


@pytest.fixture
def durable_redis() -> Iterator[DurableRedis]:
    with DurableRedis() as server:
        yield server


@pytest.fixture(params=["redis", "postgres", "mysql"])
def mortal(request: pytest.FixtureRequest) -> tuple[Any, Callable[[], Subject]]:
    """A server that keeps what it has said, and a way to connect to what it holds."""
    if request.param == "redis":
        server = request.getfixturevalue("durable_redis")
        return server, lambda: RedisSubject(RedisEngine(server))
    subject = request.getfixturevalue(f"{request.param}_subject")  # which has made the table
    again = type(subject), type(subject.engine)
    return subject.server, lambda: again[0](again[1](subject.server, ddl=""))


def kill_the_server(server: Any, subject: Subject, home: Path, part: float) -> Report:
    """What a purge reports whose server dies when that part of the journal is written."""
    with Victim(*subject.purge, "-o", "json", "-b", subject.url, home=home) as victim:
        victim.wait_for_journal(int(part * JOURNAL_BYTES))
        server.kill()
        try:
            code = victim.wait()
        finally:
            server.restart()
        report = json.loads(victim.stdout) if victim.stdout else {"items": [], "summary": {}}
    return code, report


def lose_the_server(mortal: Any, folder: Path, rng: Random, part: float) -> str:
    """What was reported as deleted stays away when the server comes back; the rest is there."""
    server, connect = mortal
    code = 0
    for number in range(10):  # until the purge was not over before the kill
        home = folder / f"home-{number}"
        subject = connect()
        original = subject.fill(SESSIONS, rng)
        with closing(subject.client):
            code, report = kill_the_server(server, subject, home, part)
        subject = connect()
        with closing(subject.client):
            saved = journalled(subject, journals(home)[0])
            now = check_nothing_lost(subject, original, saved)
        if code:
            break
    outcomes = {subject.key(one["sid"]): one["outcome"] for one in report["items"]}
    counts = Counter(outcomes.values())
    touched = counts["deleted"] + counts["unconfirmed"] + counts["failed"]
    assert code == (5 if touched else 3)
    assert len(outcomes) == len(report["items"])
    assert {word: report["summary"][word] for word in counts} == counts
    assert report["summary"]["complete"] is False
    assert {key for key, word in outcomes.items() if word == "deleted"}.isdisjoint(now)
    assert set(outcomes) <= set(saved)
    return f"{len(saved)} journalled, reported {dict(counts)}, left {len(now)}"


@pytest.mark.parametrize("part", [0.1, 0.6])
def test_server_killed_in_mid_purge(mortal, part, tmp_path, rng) -> None:
    print(f"server killed: {lose_the_server(mortal, tmp_path, rng, part)}")


# The test's Redis comes back on another port, which makes it another store.
@pytest.mark.parametrize("mortal", ["postgres", "mysql"], indirect=True)
def test_a_purge_goes_on_when_the_server_is_back(mortal, tmp_path, rng) -> None:
    server, connect = mortal
    for number in range(10):  # until the purge was not over before the kill
        home = tmp_path / f"home-{number}"
        subject = connect()
        original = subject.fill(SESSIONS, rng)
        with closing(subject.client):
            code, _ = kill_the_server(server, subject, home, 0.3)
        if code:
            break
    (path,) = journals(home)
    assert f"to go on: sessctl purge --resume {path} " in (home / "stderr").read_text()
    subject = connect()
    limits = ["--yes", "--max-delete", "1000000"]
    with closing(subject.client):
        done = Cli(home)("purge", "--resume", path, *limits, "-b", subject.url)
        assert done.code == 0, done.stderr
        check_nothing_lost(subject, original, journalled(subject, path))
        back = Cli(home)("restore", path, *subject.lapsed, "-b", subject.url,
                         "--confirm", label(subject))  # fmt: skip
        assert back.code == 0, back.stderr
        assert subject.contents() == original


@pytest.mark.long
@pytest.mark.timeout(600)
def test_server_killed_twenty_times(mortal, tmp_path, rng) -> None:
    for number in range(20):
        told = lose_the_server(mortal, tmp_path / str(number), rng, rng.uniform(0.02, 0.7))
        print(f"server killed: {told}")
