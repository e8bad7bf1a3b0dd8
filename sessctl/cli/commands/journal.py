"""`sessctl journal list`: the undo files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.admin.journal import list_journals, open_journal
from sessctl.cli.columns import write_table
from sessctl.cli.journals import age_s, journal_directory
from sessctl.cli.options import command
from sessctl.cli.output import Writer, chosen_fields
from sessctl.errors import ExitCode, JournalError, UsageError
from sessctl.timespec import format_duration, format_size

if TYPE_CHECKING:
    from pathlib import Path

    from sessctl.cli.run import Run

KEYS = (
    "journal",
    "started_at",
    "command",
    "backend",
    "query",
    "sessions",
    "complete",
    "size_bytes",
    "problem",
    "keep",
    "age_s",
    "encrypted",
)
_TABLE = (
    "started_at", "age_s", "command", "backend", "query", "sessions", "size_bytes", "keep",
    "complete", "journal", "problem",
)  # fmt: skip
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "output", "journal")
def list_command(run: Run) -> ExitCode:
    """The journals, newest first."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    paths = list_journals(journal_directory(run))
    items = [item for path in paths if (item := _item(run, path)) is not None]
    if output in ("table", "wide"):
        usual = _TABLE if any(item["problem"] for item in items) else _TABLE[:-1]
        fields = chosen_fields(run, KEYS) if run.options.fields else usual
        write_table(run, fields, ([_cell(item, key) for key in fields] for item in items))
        if not items:
            run.note(f"there is no journal in {journal_directory(run)}")
        return ExitCode.OK
    writer = Writer(run, output, "JournalList", KEYS, name="journal")
    for item in items:
        writer.item(item)
    writer.end()
    return ExitCode.OK


def _item(run: Run, path: Path) -> dict[str, Any] | None:
    item: dict[str, Any] = dict.fromkeys(KEYS)
    item["journal"] = str(path)
    try:
        item["size_bytes"] = path.stat().st_size
        journal = open_journal(path, key=run.journal_key)
        found = None if journal.is_closed else journal.summary()
        age = age_s(run, journal)
    except FileNotFoundError:  # pruned by another run a moment ago
        return None
    except (JournalError, UsageError) as exc:  # damaged, or of another key
        item["problem"] = {"code": exc.code, "message": exc.message}
        return item
    head = journal.head
    item |= {
        "started_at": head.get("started"),
        "command": head.get("command"),
        "backend": head.get("backend"),
        "query": head.get("query"),
        "sessions": found.sessions if found else None,
        "complete": found.complete if found else None,
        "keep": str(journal.keep),
        "age_s": int(age),
        "encrypted": journal.encrypted,
    }
    return item


def _cell(item: dict[str, Any], key: str) -> str:
    value = item[key]
    if key == "keep" and item["encrypted"]:
        return f"{value}, encrypted"
    if key == "size_bytes":
        return format_size(value)
    if key == "age_s" and value is not None:
        return format_duration(value)
    if key == "started_at" and value:
        return str(value)[:19].replace("T", " ") + "Z"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "problem" and value:
        return str(value["message"])
    return "" if value is None else str(value)
