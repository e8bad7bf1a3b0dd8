"""Sessions from one store to another, and, if they are to move, away from the first.

A pass reads the source page by page. Each page is converted, placed in the target and read back;
only then is it ended at the source, if it is to move. Nothing in the target that is not ours is
touched, unless the caller lets it be replaced. Running the same copy again goes on with it: what
is there is found to be there.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from sessctl.admin.alone import alone_in
from sessctl.admin.convert import Conversion, fingerprint, is_over, same_print
from sessctl.admin.ledger import Entry, Ledger
from sessctl.admin.placing import Placed, Placing, Wanted
from sessctl.admin.plan import check_cascades, check_recognised, check_zone
from sessctl.admin.portable import PortableFile
from sessctl.admin.room import RoomGuard
from sessctl.errors import Refused, SerializerError, SessctlError, StoreError, UsageError
from sessctl.session import Query, Session
from sessctl.stores.base import Outcome, Result, in_pages
from sessctl.stores.layouts.base import ItemLayout, KeyLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sessctl.admin.journal import JournalWriter
    from sessctl.admin.plan import Permissions, Plan
    from sessctl.admin.throttle import Throttle
    from sessctl.stores.base import Store

MOVE_TRIES = 5  # a session that is renewed while it moves is copied again
_THERE = (Outcome.COPIED, Outcome.REPLACED, Outcome.PRESENT)


@dataclass(slots=True)
class CopySummary:
    """What a copy did. `complete`: the end of the source was reached, without an error."""

    counts: Counter[str] = field(default_factory=Counter)
    complete: bool = False
    stopped: str | None = None  # why it ended early, in words
    error: SessctlError | None = None
    passes: int = 0
    source_journal: Path | None = None  # undoes what was ended at the source
    target_journal: Path | None = None  # undoes what was replaced or ended in the target

    @property
    def touched(self) -> bool:
        """Something was written."""
        return any(self.counts[word] for word in (*_THERE[:2], Outcome.MOVED, Outcome.ENDED))


class Source(Protocol):
    """Where sessions come from: a store, or a file of an export."""

    @property
    def page_size(self) -> int: ...

    def now_ms(self) -> int: ...

    def scan(self, query: Query) -> Iterator[Session]: ...


class Copy:
    """One copy from a source to a store.

    Args:
        placing: writes to the target.
        target_journal: the one that `placing` has; what ended at the source is written there, too,
            before its copy goes.
        source_journal: takes what is moved away, before it is; None: nothing is.
        is_dry: `placing` only looks.

    `stop` is asked between pages; True ends the run cleanly. An error ends it too and stands in
    the summary.
    """

    def __init__(
        self,
        source: Source,
        target: Store,
        placing: Placing,
        *,
        target_journal: JournalWriter | None = None,
        source_journal: JournalWriter | None = None,
        is_dry: bool = False,
    ) -> None:
        self.summary = CopySummary()
        self.stop: Callable[[], bool] = lambda: False
        self.throttle: Throttle | None = None
        self._source, self._target, self._placing = source, target, placing
        self._target_journal, self._source_journal = target_journal, source_journal
        self._is_dry = is_dry
        self._conversion = Conversion(target)
        self._room = RoomGuard(target)
        self._moved: Ledger | None = None  # what has left the source: a scan may meet it twice
        self._are_two = False  # proved: what ends at the source stays in the target

    # -- a pass -----------------------------------------------------------------------------------

    def run(self, query: Query) -> Iterator[list[Result]]:
        """Copy every session that matches, once; the results of each page."""
        return self._guarded(self._pass(query, self._once))

    def check(self, plan: Plan, permissions: Permissions) -> None:
        """What speaks against it, before anything is written: it is the wrong store, its dates or
        those of the target are uncertain, a delete there has consequences, there is no room.

        Raises:
            GuardRefused: names the guard and what lifts it.
        """
        stores = [self._target]
        if not isinstance(self._source, PortableFile):
            stores.append(self._store)
            check_recognised(plan, self._store, permissions)
        for store in stores:
            check_zone(store.capabilities.zone_doubt, permissions)
        if self._source_journal is not None:
            check_cascades(self._store, permissions)
        # What the target has already needs no room; a sample tells how much that is.
        sample = [s.sid for s in islice(self._source.scan(Query()), 100)]
        missing = len(sample) - len(self._target.get(sample))
        share = missing / len(sample) if sample else 0.0
        self._room.check(round(plan.count * share), round(plan.size_of_all * share))

    def _guarded(self, pages: Iterator[list[Result]]) -> Iterator[list[Result]]:
        summary, left = self.summary, self._source_journal
        alone = alone_in(left.path.parent, self._store) if left is not None else nullcontext()
        try:
            with alone:
                for results in pages:
                    summary.counts.update(result.outcome.value for result in results)
                    yield results
            if self.stop() and summary.stopped is None:
                summary.stopped = "interrupted"
            summary.complete = summary.stopped is None
        except (StoreError, Refused) as exc:
            summary.error = exc  # an error is never "no more sessions"
        finally:
            for name in ("source_journal", "target_journal"):
                journal: JournalWriter | None = getattr(self, f"_{name}")
                if journal is not None:
                    setattr(summary, name, journal.path if journal.sessions else None)
                    journal.end(dict(summary.counts), complete=summary.complete)
            if self._moved is not None:
                self._moved.close()

    def _pass(
        self, query: Query, work: Callable[[list[Session]], list[Result]]
    ) -> Iterator[list[Result]]:
        self.summary.passes += 1
        size = min(self._source.page_size, self._target.page_size)
        for page in in_pages(self._source.scan(query), size):
            if self.stop() or self.summary.stopped is not None:
                return
            before = time.monotonic()
            results = work(page)
            if results:
                yield results
            if self.throttle is not None and self.summary.stopped is None:
                took_s = time.monotonic() - before
                self.summary.stopped = self.throttle.after_page(len(page), took_s)

    def _once(self, page: list[Session]) -> list[Result]:
        placed = self._place(page)
        return self._move(placed) if self._source_journal is not None else results_of(placed)

    def _place(
        self, page: list[Session], is_ours: Callable[[Session], bool] | None = None
    ) -> list[Placed]:
        """Convert a page and put it where it is to be."""
        now_ms = self._source.now_ms()
        wanted: list[Wanted] = []
        placed: list[Placed] = []
        for session in page:
            if is_over(session, now_ms):
                placed.append(Placed(session, Result(session.sid, Outcome.LAPSED)))
                continue
            try:
                wanted.append(Wanted(session, self._conversion.of(session)))
            except (SerializerError, Refused) as exc:
                result = Result(session.sid, Outcome.FAILED, exc.message)
                placed.append(Placed(session, result))
        if wanted and not self._is_dry:
            size = sum(len(one.session.raw) for one in wanted)
            self.summary.stopped = self._room.stop_reason(len(wanted), size)
            if self.summary.stopped is not None:
                return placed
        return placed + self._placing.place(wanted, is_ours=is_ours)

    @property
    def _store(self) -> Store:
        """The source where it is asked for more than to be read: only a store is."""
        return cast("Store", self._source)

    # -- move -------------------------------------------------------------------------------------

    def _move(self, placed: list[Placed]) -> list[Result]:
        """End at the source what stands in the target; what was renewed is copied again."""
        done = {one.source.sid: one.result for one in placed}
        left = list({one.source.sid: one for one in placed if one.stands is not None}.values())
        self._moved = self._moved or Ledger()
        before = self._moved.known(list(done))
        for _ in range(MOVE_TRIES):
            if not left:
                break
            ended = self._end_at_source([one.source for one in left])
            renewed: list[Placed] = []
            for one, result in zip(left, ended, strict=True):
                if result.outcome in (Outcome.DELETED, Outcome.UNCONFIRMED):
                    done[one.source.sid] = Result(result.sid, Outcome.MOVED, result.reason)
                elif result.outcome is Outcome.GONE and one.source.sid in before:
                    del done[one.source.sid]  # it was us: Redis may name a key twice
                elif result.outcome is Outcome.GONE:
                    done[one.source.sid] = self._take_back(one)
                elif result.outcome is Outcome.CHANGED:
                    done[one.source.sid] = Result(
                        result.sid, Outcome.CHANGED, "copied, and renewed at the source since"
                    )
                    renewed.append(one)
                else:
                    reason = f"copied, and still at the source: {result.reason}"
                    done[one.source.sid] = Result(result.sid, Outcome.FAILED, reason)
            left = self._place_again(renewed, done)
        moved = [sid for sid, result in done.items() if result.outcome is Outcome.MOVED]
        self._moved.keep([(sid, Entry(b"", b"")) for sid in moved], 1)
        return list(done.values())

    def _end_at_source(self, sessions: list[Session]) -> list[Result]:
        """Journal and delete what stands in the target. The very first one goes alone: if its copy
        goes with it, the two are one store by two names, and nobody else may end there.

        Raises:
            Refused: they are one; the first session was put back.
        """
        results: list[Result] = []
        left = deque(sessions)
        while left and not self._are_two:
            first = left.popleft()
            results += self._end(self._store, self._source_journal, [first])
            if results[-1].outcome not in (Outcome.DELETED, Outcome.UNCONFIRMED):
                continue
            self._are_two = bool(self._target.get([first.sid]))
            if not self._are_two and not is_over(first, self._source.now_ms()):
                self._store.put([first])
                raise Refused(
                    "what ends at the source is gone from the target: they are one store by two "
                    "names",
                    hint="nothing has moved, and the session that was tried is back",
                )
        return results + self._end(self._store, self._source_journal, list(left))

    def _place_again(self, renewed: list[Placed], done: dict[str, Result]) -> list[Placed]:
        if not renewed:
            return []
        wrote = {one.source.sid: fingerprint(one.stands) for one in renewed if one.stands}
        now = self._store.get([one.source.sid for one in renewed])
        there = {session.sid for session in now}
        for one in renewed:
            if one.source.sid not in there:
                done[one.source.sid] = self._take_back(one)
        placed = self._place(now, lambda known: same_print(wrote[known.sid], fingerprint(known)))
        for one in placed:
            if one.stands is None:
                done[one.source.sid] = one.result
        return [one for one in placed if one.stands is not None]

    def _take_back(self, one: Placed) -> Result:
        """It ended at the source while it was copied: its copy must not live on."""
        assert one.stands is not None
        (result,) = self._end(self._target, self._target_journal, [one.stands])
        if result.outcome in (Outcome.DELETED, Outcome.UNCONFIRMED, Outcome.GONE):
            return Result(result.sid, Outcome.ENDED, "ended at the source meanwhile")
        reason = "ended at the source meanwhile, and its copy is still in the target"
        return Result(result.sid, Outcome.FAILED, reason)

    @staticmethod
    def _end(store: Store, journal: JournalWriter | None, sessions: list[Session]) -> list[Result]:
        """Delete what is unchanged, journalled first; results in the order of the sessions."""
        if not sessions:
            return []
        number = journal.page(store, sessions) if journal is not None else 0
        told = {result.sid: result for result in store.delete(sessions)}
        results = [told[session.sid] for session in sessions]
        if journal is not None:
            journal.done(number, results)
        return results


def check_apart(source: Store, target: Store) -> None:
    """A copy does not meet itself. Raises UsageError for one store, or a target that is a part of
    the source: keys that begin alike."""
    ours, theirs = source.identity.as_dict(), target.identity.as_dict()
    if ours == theirs:
        raise UsageError(
            "the source and the target are one store", hint="-b is the source, --to the target"
        )
    outer, inner = source.layout, target.layout
    if (
        isinstance(outer, KeyLayout | ItemLayout)
        and isinstance(inner, KeyLayout | ItemLayout)
        and inner.prefix.startswith(outer.prefix)
        and {**ours, "scope": ""} == {**theirs, "scope": ""}
    ):
        raise UsageError(
            f"keys of the target, '{inner.prefix}...', are keys of the source, too: the copy would "
            "be copied",
            hint="copy to another database, or to a prefix that does not begin like the source's",
        )


def results_of(placed: list[Placed]) -> list[Result]:
    return [one.result for one in placed]
