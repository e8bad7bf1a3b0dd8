"""`sessctl purge`: end many sessions by rule."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sessctl.admin.clock import measure_skew
from sessctl.admin.journal import Keep, open_journal, query_to_resume, reopen
from sessctl.admin.plan import Plan, check_guards, check_query, make_plan
from sessctl.admin.removal import Removal
from sessctl.cli import limit_options as limits
from sessctl.cli import query_options as q
from sessctl.cli.confirm import backend_label, confirm, show_plan
from sessctl.cli.destroy import (
    carry_out,
    conclude_dry_run,
    outcome_words,
    permissions,
)
from sessctl.cli.journals import (
    backend_of,
    check_journal_room,
    choose_keep,
    journal_for,
    resume_command,
    undo_command,
    undo_line,
)
from sessctl.cli.options import command
from sessctl.cli.outcomes import Outcomes, counted
from sessctl.errors import ExitCode, UsageError
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from sessctl.admin.journal import Journal
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Store

_GRACE = "60s"


@command("connection", "output", "safety", "journal", "pace", "recheck")
def purge(
    run: Run,
    *,
    expired: q.Expired = False,
    active: q.Active = False,
    user: q.User = None,
    expires_within: q.Within = None,
    older_than: q.Older = None,
    idle: q.Idle = None,
    larger_than: q.Larger = None,
    where: q.Where = None,
    all_: q.All = False,
    grace: Annotated[
        str | None, typer.Option("--grace", help="How long past its expiry (60s).",
                                 metavar="DURATION", rich_help_panel="Query", show_default=False)
    ] = None,
    max_delete: limits.MaxDelete = None,
    expect: limits.Expect = None,
    journal: limits.KeepJournal = None,
    no_journal: limits.NoJournal = False,
    exact: limits.Exact = False,
    resume: limits.Resume = None,
) -> ExitCode:  # fmt: skip
    """Plan, confirm, journal, delete what is unchanged, page by page."""
    grace_ms = round(parse_duration(_GRACE if grace is None else grace).total_seconds() * 1000)
    query = q.build_query(
        user=user, expired=expired, active=active, expires_within=expires_within,
        older_than=older_than, idle=idle, larger_than=larger_than, everything=all_,
        grace_ms=grace_ms if expired else 0, where=where,
    )  # fmt: skip
    source = None
    if resume is None:
        check_query(query)
        keep = choose_keep(run, query, journal, no_journal=no_journal)
        backend = run.backend()
    else:
        others = (grace, journal)
        if not query.is_empty or no_journal or any(word is not None for word in others):
            raise UsageError(
                "--resume asks the journal's own query, and writes to that journal",
                hint="leave the flags of the query and of the journal out",
            )
        source = open_journal(Path(resume), key=run.journal_key)
        keep, backend = source.keep, backend_of(run, source)
    limited = _Limits(max_delete, expect, exact)
    outcomes = Outcomes(run, outcome_words(run), counts_only=True, dry_run=run.options.dry_run)
    with run.store(backend, write=not run.options.dry_run) as store:
        if source is not None:
            query = query_to_resume(source, store)
        code = _purge(run, backend, store, query, keep, source, limited, outcomes)
    outcomes.end()
    return code


class _Limits(NamedTuple):
    max_delete: int | None
    expect: int | None
    exact: bool


def _purge(
    run: Run,
    backend: Backend,
    store: Store,
    asked: Query,
    keep: Keep | None,
    source: Journal | None,
    limited: _Limits,
    outcomes: Outcomes,
) -> ExitCode:
    """End what is asked for, in a new journal or in that of an interrupted run."""
    q.check_fields(asked, store)
    query = _with_skew(run, store, asked)
    allowed = permissions(run, backend, max_delete=limited.max_delete, expect=limited.expect)
    plan = make_plan(store, query, allowed, exact=limited.exact)
    added = "" if source is None else f", added to {source.path}"
    show_plan(run, backend, store, query, plan, undo_line(run, plan, keep) + added)
    _note_leftovers(run, store, query, plan)
    check_guards(plan, store, allowed, by_rule=True)
    check_journal_room(run, plan, keep)
    if run.options.dry_run:
        return conclude_dry_run(outcomes, plan, store)
    if plan.matches:
        _confirm(run, backend, store, query, plan, undoable=keep is Keep.FULL)
    if source is None:
        writer = journal_for(run, "purge", backend, store, query, keep, again=asked)
    else:
        writer = reopen(source, store)
        for note in source.notes:
            store.remarks.note(note)
    removal = Removal(
        store, writer, permissions=allowed,
        grace_ms=query.grace_ms if query.expired else None,
    )  # fmt: skip
    return carry_out(
        run,
        backend,
        store,
        plan,
        outcomes,
        removal,
        removal.purge(query),
        writer,
        undo=undo_command(
            run, backend, lapsed=query.expired, journal=None if source is None else source.path
        ),
        resume=None
        if writer is None
        else resume_command(run, backend, writer.path, max_delete=limited.max_delete),
    )


def _note_leftovers(run: Run, store: Store, query: Query, plan: Plan) -> None:
    """Redis removes expired sessions by itself: nothing found is no mistake."""
    if not query.expired or plan.matches or plan.left_no_ttl:
        return
    if store.capabilities.expires_by_itself:
        engine = store.identity.engine
        run.note(f"{engine} removes expired sessions by itself; nothing is left over")


def _with_skew(run: Run, store: Store, query: Query) -> Query:
    """A store whose clock is ahead of ours gets that much more grace."""
    from dataclasses import replace

    skew = measure_skew(store, run.local_ms)
    if skew.note:
        run.note(skew.note)
    if not query.expired:
        return query
    return replace(query, grace_ms=query.grace_ms + skew.extra_grace_ms)


def _confirm(
    run: Run, backend: Backend, store: Store, query: Query, plan: Plan, *, undoable: bool
) -> None:
    label = backend_label(backend, store)
    confirm(
        run, backend, store,
        f"End {'' if plan.exact else 'about '}{counted(plan.count)} in {label}?",
        live=plan.live,
        cron=query.expired and undoable and not run.options.force,
    )  # fmt: skip
