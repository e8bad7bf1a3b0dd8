"""`sessctl journal prune`: remove the undo files that nobody will need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.journal import old_journals, remove_journals
from sessctl.cli.confirm import confirm_plainly
from sessctl.cli.journals import journal_directory, journals_counted
from sessctl.cli.options import command
from sessctl.cli.output import Writer
from sessctl.errors import ExitCode
from sessctl.timespec import format_duration, format_size, from_ms, iso, parse_duration, to_ms

if TYPE_CHECKING:
    from sessctl.admin.journal import Old
    from sessctl.cli.run import Run

KEYS = ("journal", "written_at", "size_bytes", "outcome")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "output", "safety")
def prune(
    run: Run,
    *,
    older_than: Annotated[
        str | None,
        typer.Option(
            "--older-than",
            help="Last written longer ago than this ([journal] keep, 30d).",
            metavar="DURATION",
        ),
    ] = None,
) -> ExitCode:
    """Remove old journals of the journal folder. One that a run is writing is left."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    span = run.config.journal.keep_for if older_than is None else parse_duration(older_than)
    folder = journal_directory(run)
    old = old_journals(folder, span, from_ms(run.local_ms()))
    _show(run, old, f"older than {format_duration(span.total_seconds())} in {folder}")
    if run.options.dry_run:
        gone, word = old, "would-remove"
        headline = f"Would remove {journals_counted(len(old))}. Nothing was changed."
    else:
        if old:
            confirm_plainly(run, f"Remove {journals_counted(len(old))}?")
        gone, word = remove_journals(old), "removed"
        left = f" ({len(old) - len(gone)} left)" if len(gone) < len(old) else ""
        headline = f"Removed {journals_counted(len(gone))}{left}."
    if output in ("table", "wide"):
        run.streams.line((headline, "accent"))
        return ExitCode.OK
    writer = Writer(run, output, "JournalPruneList", KEYS, name="journal")
    for one in old:
        writer.item(_item(one, word if one in gone else "left"))
    writer.end()
    run.streams.say(headline)
    return ExitCode.OK


def _item(old: Old, outcome: str) -> dict[str, Any]:
    return {
        "journal": str(old.path),
        "written_at": iso(to_ms(old.written_at)),
        "size_bytes": old.size_bytes,
        "outcome": outcome,
    }


def _show(run: Run, old: list[Old], which: str) -> None:
    """The plan, on standard error."""
    if run.options.quiet:
        return
    size = format_size(sum(one.size_bytes for one in old))
    rows = [("journals", f"{len(old):,} {which}"), ("size", size)]
    if old:
        first, last = (iso(to_ms(one.written_at))[:10] for one in (old[0], old[-1]))
        rows.append(("written", first if first == last else f"{first} to {last}"))
    rows.append(("undo", "none"))
    for name, text in rows:
        run.streams.say((f"  {name:<10} ", "key"), text)
