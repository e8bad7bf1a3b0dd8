"""`sessctl copy`: sessions from one backend to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.copy import Copy, check_apart
from sessctl.admin.follow import Follow
from sessctl.admin.journal import Keep
from sessctl.admin.placing import Conflict, Placing
from sessctl.admin.plan import Permissions, make_plan
from sessctl.cli import limit_options as limits
from sessctl.cli import query_options as q
from sessctl.cli.confirm import backend_label, confirm, show_plan
from sessctl.cli.copying import (
    SETTLED,
    OnConflict,
    carry_out,
    conflict_of,
    journal_of,
    outcomes_for,
)
from sessctl.cli.journals import check_journal_room
from sessctl.cli.options import command
from sessctl.cli.outcomes import counted
from sessctl.errors import ExitCode

if TYPE_CHECKING:
    from sessctl.admin.plan import Plan
    from sessctl.cli.outcomes import Outcomes
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Store

_PANEL = "Copy"
Side = tuple["Backend", "Store"]


@command("connection", "output", "safety", "journal", "pace")
def copy(
    run: Run,
    *,
    to: Annotated[
        str,
        typer.Option("--to", help="The target: a configured name, or a URL.", metavar="NAME|URL",
                     rich_help_panel=_PANEL, show_default=False),
    ],
    conflict: OnConflict = "skip",
    move: Annotated[
        bool,
        typer.Option("--move", help="End at the source what stands in the target.",
                     rich_help_panel=_PANEL),
    ] = False,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Pass after pass, until nothing has changed.",
                     rich_help_panel=_PANEL),
    ] = False,
    flags: q.QueryFlags,
    all_: q.All = False,
    exact: limits.Exact = False,
) -> ExitCode:  # fmt: skip
    """Plan, confirm, then copy page by page; each session is read back and compared."""
    query = flags.query(everything=all_)
    how = _How(conflict_of(conflict), move=move, follow=follow, exact=exact)
    backend, other = run.backend(), run.other_backend(to)
    dry_run = run.options.dry_run
    outcomes = outcomes_for(run, move=move, follow=follow)
    with (
        run.store(backend, write=move and not dry_run) as source,
        run.store(other, write=not dry_run) as target,
    ):
        check_apart(source, target)
        q.check_fields(query, source)
        code = _copy(run, (backend, source), (other, target), query, how, outcomes)
    outcomes.end()
    return code


@dataclass(frozen=True, slots=True)
class _How:
    settle: Conflict
    move: bool
    follow: bool
    exact: bool

    @property
    def undo(self) -> str:
        """What the plan says about the way back."""
        if self.move:
            return "journal of what leaves the source"
        if self.follow or self.settle is not Conflict.SKIP:
            return "journal of what is replaced or ended there"
        return "none needed"


def _copy(
    run: Run, source: Side, target: Side, query: Query, how: _How, outcomes: Outcomes
) -> ExitCode:
    dry_run = run.options.dry_run
    allowed = Permissions(frozenset(run.options.force) | {"share"})  # any share may be copied
    plan = make_plan(source[1], query, allowed, exact=how.exact)
    _show(run, source, target, query, plan, how)
    taken = None if dry_run else journal_of(run, "copy", *target, query)
    left = journal_of(run, "copy", *source, query) if how.move and not dry_run else None
    placing = Placing(target[1], conflict=how.settle, journal=taken, dry_run=dry_run)
    work = (Follow if how.follow and not dry_run else Copy)(
        source[1], target[1], placing, target_journal=taken, source_journal=left, is_dry=dry_run
    )
    work.check(plan, allowed)
    if how.move:
        check_journal_room(run, plan, Keep.FULL)
    if not dry_run and plan.matches:
        _ask(run, source, target, plan, how)
    if isinstance(work, Follow):
        work.say = run.note
    total = plan.matches if plan.exact and not how.follow else None
    verb = "move" if how.move else "copy"
    return carry_out(run, work, work.run(query), outcomes, target, source, total=total, verb=verb)


def _show(run: Run, source: Side, target: Side, query: Query, plan: Plan, how: _How) -> None:
    backend, store = target
    where = store.identity
    more = [
        ("to", f"{backend_label(backend, store)} ({where.engine} {where.address})"),
        ("layout", f"{source[1].layout.name} to {store.layout.name}"),
        ("conflict", SETTLED[how.settle]),
    ]
    show_plan(run, *source, query, plan, how.undo, more=more)


def _ask(run: Run, source: Side, target: Side, plan: Plan, how: _How) -> None:
    """One name is typed at the most: that of the store which loses sessions, or is protected."""
    names = f"from {backend_label(*source)} to {backend_label(*target)}"
    question = f"{'Move' if how.move else 'Copy'} {counted(plan.count)} {names}?"
    chosen = source if how.move and (source[0].protected or not target[0].protected) else target
    loses = plan.live if how.move or how.settle is not Conflict.SKIP else 0
    confirm(run, *chosen, question, live=loses)
