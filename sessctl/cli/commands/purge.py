"""`sessctl purge`: end many sessions by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.clock import measure_skew
from sessctl.admin.journal import Keep
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
    check_journal_room,
    choose_keep,
    journal_for,
    undo_command,
    undo_line,
)
from sessctl.cli.options import command
from sessctl.cli.outcomes import Outcomes, counted
from sessctl.errors import ExitCode
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Store


@command("connection", "output", "safety", "pace")
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
    all_: q.All = False,
    grace: Annotated[
        str, typer.Option("--grace", help="How long past its expiry (60s).", metavar="DURATION",
                          rich_help_panel="Query", show_default=False)
    ] = "60s",
    max_delete: limits.MaxDelete = None,
    expect: limits.Expect = None,
    journal: limits.KeepJournal = None,
    no_journal: limits.NoJournal = False,
    journal_key_file: limits.KeyFile = None,
    exact: limits.Exact = False,
) -> ExitCode:  # fmt: skip
    """Plan, confirm, journal, delete what is unchanged, page by page."""
    grace_ms = round(parse_duration(grace).total_seconds() * 1000)
    query = q.build_query(
        user=user, expired=expired, active=active, expires_within=expires_within,
        older_than=older_than, idle=idle, larger_than=larger_than, everything=all_,
        grace_ms=grace_ms if expired else 0,
    )  # fmt: skip
    check_query(query)
    keep = choose_keep(run, query, journal, no_journal=no_journal, key_file=journal_key_file)
    backend = run.backend()
    dry_run = run.options.dry_run
    outcomes = Outcomes(run, outcome_words(run), counts_only=True, dry_run=dry_run)
    with run.store(backend, write=not dry_run) as store:
        q.check_fields(query, store)
        query = _with_skew(run, store, query)
        allowed = permissions(run, backend, max_delete=max_delete, expect=expect)
        plan = make_plan(store, query, allowed, exact=exact)
        show_plan(run, backend, store, query, plan, undo_line(plan, keep))
        _note_leftovers(run, store, query, plan)
        check_guards(plan, store, allowed, by_rule=True)
        check_journal_room(run, plan, keep)
        if dry_run:
            code = conclude_dry_run(outcomes, plan, store)
        else:
            if plan.matches:
                _confirm(run, backend, store, query, plan, undoable=keep is Keep.FULL)
            writer = journal_for(run, "purge", backend, store, query, keep)
            removal = Removal(
                store, writer, permissions=allowed,
                grace_ms=query.grace_ms if query.expired else None,
            )  # fmt: skip
            undo = undo_command(run, backend, lapsed=query.expired)
            code = carry_out(
                run,
                backend,
                store,
                plan,
                outcomes,
                removal,
                removal.purge(query),
                writer,
                undo=undo,
            )
    outcomes.end()
    return code


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
