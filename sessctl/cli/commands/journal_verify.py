"""`sessctl journal verify`: are the undo files whole?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.journal import list_journals, open_journal
from sessctl.cli.columns import write_table
from sessctl.cli.journals import journal_directory
from sessctl.cli.options import command
from sessctl.cli.output import Writer, cell, chosen_fields
from sessctl.errors import ExitCode, JournalError, UsageError

if TYPE_CHECKING:
    from sessctl.admin.journal import Journal
    from sessctl.cli.run import Run

KEYS = ("journal", "whole", "complete", "sessions", "pages", "notes", "problem")
_TABLE = ("whole", "complete", "sessions", "journal", "problem", "notes")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "output", "journal")
def verify(
    run: Run,
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(help="Journals; without any, all.", metavar="JOURNAL...")
    ] = None,
) -> ExitCode:
    """Read every line and every session. A torn last line is a note: its delete never began."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    asked = [Path(path) for path in paths or []] or list_journals(journal_directory(run))
    items = [_item(run, path) for path in asked]
    if output in ("table", "wide"):
        fields = chosen_fields(run, KEYS) if run.options.fields else _TABLE
        write_table(run, fields, ([_cell(item[key]) for key in fields] for item in items))
        if not items:
            run.note(f"there is no journal in {journal_directory(run)}")
    else:
        writer = Writer(run, output, "JournalCheckList", KEYS, name="journal")
        for item in items:
            writer.item(item)
        writer.end()
    verdicts = {item["whole"] for item in items}
    if None in verdicts:
        return ExitCode.JOURNAL
    return ExitCode.NO if False in verdicts else ExitCode.OK


def _item(run: Run, path: Path) -> dict[str, Any]:
    """What is known of a journal; `whole` is null where it could not be found out."""
    item: dict[str, Any] = dict.fromkeys(KEYS)
    item |= {"journal": str(path), "notes": []}
    try:
        journal = open_journal(path, salvage=True, key=run.journal_key)
        if journal.is_closed:
            return _outside(journal, item)
        for _ in journal.pages():
            pass
        found = journal.summary()
    except UsageError as exc:  # another key
        return item | {"problem": {"code": exc.code, "message": exc.message}}
    except JournalError as exc:
        readable = path.is_file() and os.access(path, os.R_OK)
        problem = {"code": exc.code, "message": exc.message}
        return item | {"whole": False if readable else None, "problem": problem}
    item |= {
        "whole": not journal.damage,
        "complete": found.complete,
        "sessions": found.sessions,
        "pages": found.pages,
        "notes": journal.notes,
    }
    return item | _problem(journal)


def _outside(journal: Journal, item: dict[str, Any]) -> dict[str, Any]:
    """What is to be seen of an encrypted journal without its key."""
    count = journal.line_count()
    note = (
        f"encrypted: {count:,} lines follow each other as they should, and what they say is not "
        "checked; --journal-key-file PATH names the key"
    )
    notes = [*journal.notes, note] if not journal.damage else journal.notes
    return item | {"whole": not journal.damage, "notes": notes} | _problem(journal)


def _problem(journal: Journal) -> dict[str, Any]:
    if not journal.damage:
        return {}
    first = min(journal.damage)
    more = f", and {len(journal.damage) - 1:,} more" if len(journal.damage) > 1 else ""
    message = f"line {first} is damaged ({journal.damage[first]}){more}"
    return {"problem": {"code": JournalError.code, "message": message}}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(value)
    return str(value["message"]) if isinstance(value, dict) else cell(value)
