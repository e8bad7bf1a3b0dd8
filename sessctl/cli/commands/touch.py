"""`sessctl touch`: push the expiry of sessions forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.admin.touch import check_end, default_end_ms, touch_pages
from sessctl.cli import changing
from sessctl.cli.confirm import backend_label
from sessctl.cli.options import command
from sessctl.cli.outcomes import TOUCHED, Outcomes, counted
from sessctl.cli.sids import read_sids
from sessctl.cli.signals import stoppable
from sessctl.errors import ExitCode, UsageError
from sessctl.session import State
from sessctl.text import short_id
from sessctl.timespec import from_ms, parse_duration, parse_instant, to_ms

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.stores.base import Store


@command("connection", "output", "safety", "journal")
def touch(
    run: Run,
    *,
    sid: Annotated[
        list[str] | None, typer.Argument(help="Session ids, whole; - for stdin.", metavar="SID...")
    ] = None,
    ttl: Annotated[
        str | None, typer.Option("--ttl", help="From now; else the layout's.", metavar="DURATION")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="The end itself.", metavar="TIME")
    ] = None,
) -> ExitCode:
    """Move the end of sessions. One that has ended stays ended; exit 1 if none of them exists."""
    sids = read_sids(run, sid or [])
    if not sids:
        raise UsageError("which session?", hint="sessctl touch SID --ttl 2h")
    if ttl is not None and until is not None:
        raise UsageError("--ttl and --until both say when", hint="give one of them")
    backend, dry_run = run.backend(), run.options.dry_run
    outcomes = Outcomes(
        run, ("would-touch",) if dry_run else TOUCHED, counts_only=False, dry_run=dry_run
    )
    with run.store(backend, write=not dry_run) as store:
        ends_ms = _end(store, ttl, until)
        found = store.get(sids)
        if not found:
            raise changing.missing(sids, "touch").at(backend=backend_label(backend, store))
        now_ms = store.now_ms()
        live = sum(session.state(now_ms) is not State.EXPIRED for session in found)
        samples = ", ".join(short_id(session.sid) for session in found[:3])
        ends = f"{from_ms(ends_ms).strftime('%Y-%m-%d %H:%M:%SZ')}"
        rows = [("sessions", f"{len(found):,}, {live:,} live ({samples})"), ("end", ends)]
        changing.show_plan(run, backend, store, rows, undo="journal")
        if dry_run:
            words = f"Would move the end of {counted(live)}."
            outcomes.conclude({"would-touch": live}, store, headline=words)
            code = ExitCode.OK
        else:
            question = f"Move the end of {counted(live)} in {backend_label(backend, store)}?"
            changing.confirm_if_protected(run, backend, store, question)
            only_later = ttl is None and until is None
            with (
                stoppable(run.streams) as flag,
                changing.begin(run, "touch", backend, store, found) as change,
            ):
                for page in touch_pages(change, sids, ends_ms, only_later=only_later):
                    outcomes.add(page, {"stored": "touched"})
                    if flag():
                        change.summary.stopped = "interrupted"
                        break
            code = changing.conclude(
                run, backend, outcomes, change, done="touched", verb="Moved the end of"
            )
            code = flag.code or code
    outcomes.end()
    return code


def _end(store: Store, ttl: str | None, until: str | None) -> int:
    """The end that is asked for, in ms since 1970. Raises UsageError where it has passed."""
    now_ms = store.now_ms()
    if until is not None:
        ends_ms = to_ms(parse_instant(until, from_ms(now_ms)))
    elif ttl is not None:
        ends_ms = now_ms + round(parse_duration(ttl).total_seconds() * 1000)
    else:
        ends_ms = default_end_ms(store)
    check_end(store, ends_ms)
    return ends_ms
