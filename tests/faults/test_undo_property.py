"""S6: whatever the application does between, during and after a purge and two restores.

Every session ends as the application last wrote it or as it stands in a journal; a restore never
touches what is there; and what a purge took is what it had journalled.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from sessctl.admin.journal import JournalWriter, list_journals, open_journal
from sessctl.admin.removal import Removal
from sessctl.admin.restore import Restore
from sessctl.session import Query
from tests.faults.stores import DAY_MS, HOUR_MS
from tests.support.engines import now_ms, value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from random import Random

    from sessctl.session import Session
    from sessctl.stores.base import Result, Store
    from tests.faults.stores import Contents, Subject

SIDS = [b"ann", b"bob", b"cat", b"dan", b"eve"]
STEPS = 14


class Died(Exception):
    """The process ended here: no line is written after this."""


class Meddled:
    """A store with somebody else at work right before and right after each write."""

    def __init__(self, store: Store, before: Callable[[], None], after: Callable[[], None]) -> None:
        self._store, self._before, self._after = store, before, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def delete(self, sessions: Sequence[Session], *, grace_ms: int | None = None) -> list[Result]:
        self._before()
        results = self._store.delete(sessions, grace_ms=grace_ms)
        self._after()
        return results

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        self._before()
        results = self._store.put(sessions)
        self._after()
        return results


class World:
    """A store, its application and its administrator, and what each of them knows."""

    def __init__(self, subject: Subject, folder: Path, rng: Random) -> None:
        self.subject, self._folder, self._rng = subject, folder, rng
        self.steps: list[str] = []
        self.counts: Counter[str] = Counter()
        self._written: dict[Any, Any] = {}  # key -> cells as the application last left them
        self._serial = 0
        self._moments: list[Contents] = []
        self._acts = self._quiet_since = 0  # of the application

    # -- the application --------------------------------------------------------------------------

    def app(self) -> None:
        """One act of the application."""
        rng, engine = self._rng, self.subject.engine
        self._acts += 1
        sid = rng.choice(SIDS)
        act = rng.choice(["set", "set", "touch", "delete", "same again"])
        if act == "set":
            self._serial += 1
            user = rng.choice(["7", "8"])
            raw = value(user).replace(b"}}", b'},"n":%d}' % self._serial)
            engine.save(sid, raw, self._ends())
        elif act == "touch":
            engine.touch(sid, self._ends() or now_ms() + DAY_MS)
        elif act == "delete":
            engine.drop(sid)
        else:
            engine.save(sid, value("7"), DAY_MS * 30_000)  # to the byte what it was before
        self._note(f"app {act} {sid.decode()}")
        key, cells = self._key(sid), self.subject.contents().get(self._key(sid))
        if cells is not None or act == "delete":
            self._written[key] = cells

    def _ends(self) -> int | None:
        rng = self._rng
        if rng.random() < 0.2:
            return None
        over = self.subject.name != "redis" and rng.random() < 0.4
        return now_ms() + (-1 if over else 1) * rng.randrange(HOUR_MS, DAY_MS)

    def _key(self, sid: bytes) -> bytes:
        return self.subject.key(sid.decode())

    # -- the administrator ------------------------------------------------------------------------

    def purge(self) -> None:
        """With luck; else the application comes in between, or the process dies."""
        query = self._rng.choice(
            [Query(everything=True), Query(user="7"), Query(active=True), Query(expired=True)]
        )
        dies = self._rng.choice(["", "", "", "before", "after"])
        writer = JournalWriter(self._folder, {"command": "purge", "backend": "x"})
        grace_ms = 0 if query.expired else None
        with self.subject.open() as store:
            meddled: Any = Meddled(store, self._before(dies), self._after(dies))
            run = Removal(meddled, writer, grace_ms=grace_ms)
            try:
                results = [result for page in run.purge(query) for result in page]
            except Died:
                writer.close()
                results = None
        self._note(f"purge {query.describe()}{dies and f', died {dies}'}: {results}")
        if not self._moments:
            return
        before, after = self._moments
        gone = {key: cells for key, cells in before.items() if key not in after}
        assert all(after[key] == before[key] for key in after)
        saved = self._journalled(list_journals(self._folder)[0])
        assert all(saved[key] == cells for key, cells in gone.items()), "taken, but not as it was"
        if results is not None:
            self.counts.update(r.outcome.value for r in results)
            ended = {self._key(r.sid.encode()) for r in results if r.outcome.value == "deleted"}
            assert ended == set(gone)

    def restore(self) -> None:
        """Any journal, twice; the second time nothing is left to do."""
        found = list_journals(self._folder)
        if not found:
            return
        path = self._rng.choice(found)
        options: dict[str, Any] = {
            "lapsed": self._rng.random() < 0.7, "certain_only": self._rng.random() < 0.2
        }  # fmt: skip
        with self.subject.open() as store:
            meddled: Any = Meddled(store, self._before(), self._after())
            undo = Restore(meddled, open_journal(path), **options)
            results = [result for page in undo.run() for result in page]
            self._note(f"restore {path.name[:22]} {options}: {results}")
            self.counts.update(undo.counts)
            if self._moments:
                before, after = self._moments
                assert all(after.get(key) == cells for key, cells in before.items()), "overwritten"
                saved = self._journalled(path)
                new = {key: cells for key, cells in after.items() if key not in before}
                assert all(saved[key] == cells for key, cells in new.items())
                assert set(new) <= self._taken(path), "it was not us who ended it"
                stored = {r.sid.encode() for r in results if r.outcome.value == "stored"}
                assert {self._key(sid) for sid in stored} == set(new)
            if self._rng.random() < 0.5:
                self.app()
            left = self.subject.contents()
            again = Restore(store, open_journal(path), **options)
            list(again.run())
            now = self.subject.contents()
            assert all(now[key] == cells for key, cells in left.items())
            if self._acts == self._quiet_since:
                assert (again.counts["restored"], now) == (0, left)

    def _before(self, dies: str = "") -> Callable[[], None]:
        self._moments = []

        def meddle() -> None:
            if self._rng.random() < 0.6:
                self.app()
            if dies == "before":
                raise Died
            self._moments.append(self.subject.contents())

        return meddle

    def _after(self, dies: str = "") -> Callable[[], None]:
        self._quiet_since = self._acts

        def meddle() -> None:
            self._moments.append(self.subject.contents())
            self._quiet_since = self._acts
            if self._rng.random() < 0.4:
                self.app()
            if dies == "after":
                raise Died

        return meddle

    # -- judgement --------------------------------------------------------------------------------

    def check(self) -> None:
        """Every session is as last written or as journalled; none has vanished without a trace."""
        now = self.subject.contents()
        versions: dict[Any, list[Any]] = {}
        for path in list_journals(self._folder):
            for key, cells in self._journalled(path).items():
                versions.setdefault(key, []).append(cells)
        for key, cells in now.items():
            assert cells == self._written.get(key) or cells in versions[key], key
        for key, cells in self._written.items():
            if cells is not None and key not in now:
                assert cells in versions[key], f"{key} is lost"

    def _journalled(self, path: Path) -> Contents:
        return {
            key: cells
            for page in open_journal(path).pages()
            for key, cells in map(self.subject.frozen, page.sessions)
        }

    def _taken(self, path: Path) -> set[Any]:
        """What the run of this journal ended, or may have."""
        return {
            self.subject.frozen(item)[0]
            for page in open_journal(path).pages()
            for item, word in zip(
                page.sessions, page.outcomes or ["failed"] * len(page.sessions), strict=True
            )
            if word in ("deleted", "unconfirmed", "failed")
        }

    def _note(self, text: str) -> None:
        self.steps.append(text)


def run_worlds(subject: Subject, folder: Path, rng: Random, *, worlds: int) -> None:
    counts: Counter[str] = Counter()
    for number in range(worlds):
        for sid in SIDS:
            subject.engine.drop(sid)
        world = World(subject, folder / str(number), rng)
        # Two restores somewhere, purges and the application in between.
        steps = [world.restore] * 2 + [
            rng.choice([world.app, world.app, world.purge]) for _ in range(STEPS - 4)
        ]
        rng.shuffle(steps)
        try:
            for step in [world.app, world.app, *steps, world.purge, world.restore]:
                step()
                world.check()
        except AssertionError:
            print("\n".join(world.steps))
            raise
        counts += world.counts
    print(f"{subject.name}: {worlds} histories: {dict(counts)}")
    seen = {"deleted", "changed", "restored", "newer", "present"}
    assert set(counts) >= (seen if worlds >= 40 else {"deleted", "restored"})


@pytest.mark.quick_on("redis", "mysql", "files")
def test_any_history_ends_well(subject, tmp_path, rng) -> None:
    # Each step looks at all that is there; on a server that takes its time.
    run_worlds(subject, tmp_path, rng, worlds=40 if subject.name == "redis" else 10)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_many_histories_end_well(subject, tmp_path, rng) -> None:
    run_worlds(subject, tmp_path, rng, worlds=600)
