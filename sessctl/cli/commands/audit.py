"""`sessctl audit`: what is wrong with a backend's sessions and settings, how bad, and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.admin.audit import Audit, Settings, Severity
from sessctl.cli.confirm import backend_label
from sessctl.cli.findings import KEYS, finding_item, report, skipped_item, summary_of
from sessctl.cli.journals import journal_directory
from sessctl.cli.options import command
from sessctl.cli.output import Writer
from sessctl.cli.progress import progress
from sessctl.errors import ExitCode, UsageError, did_you_mean

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Backend

FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "replicas", "backends", "output")
def audit(
    run: Run,
    *,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on",
            help="Exit 1 from here on: info, low, medium, high, critical.",
            metavar="SEVERITY",
        ),
    ] = "high",
    sample: Annotated[
        int | None,
        typer.Option("--sample", help="Look at so many sessions (all).", min=1, metavar="N"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 5 if a check could not be made.")
    ] = False,
) -> ExitCode:
    """Look for what endangers sessions; nothing is changed."""
    limit = _severity(fail_on)
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    # Written when all is known: half an answer would pass for one.
    made = [_audited(run, backend, sample) for backend in run.backends_to_read()]
    audits = [audit for _, audit in made]
    worst = [audit.worst for audit in audits]
    failed = any(one is not None and one.rank >= limit.rank for one in worst)
    people = output in ("table", "wide")
    if people:
        for label, audit in made:
            run.streams.lines(report(label, audit, wide=output == "wide"))
    else:
        _write(run, output, made, summary_of(audits, limit, failed=failed))
    skipped = sum(len(audit.skipped) for audit in audits)
    if skipped and not people:
        word = "check" if skipped == 1 else "checks"
        run.note(f"{skipped} {word} could not be made: those whose status is skipped")
    if failed:
        return ExitCode.NO
    return ExitCode.PARTIAL if strict and skipped else ExitCode.OK


def _write(run: Run, output: str, made: list[tuple[str, Audit]], summary: dict[str, Any]) -> None:
    writer = Writer(run, output, "FindingList", KEYS, name="id")
    for label, audit in made:
        for one in audit.findings:
            writer.item(finding_item(label, one))
        for left in audit.skipped if output != "name" else ():
            writer.item(skipped_item(label, left))
    writer.end(summary=summary)


def _audited(run: Run, backend: Backend, sample: int | None) -> tuple[str, Audit]:
    settings = Settings(
        backend=backend,
        config=run.config,
        environ=run.environ,
        journals=journal_directory(run),
        printed=run.printed,
    )
    with run.store(backend) as store:
        made = Audit(store, settings, sample=sample, masker=run.masker())
        total = store.estimate() if run.streams.stderr_is_terminal else None
        with progress(run, "audit", min(total, sample) if total and sample else total) as advance:
            for count in made.run():
                advance(count)
        return backend_label(backend, store), made


def _severity(text: str) -> Severity:
    try:
        return Severity(text.lower())
    except ValueError:
        hint = did_you_mean(text, list(Severity), all_are="--fail-on takes")
        raise UsageError(f"no severity '{text}'", hint=hint) from None
