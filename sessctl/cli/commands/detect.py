"""`sessctl detect`: the formats that a value fits, the likeliest first, and why; with -b the
layouts of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli import cookie_options as c
from sessctl.cli.cookie_inputs import Inputs, texts_of
from sessctl.cli.detect_store import detect_stores
from sessctl.cli.items import candidate_items
from sessctl.cli.options import command
from sessctl.cookies.api import recognise
from sessctl.cookies.batch.given import Given
from sessctl.errors import ExitCode, UnreadableInput, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")
KEYS = ("name", "format", "candidates", "notes", "problem", "input")

Values = Annotated[
    list[str] | None,
    typer.Argument(
        help="Values, name=value or header lines; - or nothing for stdin.", metavar="VALUE..."
    ),
]


@command("connection", "backends", "output")
def detect(
    run: Run,
    *,
    value: Values = None,
    name: c.Name = None,
    companion: c.Companion = None,
) -> ExitCode:
    """Name the formats of a value, or with -b the layouts of a store. Exit 1 if there is none."""
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    if run.options.backend or run.options.all_backends:
        if value:
            raise UsageError("a value or a store, not both", hint="leave -b or the value out")
        return detect_stores(run, output)
    from sessctl.cli.columns import write_block

    writer = None
    if output not in ("table", "wide"):
        from sessctl.cli.output import Writer

        writer = Writer(run, output, "DetectionList", KEYS, name="format")
    unknown, unreadable, total = 0, 0, 0
    for given in _texts(run, value):
        total += 1
        item = _item(given, name, companion)
        unreadable += item["problem"] is not None
        unknown += item["format"] is None
        if writer is None:
            write_block(run, _block(item))
        elif output != "name" or item["format"] is not None:
            writer.item(item)
    if writer is not None:
        writer.end()
    if unreadable:
        return ExitCode.UNREADABLE if unreadable == total else ExitCode.PARTIAL
    return ExitCode.NO if unknown else ExitCode.OK


def _texts(run: Run, values: list[str] | None) -> Iterator[Given]:
    if values is None or len(values) < 2:
        with texts_of(run, Inputs(values[0] if values else None), command="detect") as texts:
            yield from texts
        return
    yield from (Given(number, value) for number, value in enumerate(values, 1))


def _item(given: Given, name: str | None, companion: str | None) -> dict[str, Any]:
    place, text, unread = given
    try:
        if unread is not None:
            raise unread
        pasted, matches = recognise(text, name=name, companion=companion)
    except UnreadableInput as exc:
        if place is None:
            raise
        problem = {"code": exc.code, "message": exc.message}
        return dict(zip(KEYS, (None, None, [], [], problem, place), strict=True))
    best = matches[0][0].name if matches else None
    candidates = candidate_items([(one.name, match) for one, match in matches])
    found = (pasted.name or name, best, candidates, list(pasted.notes), None, place)
    return dict(zip(KEYS, found, strict=True))


def _block(item: dict[str, Any]) -> Iterator[Line]:
    from sessctl.cli.blocks import row

    if item["problem"] is not None:
        yield [(f"value {item['input']}: ", "muted"), (item["problem"]["message"], "danger")]
        return
    yield [("value ", "accent"), (item["name"] or "(no name)", "accent")]
    for note in item["notes"]:
        yield row("note", (note, "warn"))
    if not item["candidates"]:
        yield [("  no format that this version knows", "warn")]
    for one in item["candidates"]:
        yield [
            (f"  {one['score']:>3}  ", "muted"), (f"{one['format']:<16} ", "key"),
            (one["evidence"], "plain"),
        ]  # fmt: skip
