"""A copy that goes on: pass after pass, until one finds nothing changed.

While an application still writes to the source, a single pass is out of date when it ends. So
another one looks for what is new, what was renewed and what was ended since; the last one finds
nothing, and then the application may be given the target. Notifications of a store would be a hint
at the most: that nothing was missed, only a whole pass proves.
"""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from sessctl.admin.convert import fingerprint, is_over, same_print
from sessctl.admin.copy import Copy, results_of
from sessctl.admin.ledger import Entry, Ledger
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sessctl.admin.placing import Placed
    from sessctl.session import Query, Session

_BETWEEN_PASSES_S = 0.5


class Follow(Copy):
    """A `Copy` whose `run` ends when the source and the target agree.

    `say` is told how each pass went.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.say: Callable[[str], None] = lambda _: None
        self.sleep: Callable[[float], None] = time.sleep

    def run(self, query: Query) -> Iterator[list[Result]]:
        """Copy every session that matches, and what becomes of it; the results of each page."""
        return self._guarded(self._passes(query))

    def _passes(self, query: Query) -> Iterator[list[Result]]:
        with closing(Ledger()) as ledger:
            changes = 1
            while changes:
                number = self.summary.passes + 1
                found: Counter[str] = Counter()
                changed = self._pass(query, partial(self._changed, ledger, number))
                for results in chain(changed, self._gone(ledger, number)):
                    found.update(result.outcome.value for result in results)
                    yield results
                if self._is_stopped():
                    return
                changes = found.total() - found[Outcome.PRESENT] - found[Outcome.LAPSED]
                self.say(f"pass {number}: {_pass_words(found)}")
                if changes:
                    self.sleep(_BETWEEN_PASSES_S)
            if self._source_journal is not None:
                yield from self._pass(query, partial(self._leave, ledger, number + 1))
                yield from self._gone(ledger, number + 1)

    def _is_stopped(self) -> bool:
        return self.stop() or self.summary.stopped is not None

    def _changed(self, ledger: Ledger, number: int, page: list[Session]) -> list[Result]:
        """Place what is new or renewed since the last pass."""
        known = ledger.known([session.sid for session in page])
        prints = {session.sid: fingerprint(session) for session in page}
        fresh = [
            s
            for s in page
            if s.sid not in known or not same_print(known[s.sid].seen, prints[s.sid])
        ]
        placed = self._anew(ledger, fresh)
        for one in placed:
            wrote = b"" if one.stands is None else fingerprint(one.stands)
            known[one.source.sid] = Entry(prints[one.source.sid], wrote)
        ledger.keep(known.items(), number)
        return results_of(placed)

    def _leave(self, ledger: Ledger, number: int, page: list[Session]) -> list[Result]:
        """The last pass of a move: bring a page up to date, and end it at the source."""
        results = self._move(self._anew(ledger, page))
        ledger.keep(ledger.known([session.sid for session in page]).items(), number)
        return results

    def _anew(self, ledger: Ledger, page: list[Session]) -> list[Placed]:
        """Place a page, over what an earlier pass has written."""
        known = ledger.known([session.sid for session in page])

        def is_ours(there: Session) -> bool:
            return there.sid in known and same_print(known[there.sid].wrote, fingerprint(there))

        return self._place(page, is_ours)

    def _gone(self, ledger: Ledger, number: int) -> Iterator[list[Result]]:
        """Somebody who logged out at the source between two passes must not stay logged in."""
        for page in ledger.missed(number):
            if self._is_stopped():
                return
            written = {sid: wrote for sid, wrote in page if wrote}
            still = {session.sid for session in self._store.get(list(written))}
            now_ms = self._target.now_ms()
            ours: list[Session] = []
            results: list[Result] = []
            for known in self._target.get([sid for sid in written if sid not in still]):
                if is_over(known, now_ms):
                    continue  # both ended by their time
                if same_print(fingerprint(known), written[known.sid]):
                    ours.append(known)
                else:
                    reason = "ended at the source, and changed in the target since"
                    results.append(Result(known.sid, Outcome.KEPT, reason))
            for ended in self._end(self._target, self._target_journal, ours):
                if ended.outcome in (Outcome.DELETED, Outcome.UNCONFIRMED):
                    results.append(Result(ended.sid, Outcome.ENDED, "ended at the source"))
                elif ended.outcome is not Outcome.GONE:
                    reason = f"ended at the source, and still in the target: {ended.reason}"
                    results.append(Result(ended.sid, Outcome.FAILED, reason))
            if results:
                yield results


def _pass_words(found: Counter[str]) -> str:
    words = ("copied", "replaced", "ended", "kept", "failed")
    told = [f"{found[word]:,} {word}" for word in words if found[word]]
    return ", ".join(told) or "nothing changed"
