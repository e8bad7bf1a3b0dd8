"""`sessctl backends capabilities`: what each backend's store can do, and what it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.admin.abilities import abilities
from sessctl.cli.columns import write_table
from sessctl.cli.options import command
from sessctl.cli.output import Writer, chosen_fields
from sessctl.errors import ExitCode, SessctlError
from sessctl.stores.registry import parse_url

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend

KEYS = ("backend", "engine", "layout", "capabilities", "notes", "problem")
COLUMNS = ("backend", "capability", "has", "meaning")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "replicas", "output")
def capabilities(run: Run) -> ExitCode:
    """What every backend can do, or those of -b; exit 3 if one cannot be opened."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    items = [_item(run, backend) for backend in run.every_backend()]
    if output in ("json", "jsonl", "name"):
        writer = Writer(run, output, "BackendCapabilityList", KEYS, name="backend")
        for item in items:
            writer.item(item)
        writer.end()
    else:
        _write_rows(run, output, items)
    failed = any(item["problem"] for item in items)
    return ExitCode.UNREACHABLE if failed else ExitCode.OK


def _write_rows(run: Run, output: str, items: list[dict[str, Any]]) -> None:
    rows: list[dict[str, Any]] = [
        {"backend": item["backend"], "capability": name, **answer}
        for item in items
        for name, answer in item["capabilities"].items()
    ]
    if output in ("table", "wide"):
        fields = chosen_fields(run, COLUMNS)
        shown = [[_cell(row[key]) for key in fields] for row in rows]
        write_table(run, fields, shown)
        return
    writer = Writer(run, output, "BackendCapabilityList", COLUMNS)
    for row in rows:
        writer.item(row)
    writer.end()


def _item(run: Run, backend: Backend) -> dict[str, Any]:
    name = backend.name
    try:
        name = name or parse_url(backend.url).masked
        with run.store(backend) as store:
            found = {
                one.name: {"has": one.has, "meaning": one.text} for one in abilities(store, backend)
            }
            can = store.capabilities
            notes = [note for note in (can.zone_doubt, can.cascades) if note]
            values: tuple[Any, ...] = (
                name,
                store.identity.engine,
                store.layout.name,
                found,
                notes,
                None,
            )
    except SessctlError as exc:
        run.warn(f"{name}: {exc.message}")
        values = (name, None, None, {}, [], {"code": exc.code, "message": exc.message})
    return dict(zip(KEYS, values, strict=True))


def _cell(value: Any) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
