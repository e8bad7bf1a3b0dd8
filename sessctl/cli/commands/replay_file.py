"""`sessctl replay FILE`: play a scenario with cookies and without, compare, explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.cli.options import command
from sessctl.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sessctl.cli.replay.playing import Listener
    from sessctl.cli.run import Run
    from sessctl.replay.study import Study

FORMATS = ("table", "json", "jsonl")

_R, _A, _S = "Runs", "App", "Show"


@command("connection", "output")
def replay(
    run: Run,
    *,
    file: Annotated[str, typer.Argument(help="The scenario.", metavar="FILE")],
    target: Annotated[
        str | None,
        typer.Option(help="Where the app is.", metavar="URL", rich_help_panel=_A),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Steps and redirects may lead there too.", metavar="NAME", rich_help_panel=_A
        ),
    ] = None,
    ca_file: Annotated[
        str | None,
        typer.Option(help="Trust these authorities (PEM).", metavar="PATH", rich_help_panel=_A),
    ] = None,
    var: Annotated[
        list[str] | None,
        typer.Option(
            help="A value for a variable.", metavar="NAME=VALUE", rich_help_panel=_A
        ),
    ] = None,
    allow_hooks: Annotated[
        bool,
        typer.Option(
            "--allow-hooks", help="Run the scenario's own commands.", rich_help_panel=_A
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("-y", "--yes", help="Answer the question with yes.", rich_help_panel=_A),
    ] = False,
    stateless: Annotated[
        bool,
        typer.Option(
            "--stateless", help="Only the run without cookies, as it is.", rich_help_panel=_R
        ),
    ] = False,
    runs: Annotated[
        int,
        typer.Option(
            help="Runs with cookies: 2 tell noise from state, 1 does not.",
            metavar="N", show_default=False, min=1, max=2, rich_help_panel=_R,
        ),
    ] = 2,
    why: Annotated[
        bool,
        typer.Option(
            "--why", help="One more for each cookie, withheld: which is it?", rich_help_panel=_R
        ),
    ] = False,
    ignore_failures: Annotated[
        bool,
        typer.Option(
            "--ignore-failures", help="Go on after a step that failed.", rich_help_panel=_R
        ),
    ] = False,
    jar: Annotated[
        str | None,
        typer.Option(
            help="Begin with these cookies, write them back after the first run.",
            metavar="PATH", rich_help_panel=_R,
        ),
    ] = None,
    show_jar: Annotated[
        bool, typer.Option("--show-jar", help="The cookies at the end.", rich_help_panel=_S)
    ] = False,
    diagram: Annotated[
        bool, typer.Option("--diagram", help="Who sent what to whom.", rich_help_panel=_S)
    ] = False,
    report: Annotated[
        list[str] | None,
        typer.Option(
            help="html, json, junit or md, into a file.", metavar="KIND=PATH", rich_help_panel=_S
        ),
    ] = None,
) -> ExitCode:  # fmt: skip
    """Play it; exit 0 if all is as the scenario expects."""
    from sessctl.cli.replay.events import JsonLines
    from sessctl.cli.replay.files import JarFile, report_files, write_reports
    from sessctl.cli.replay.playing import Bar, Learner, Requests, check_reached, listen
    from sessctl.cli.replay.screen import show
    from sessctl.cli.replay.setup import Wanted, opened, runs_in_words
    from sessctl.replay.reports import render
    from sessctl.replay.reports.veil import ReportOptions, Veil
    from sessctl.replay.transcript import STATELESS

    output = run.output_format(FORMATS, terminal="table", pipe="table")
    run.options.yes |= yes
    files = report_files(report or ())
    if stateless and (why or files or jar or output == "json"):
        raise UsageError(
            "--stateless is one run without cookies: nothing is compared, no jar is filled",
            hint="leave out --why, --report, --jar and -o json (jsonl tells of the run)",
        )
    wanted = Wanted(
        file=file, target=target, stateless=stateless, runs=runs, why=why, jar=jar,
        allow_host=allow_host or (), allow_hooks=allow_hooks, ca_file=ca_file, var=var or (),
        ignore_failures=ignore_failures,
    )  # fmt: skip
    with opened(run, wanted) as study:
        options = ReportOptions(run.options.show_ids and not run.redacting, run.masker())
        veil = Veil(options, ())
        run.note(runs_in_words(wanted, study.runner.app.target))
        bar = Bar(run, len(study.runner.numbered))
        listeners: list[Listener] = [Learner(veil), bar]
        listeners += [Requests(run, veil)] if run.options.verbose else []
        listeners += [JarFile(jar)] if jar is not None else []
        lines = JsonLines(run, veil) if output == "jsonl" else None
        listeners += [lines] if lines is not None else []
        try:
            stopped = listen(run, study.play(STATELESS) if stateless else study.run(), listeners)
        finally:
            bar.close()
    if stopped is not None:
        return stopped
    check_reached(study.transcripts[0])
    if lines is not None:
        lines.end(study)
    elif output == "json":
        run.streams.raw(render("json", study, options).encode("ascii"))
    else:
        show(run, study, veil, with_jar=show_jar, with_diagram=diagram)
    write_reports(run, files, study, options)
    return _code(study)


def _code(study: Study) -> ExitCode:
    """1 where an expectation or an asserted verdict did not hold, or a step failed."""
    if study.finding is None:
        record = study.transcripts[0]
        # A step that could not be sent without what a page before it had is what is to be shown.
        is_bad = any(one.failures or (one.problem and one.exchanges) for one in record.steps)
        return ExitCode.NO if is_bad else ExitCode.OK
    return ExitCode.NO if study.finding.unmet or not study.finding.complete else ExitCode.OK
