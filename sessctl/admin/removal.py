"""Ending sessions: read, journal, delete what is unchanged, record the outcome. Page by page.

`purge` ends many by a rule, `expire` ends named ones or all of a user. Both are streams of
results; between two pages the caller may stop them.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessctl.admin.journal import open_journal
from sessctl.admin.plan import (
    LIVE_LIMIT,
    SHARE_FLOOR,
    Permissions,
    check_query,
    is_large,
    removable,
)
from sessctl.errors import Refused, SessctlError, StoreError, UsageError
from sessctl.session import Query, Session, State
from sessctl.stores.base import Outcome, Result, in_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sessctl.admin.journal import JournalWriter
    from sessctl.admin.throttle import Throttle
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
    journal: Path | None = None  # where what was ended is written down, if anything was
    uncertain: int = 0  # of the failed: the store was lost in mid-delete, they may be gone

    @property
    def ended(self) -> int:
        """Sessions that are gone because of this run."""
        return self.counts[Outcome.DELETED] + self.counts[Outcome.UNCONFIRMED]


class Removal:
    """One destructive run over a store.

    Args:
        journal: None only where the caller was allowed to go without.
        grace_ms: for `--expired`; then the server judges each session again as it deletes.

    `stop` is asked between pages; True ends the run cleanly. An error ends it too and stands in the
    summary, so that what was done before is never lost sight of.
    """

    def __init__(
        self,
        store: Store,
        journal: JournalWriter | None,
        *,
        permissions: Permissions | None = None,
        grace_ms: int | None = None,
    ) -> None:
        self.summary = Summary()
        self.stop: Callable[[], bool] = lambda: False
        self.throttle: Throttle | None = None
        self.recheck_s: float | None = None  # look again after so long for what came back
        self._store = store
        self._journal = journal
        self._permissions = permissions or Permissions()
        self._grace_ms = grace_ms
        self._live = 0
        self._store_total: int | None = None  # counted when the share of it begins to matter
        self._user: str | None = None  # whose sessions `expire` ends, if not named by id

    def purge(self, query: Query) -> Iterator[list[Result]]:
        """End every session that matches, yielding the results of each page."""
        check_query(query)
        found = removable(self._store.scan(query), query, self._permissions)
        return self._run(in_pages(found, self._store.page_size), by_rule=True)

    def expire(self, sids: Sequence[str], user: str | None = None) -> Iterator[list[Result]]:
        """End named sessions, or all of a user, even while they are being renewed."""
        if bool(sids) == (user is not None):
            raise UsageError("expire needs session ids or a user, and not both")
        self._user = user
        if user is not None:
            found = self._store.scan(Query(user=user))
            return self._run(in_pages(found, self._store.page_size), tries=EXPIRE_TRIES)
        return self._expire_named(list(dict.fromkeys(sids)))  # naming one twice ends it once

    def _expire_named(self, sids: list[str]) -> Iterator[list[Result]]:
        found = self._store.get(sids)
        there = {session.sid for session in found}
        missing = [Result(s, Outcome.GONE, "no such session") for s in sids if s not in there]
        if missing:
            yield self._counted(missing)
        yield from self._run(in_pages(iter(found), self._store.page_size), tries=EXPIRE_TRIES)

    def _run(
        self, pages: Iterator[list[Session]], *, tries: int = 1, by_rule: bool = False
    ) -> Iterator[list[Result]]:
        summary = self.summary
        try:
            for page in pages:
                if self.stop():
                    break
                kept, summary.stopped = self._within_limits(page, by_rule=by_rule)
                if kept:
                    before = time.monotonic()
                    results = self._end(kept, tries)
                    took_s = time.monotonic() - before
                    yield self._counted(results)
                    if summary.stopped is None and summary.error is None and self.throttle:
                        summary.stopped = self.throttle.after_page(len(kept), took_s)
                if summary.stopped is not None or summary.error is not None:
                    return
            if self.stop():
                summary.stopped = "interrupted"
            summary.complete = summary.stopped is None
            if self.recheck_s is not None and summary.complete:
                yield from self._look_again(persistent=tries > 1)
        except (StoreError, Refused) as exc:
            summary.error = exc  # an error is never "no more sessions"
        finally:
            if self._journal is not None:
                summary.journal = self._journal.path if self._journal.sessions else None
                self._journal.end(dict(summary.counts), complete=summary.complete)

    def _end(self, page: list[Session], tries: int) -> list[Result]:
        """Journal a page, then delete what is unchanged; `changed` ones again, if asked to."""
        results = {r.sid: r for r in self._journalled_delete(page)}
        for _ in range(tries - 1):
            changed = [sid for sid, r in results.items() if r.outcome is Outcome.CHANGED]
            if not changed or self.summary.error is not None:
                break
            try:
                now = {session.sid: session for session in self._store.get(changed)}
            except StoreError as exc:
                self.summary.error = exc
                break
            still = [s for s in now.values() if self._user in (None, s.user)]
            results |= {sid: self._lost(sid, now) for sid in changed}
            if still:
                results |= {r.sid: r for r in self._journalled_delete(still)}
        return list(results.values())

    def _look_again(self, *, persistent: bool) -> Iterator[list[Result]]:
        """Requests in flight write sessions back after they end: count them as `re-created`.

        `expire` ends them once more. The journal knows the ids, so that none are kept here.
        """
        if self._journal is None or not self._journal.sessions:
            return
        until = time.monotonic() + (self.recheck_s or 0)
        while (left := until - time.monotonic()) > 0 and not self.stop():
            time.sleep(min(left, 0.25))
        earlier = self._journal.earlier_pages
        ended = (
            [one["sid"] for one, outcome in zip(page.sessions, page.outcomes, strict=True)
             if outcome in (Outcome.DELETED, Outcome.UNCONFIRMED)]
            for page in open_journal(self._journal.path, key=self._journal.key).pages()
            if page.outcomes is not None and page.number > earlier
        )  # fmt: skip
        for sids in list(ended) if persistent else ended:  # ending them again writes more pages
            back = self._store.get(sids)
            if back and persistent:
                again = self._journalled_delete(back)
                self.summary.counts.update(r.outcome.value for r in again if _is_left(r))
            if back:
                reason = "ended once more" if persistent else "a request in flight wrote it back"
                yield self._counted([Result(s.sid, Outcome.RECREATED, reason) for s in back])

    @staticmethod
    def _lost(sid: str, now: dict[str, Session]) -> Result:
        """Nothing of this session is left to end."""
        return Result(sid, Outcome.GONE, "no longer this user's" if sid in now else None)

    def _journalled_delete(self, page: list[Session]) -> list[Result]:
        if self._journal is None:
            return self._delete(page)
        number = self._journal.page(self._store, page)
        results = self._delete(page)
        place = {session.sid: index for index, session in enumerate(page)}
        self._journal.done(number, sorted(results, key=lambda result: place[result.sid]))
        return results

    def _delete(self, page: list[Session]) -> list[Result]:
        try:
            return self._store.delete(page, grace_ms=self._grace_ms)
        except StoreError as exc:  # in the middle of it: who knows what the server still did
            self.summary.error = exc
            self.summary.uncertain += len(page)
            return [
                Result(s.sid, Outcome.FAILED, "the store was lost: it may be gone") for s in page
            ]

    def _within_limits(
        self, page: list[Session], *, by_rule: bool
    ) -> tuple[list[Session], str | None]:
        """Guards 2 and 5 while running: what of the page may still go, and why the run stops."""
        ceiling = self._permissions.max_delete
        if ceiling is not None:
            room = ceiling - self.summary.ended
            if len(page) > room:
                return page[:room], f"--max-delete {ceiling} is reached"
            return page, None
        now_ms = self._store.now_ms()
        live = self._live + sum(session.state(now_ms) is State.ACTIVE for session in page)
        if live > LIVE_LIMIT:
            return [], f"{LIVE_LIMIT} live sessions are the limit without --max-delete"
        if by_rule and live > SHARE_FLOOR and self._permissions.guards_share:
            if self._store_total is None:
                self._store_total = self._store.count(Query()) + self.summary.ended
            if is_large(live, self._store_total):
                return [], f"{live} live sessions are a large share of the store (--force=share)"
        self._live = live
        return page, None

    def _counted(self, results: list[Result]) -> list[Result]:
        self.summary.counts.update(result.outcome.value for result in results)
        return results


def _is_left(result: Result) -> bool:
    """The session is still there."""
    return result.outcome in (Outcome.CHANGED, Outcome.FAILED)
