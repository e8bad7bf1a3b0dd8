"""What `expire` and `purge` have in common: permissions, the run itself, its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.admin.journal import Keep
from sessctl.cli.journals import prune_old
from sessctl.cli.outcomes import REMOVED, aside, counted
from sessctl.cli.pace import recheck_s, throttle_for
from sessctl.cli.progress import progress
from sessctl.cli.signals import stoppable
from sessctl.errors import ExitCode, JournalError, SessctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.journal import JournalWriter
    from sessctl.admin.plan import Permissions, Plan
    from sessctl.admin.removal import Removal, Summary
    from sessctl.cli.outcomes import Outcomes
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.stores.base import Result, Store


def permissions(
    run: Run, backend: Backend, *, max_delete: int | None, expect: int | None
) -> Permissions:
    """What flags and configuration allow beyond the ordinary."""
    from sessctl.admin.plan import Permissions

    return Permissions(
        forced=frozenset(run.options.force),
        max_delete=max_delete,
        expect=expect,
        no_ttl_by_cookie_date=backend.no_ttl == "cookie-date",
    )


def outcome_words(run: Run) -> tuple[str, ...]:
    """What a summary counts."""
    if run.options.dry_run:
        return ("would-delete",)
    return REMOVED if run.options.recheck is None else (*REMOVED, "re-created")


def carry_out(
    run: Run,
    backend: Backend,
    store: Store,
    plan: Plan,
    outcomes: Outcomes,
    removal: Removal,
    results: Iterator[list[Result]],
    journal: JournalWriter | None,
    *,
    undo: str,
    resume: str | None = None,
    must_end: bool = False,
) -> ExitCode:
    """Run a removal to its end, its interruption or its first failure, and say how it went.

    Args:
        undo: what to type to bring the sessions back.
        resume: what to type to go on in the same journal, where the command can.
        must_end: a session that is still there in the end is a failure, however often it was
            renewed meanwhile (`expire`).
    """
    removal.throttle = throttle_for(run, backend, store)
    removal.recheck_s = recheck_s(run)
    run.start_writing()
    prune_old(run, store)
    total = plan.matches if plan.exact else None
    error: SessctlError | None = None
    with stoppable(run.streams) as flag, progress(run, "ending sessions", total) as advance:
        removal.stop = lambda: flag() or run.streams.reader_gone
        removal.throttle.stop = removal.stop
        try:
            for page in results:
                try:
                    outcomes.add(page)
                except BrokenPipeError:
                    run.streams.discard_output()
                advance(len(page))
        except JournalError as exc:
            error = exc
    for note in removal.throttle.notes:
        store.remarks.note(note)
    summary = removal.summary
    written = journal if journal is not None and journal.sessions else None
    outcomes.conclude(
        summary.counts,
        store,
        headline=_headline(summary, written, undo),
        complete=summary.complete and error is None,
        journal=written.path if written is not None else None,
    )
    if written is not None:
        size = written.size_bytes / 2**20
        run.detail(f"journal: {written.path} ({written.sessions:,} sessions, {size:.1f} MiB)")
    if (error := error or summary.error) is not None:
        code = _failed(run, error, touched=bool(summary.ended or summary.counts["failed"]))
        if resume and code is ExitCode.PARTIAL:
            run.streams.say(("to go on: ", "accent"), resume)
        return code
    if summary.stopped is not None:
        again = resume if resume and written is not None else "run the same command again"
        run.streams.say(("stopped: ", "warn"), f"{summary.stopped}; to go on: {again}")
        if flag.code is not None:
            return flag.code
        return ExitCode.PIPE_CLOSED if run.streams.reader_gone else ExitCode.PARTIAL
    left = summary.counts["failed"] + (summary.counts["changed"] if must_end else 0)
    return ExitCode.PARTIAL if left else ExitCode.OK


def _headline(summary: Summary, journal: JournalWriter | None, undo: str) -> str:
    words = f"Ended {counted(summary.ended)}{aside(summary.counts)}."
    if summary.uncertain:
        words += f" Up to {summary.uncertain:,} of the failed may be gone."
    if journal is None or not (summary.ended or summary.uncertain):
        return words
    if journal.keep is Keep.IDS:
        return f"{words} No undo: the journal keeps ids and digests only."
    return f"{words} Undo: {undo}"


def _failed(run: Run, error: SessctlError, *, touched: bool) -> ExitCode:
    """A read, a delete or the journal failed. With something done, that is a partial run."""
    from sessctl.cli.report import report

    code = report(error, run, ())
    return ExitCode.PARTIAL if touched and not isinstance(error, JournalError) else code


def conclude_dry_run(outcomes: Outcomes, plan: Plan, store: Store) -> ExitCode:
    """The summary of a dry run: the same sentence in the conditional, and nothing was sent."""
    about = "" if plan.exact else "about "
    outcomes.conclude(
        {"would-delete": plan.count},
        store,
        headline=f"Would end {about}{counted(plan.count)}. Nothing was changed.",
        complete=plan.exact,
    )
    return ExitCode.OK
