"""Moving the end of sessions. What has ended stays ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.admin.change import Change, journal_of_changes, renewing
from sessctl.errors import UsageError
from sessctl.session import Expiry, State
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from sessctl.session import Session
    from sessctl.stores.base import Store


def touch_pages(
    change: Change, sids: Sequence[str], ends_ms: int, *, only_later: bool = False
) -> Iterator[list[Result]]:
    """Move the end of named sessions, page by page: `stored`; `present` where it is that already,
    `lapsed` where it has passed, `gone`, `changed` or `failed`.

    Args:
        ends_ms: in ms since 1970 UTC.
        only_later: a session that ends later than that, or never, is left alone (`present`).
    """
    store = change.store
    now_ms = store.now_ms()

    def become(session: Session) -> Session | Result:
        if session.state(now_ms) is State.EXPIRED:
            return Result(session.sid, Outcome.LAPSED, "it has ended")
        ends, endless = session.expires_ms, session.expiry is Expiry.NEVER
        later = endless or (ends is not None and ends > ends_ms)
        if ends == ends_ms or (only_later and later):
            return Result(session.sid, Outcome.PRESENT, "it ends then, or later")
        return store.with_end(session, ends_ms)

    named = list(dict.fromkeys(sids))
    for start in range(0, len(named), store.page_size):
        yield renewing(change, named[start : start + store.page_size], become)
        if change.summary.error is not None:
            return


def default_end_ms(store: Store) -> int:
    """Where a session ends that is used at this moment, by the layout's lifetime."""
    return store.now_ms() + store.layout.lifetime_s * 1000


def check_end(store: Store, ends_ms: int) -> None:
    """Raises UsageError for an end that has passed: a touch ends no session."""
    if ends_ms <= store.now_ms():
        raise UsageError("that end has passed", hint="`sessctl expire SID` ends a session")


def touch(
    store: Store,
    sids: Sequence[str],
    *,
    ttl: timedelta | None = None,
    journals: Path,
    key_file: Path | None = None,
) -> Change:
    """Push the end of sessions forward, journalled; those that were renewed are read again.

        done = touch(store, [sid], ttl=timedelta(hours=2), journals=Path("journals"))
        print(done.summary.counts["stored"])

    Args:
        store: opened with `write=True`.
        ttl: from the store's now; else the layout's lifetime, for those that would end earlier.
        journals, key_file: as for `purge`.
    """
    ends_ms = default_end_ms(store)
    if ttl is not None:
        ends_ms = store.now_ms() + round(ttl.total_seconds() * 1000)
    check_end(store, ends_ms)
    with Change(store, journal_of_changes(store, "touch", sids, journals, key_file)) as change:
        for _ in touch_pages(change, sids, ends_ms, only_later=ttl is None):
            pass
    return change
