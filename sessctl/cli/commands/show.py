"""`sessctl show`: one session whole."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli.items import SESSION_KEYS, session_item
from sessctl.cli.options import command
from sessctl.cli.sids import find_session, read_sids
from sessctl.errors import ExitCode, NotFound, SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line
    from sessctl.config.model import Backend
    from sessctl.session import Session
    from sessctl.stores.base import Store

_SAMPLES = 3
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name", "raw")


@command("connection", "replicas", "backends", "output")
def show(
    run: Run,
    *,
    sid: Annotated[
        list[str],
        typer.Argument(help="Session ids, exact or short; - for stdin.", metavar="SID..."),
    ],
) -> ExitCode:
    """Show sessions. Exit 1 if one is not there."""
    output = run.output_format(FORMATS, terminal="table", pipe="jsonl")
    if output == "raw" and run.redacting:
        raise UsageError("raw cannot be redacted", hint="-o jsonl masks what is sensitive")
    found, missing = _find(run, read_sids(run, sid))
    if missing and not found:
        raise _absent(missing)
    if output in ("table", "wide"):
        from sessctl.cli.columns import write_block

        for backend, session, now_ms in found:
            write_block(run, session_lines(run, backend, session, now_ms))
    elif output == "raw":
        for _, session, _ in found:
            if run.streams.stdout_is_terminal:
                run.streams.line(session.raw.decode("utf-8", "surrogateescape"))
            else:
                run.streams.raw(session.raw)
    else:
        _write(run, found, output)
    if missing:
        raise _absent(missing)
    return ExitCode.OK


def _absent(missing: list[NotFound]) -> NotFound:
    """One error for all that are not there, with three samples."""
    if len(missing) == 1:
        return missing[0]
    names = ", ".join(exc.message.removeprefix("no session ") for exc in missing[:_SAMPLES])
    more = ", ..." if len(missing) > _SAMPLES else ""
    return NotFound(
        f"{len(missing)} of these sessions are not there: {names}{more}", hint=missing[0].hint
    )


Found = tuple["tuple[str, str, str]", "Session", int]  # (label, masked address, layout)


def _find(run: Run, wanted: list[str]) -> tuple[list[Found], list[NotFound]]:
    """What is there, and an error for each that is nowhere."""
    found: list[Found] = []
    missing: list[NotFound] = []
    with ExitStack() as opened:
        stores = [
            (backend, opened.enter_context(run.store(backend)))
            for backend in run.backends_to_read()
        ]
        for text in wanted:
            hits: list[Found] = []
            nowhere: list[NotFound] = []
            for backend, store in stores:
                try:
                    session = find_session(store, text)
                except NotFound as exc:
                    nowhere.append(exc)
                else:
                    hits.append((label(backend, store), session, store.now_ms()))
            found += hits
            missing += nowhere[:1] if not hits else []
    return found, missing


def label(backend: Backend, store: Store) -> tuple[str, str, str]:
    """How a block and an item name where a session is."""
    where = store.identity
    return backend.name or where.label, f"{where.engine} {where.address}", store.layout.name


def _write(run: Run, found: list[Found], output: str) -> None:
    from sessctl.cli.output import Writer

    writer = Writer(run, output, "SessionList", SESSION_KEYS)
    masker = run.masker() if run.redacting else None
    for (name, _, layout), session, now_ms in found:
        writer.item(
            session_item(
                session, backend=name, layout=layout, now_ms=now_ms, with_data=True, masker=masker
            )
        )
    writer.end()


def session_lines(
    run: Run, where: tuple[str, str, str], session: Session, now_ms: int
) -> Iterator[Line]:
    """A session as a block for people: id shortened, data masked."""
    from sessctl.cli.blocks import session_block, shown_sid
    from sessctl.cli.items import shortened_location

    full = run.options.show_ids and not run.redacting
    data: Any = None
    extra: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    problem = None
    try:
        decoded = session.decoded
        data, extra, notes = run.masker().mask(decoded.data), decoded.extra, decoded.notes
    except SerializerError as exc:
        problem = exc.message
    name, address, layout = where
    yield from session_block(
        session,
        backend=f"{name} ({address}, {layout})",
        now_ms=now_ms,
        utc=run.options.utc,
        sid=shown_sid(session.sid, full=full),
        location=session.location if full else shortened_location(session),
        data=data,
        extra=extra,
        notes=notes,
        problem=problem,
    )
