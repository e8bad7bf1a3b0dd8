"""Copying, comparing, exporting and importing sessions from a program: what the commands do,
without their questions. Who calls this has answered them.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING

from sessctl.admin.copy import Copy, CopySummary, Source, check_apart
from sessctl.admin.diff import SessionChange, StoreDiff
from sessctl.admin.follow import Follow
from sessctl.admin.journal import JournalKey, JournalWriter, head_for
from sessctl.admin.placing import Conflict, Placing
from sessctl.admin.plan import Permissions, make_plan
from sessctl.admin.portable import PortableFile, portable_item
from sessctl.session import Query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sessctl.stores.base import Store


def copy_sessions(
    source: Store,
    target: Store,
    query: Query | None = None,
    *,
    journals: Path,
    conflict: Conflict | str = Conflict.SKIP,
    move: bool = False,
    follow: bool = False,
    key_file: Path | None = None,
    permissions: Permissions | None = None,
) -> CopySummary:
    """Copy sessions to another store, in its layout, with their ids and ends; read back each.

        with open_store(old) as source, open_store(new, write=True) as target:
            done = copy_sessions(source, target, journals=Path("journals"))
        print(done.counts, done.complete)

    Args:
        source: opened with `write=True` if sessions are to move.
        query: which of them; all, if not given. Those that are over stay behind.
        journals: the folder for what is replaced in the target or moved away from the source.
        conflict: what becomes of a session that the target has already, and otherwise: `skip`
            leaves it, `newer` replaces it if ours was used later, `overwrite` does.
        move: end at the source what stands in the target.
        follow: pass after pass until nothing has changed at the source, for one that is in use;
            what ends there meanwhile ends in the target, too.
        key_file: as for `purge`.
        permissions: guards that are lifted.

    Raises:
        GuardRefused: a guard said no, or the target has no room; nothing was written.
        JournalError: what could not be journalled was not changed.
        UsageError: the two are one store, or the target is a part of the source.
        ValueError: no such `conflict`.
    """
    chosen, asked = Conflict(conflict), query or Query()
    check_apart(source, target)
    key = JournalKey.named(key_file)
    journal = _journal(target, asked, journals, key)
    placing = Placing(target, conflict=chosen, journal=journal)
    work = (Follow if follow else Copy)(
        source,
        target,
        placing,
        target_journal=journal,
        source_journal=_journal(source, asked, journals, key) if move else None,
    )
    allowed = permissions or Permissions()
    work.check(make_plan(source, asked, Permissions(allowed.forced | {"share"})), allowed)
    return _run(work, asked)


def diff_stores(first: Store, second: Store) -> Iterator[SessionChange]:
    """The sessions that one store has and the other has not, or otherwise.

        for change in diff_stores(old, new):
            print(change.sid, change.kind, change.paths)

    Those that are over count as absent; a page of each is held at a time.
    """
    return StoreDiff(first, second).run()


def export_sessions(store: Store, file: IO[bytes], query: Query | None = None) -> int:
    """Write sessions as lines of JSON that `import_sessions` takes back; how many.

        with open_store(url) as store, open("sessions.jsonl", "wb") as file:
            export_sessions(store, file, Query(user="42"))

    The file holds whole ids and data: whoever reads it can be these people. Open it for its owner
    alone.
    """
    now_ms, count = store.now_ms(), 0
    for session in store.scan(query or Query()):
        item = portable_item(
            session, backend=store.identity.label, layout=store.layout.name, now_ms=now_ms
        )
        file.write(json.dumps(item, separators=(",", ":")).encode() + b"\n")
        count += 1
    return count


def import_sessions(
    file: IO[bytes],
    target: Store,
    query: Query | None = None,
    *,
    journals: Path,
    conflict: Conflict | str = Conflict.SKIP,
    key_file: Path | None = None,
) -> CopySummary:
    """Put the sessions of an export into a store; a line that is none counts as `failed`.

        with open_store(url, write=True) as store, open("sessions.jsonl", "rb") as file:
            print(import_sessions(file, store, journals=Path("journals")).counts)

    Arguments and errors as for `copy_sessions`; `file` can be rewound.
    """
    chosen, asked = Conflict(conflict), query or Query()
    journal = _journal(target, asked, journals, JournalKey.named(key_file), command="import")
    placing = Placing(target, conflict=chosen, journal=journal)
    source: Source = PortableFile(file, target)
    return _run(Copy(source, target, placing, target_journal=journal), asked)


def _journal(
    store: Store, query: Query, folder: Path, key: JournalKey | None, *, command: str = "copy"
) -> JournalWriter:
    head = head_for(store, command, query, backend=store.identity.label)
    return JournalWriter(folder, head, key=key)


def _run(work: Copy, query: Query) -> CopySummary:
    for _ in work.run(query):
        pass
    return work.summary
