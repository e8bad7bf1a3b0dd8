"""`sessctl edit`: the data of a session in the user's editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.changes import differences
from sessctl.admin.data import change_data, edited, parse_data, pretty
from sessctl.cli import changing
from sessctl.cli.confirm import backend_label, confirm
from sessctl.cli.editor import draft_of
from sessctl.cli.options import command
from sessctl.cli.outcomes import CHANGED, Outcomes
from sessctl.errors import ExitCode, Refused, UsageError
from sessctl.serializers import same
from sessctl.text import short_id

if TYPE_CHECKING:
    from sessctl.cli.editor import Draft
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Session
    from sessctl.stores.base import Store


@command("connection", "output", "safety", "journal")
def edit(
    run: Run,
    *,
    sid: Annotated[str, typer.Argument(help="The session's id, whole.", metavar="SID")],
) -> ExitCode:
    """Edit data as JSON in $VISUAL or $EDITOR. Nothing saved: nothing done."""
    backend, dry_run = run.backend(), run.options.dry_run
    outcomes = Outcomes(
        run, ("would-store",) if dry_run else CHANGED, counts_only=False, dry_run=dry_run
    )
    with run.store(backend, write=not dry_run) as store:
        found = store.get([sid])
        if not found:
            raise changing.missing([sid], "edit").at(backend=backend_label(backend, store))
        (session,) = found
        before = session.data
        with draft_of(run, pretty(before), name="session.json") as draft:
            after = _edited(run, draft, before)
            if after is None or same(before, after):
                word = "would-store" if dry_run else "stored"
                outcomes.conclude({word: 0}, store, headline="Nothing was changed.")
                code = ExitCode.OK
            else:
                code = _write(run, backend, store, session, (before, after), outcomes)
        if code in (ExitCode.OK, ExitCode.PIPE_CLOSED):
            draft.discard()
        else:
            run.note(f"your text is kept in {draft.path}")
    outcomes.end()
    return code


def _edited(run: Run, draft: Draft, before: Any) -> Any:
    """The data as it was saved; None: the text is as it was, or empty."""
    while True:
        text = draft.edit()
        if not text.strip() or text == pretty(before):
            return None
        try:
            return parse_data(text)
        except UsageError as exc:
            if not run.can_ask:
                raise
            run.streams.say(("error: ", "danger"), exc.message)
            if run.ask("Open it again? [Y/n] ").lower() in ("n", "no"):
                raise


def _write(
    run: Run,
    backend: Backend,
    store: Store,
    session: Session,
    change_of: tuple[Any, Any],
    outcomes: Outcomes,
) -> ExitCode:
    before, after = change_of
    edited(store, session, after)  # what cannot be written is said before the question
    changing.show_plan(run, backend, store, [("session", short_id(session.sid))], undo="journal")
    changing.show_differences(run, differences(before, after, exactly=True))
    if run.options.dry_run:
        outcomes.conclude({"would-store": 1}, store, headline="Would change 1 session.")
        return ExitCode.OK
    label = backend_label(backend, store)
    confirm(run, backend, store, f"Change 1 session in {label}?", live=1)

    def unless_changed(now: Any) -> Any:
        """The app may have moved the end meanwhile, which is kept; the data has to be the same."""
        if not same(now, before):
            raise Refused(f"the data of session {short_id(session.sid)} was changed meanwhile")
        return after

    with changing.begin(run, "edit", backend, store, [session]) as change:
        outcomes.add([change_data(change, session.sid, unless_changed)])
    return changing.conclude(run, backend, outcomes, change, done="stored", verb="Changed")
