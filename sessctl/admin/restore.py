"""Putting back what a journalled run removed or changed. Nothing newer is ever overwritten.

A session that was removed is put where there is none; one that was changed is replaced only if it
is still, to the byte, what our own write left.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.journal import Keep, check_same_store, digest_of, digests_of
from sessctl.errors import Refused, StoreError
from sessctl.session import Session, State
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from sessctl.admin.journal import Journal
    from sessctl.stores.base import Store

# Only what our own run took away comes back: a session that was `changed` may have been ended by
# the application since. One whose delete `failed` may have been taken after all, by a command that
# reached the server when its connection was lost already.
_TAKEN = (Outcome.DELETED, Outcome.UNCONFIRMED)
_UNSURE = (Outcome.FAILED,)
_WRITTEN = (Outcome.STORED, Outcome.FAILED, Outcome.UNCONFIRMED)
RESTORED = "restored"


class Taken(NamedTuple):
    """Sessions as they were before our run, at most a page. `certain`: what became of them is
    recorded. `left`: they were changed, to what has these digests; None: they were removed."""

    sessions: list[Session]
    certain: bool
    left: list[str | None] | None


@dataclass(slots=True)
class RestorePlan:
    """What a journal holds, judged by the store's clock."""

    sessions: int = 0
    live: int = 0
    lapsed: int = 0
    uncertain: int = 0  # the run died between journal and outcome, or the delete failed
    samples: list[str] = field(default_factory=list)


