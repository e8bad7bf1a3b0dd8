"""`sessctl journal show`: what a run was, how it went, which sessions it took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.journal import open_journal
from sessctl.cli.blocks import row, shown_sid
from sessctl.cli.columns import write_table
from sessctl.cli.options import command
from sessctl.cli.outcomes import counted
from sessctl.cli.output import Writer, chosen_fields
from sessctl.errors import ExitCode
from sessctl.text import readable, short_id
from sessctl.timespec import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.admin.journal import Journal, Summary
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line

KEYS = ("sid", "outcome", "page", "digest")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
UNCERTAIN = "uncertain"  # the run died before it wrote down what became of the session


@command("connection", "output", "journal")
def show(
    run: Run,
    *,
    path: Annotated[str, typer.Argument(help="A journal's path.", metavar="JOURNAL")],
) -> ExitCode:
    """Show a journal: no session's data, whatever it keeps."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    journal = open_journal(Path(path), key=run.journal_key)
    found = journal.summary()  # the whole chain is checked before anything is printed
    if output in ("table", "wide"):
        fields = chosen_fields(run, KEYS) if run.options.fields else KEYS[:3]
        run.streams.lines(_block(journal, found))
        full = run.options.show_ids and not run.redacting
        write_table(
            run,
            fields,
            ([_cell(item[key], key, full=full) for key in fields] for item in _items(journal)),
        )
        return ExitCode.OK
    writer = Writer(run, output, "JournalSessionList", KEYS)
    for item in _items(journal):
        sid = item["sid"]
        writer.item({**item, "sid": short_id(sid) if run.redacting else readable(sid)})
    writer.end(summary=_summary(journal, found))
    return ExitCode.OK


def _items(journal: Journal) -> Iterator[dict[str, Any]]:
    """Sessions in the order in which they were written down."""
    for page in journal.pages():
        words: Sequence[str] = page.outcomes or [UNCERTAIN] * len(page.sessions)
        for session, word in zip(page.sessions, words, strict=True):
            yield {
                "sid": session["sid"],
                "outcome": str(word),
                "page": page.number,
                "digest": session.get("digest"),  # of its value, where ids only are kept
            }


def _cell(value: Any, key: str, *, full: bool) -> str:
    if key == "sid":
        return shown_sid(value, full=full)
    return "" if value is None else str(value)


def _summary(journal: Journal, found: Summary) -> dict[str, Any]:
    head = journal.head
    return {
        "journal": str(journal.path),
        "started_at": head.get("started"),
        "command": head.get("command"),
        "backend": head.get("backend"),
        "store": head.get("store"),
        "layout": head.get("layout"),
        "query": head.get("query"),
        "keep": str(journal.keep),
        "sessions": found.sessions,
        "pages": found.pages,
        "complete": found.complete,
        "resumed": found.resumed,
        "counts": _counts(found),
        "size_bytes": journal.path.stat().st_size,
        "notes": journal.notes,
        "encrypted": journal.encrypted,
    }


def _counts(found: Summary) -> dict[str, int]:
    uncertain = {UNCERTAIN: found.uncertain} if found.uncertain else {}
    return {**found.counts, **uncertain}


def _block(journal: Journal, found: Summary) -> Iterator[Line]:
    head = journal.head
    store = head.get("store", {})
    where = " ".join(str(store[key]) for key in ("engine", "address") if key in store)
    yield [("journal ", "accent"), (str(journal.path), "accent")]
    yield row("of", f"{head.get('command')}: {head.get('query')}")
    yield row("backend", f"{head.get('backend')} ({where}, {head.get('layout')})")
    yield row("started", str(head.get("started")))
    kept = "whole sessions" if journal.keep == "full" else "ids and digests only"
    yield row("keeps", f"{kept}, encrypted" if journal.encrypted else kept)
    pages = "1 page" if found.pages == 1 else f"{found.pages:,} pages"
    size = format_size(journal.path.stat().st_size)
    yield row("sessions", f"{counted(found.sessions)} in {pages}, {size}")
    words = [f"{count:,} {word}" for word, count in _counts(found).items()]
    yield row("outcomes", ", ".join(words) or "none")
    yield row("ended", ("yes", "ok") if found.complete else ("no: it was interrupted", "warn"))
    if found.resumed:
        yield row("resumed", "once" if found.resumed == 1 else f"{found.resumed:,} times")
    for note in journal.notes:
        yield row("note", (note, "warn"))
