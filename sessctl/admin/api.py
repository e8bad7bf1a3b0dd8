"""Ending and restoring sessions from a program: the guards and the journal of the commands, without
their questions. Who calls this has answered them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sessctl.admin.clock import measure_skew
from sessctl.admin.journal import JournalWriter, Keep, check_room, head_for, open_journal
from sessctl.admin.plan import Permissions, check_guards, check_query, make_plan
from sessctl.admin.removal import Removal, Summary
from sessctl.admin.restore import Restore
from sessctl.session import Query
from sessctl.timespec import local_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from sessctl.stores.base import Result, Store

_GRACE = timedelta(seconds=60)


def purge(
    store: Store,
    query: Query,
    *,
    journals: Path,
    keep: Keep = Keep.FULL,
    permissions: Permissions | None = None,
    grace: timedelta = _GRACE,
) -> Summary:
    """End every session that matches, journalled page by page.

        summary = purge(store, Query(expired=True), journals=Path("journals"))
        print(summary.ended, summary.journal)

    Args:
        store: opened with `write=True`.
        journals: the folder for the journal, which is made readable for its owner alone.
        keep: whole sessions, or their ids and digests only, which undoes nothing.
        permissions: what is allowed beyond the ordinary: ceilings, lifted guards.
        grace: how long past its expiry a session must be, for `Query(expired=True)`.

    Raises:
        UsageError: an empty query.
        GuardRefused: a guard said no; nothing was changed.
        JournalError: what could not be journalled was not deleted.
    """
    check_query(query)
    if query.expired:
        skew = measure_skew(store, local_ms)
        grace_ms = round(grace.total_seconds() * 1000) + skew.extra_grace_ms
        query = replace(query, grace_ms=grace_ms)
    allowed = permissions or Permissions()
    _check(store, query, allowed, journals, keep, by_rule=True)
    removal = Removal(
        store,
        _journal(store, "purge", query, journals, keep),
        permissions=allowed,
        grace_ms=query.grace_ms if query.expired else None,
    )
    return _finish(removal, removal.purge(query))


def expire(
    store: Store,
    sids: Sequence[str] = (),
    *,
    user: str | None = None,
    journals: Path,
    keep: Keep = Keep.FULL,
    permissions: Permissions | None = None,
) -> Summary:
    """End named sessions, or all of a user, even while they are being renewed.

        expire(store, user="42", journals=Path("journals"))

    Arguments and errors as for `purge`.
    """
    query = Query(sids=tuple(sids), user=user)
    allowed = permissions or Permissions()
    removal = Removal(store, _journal(store, "expire", query, journals, keep), permissions=allowed)
    results = removal.expire(sids, user)
    _check(store, query, allowed, journals, keep, by_rule=user is not None)
    return _finish(removal, results)


def restore(
    store: Store, journal: Path, *, ttl: timedelta | None = None, lapsed: bool = False
) -> Restore:
    """Put back what a journalled run removed; nothing newer is overwritten.

        undo = restore(store, summary.journal)
        print(undo.counts["restored"])

    Args:
        ttl: a new lifetime for all, from now.
        lapsed: expired ones too, as they were.

    Raises:
        Refused: the journal is of another store, or keeps ids only.
        JournalError: it cannot be read.
    """
    undo = Restore(store, open_journal(journal), ttl=ttl, lapsed=lapsed)
    undo.check_store()
    for _ in undo.run():
        pass
    return undo


def _check(
    store: Store, query: Query, allowed: Permissions, folder: Path, keep: Keep, *, by_rule: bool
) -> None:
    plan = make_plan(store, query, allowed)
    check_guards(plan, store, allowed, by_rule=by_rule)
    if keep is Keep.FULL:
        check_room(folder, plan.journal_bytes)


def _journal(store: Store, command: str, query: Query, folder: Path, keep: Keep) -> JournalWriter:
    head = head_for(store, command, query, backend=store.identity.label)
    return JournalWriter(folder, head, keep=keep)


def _finish(removal: Removal, results: Iterable[list[Result]]) -> Summary:
    for _ in results:
        pass
    return removal.summary
