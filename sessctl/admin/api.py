"""Ending and restoring sessions from a program: the guards and the journal of the commands, without
their questions. Who calls this has answered them.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sessctl.admin.clock import measure_skew
from sessctl.admin.journal import (
    JournalKey,
    JournalWriter,
    Keep,
    check_room,
    head_for,
    old_journals,
    open_journal,
    query_to_resume,
    remove_journals,
    reopen,
)
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
    keep: Keep | str = Keep.FULL,
    key_file: Path | None = None,
    permissions: Permissions | None = None,
    grace: timedelta = _GRACE,
) -> Summary:
    """End every session that matches, journalled page by page.

        summary = purge(store, Query(expired=True), journals=Path("journals"))
        print(summary.ended, summary.journal)

    Args:
        store: opened with `write=True`.
        journals: the folder for the journal, which is made readable for its owner alone.
        keep: whole sessions (`full`), or their ids and digests only (`ids`), which undoes nothing.
        key_file: encrypts the journal; all its bytes, 32 at the least, are the key. It is needed
            to restore and to resume.
        permissions: what is allowed beyond the ordinary: ceilings, lifted guards.
        grace: how long past its expiry a session must be, for `Query(expired=True)`.

    Raises:
        UsageError: an empty query.
        GuardRefused: a guard said no; nothing was changed.
        JournalError: what could not be journalled was not deleted.
        MissingExtra: a key file, and no cryptography.
        ValueError: no such `keep`.
    """
    keep, key = Keep(keep), JournalKey.named(key_file)
    check_query(query)
    if query.expired:
        query = replace(query, grace_ms=round(grace.total_seconds() * 1000))
    allowed = permissions or Permissions()
    asked, query = query, _with_skew(store, query)
    _check(store, query, allowed, journals, keep, by_rule=True)
    head = head_for(store, "purge", query, backend=store.identity.label, again=asked)
    return _purge(store, query, JournalWriter(journals, head, keep=keep, key=key), allowed)


def resume(
    store: Store,
    journal: Path,
    *,
    key_file: Path | None = None,
    permissions: Permissions | None = None,
) -> Summary:
    """Go on with a purge that did not come to its end, in its own journal.

        summary = purge(store, Query(expired=True), journals=Path("journals"))
        if not summary.complete and summary.journal:
            summary = resume(store, summary.journal)

    The journal's query is asked again; the summary counts what this run does.

    Raises:
        Refused: the journal is of another store or command, has come to its end, or is being
            written by another run.
        GuardRefused, JournalError: as for `purge`.
    """
    source = open_journal(journal, key=JournalKey.named(key_file))
    query = _with_skew(store, query_to_resume(source, store))
    allowed = permissions or Permissions()
    _check(store, query, allowed, journal.parent, source.keep, by_rule=True)
    return _purge(store, query, reopen(source, store), allowed)


def expire(
    store: Store,
    sids: Sequence[str] = (),
    *,
    user: str | None = None,
    journals: Path,
    keep: Keep | str = Keep.FULL,
    key_file: Path | None = None,
    permissions: Permissions | None = None,
) -> Summary:
    """End named sessions, or all of a user, even while they are being renewed.

        expire(store, user="42", journals=Path("journals"))

    Arguments and errors as for `purge`.
    """
    keep, query = Keep(keep), Query(sids=tuple(sids), user=user)
    allowed = permissions or Permissions()
    head = head_for(store, "expire", query, backend=store.identity.label)
    journal = JournalWriter(journals, head, keep=keep, key=JournalKey.named(key_file))
    removal = Removal(store, journal, permissions=allowed)
    results = removal.expire(sids, user)
    _check(store, query, allowed, journals, keep, by_rule=user is not None)
    return _finish(removal, results)


def restore(
    store: Store,
    journal: Path,
    *,
    ttl: timedelta | None = None,
    lapsed: bool = False,
    salvage: bool = False,
    key_file: Path | None = None,
) -> Restore:
    """Put back what a journalled run removed; nothing newer is overwritten.

        undo = restore(store, summary.journal)
        print(undo.counts["restored"])

    Args:
        ttl: a new lifetime for all, from now.
        lapsed: expired ones too, as they were.
        salvage: pass over damaged lines of the journal; `undo.lost` says what was lost.
        key_file: of an encrypted journal.

    Raises:
        Refused: the journal is of another store, or keeps ids only.
        JournalError: it cannot be read, or is damaged: then nothing was put back.
        UsageError: it is encrypted, and there is no key file or another one.
    """
    source = open_journal(journal, salvage=salvage, key=JournalKey.named(key_file))
    undo = Restore(store, source, ttl=ttl, lapsed=lapsed)
    undo.check_store()
    undo.plan()  # unpacks every page: what is damaged is found before the first write
    for _ in undo.run():
        pass
    return undo


def prune_journals(folder: Path, older_than: timedelta) -> list[Path]:
    """Remove the journals of a folder whose last line is older; their paths.

    Links are left alone, and so is a journal that a run is writing.

    Raises:
        JournalError: the folder cannot be read or written.
    """
    old = old_journals(folder, older_than, datetime.now(UTC))
    return [one.path for one in remove_journals(old)]


def _check(
    store: Store, query: Query, allowed: Permissions, folder: Path, keep: Keep, *, by_rule: bool
) -> None:
    plan = make_plan(store, query, allowed)
    check_guards(plan, store, allowed, by_rule=by_rule)
    if keep is Keep.FULL:
        check_room(folder, plan.journal_bytes)


def _with_skew(store: Store, query: Query) -> Query:
    """A store whose clock is ahead of ours gets that much more grace."""
    if not query.expired:
        return query
    skew = measure_skew(store, local_ms)
    return replace(query, grace_ms=query.grace_ms + skew.extra_grace_ms)


def _purge(store: Store, query: Query, journal: JournalWriter, allowed: Permissions) -> Summary:
    grace_ms = query.grace_ms if query.expired else None
    removal = Removal(store, journal, permissions=allowed, grace_ms=grace_ms)
    return _finish(removal, removal.purge(query))


def _finish(removal: Removal, results: Iterable[list[Result]]) -> Summary:
    for _ in results:
        pass
    return removal.summary
