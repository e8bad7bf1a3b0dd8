"""`sessctl set`: change the data of a session in place."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.changes import differences
from sessctl.admin.data import (
    Assignment,
    assigned,
    change_data,
    edited,
    parse_assignment,
    parse_path,
)
from sessctl.cli import changing
from sessctl.cli.confirm import backend_label
from sessctl.cli.options import command
from sessctl.cli.outcomes import CHANGED, Outcomes
from sessctl.errors import ExitCode, UsageError
from sessctl.text import short_id

if TYPE_CHECKING:
    from sessctl.cli.run import Run


@command("connection", "output", "safety", "journal")
def set_data(
    run: Run,
    *,
    sid: Annotated[str, typer.Argument(help="The session's id, whole.", metavar="SID")],
    values: Annotated[
        list[str] | None,
        typer.Argument(help="A text, or with := JSON; user.name=ana cart.0.count:=2.",
                       metavar="KEY=VALUE..."),
    ] = None,
    unset: Annotated[
        list[str] | None, typer.Option("--unset", help="Take this away.", metavar="KEY")
    ] = None,
) -> ExitCode:  # fmt: skip
    """Change data. Expiry, cookie settings and all other data stay as they are."""
    wanted = [parse_assignment(text) for text in values or []]
    wanted += [Assignment(parse_path(text), removes=True) for text in unset or []]
    if not wanted:
        raise UsageError("nothing to set", hint="sessctl set SID KEY=VALUE, or --unset KEY")
    edit = partial(assigned, assignments=wanted)
    backend, dry_run = run.backend(), run.options.dry_run
    outcomes = Outcomes(
        run, ("would-store",) if dry_run else CHANGED, counts_only=False, dry_run=dry_run
    )
    with run.store(backend, write=not dry_run) as store:
        found = store.get([sid])
        if not found:
            raise changing.missing([sid], "set").at(backend=backend_label(backend, store))
        (session,) = found
        after = edit(session.data)
        changes = edited(store, session, after) is not None
        changing.show_plan(
            run, backend, store, [("session", short_id(session.sid))], undo="journal"
        )
        changing.show_differences(run, differences(session.data, after, exactly=True))
        if dry_run:
            words = "Would change 1 session." if changes else "Nothing would change."
            outcomes.conclude({"would-store": int(changes)}, store, headline=words)
            code = ExitCode.OK
        else:
            label = backend_label(backend, store)
            changing.confirm_if_protected(run, backend, store, f"Change 1 session in {label}?")
            with changing.begin(run, "set", backend, store, found) as change:
                outcomes.add([change_data(change, sid, edit)])
            code = changing.conclude(run, backend, outcomes, change, done="stored", verb="Changed")
    outcomes.end()
    return code
