"""`sessctl expire`: end named sessions, or all of a user, now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.plan import check_guards, make_plan
from sessctl.admin.removal import Removal
from sessctl.cli import query_options as q
from sessctl.cli.commands.purge import Expect, MaxDelete, NoJournal
from sessctl.cli.confirm import backend_label, confirm, show_plan, undo_line
from sessctl.cli.destroy import (
    carry_out,
    check_journal,
    dry_run_outcomes,
    journal_for,
    permissions,
    undo_command,
)
from sessctl.cli.options import command
from sessctl.cli.outcomes import FORMATS, Outcomes, counted
from sessctl.cli.sids import read_sids
from sessctl.errors import ExitCode, NotFound, UsageError
from sessctl.session import Query
from sessctl.text import short_id

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend


@command("connection", "backends", "output", "safety")
def expire(
    run: Run,
    *,
    sid: Annotated[
        list[str] | None, typer.Argument(help="Session ids, whole; - for stdin.")
    ] = None,
    user: q.User = None,
    max_delete: MaxDelete = None,
    expect: Expect = None,
    no_journal: NoJournal = False,
) -> ExitCode:
    """End sessions. Exit 1 if none of the named ones exists, 5 if one could not be ended."""
    sids = read_sids(run, sid or [])
    if bool(sids) == (user is not None):
        raise UsageError(
            "name sessions or a user" if not sids else "name sessions or a user, not both",
            hint="sessctl expire SID, or sessctl expire --user 42",
        )
    query = Query(sids=tuple(sids), user=user)
    check_journal(run, query, no_journal=no_journal)
    if run.options.output is not None:
        run.output_format(FORMATS, terminal="table", pipe="tsv")
    if run.options.all_backends and sids:
        raise UsageError(
            "--all-backends goes with --user", hint="a session id belongs to one backend"
        )
    codes = [
        _expire(run, backend, query, max_delete, expect, no_journal=no_journal)
        for backend in run.backends()
    ]
    return max(codes)


def _expire(
    run: Run,
    backend: Backend,
    query: Query,
    max_delete: int | None,
    expect: int | None,
    *,
    no_journal: bool,
) -> ExitCode:
    dry_run = run.options.dry_run
    outcomes = Outcomes(run, run.options.output, counts_only=False, dry_run=dry_run)
    with run.store(backend, write=not dry_run) as store:
        allowed = permissions(run, backend, max_delete=max_delete, expect=expect)
        plan = make_plan(store, query, allowed)
        if not plan.matches:
            who = f"user {query.user} has no session" if query.user else _missing(query.sids)
            if run.options.all_backends:
                run.note(f"{backend.name}: {who}")
                return ExitCode.OK
            raise NotFound(who, hint="`sessctl list` shows what there is").at(
                backend=backend_label(backend, store)
            )
        show_plan(run, backend, store, query, plan, undo_line(plan, journal=not no_journal))
        check_guards(plan, store, allowed, by_rule=query.user is not None)
        if dry_run:
            return dry_run_outcomes(run, outcomes, plan, store, undo="")
        question = f"End {counted(plan.matches)} in {backend_label(backend, store)}?"
        confirm(run, backend, store, question, live=plan.live)
        journal = None if no_journal else journal_for(run, "expire", backend, store, query)

        def make(stop):  # type: ignore[no-untyped-def]
            removal = Removal(store, journal, permissions=allowed, stop=stop)
            return removal, removal.expire(query.sids, query.user)

        return carry_out(
            run, store, plan, outcomes, make, journal,
            undo=undo_command(run, backend), again="run the same command again",
            must_end=True,
        )  # fmt: skip


def _missing(sids: tuple[str, ...]) -> str:
    if len(sids) == 1:
        return f"no session {short_id(sids[0])}"
    return f"none of the {len(sids)} named sessions exists"
