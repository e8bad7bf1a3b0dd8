"""`sessctl expire`: end named sessions, or all of a user, now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.plan import check_guards, make_plan
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
from sessctl.cli.report import report
from sessctl.cli.sids import read_sids
from sessctl.errors import ExitCode, NotFound, SessctlError, UsageError
from sessctl.session import Query
from sessctl.text import is_short_id, short_id

if TYPE_CHECKING:
    from sessctl.admin.journal import Keep
    from sessctl.admin.plan import Permissions
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend

_SIGNALLED = (ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.PIPE_CLOSED)


@command("connection", "backends", "output", "safety", "journal", "pace", "recheck")
def expire(
    run: Run,
    *,
    sid: Annotated[
        list[str] | None, typer.Argument(help="Session ids, whole; - for stdin.", metavar="SID...")
    ] = None,
    user: q.User = None,
    max_delete: limits.MaxDelete = None,
    expect: limits.Expect = None,
    journal: limits.KeepJournal = None,
    no_journal: limits.NoJournal = False,
) -> ExitCode:
    """End sessions. Exit 1 if none of the named ones exists, 5 if one could not be ended."""
    sids = read_sids(run, sid or [])
    if bool(sids) == (user is not None):
        raise UsageError(
            "name sessions or a user" if not sids else "name sessions or a user, not both",
            hint="sessctl expire SID, or sessctl expire --user 42",
        )
    query = Query(sids=tuple(sids), user=user)
    keep = choose_keep(run, query, journal, no_journal=no_journal)
    if sids and run.options.several_backends:
        raise UsageError(
            "several backends go with --user", hint="a session id belongs to one backend"
        )
    backends = run.backends()
    dry_run = run.options.dry_run
    outcomes = Outcomes(run, outcome_words(run), counts_only=False, dry_run=dry_run)

    def end_in(backend: Backend) -> ExitCode:
        allowed = permissions(run, backend, max_delete=max_delete, expect=expect)
        return _expire(run, backend, query, allowed, outcomes, keep)

    if len(backends) == 1:
        code = end_in(backends[0])
        outcomes.end()
        return code
    codes: list[ExitCode] = []
    for backend in backends:
        try:
            codes.append(end_in(backend))
        except NotFound as exc:
            run.note(f"{backend.name or 'this backend'}: {exc.message}")
        except SessctlError as exc:  # the others may still have sessions of this person
            codes.append(report(exc, run, ()))
        if codes and codes[-1] in _SIGNALLED:
            break
    outcomes.end()
    if not codes:
        raise NotFound(f"user {user} has no session in {len(backends)} backends")
    return _together(codes)


def _together(codes: list[ExitCode]) -> ExitCode:
    """One code for several backends: where one failed and another did not, it is a partial run."""
    failed = [code for code in codes if code is not ExitCode.OK]
    if failed and len(failed) < len(codes) and failed[-1] not in _SIGNALLED:
        return ExitCode.PARTIAL
    return max(codes)


def _expire(
    run: Run,
    backend: Backend,
    query: Query,
    allowed: Permissions,
    outcomes: Outcomes,
    keep: Keep | None,
) -> ExitCode:
    dry_run = run.options.dry_run
    with run.store(backend, write=not dry_run) as store:
        label = backend_label(backend, store)
        plan = make_plan(store, query, allowed)
        if not plan.matches:
            raise _missing(query).at(backend=label)
        show_plan(run, backend, store, query, plan, undo_line(run, plan, keep))
        check_guards(plan, store, allowed, by_rule=query.user is not None)
        check_journal_room(run, plan, keep)
        if dry_run:
            return conclude_dry_run(outcomes, plan, store)
        confirm(run, backend, store, f"End {counted(plan.matches)} in {label}?", live=plan.live)
        journal = journal_for(run, "expire", backend, store, query, keep)
        removal = Removal(store, journal, permissions=allowed)
        results = removal.expire(query.sids, query.user)
        undo = undo_command(run, backend)
        return carry_out(
            run, backend, store, plan, outcomes, removal, results, journal, undo=undo, must_end=True
        )


def _missing(query: Query) -> NotFound:
    if query.user is not None:
        return NotFound(f"user {query.user} has no session", hint="`sessctl list` shows all")
    if len(query.sids) > 1:
        return NotFound(
            f"none of the {len(query.sids)} named sessions exists",
            hint="`sessctl list --show-ids` prints full ids",
        )
    (sid,) = query.sids
    if is_short_id(sid):  # nothing is destroyed by a beginning
        return NotFound(
            f"{sid} is the short form of a session id, and expire wants the whole one",
            hint=f"sessctl show '{sid}' -o name prints it",
        )
    return NotFound(f"no session {short_id(sid)}", hint="`sessctl list --show-ids` prints full ids")
