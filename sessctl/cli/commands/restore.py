"""`sessctl restore`: put back what a journalled run removed."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.journal import Journal, list_journals, open_journal
from sessctl.admin.restore import Restore
from sessctl.cli.confirm import backend_label, confirm
from sessctl.cli.journals import age_s, backend_of, journal_directory, prune_old
from sessctl.cli.options import command
from sessctl.cli.outcomes import RESTORED, Outcomes, aside, counted
from sessctl.cli.progress import progress
from sessctl.cli.report import report
from sessctl.cli.signals import stoppable
from sessctl.errors import ExitCode, GuardRefused, JournalError, UsageError
from sessctl.text import short_id
from sessctl.timespec import format_duration, parse_duration

if TYPE_CHECKING:
    from sessctl.admin.restore import RestorePlan
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.stores.base import Store

_OLD_AFTER_S = 24 * 3600


@command("connection", "output", "safety", "journal")
def restore(
    run: Run,
    *,
    journal: Annotated[
        str | None, typer.Argument(help="A journal's path.", metavar="JOURNAL")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="The newest journal.")] = False,
    ttl: Annotated[
        str | None, typer.Option("--ttl", help="A new lifetime for all.", metavar="DURATION")
    ] = None,
    lapsed: Annotated[
        bool, typer.Option("--lapsed", help="Expired ones too, as they were.")
    ] = False,
    certain_only: Annotated[
        bool, typer.Option("--certain-only", help="Only sessions whose end was recorded.")
    ] = False,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Go on past damaged lines of the journal.")
    ] = False,
) -> ExitCode:
    """Undo. Nothing newer is overwritten; running it twice changes nothing the second time."""
    if bool(journal) == last:
        raise UsageError(
            "which journal?", hint="sessctl restore --last, or a path of `sessctl journal list`"
        )
    lifetime = parse_duration(ttl) if ttl is not None else None
    dry_run = run.options.dry_run
    outcomes = Outcomes(
        run, ("would-restore",) if dry_run else RESTORED, counts_only=True, dry_run=dry_run
    )
    key = run.journal_key
    source = open_journal(Path(journal), salvage=salvage, key=key) if journal else None
    backend = backend_of(run, source or _newest(run))
    with run.store(backend, write=not dry_run) as store:
        if source is None:
            source = _newest(run, None if "wrong-store" in run.options.force else store)
            source.salvage = salvage
        undo = Restore(store, source, ttl=lifetime, lapsed=lapsed, certain_only=certain_only)
        if "wrong-store" not in run.options.force:
            undo.check_store()
        plan = undo.plan()
        back = plan.sessions if lapsed or lifetime else plan.live
        _show(run, backend, store, source, plan)
        if (lost := undo.lost) is not None:
            store.remarks.note(f"the journal is damaged: {lost}")
        _check_age(run, source)
        if dry_run:
            headline = f"Would restore {counted(back)}."
            outcomes.conclude(
                {"would-restore": back},
                store,
                headline=headline,
                complete=not source.damage,
                journal=source.path,
            )
            code = ExitCode.OK
        else:
            if back:
                where = backend_label(backend, store)
                question = f"Restore {counted(back)} ({plan.live:,} live) in {where}?"
                confirm(run, backend, store, question, live=plan.live)
            code = _carry_out(run, store, source, undo, outcomes, plan)
    outcomes.end()
    return code


def _newest(run: Run, store: Store | None = None) -> Journal:
    """The newest journal, of this store if one is at hand; what is no journal is passed over."""
    directory = journal_directory(run)
    of_it = f" of {store.identity.label}" if store is not None else ""
    for path in list_journals(directory):
        with suppress(JournalError):
            found = open_journal(path)  # which store it is of stands in the open
            if store is None or found.head.get("store") == store.identity.as_dict():
                return open_journal(path, key=run.journal_key)
    raise UsageError(
        f"there is no journal{of_it} in {directory}", hint="sessctl restore PATH names one"
    )


def _show(run: Run, backend: Backend, store: Store, source: Journal, plan: RestorePlan) -> None:
    head = source.head
    rows = [
        (
            "backend",
            f"{backend_label(backend, store)} ({store.identity.engine} {store.identity.address})",
        ),
        ("journal", str(source.path)),
        ("of", f"{head.get('command')}: {head.get('query')}, {head.get('server_time')}"),
        ("sessions", f"{plan.sessions:,}: {plan.live:,} live, {plan.lapsed:,} expired by now"),
    ]
    if plan.uncertain:
        rows.append(
            ("", f"{plan.uncertain:,} uncertain: that run failed before it recorded their end")
        )
    if plan.samples:
        rows.append(("samples", ", ".join(short_id(sid) for sid in plan.samples)))
    if not run.options.quiet:
        for name, text in rows:
            run.streams.say((f"  {name:<10} ", "key"), text)
    for note in dict.fromkeys(source.notes):
        run.note(note)


def _check_age(run: Run, source: Journal) -> None:
    """Restoring re-opens logins, perhaps ones ended on purpose: an old journal needs a word."""
    age = age_s(run, source)
    if age > _OLD_AFTER_S and "old-journal" not in run.options.force:
        raise GuardRefused(
            "old-journal",
            f"the journal is {format_duration(age)} old",
            hint="--force=old-journal if these logins may come back",
        )


def _carry_out(
    run: Run, store: Store, source: Journal, undo: Restore, outcomes: Outcomes, plan: RestorePlan
) -> ExitCode:
    run.start_writing()
    prune_old(run, store, spare=source.path)
    with stoppable(run.streams) as flag, progress(run, "restoring", plan.sessions) as advance:
        undo.stop = flag
        for page in undo.run():
            outcomes.add(page, {"stored": "restored"})
            advance(len(page))
    counts = undo.counts
    headline = f"Restored {counted(counts['restored'])}{aside(counts)}."
    if undo.uncertain:
        headline += f" {undo.uncertain:,} of them uncertain."
    if counts["lapsed"]:
        headline += " --lapsed puts expired ones back as they were, --ttl 1d gives them a new life."
    if source.damage:
        headline += " Not all that the journal held: it is damaged."
    complete = undo.complete and not source.damage
    outcomes.conclude(counts, store, headline=headline, complete=complete, journal=source.path)
    if undo.error is not None:
        code = report(undo.error, run, ())
        return ExitCode.PARTIAL if counts["restored"] or counts["failed"] else code
    if flag.code is not None:
        run.streams.say(("stopped: ", "warn"), "run the same command again to go on")
        return flag.code
    return ExitCode.PARTIAL if counts["failed"] or source.damage else ExitCode.OK
