"""`sessctl backends list`: what is configured, without connecting to any of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.columns import write_table
from sessctl.cli.options import command
from sessctl.cli.output import Writer, cell, chosen_fields
from sessctl.errors import ExitCode
from sessctl.stores.registry import parse_url

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend

KEYS = ("name", "url", "layout", "default", "protected", "read_only", "secrets", "source")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "output")
def list_backends(run: Run) -> ExitCode:
    """The configured backends."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    items = [_item(run, backend) for backend in run.config.backends.values()]
    if output in ("table", "wide"):
        fields = chosen_fields(run, KEYS)
        write_table(run, fields, ([cell(item[key]) for key in fields] for item in items))
        if not items:
            run.note("no backend is configured; `sessctl config init` looks for one")
        return ExitCode.OK
    writer = Writer(run, output, "BackendList", KEYS, name="name")
    for item in items:
        writer.item(item)
    writer.end()
    return ExitCode.OK


def _item(run: Run, backend: Backend) -> dict[str, Any]:
    return {
        "name": backend.name,
        "url": backend.url_from if backend.url_problem else parse_url(backend.url).masked,
        "layout": backend.layout,
        "default": run.config.default_backend == backend.name,
        "protected": backend.protected,
        "read_only": backend.read_only,
        "secrets": len(backend.secrets),
        "source": backend.source,
    }
