"""Ending sessions: read, journal, delete what is unchanged, record the outcome. Page by page.

`purge` ends many by a rule, `expire` ends named ones or all of a user. Both are streams of
results; between two pages the caller may stop them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessctl.admin.plan import LIVE_LIMIT, Permissions, check_query, removable
from sessctl.errors import SessctlError, StoreError, UsageError
from sessctl.session import Query, Session, State
from sessctl.stores.base import Outcome, Result, in_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sessctl.admin.journal import JournalWriter
    from sessctl.stores.base import Store

# A person who keeps clicking must still be logged out.
EXPIRE_TRIES = 5


@dataclass(slots=True)
class Summary:
    """What a run did. `complete`: the end of the sessions was reached, without an error."""

    counts: Counter[str] = field(default_factory=Counter)
    complete: bool = False
    stopped: str | None = None  # why it ended early, in words
    error: SessctlError | None = None

    @property
    def ended(self) -> int:
        """Sessions that are gone because of this run."""
        return self.counts[Outcome.DELETED] + self.counts[Outcome.UNCONFIRMED]


class Removal:
    """One destructive run over a store.

    Args:
        journal: None only where the caller was allowed to go without.
        grace_ms: for `--expired`; then the server judges each session again as it deletes.
        stop: asked between pages; True ends the run cleanly.
    """

    def __init__(
        self,
        store: Store,
        journal: JournalWriter | None,
        *,
        permissions: Permissions | None = None,
        grace_ms: int | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.summary = Summary()
        self._store = store
        self._journal = journal
        self._permissions = permissions or Permissions()
        self._grace_ms = grace_ms
        self._stop = stop
        self._live = 0
        self._user: str | None = None  # whose sessions `expire` ends, if not named by id

    def purge(self, query: Query) -> Iterator[list[Result]]:
        """End every session that matches, yielding the results of each page."""
        check_query(query)
        found = removable(self._store.scan(query), query, self._permissions)
        return self._run(in_pages(found, self._store.page_size))

    def expire(self, sids: Sequence[str], user: str | None = None) -> Iterator[list[Result]]:
        """End named sessions, or all of a user, even while they are being renewed."""
        if not sids and user is None:
            raise UsageError("expire needs session ids or a user")
        self._user = user
        sids = list(dict.fromkeys(sids))  # naming one twice must not count it as gone
        query = Query(sids=tuple(sids), user=user)
        if user is None and sids:
            found: Iterable[Session] = self._store.get(sids)
            there = {session.sid for session in found}
            missing = [Result(s, Outcome.GONE, "no such session") for s in sids if s not in there]
            if missing:
                yield self._counted(missing)
        else:
            found = self._store.scan(query)
        yield from self._run(in_pages(iter(found), self._store.page_size), persistent=True)

    def _run(
        self, pages: Iterator[list[Session]], *, persistent: bool = False
    ) -> Iterator[list[Result]]:
        try:
            for page in pages:
                if self._stop():
                    self.summary.stopped = "interrupted"
                    return
                kept, ceiling = self._within_limits(page)
                if kept:
                    yield self._counted(self._end(kept, EXPIRE_TRIES if persistent else 1))
                if ceiling is not None:
                    self.summary.stopped = ceiling
                    return
            self.summary.complete = not self._stop()
            if self._stop():
                self.summary.stopped = "interrupted"
        except StoreError as exc:
            # An error is never "no more sessions".
            self.summary.error = exc
        finally:
            if self._journal is not None:
                counts = dict(self.summary.counts)
                self._journal.end(counts, complete=self.summary.complete)

    def _end(self, page: list[Session], tries: int) -> list[Result]:
        """Journal a page, then delete what is unchanged; `changed` ones again, if asked to."""
        results = {r.sid: r for r in self._journalled_delete(page)}
        for _ in range(tries - 1):
            changed = [sid for sid, r in results.items() if r.outcome is Outcome.CHANGED]
            if not changed:
                break
            again = [s for s in self._store.get(changed) if self._user in (None, s.user)]
            there = {session.sid for session in self._store.get(changed)}
            results |= {s: Result(s, Outcome.GONE) for s in changed if s not in there}
            if again:
                results |= {r.sid: r for r in self._journalled_delete(again)}
        return list(results.values())

    def _journalled_delete(self, page: list[Session]) -> list[Result]:
        if self._journal is None:
            return self._store.delete(page, grace_ms=self._grace_ms)
        number = self._journal.page(self._store, page)
        results = self._store.delete(page, grace_ms=self._grace_ms)
        place = {session.sid: index for index, session in enumerate(page)}
        self._journal.done(number, sorted(results, key=lambda result: place[result.sid]))
        return results

    def _within_limits(self, page: list[Session]) -> tuple[list[Session], str | None]:
        """Guard 5, and guard 2 while running: what of the page may still go, and why it stops."""
        ceiling = self._permissions.max_delete
        if ceiling is not None:
            room = ceiling - self.summary.ended
            if len(page) > room:
                return page[:room], f"--max-delete {ceiling} is reached"
            return page, None
        now_ms = self._store.now_ms()
        live = sum(session.state(now_ms) is State.ACTIVE for session in page)
        if self._live + live > LIVE_LIMIT:
            return [], f"{LIVE_LIMIT} live sessions are the limit without --max-delete"
        self._live += live
        return page, None

    def _counted(self, results: list[Result]) -> list[Result]:
        self.summary.counts.update(result.outcome.value for result in results)
        return results
