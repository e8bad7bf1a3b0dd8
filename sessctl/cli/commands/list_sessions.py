"""`sessctl list`: sessions that match, one row each; `--count` counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.cli import query_options as q
from sessctl.cli.listing import Listing, sort_keys
from sessctl.cli.options import command
from sessctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "replicas", "backends", "output")
def list_sessions(
    run: Run,
    *,
    flags: q.QueryFlags,
    all_: Annotated[
        bool, typer.Option("--all", help="Every session (the default).", hidden=True)
    ] = False,
    data: Annotated[bool, typer.Option("--data", help="With the decoded data.")] = False,
    count: Annotated[bool, typer.Option("--count", help="Count them, exactly.")] = False,
    sort: Annotated[
        str | None,
        typer.Option(
            "--sort", help="size, expires, user ...; - for descending.", metavar="KEY,..."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("-l", "--limit", help="At most this many.", min=0, metavar="N")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 5 if one cannot be decoded.")
    ] = False,
) -> ExitCode:
    """List sessions."""
    query = flags.query(everything=all_)
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    backends = run.backends_to_read()
    if count:
        return _count(run, query, backends, output)
    if sort and len(backends) > 1:
        raise UsageError(
            "--sort takes one backend", hint="-o jsonl of several can be sorted by other tools"
        )
    listing = Listing(run, query, output, sort_keys(sort), limit)
    if output in ("table", "wide"):
        from sessctl.cli.session_table import write_table

        write_table(run, listing, backends, wide=output == "wide", with_data=data)
    else:
        from sessctl.cli.session_writer import write_items

        write_items(run, listing, backends, output, with_data=data, strict=strict)
    listing.tell()
    return ExitCode.PARTIAL if strict and listing.problems else ExitCode.OK


def _count(run: Run, query: Query, backends: list[Backend], output: str) -> ExitCode:
    total = 0
    for backend in backends:
        with run.store(backend) as store:
            q.check_fields(query, store)
            total += store.count(query)
    if output in ("json", "jsonl"):
        from sessctl.cli.items import SCHEMA
        from sessctl.cli.output import to_json

        run.streams.raw(to_json({"schema": SCHEMA, "kind": "Count", "count": total}) + b"\n")
    else:
        run.streams.line(str(total))
    return ExitCode.OK
