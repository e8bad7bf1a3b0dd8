"""`sessctl detect -b URL`: which layouts a store has, place by place, and how to name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.errors import ExitCode
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line
    from sessctl.config.model import Backend
    from sessctl.stores.detect import Candidate
    from sessctl.stores.url import StoreUrl

KEYS = ("backend", "layout", "place", "sure", "score", "evidence", "sampled", "settings", "url")


def detect_stores(run: Run, output: str) -> ExitCode:
    """Name the layouts of each backend. Exit 1 if one has none that is known."""
    writer = None
    if output not in ("table", "wide"):
        from sessctl.cli.output import Writer

        writer = Writer(run, output, "LayoutList", KEYS, name="layout")
    unknown = 0
    for backend in run.backends():
        found = run.layouts_of(backend)
        unknown += not found
        if writer is None:
            run.streams.lines(_block(backend, found))
            continue
        for one in found:
            writer.item(_item(backend, one))
    if writer is not None:
        writer.end()
    return ExitCode.NO if unknown else ExitCode.OK


def _item(backend: Backend, one: Candidate) -> dict[str, Any]:
    settings = {key: value for key, value in one.settings.items() if value is not None}
    named = (
        backend.name or _place(backend).masked, one.layout, one.place, one.sure, one.score,
        one.evidence, one.sampled, settings, one.url(_place(backend)),
    )  # fmt: skip
    return dict(zip(KEYS, named, strict=True))


def _place(backend: Backend) -> StoreUrl:
    from sessctl.stores.registry import parse_url

    return parse_url(backend.url)


def _block(backend: Backend, found: list[Candidate]) -> Iterator[Line]:
    place = _place(backend)
    yield [("store ", "accent"), (escape(backend.name or place.masked), "accent")]
    if not found:
        yield [("  no layout that this version knows", "warn")]
    for one in found:
        yield [
            ("  sure  ", "ok") if one.sure else (f"  {one.score:>4}  ", "muted"),
            (f"{one.layout} ", "key"), (f"at {escape(one.place)}", "plain"),
        ]  # fmt: skip
        yield [("        ", "plain"), (one.evidence, "muted")]
        yield [("        ", "plain"), (f"-b '{escape(one.url(place))}'", "plain")]
