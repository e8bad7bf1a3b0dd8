"""`sessctl import`: sessions of an export, or of `list --data -o jsonl`, into a backend."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Annotated

import typer

from sessctl.admin.copy import Copy
from sessctl.admin.placing import Placing
from sessctl.admin.plan import Permissions
from sessctl.admin.portable import PortableFile, plan_import
from sessctl.cli import query_options as q
from sessctl.cli.confirm import backend_label, confirm, show_rows
from sessctl.cli.copying import (
    SETTLED,
    OnConflict,
    carry_out,
    conflict_of,
    journal_of,
    outcomes_for,
)
from sessctl.cli.options import command
from sessctl.cli.outcomes import counted
from sessctl.errors import ExitCode, UsageError
from sessctl.text import short_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.admin.placing import Conflict
    from sessctl.cli.outcomes import Outcomes
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend
    from sessctl.session import Query
    from sessctl.stores.base import Store

_COPIED_AT_ONCE = 2**20


@command("connection", "output", "safety", "journal", "pace")
def import_sessions(
    run: Run,
    *,
    file: Annotated[str, typer.Argument(help="An export; - for stdin.", metavar="FILE")],
    conflict: OnConflict = "skip",
    user: q.User = None,
    active: q.Active = False,
    where: q.Where = None,
) -> ExitCode:
    """Plan, confirm, then put page by page; each session is read back and compared."""
    query = q.build_query(user=user, active=active, where=where)
    settle = conflict_of(conflict)
    backend = run.backend()
    dry_run = run.options.dry_run
    outcomes = outcomes_for(run)
    with _opened(run, file) as lines, run.store(backend, write=not dry_run) as store:
        code = _import(run, lines, file, (backend, store), query, settle, outcomes)
    outcomes.end()
    return code


def _import(
    run: Run,
    lines: IO[bytes],
    name: str,
    target: tuple[Backend, Store],
    query: Query,
    settle: Conflict,
    outcomes: Outcomes,
) -> ExitCode:
    dry_run, (backend, store) = run.options.dry_run, target
    source = PortableFile(lines, store)
    plan = plan_import(source, query)
    where, label = store.identity, backend_label(backend, store)
    show_rows(
        run,
        [
            ("file", "standard input" if name == "-" else name),
            ("to", f"{label} ({where.engine} {where.address}), {store.layout.name}"),
            ("sessions", f"{plan.matches:,}: {plan.live:,} live"),
            *(
                [("", f"{plan.unknown:,} without an end that could be read")]
                if plan.unknown
                else []
            ),
            *([("samples", ", ".join(map(short_id, plan.samples)))] if plan.samples else []),
            ("conflict", SETTLED[settle]),
        ],
    )
    journal = None if dry_run else journal_of(run, "import", backend, store, query)
    placing = Placing(store, conflict=settle, journal=journal, dry_run=dry_run)
    work = Copy(source, store, placing, target_journal=journal, is_dry=dry_run)
    work.check(plan, Permissions(frozenset(run.options.force)))
    if not dry_run and plan.matches:
        question = f"Import {counted(plan.matches)} into {label}?"
        confirm(run, backend, store, question, live=0 if settle == "skip" else plan.live)
    code = carry_out(
        run, work, work.run(query), outcomes, target, total=plan.matches, verb="import"
    )
    if not plan.matches and work.summary.counts["failed"]:
        run.warn("no line of it is a session; `sessctl export` writes them")
        return ExitCode.UNREADABLE
    return code


@contextmanager
def _opened(run: Run, name: str) -> Iterator[IO[bytes]]:
    """The file. Standard input and pipes are kept in a file without a name, to be read twice."""
    if name == "-":
        with _kept(run.streams.stdin) as file:
            yield file
        return
    try:
        with open(name, "rb") as file, file if file.seekable() else _kept(file) as lines:  # noqa: PTH123
            yield lines
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise UsageError(f"cannot read {name} ({reason})") from None


def _kept(pipe: IO[bytes]) -> IO[bytes]:
    from tempfile import TemporaryFile

    file = TemporaryFile()  # noqa: SIM115 - whoever asked closes it
    while part := pipe.read(_COPIED_AT_ONCE):
        file.write(part)
    return file
