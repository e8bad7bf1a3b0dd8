"""What `copy` and `import` have in common: journals, the run itself, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.journal import Keep
from sessctl.admin.placing import Conflict
from sessctl.cli.journals import journal_for, prune_old, undo_command
from sessctl.cli.outcomes import COPIED, Outcomes, aside, counted
from sessctl.cli.pace import throttle_for
from sessctl.cli.progress import progress
from sessctl.cli.signals import stoppable
from sessctl.errors import ExitCode, JournalError, SessctlError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.copy import Copy, CopySummary
    from sessctl.admin.journal import JournalWriter
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Result, Store

OnConflict = Annotated[
    str,
    typer.Option(
        "--conflict",
        help="What the target has already: skip, newer or overwrite.",
        metavar="WORD",
        rich_help_panel="Copy",
        show_default=False,
    ),
]
_WOULD = {word: f"would-{verb}" for word, verb in (("copied", "copy"), ("replaced", "replace"))}
_WOULD_MOVE = {"copied": "would-move", "replaced": "would-move", "present": "would-move"}


SETTLED = {
    Conflict.SKIP: "what the target has already stays",
    Conflict.NEWER: "what the target has already is replaced by what was used later",
    Conflict.OVERWRITE: "what the target has already is replaced",
}


def conflict_of(word: str) -> Conflict:
    """What `--conflict` asks for. Raises UsageError."""
    if word not in list(Conflict):
        raise UsageError(
            f"no way '{word}' to settle a conflict",
            hint=did_you_mean(word, Conflict, all_are="--conflict takes"),
        )
    return Conflict(word)


def outcomes_for(run: Run, *, move: bool = False, follow: bool = False) -> Outcomes:
    """The outcomes there can be; in a dry run in the conditional."""
    words = ["moved", *COPIED, "changed"] if move else list(COPIED)
    if move or follow:
        words.append("ended")
    if run.options.dry_run:
        would = _WOULD_MOVE if move else _WOULD
        words = list(dict.fromkeys(would.get(word, word) for word in words if word != "moved"))
    return Outcomes(run, words, counts_only=True, dry_run=run.options.dry_run)


def journal_of(
    run: Run, command: str, backend: Backend, store: Store, query: Query
) -> JournalWriter:
    """Takes whole sessions: what a copy replaces or moves must be there to come back."""
    writer = journal_for(run, command, backend, store, query, Keep.FULL)
    assert writer is not None
    return writer


def carry_out(
    run: Run,
    work: Copy,
    results: Iterator[list[Result]],
    outcomes: Outcomes,
    target: tuple[Backend, Store],
    source: tuple[Backend, Store] | None = None,
    *,
    total: int | None,
    verb: str = "copy",
) -> ExitCode:
    """Run a copy to its end, its interruption or its first failure, and say how it went.

    Args:
        source: where sessions come from, if that is a store.
        total: how many there are, for the progress.
        verb: copy, move or import.
    """
    backend, store = target
    dry_run, move = run.options.dry_run, verb == "move"
    rename = (_WOULD_MOVE if move else _WOULD) if dry_run else {}
    if not dry_run:
        guarded = source[0] if source is not None and source[0].protected else backend
        work.throttle = throttle_for(run, guarded, store)
        run.start_writing()
        prune_old(run, store)
    error: SessctlError | None = None
    with stoppable(run.streams) as flag, progress(run, "copying sessions", total) as advance:
        work.stop = lambda: flag() or run.streams.reader_gone
        if work.throttle is not None:
            work.throttle.stop = work.stop
        try:
            for page in results:
                try:
                    outcomes.add(page, rename)
                except BrokenPipeError:
                    run.streams.discard_output()
                advance(len(page))
        except JournalError as exc:
            error = exc
    for note in work.throttle.notes if work.throttle is not None else ():
        store.remarks.note(note)
    summary = work.summary
    outcomes.conclude(
        _merged(summary, rename),
        store,
        headline=_headline(run, summary, target, source, verb),
        complete=summary.complete and error is None,
        journal=summary.target_journal,
        source=source[1] if source is not None else None,
        source_journal=summary.source_journal,
    )
    if (error := error or summary.error) is not None:
        from sessctl.cli.report import report

        code = report(error, run, ())
        partial = summary.touched and not isinstance(error, JournalError)
        return ExitCode.PARTIAL if partial else code
    if summary.stopped is not None:
        run.streams.say(
            ("stopped: ", "warn"), f"{summary.stopped}; run the same command again to go on"
        )
        if flag.code is not None:
            return flag.code
        return ExitCode.PIPE_CLOSED if run.streams.reader_gone else ExitCode.PARTIAL
    left = summary.counts["failed"] + summary.counts["changed"]
    return ExitCode.PARTIAL if left and not dry_run else ExitCode.OK


def _merged(summary: CopySummary, rename: dict[str, str]) -> dict[str, int]:
    """Counts under the names that they are shown by: several may have become one."""
    found: dict[str, int] = {}
    for word, count in summary.counts.items():
        shown = rename.get(word, word)
        found[shown] = found.get(shown, 0) + count
    return found


def _headline(
    run: Run,
    summary: CopySummary,
    target: tuple[Backend, Store],
    source: tuple[Backend, Store] | None,
    verb: str,
) -> str:
    counts, move = summary.counts, verb == "move"
    if run.options.dry_run:
        count = counts["copied"] + (counts["replaced"] + counts["present"] if move else 0)
        rest = {word: n for word, n in counts.items() if not (move and word in _WOULD_MOVE)}
        return f"Would {verb} {counted(count)}{aside(rest)}. Nothing was changed."
    done, past = {"copy": ("copied", "Copied"), "move": ("moved", "Moved")}.get(
        verb, ("copied", "Imported")
    )
    words = f"{past} {counted(counts[done])}{aside(counts)}."
    undo = [
        undo_command(run, backend, journal=journal, named=True)
        for journal, (backend, _) in (
            (summary.target_journal, target),
            (summary.source_journal, source or target),
        )
        if journal is not None
    ]
    return f"{words} Undo: {' && '.join(undo)}" if undo else words
