"""`sessctl watch`: sessions as they appear, change and end."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.cli import query_options as q
from sessctl.cli.options import command
from sessctl.cli.signals import stoppable
from sessctl.cli.watch_writer import Printed, printed
from sessctl.errors import ExitCode
from sessctl.timespec import parse_duration

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.cli.watch_screen import Screen
    from sessctl.config.model import Backend
    from sessctl.stores.base import Store

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "replicas", "output")
def watch(
    run: Run,
    *,
    flags: q.QueryFlags,
    all_: Annotated[
        bool, typer.Option("--all", help="Every session (the default).", hidden=True)
    ] = False,
    data: Annotated[bool, typer.Option("--data", help="With the decoded data.")] = False,
    initial: Annotated[
        bool, typer.Option("--initial", help="Tell what is there at the start, too.")
    ] = False,
    every: Annotated[
        str, typer.Option("--every", help="How often to look (2s; 500ms at the least).",
                          metavar="DURATION", show_default=False)
    ] = "2s",
    for_: Annotated[
        str | None, typer.Option("--for", help="End after this time.", metavar="DURATION")
    ] = None,
    count: Annotated[
        int | None, typer.Option("--count", help="End after so many events.", min=1, metavar="N")
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", help="How often to try again when a look fails (5).",
                          min=0, metavar="N", show_default=False)
    ] = 5,
) -> ExitCode:  # fmt: skip
    """Look at the store again and again, and tell what differs."""
    from sessctl.admin.watch import Pace, watch

    query = flags.query(everything=all_)
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    every_s = parse_duration(every).total_seconds()
    for_s = None if for_ is None else parse_duration(for_).total_seconds()
    Pace(every_s)  # what is wrong with it is told before anything is opened
    backend = run.backend()
    with run.store(backend) as store, stoppable(run.streams, saying="") as flag:
        q.check_fields(query, store)
        shown = _shown(run, backend, store, output, every_s, with_data=data)
        pace = Pace(
            every_s, for_s, retries, stop=lambda: flag() or shown.has_quit, sleep=shown.wait
        )
        with shown:
            events = watch(
                store, query, pace=pace, initial=initial, looked=shown.looked, say=shown.say
            )
            for event in islice(events, count):
                shown.show(event)
    return flag.code or ExitCode.OK


def _shown(
    run: Run, backend: Backend, store: Store, output: str, every_s: float, *, with_data: bool
) -> Printed | Screen:
    """A live screen where there is one; else a line for each event."""
    people = output in ("table", "wide")
    if not (people and run.streams.stdout_is_terminal and run.environ.get("TERM") != "dumb"):
        return printed(run, backend, store, output, with_data=with_data)
    from sessctl.cli.watch_screen import Screen

    at = store.identity
    name = backend.name or at.label
    return Screen(run, f"{name} ({at.engine} {at.address}, {store.layout.name})", every_s)