class Restore:
    """One undo run.

    Args:
        ttl: a new lifetime for every session, from the server's now.
        lapsed: put back sessions whose expiry has passed too, exactly as they were.
        certain_only: leave sessions whose end was not recorded.

    `stop` is asked between pages. An error of the store ends the run and stands in `error`.

    A damaged journal puts nothing back, unless it was opened with `salvage`: then `lost` says
    afterwards what was passed over.

    Raises:
        Refused: the journal keeps ids only.
        UsageError: it is encrypted, and was opened without its key.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        ttl: timedelta | None = None,
        lapsed: bool = False,
        certain_only: bool = False,
    ) -> None:
        journal.check_key()
        if journal.keep is Keep.IDS:
            raise Refused(
                f"nothing can be brought back from {journal.path}: it keeps ids and digests only",
                hint="`sessctl journal show PATH` lists the ids",
            )
        self.counts: Counter[str] = Counter()
        self.uncertain = 0
        self.complete = False
        self.error: StoreError | None = None
        self.stop: Callable[[], bool] = lambda: False
        self._store = store
        self._journal = journal
        self._ttl = ttl
        self._lapsed = lapsed
        self._certain_only = certain_only

    def check_store(self) -> None:
        """The journal belongs to this store. Raises Refused; `--force=wrong-store` skips this."""
        check_same_store(self._journal.head, self._store)

    @property
    def lost(self) -> str | None:
        """What a damaged journal kept back, in words; None: nothing, as far as it was read."""
        damage = self._journal.damage
        if not damage:
            return None
        first = min(damage)
        lines = "1 line was" if len(damage) == 1 else f"{len(damage):,} lines were"
        pages = self._journal.summary().lost_pages
        pages_lost = "1 page" if pages == 1 else f"{pages:,} pages"
        # A line that cannot be read does not tell whether it was a page.
        whose = (
            f"at least {pages_lost} of sessions lost" if pages else "no page is known to be lost"
        )
        return f"{lines} damaged (first: line {first}, {damage[first]}), {whose}"

    def plan(self) -> RestorePlan:
        """Count what would come back."""
        plan, now_ms = RestorePlan(), self._store.now_ms()
        for sessions, certain, _ in self._taken():
            for session in sessions:
                plan.sessions += 1
                expired = session.state(now_ms) is State.EXPIRED
                plan.lapsed += expired
                plan.live += not expired
                plan.uncertain += not certain
                if len(plan.samples) < 3:
                    plan.samples.append(session.sid)
        return plan

    def run(self) -> Iterator[list[Result]]:
        """Put sessions back page by page: `stored`, `present`, `newer`, `lapsed` or `failed`; of
        those that were changed, `gone` are the ones that have ended since."""
        now_ms = self._store.now_ms()
        for taken in self._taken():
            sessions, certain, _ = taken
            if self.stop():
                return
            wanted = (
                sessions
                if self._keeps_lapsed
                else [s for s in sessions if s.state(now_ms) is not State.EXPIRED]
            )
            kept = {id(session) for session in wanted}
            results = [Result(s.sid, Outcome.LAPSED) for s in sessions if id(s) not in kept]
            results += self._back(wanted, taken)
            for result in results:
                word = RESTORED if result.outcome is Outcome.STORED else result.outcome.value
                self.counts[word] += 1
                self.uncertain += not certain and result.outcome is Outcome.STORED
            yield results
            if self.error is not None:
                return
        self.complete = True

    def _back(self, sessions: list[Session], taken: Taken) -> list[Result]:
        try:
            if taken.left is None:
                return self._store.put(sessions)
            return self._unchange(sessions, taken)
        except StoreError as exc:  # in the middle of it; the same command again finds out
            self.error = exc
            reason = "the store was lost: it may be back"
            return [Result(session.sid, Outcome.FAILED, reason) for session in sessions]

    def _unchange(self, sessions: list[Session], taken: Taken) -> list[Result]:
        """Write sessions over what our run made of them."""
        left = dict(zip([s.sid for s in taken.sessions], taken.left or [], strict=True))
        there = {session.sid: session for session in self._store.get([s.sid for s in sessions])}
        results: dict[str, Result] = {}
        pairs: list[tuple[Session, Session]] = []
        for session in sessions:
            now = there.get(session.sid)
            if now is None:
                results[session.sid] = Result(session.sid, Outcome.GONE, "it has ended since")
                continue
            digests = digests_of(self._store, now)
            if digest_of(self._store, session) in digests:
                results[session.sid] = Result(session.sid, Outcome.PRESENT)
            elif left[session.sid] in digests:
                pairs.append((now, session))
            else:
                results[session.sid] = Result(session.sid, Outcome.NEWER)
        for result in self._store.replace(pairs):
            changed = result.outcome is Outcome.CHANGED  # in the moment since it was read
            newer = Result(result.sid, Outcome.NEWER, result.reason)
            results[result.sid] = newer if changed else result
        return [results[session.sid] for session in sessions]

    @property
    def _keeps_lapsed(self) -> bool:
        return self._lapsed or self._ttl is not None

    def _taken(self) -> Iterator[Taken]:
        """What our run took away or changed, at most a page at a time.

        Newest first: a session may stand in two pages, and its later state is the one to keep.
        The whole journal has been checked when the first page comes.
        """
        for page in self._journal.pages_newest_first():
            outcomes = page.outcomes or [Outcome.FAILED] * len(page.sessions)
            if page.left is not None:
                places = [place for place, word in enumerate(outcomes) if word in _WRITTEN]
                certain = page.outcomes is not None
                if places and (certain or not self._certain_only):
                    sessions = [self._thaw(page.sessions[place]) for place in places]
                    yield Taken(sessions, certain, [page.left[place] for place in places])
                continue
            for words, certain in ((_TAKEN, True), (_UNSURE, False)):
                if not certain and self._certain_only:
                    continue
                frozen = [f for f, o in zip(page.sessions, outcomes, strict=True) if o in words]
                if frozen:
                    yield Taken([self._thaw(item) for item in frozen], certain, None)

    def _thaw(self, frozen: dict[str, Any]) -> Session:
        if self._ttl is None:
            return self._store.thaw(frozen)
        ends = self._store.now_ms() + round(self._ttl.total_seconds() * 1000)
        return self._store.thaw(frozen, expires_ms=ends)
