"""`sessctl stats`: what a store holds, in numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli import query_options as q
from sessctl.cli.options import command
from sessctl.cli.stats_items import ROW_KEYS, STATS_KEYS, count_item, stats_item, stats_rows
from sessctl.errors import ExitCode

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Identity, Store

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "openmetrics")
_IN_A_PIPE = 80  # columns


@command("connection", "replicas", "backends", "output")
def stats(
    run: Run,
    *,
    flags: q.QueryFlags,
    all_: Annotated[
        bool, typer.Option("--all", help="Every session (the default).", hidden=True)
    ] = False,
    count: Annotated[
        bool, typer.Option("--count", help="Their number alone; reads no values.")
    ] = False,
    top: Annotated[
        int, typer.Option("--top", help="So many of the users with the most.", min=0, metavar="N")
    ] = 10,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 5 if one cannot be decoded.")
    ] = False,
) -> ExitCode:
    """Count sessions by state, size, age and user."""
    query = flags.query(everything=all_)
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    items: list[dict[str, Any]] = []
    places: list[Identity] = []
    for backend in run.backends_to_read():
        with run.store(backend) as store:
            q.check_fields(query, store)
            items.append(_counted(run, backend, store, query, None if count else top))
            places.append(store.identity)
    _write(run, items, places, output)
    return ExitCode.PARTIAL if strict and any(one["unreadable"] for one in items) else ExitCode.OK


def _counted(
    run: Run, backend: Backend, store: Store, query: Query, top: int | None
) -> dict[str, Any]:
    """The item of one backend; without `top` the number of sessions alone."""
    name, scope = backend.name or store.identity.label, store.identity.scope
    if top is None:
        return count_item(name, store.layout.name, scope, store.now_ms(), store.count(query))
    from sessctl.admin.stats import stats as count
    from sessctl.cli.progress import progress

    with progress(run, "counting sessions", None) as advance:
        found = count(store, query, top=top, progress=advance)
    return stats_item(found, backend=name, scope=scope, redact=run.redacting)


def _write(run: Run, items: list[dict[str, Any]], places: list[Identity], output: str) -> None:
    if output in ("table", "wide"):
        from sessctl.cli.pager import terminal_size
        from sessctl.cli.stats_block import stats_lines
        from sessctl.cli.theme import speaks_unicode

        room = terminal_size()[0] if run.streams.stdout_is_terminal else _IN_A_PIPE
        full = run.options.show_ids and not run.redacting
        blocks = speaks_unicode(run.environ)
        run.streams.lines(
            line
            for item, at in zip(items, places, strict=True)
            for line in stats_lines(item, _title(item, at), room=room, blocks=blocks, full_ids=full)
        )
    elif output == "openmetrics":
        from sessctl.cli.openmetrics import openmetrics

        for text in openmetrics(items, [at.address for at in places]):
            run.streams.raw(text.encode() + b"\n")
    else:
        from sessctl.cli.output import Writer

        by_row = output in ("csv", "tsv")
        writer = Writer(run, output, "Stats", ROW_KEYS if by_row else STATS_KEYS)
        for item in items:
            for one in stats_rows(item) if by_row else (item,):
                writer.item(one)
        writer.end()


def _title(item: dict[str, Any], at: Identity) -> str:
    return f"{item['backend']} ({at.engine} {at.address}, {item['layout']})"
