"""Writing sessions over others: journal what is there, replace what is unchanged, record what our
write left. Page by page; `restore` undoes it where nobody has written since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from sessctl.admin.journal import JournalKey, JournalWriter, check_room, digest_of, head_for
from sessctl.admin.journal.space import ratio_of
from sessctl.admin.removal import Summary
from sessctl.errors import JournalError, SerializerError, SessctlError, StoreError
from sessctl.session import Query
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from sessctl.session import Session
    from sessctl.stores.base import Pair, Store

# A person who keeps clicking renews a session: it is read and written once more, so often.
TRIES = 5
_WHOLE_S = 1000  # ms; some engines keep whole seconds


@dataclass(slots=True)
class Change:
    """One run that changes sessions; a context manager that ends its journal.

    Args:
        journal: None only where the caller was allowed to go without.

    An error of the store or the journal ends the run and stands in the summary: what was done
    before is not lost sight of.
    """

    store: Store
    journal: JournalWriter | None
    summary: Summary = field(default_factory=Summary)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """Journal the first session of each pair, write the second over it where that is still
        there as it was read, and record what is there then. At most a page of the store.

        What cannot be journalled is not written: it is `failed`, and the run has its error.
        """
        if not pairs or self.summary.error is not None:
            return _failed(pairs, "not tried")
        try:
            number = self._journalled([was for was, _ in pairs])
        except JournalError as exc:
            self.summary.error = exc
            return _failed(pairs, "it could not be journalled, so it was not written")
        try:
            found = {result.sid: result for result in self.store.replace(pairs)}
            results = [found[was.sid] for was, _ in pairs]
        except StoreError as exc:  # in the middle of it: who knows what the server still did
            self.summary.error = exc
            self.summary.uncertain += len(pairs)
            results = _failed(pairs, "the store was lost: it may be changed")
        if self.journal is not None:
            left = self._left(pairs, results)
            try:
                self.journal.done(number, results, left=left)
            except JournalError as exc:
                self.summary.error = self.summary.error or exc
        return results

    def _journalled(self, sessions: Sequence[Session]) -> int:
        return 0 if self.journal is None else self.journal.page(self.store, sessions, changes=True)

    def _left(self, pairs: Sequence[Pair], results: Sequence[Result]) -> list[str | None]:
        """Digests of what our write left, as the store tells it: a database may write a value or
        an instant in its own way. None where somebody else has written since, or may have."""
        # One that failed may have come through all the same.
        perhaps = [r.sid for r in results if r.outcome in (Outcome.STORED, Outcome.FAILED)]
        lost = self.summary.error is not None or not perhaps
        try:
            now = {s.sid: s for s in ([] if lost else self.store.get(perhaps))}
        except StoreError as exc:
            self.summary.error = self.summary.error or exc
            now = {}
        left: list[str | None] = []
        off = self.store.capabilities.ends_within_ms
        for (_, new), result in zip(pairs, results, strict=True):
            found = now.get(result.sid)
            ours = found is not None and _is_same(found, new, off)
            left.append(digest_of(self.store, found) if found is not None and ours else None)
        return left

    def count(self, results: Iterable[Result]) -> list[Result]:
        """Add final results to the summary."""
        found = list(results)
        self.summary.counts.update(result.outcome.value for result in found)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        summary = self.summary
        summary.complete = kind is None and summary.error is None and summary.stopped is None
        if self.journal is not None:
            summary.journal = self.journal.path if self.journal.sessions else None
            self.journal.end(dict(summary.counts), complete=summary.complete)


def journal_of_changes(
    store: Store, command: str, sids: Sequence[str], folder: Path, key_file: Path | None
) -> JournalWriter:
    """A journal for named sessions, in a folder of journals."""
    head = head_for(store, command, Query(sids=tuple(sids)), backend=store.identity.label)
    return JournalWriter(folder, head, key=JournalKey.named(key_file))


def check_journal_of_changes(store: Store, sessions: Sequence[Session], folder: Path) -> None:
    """There is room to journal these. Raises GuardRefused."""
    size = sum(session.size_bytes for session in sessions)
    check_room(folder, int(size * ratio_of(store, sessions)))


def renewing(
    change: Change,
    sids: Sequence[str],
    become: Callable[[Session], Session | Result],
) -> list[Result]:
    """Change named sessions even while they are being renewed: what is `changed` is read again.

    Args:
        become: what is to stand there, or what became of the session without a write. It may raise
            SerializerError, which fails this session alone.
    """
    results: dict[str, Result] = {}
    left = list(dict.fromkeys(sids))
    for _ in range(TRIES):
        found = {session.sid: session for session in change.store.get(left)}
        pairs: list[Pair] = []
        for sid in left:
            if sid not in found:
                results[sid] = Result(sid, Outcome.GONE, "no such session")
                continue
            try:
                wanted = become(found[sid])
            except SerializerError as exc:
                wanted = Result(sid, Outcome.FAILED, exc.message)
            if isinstance(wanted, Result):
                results[sid] = wanted
            else:
                pairs.append((found[sid], wanted))
        results |= {result.sid: result for result in change.replace(pairs)}
        left = [sid for sid in left if results[sid].outcome is Outcome.CHANGED]
        if not left or change.summary.error is not None:
            break
    return change.count(results[sid] for sid in dict.fromkeys(sids))


def _failed(pairs: Sequence[Pair], why: str) -> list[Result]:
    return [Result(was.sid, Outcome.FAILED, why) for was, _ in pairs]


def _is_same(found: Session, new: Session, off_ms: int) -> bool:
    """What was read is what was written: its end as exactly as the engine keeps and tells it, its
    data perhaps in other words (PostgreSQL's jsonb) or encrypted anew."""
    if not _is_same_end(found.expires_ms, new.expires_ms, off_ms):
        return False
    if found.raw == new.raw:
        return True
    try:
        return bool(found.data == new.data)
    except SessctlError:
        return False


def _is_same_end(ends: int | None, wanted: int | None, off_ms: int) -> bool:
    if ends is None or wanted is None:
        return ends == wanted
    if abs(ends - wanted) <= off_ms:
        return True
    return ends % _WHOLE_S == 0 and abs(ends - wanted) < _WHOLE_S
