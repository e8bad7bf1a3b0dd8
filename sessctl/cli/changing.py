"""What `set`, `edit` and `touch` have in common: the plan, the question, the run, its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sessctl.admin.change import Change, check_journal_of_changes
from sessctl.admin.changes import Kind
from sessctl.admin.journal import Keep
from sessctl.cli.confirm import backend_label, confirm
from sessctl.cli.journals import journal_directory, journal_for, prune_old, undo_command
from sessctl.cli.outcomes import aside, counted
from sessctl.cli.report import report
from sessctl.errors import ExitCode, JournalError, NotFound
from sessctl.session import Query
from sessctl.text import is_short_id, short_id, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sessctl.admin.changes import Difference
    from sessctl.admin.journal import JournalWriter
    from sessctl.cli.outcomes import Outcomes
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Session
    from sessctl.stores.base import Store

_SHOWN = 40  # differences
_TEXT = 200  # characters of a value


def show_plan(
    run: Run, backend: Backend, store: Store, rows: Iterable[tuple[str, str]], *, undo: str
) -> None:
    """What a person needs to see before a change, on standard error."""
    if run.options.quiet:
        return
    where = store.identity
    label = f"{backend_label(backend, store)} ({where.engine} {where.address})"
    for name, text in (("backend", label), *rows, ("undo", undo)):
        run.streams.say((f"  {name:<10} ", "key"), text)


def show_differences(run: Run, differences: Iterable[Difference]) -> None:
    """Each place with what it held and what it will hold; sensitive values are masked."""
    if run.options.quiet:
        return
    found = list(differences)
    for one in found[:_SHOWN]:
        if one.kind is not Kind.ADDED:
            run.streams.say(("  - ", "danger"), _shown(run, one, one.before))
        if one.kind is not Kind.REMOVED:
            run.streams.say(("  + ", "ok"), _shown(run, one, one.after))
    if len(found) > _SHOWN:
        run.streams.say(f"    and {len(found) - _SHOWN} more")


def _shown(run: Run, where: Difference, value: Any) -> str:
    masker = run.masker()
    # Whatever stands below a key that is hidden is hidden.
    masked = "***" if any(masker.hides(str(key)) for key in where.keys) else masker.mask(value)
    return f"{where.path}: {shorten(json.dumps(masked, ensure_ascii=False), _TEXT)}"


def confirm_if_protected(run: Run, backend: Backend, store: Store, question: str) -> None:
    """A change that can be undone is asked about only where the backend is protected."""
    if backend.protected:
        confirm(run, backend, store, question, live=1)


def missing(sids: Sequence[str], command: str) -> NotFound:
    """None of the named sessions exists; nothing is written by a beginning of an id."""
    if len(sids) > 1:
        return NotFound(
            f"none of the {len(sids)} named sessions exists",
            hint="`sessctl list --show-ids` prints full ids",
        )
    if is_short_id(sids[0]):
        return NotFound(
            f"{sids[0]} is the short form of a session id, and {command} wants the whole one",
            hint=f"sessctl show '{sids[0]}' -o name prints it",
        )
    name = short_id(sids[0])
    return NotFound(f"no session {name}", hint="`sessctl list --show-ids` prints full ids")


def begin(
    run: Run, command: str, backend: Backend, store: Store, sessions: Sequence[Session]
) -> Change:
    """The run, journalled, from here on able to write.

    Raises:
        GuardRefused: there is no room for its journal.
    """
    check_journal_of_changes(store, sessions, journal_directory(run))
    query = Query(sids=tuple(session.sid for session in sessions))
    journal = journal_for(run, command, backend, store, query, Keep.FULL)
    run.start_writing()
    prune_old(run, store)
    return Change(store, journal)


def conclude(
    run: Run, backend: Backend, outcomes: Outcomes, change: Change, *, done: str, verb: str
) -> ExitCode:
    """The sentence, the summary and the exit code of a run; `done` is what its items call a session
    that was written, `verb` what the sentence does."""
    counts = {word: count for word, count in change.summary.counts.items() if word != "stored"}
    counts[done] = stored = change.summary.counts["stored"]
    headline = f"{verb} {counted(stored)}{aside(counts)}."
    if stored:
        headline += f" Undo: {undo_command(run, backend)}"
    journal: JournalWriter | None = change.journal
    written = journal.path if journal is not None and journal.sessions else None
    summary = change.summary
    outcomes.conclude(
        counts, change.store, headline=headline, complete=summary.complete, journal=written
    )
    if summary.error is not None:
        code = report(summary.error, run, ())
        partial = (stored or summary.uncertain) and not isinstance(summary.error, JournalError)
        return ExitCode.PARTIAL if partial else code
    if any(summary.counts[word] for word in ("changed", "failed", "unconfirmed")):
        return ExitCode.PARTIAL
    return ExitCode.NO if summary.counts["gone"] and not stored else ExitCode.OK
