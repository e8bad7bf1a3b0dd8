"""`sessctl diff`: what differs between two sessions, cookies, files, or backends."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.changes import differences
from sessctl.admin.diff import StoreDiff
from sessctl.cli.diff_sides import Sides, backend_words, session_side, shown_value
from sessctl.cli.options import command
from sessctl.cli.output import Writer, cell
from sessctl.errors import ExitCode, UsageError
from sessctl.text import readable, short_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sessctl.admin.changes import Difference
    from sessctl.cli.diff_sides import Side
    from sessctl.cli.run import Run
    from sessctl.cli.streams import Piece
    from sessctl.cli.theme import Role
    from sessctl.config.model import Backend

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
KEYS = ("path", "change", "before", "after")
SESSION_KEYS = ("sid", "change", "paths")
_ROLES: dict[str, Role] = {"added": "ok", "removed": "danger", "changed": "warn"}
_HINT = "sessctl diff SID SID, or diff COOKIE COOKIE, diff SID FILE, diff -b ONE -b OTHER"


@command("connection", "replicas", "output")
def diff(
    run: Run,
    *,
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Ids, cookies, JSON files, or backends; - for stdin.", metavar="A B"),
    ] = None,
) -> ExitCode:
    """Exit 0 if they are the same, 1 if they differ."""
    words = what or []
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    backends = backend_words(run, words) if not run.options.backend else run.backends()
    with ExitStack() as opened:
        if len(backends) == 2 and (not words or not run.options.backend):
            return _stores(run, opened, backends, output)
        if len(backends) == 2 and len(words) == 1:
            before, after = (
                session_side(opened.enter_context(run.store(backend)), words[0])
                for backend in backends
            )
        elif len(words) == 2 and len(backends) < 2:
            sides = Sides(run, opened)
            before, after = sides.of(words[0]), sides.of(words[1])
        else:
            raise UsageError("what is to be compared?", hint=_HINT)
    return _values(run, before, after, output)


def _values(run: Run, before: Side, after: Side, output: str) -> ExitCode:
    both = [part for part in before if part in after]
    changes = list(differences({k: before[k] for k in both}, {k: after[k] for k in both}))
    mask = output in ("table", "wide") or run.redacting
    items = [_item(run, change, mask=mask) for change in changes]
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
    return _write(run, output, "ChangeList", KEYS, items, counts, name="path")


def _item(run: Run, change: Difference, *, mask: bool) -> dict[str, Any]:
    return {
        "path": readable(change.path),
        "change": str(change.kind),
        "before": shown_value(run, change.keys, change.before, mask=mask),
        "after": shown_value(run, change.keys, change.after, mask=mask),
    }


def _stores(run: Run, opened: ExitStack, backends: list[Backend], output: str) -> ExitCode:
    first, second = (opened.enter_context(run.store(backend)) for backend in backends)
    if first.identity == second.identity:
        raise UsageError("both are one store", hint="diff -b ONE -b OTHER")
    work = StoreDiff(first, second)
    full = output not in ("table", "wide") or run.options.show_ids
    shorten = run.redacting or not full
    items = (
        {
            "sid": short_id(change.sid) if shorten else readable(change.sid),
            "change": str(change.kind),
            "paths": [readable(path) for path in change.paths],
        }
        for change in work.run()
    )
    return _write(run, output, "SessionChangeList", SESSION_KEYS, items, work, name="sid")


def _write(
    run: Run,
    output: str,
    kind: str,
    columns: Sequence[str],
    items: Iterable[dict[str, Any]],
    counts: dict[str, int] | StoreDiff,
    *,
    name: str,
) -> ExitCode:
    """Write what differs as it is found; what was counted meanwhile ends it."""
    found = 0

    def counted() -> Iterator[dict[str, Any]]:
        nonlocal found
        for item in items:
            found += 1
            yield item

    if output in ("table", "wide"):
        _table(run, columns, counted())
    else:
        writer = Writer(run, output, kind, columns, name=name)
        for item in counted():
            writer.item(item)
        writer.end(summary=_summary(counts))
    told = _summary(counts)
    if run.streams.stdout_is_terminal:
        words = ", ".join(f"{count:,} {word}" for word, count in told.items() if count)
        run.note(words if found else f"no differences{f' ({words})' if words else ''}")
    return ExitCode.NO if found else ExitCode.OK


def _summary(counts: dict[str, int] | StoreDiff) -> dict[str, int]:
    if isinstance(counts, StoreDiff):
        return {"same": counts.same, **{str(kind): n for kind, n in counts.counts.items()}}
    return {kind: counts.get(kind, 0) for kind in ("added", "removed", "changed")}


def _table(run: Run, columns: Sequence[str], items: Iterable[dict[str, Any]]) -> None:
    from sessctl.cli.columns import aligned
    from sessctl.cli.output import chosen_fields, to_json
    from sessctl.cli.pager import terminal_size

    fields = chosen_fields(run, columns)
    room = terminal_size()[0] if run.streams.stdout_is_terminal else None

    def piece(item: dict[str, Any], field: str) -> Piece:
        value = item[field]
        if field == "change":
            return value, _ROLES[value]
        if field in ("before", "after"):
            absent = item["change"] == ("added" if field == "before" else "removed")
            return ("" if absent else to_json(value).decode()), "plain"
        return (", ".join(value) if isinstance(value, list) else cell(value)), "accent"

    rows = ([piece(item, field) for field in fields] for item in items)
    header = () if run.options.no_headers else fields
    run.streams.lines(aligned(header, rows, room=room, yielding=_last(fields)))


def _last(fields: Sequence[str]) -> list[int]:
    """What a narrow terminal shows less of first: the values."""
    return [place for place, name in enumerate(fields) if name in ("before", "after", "paths")]
