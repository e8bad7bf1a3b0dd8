"""`sessctl replay new|lint|schema`: scenarios before they are run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli.options import command
from sessctl.cli.output import Writer
from sessctl.errors import ExitCode, MissingExtra, UsageError

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.replay.problems import Problem

FORMATS = ("table", "json", "jsonl", "csv", "tsv")
KEYS = ("file", "line", "column", "key", "message", "hint")


@command("output")
def new(
    run: Run,
    *,
    file: Annotated[
        str | None, typer.Argument(help="Where to write it; else printed.", metavar="FILE")
    ] = None,
) -> ExitCode:
    """A commented scenario to start from."""
    from importlib.resources import files

    starter = files("sessctl.replay").joinpath("starter.yaml").read_bytes()
    if file is None:
        run.streams.raw(starter)
        return ExitCode.OK
    path = Path(file)
    if run.options.out_file is not None:
        raise UsageError("FILE and --out-file are the same thing", hint=f"replay new {file}")
    if path.exists() or path.is_symlink():
        raise UsageError(f"{file} exists already", hint="name another file; nothing was changed")
    run.streams.to_file(path)
    run.streams.raw(starter)
    run.streams.finish()
    run.note(f"{file} is written; sessctl replay lint {file} checks it")
    return ExitCode.OK


@command("output")
def schema(
    run: Run,
    *,
    transcript: Annotated[
        bool, typer.Option("--transcript", help="That of -o json, instead of scenarios.")
    ] = False,
) -> ExitCode:
    """The JSON Schema of scenarios, or of what replays tell programs."""
    if transcript:
        from sessctl.replay.reports.document import transcript_schema_text

        text = transcript_schema_text()
    else:
        from sessctl.replay.schema import schema_text

        text = schema_text()
    run.streams.raw(text.encode("ascii"))
    return ExitCode.OK


@command("output")
def lint(
    run: Run,
    *,
    file: Annotated[list[str], typer.Argument(help="Scenario files.", metavar="FILE...")],
) -> ExitCode:
    """Every mistake of these files, one a line; exit 1 if there is one."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    writer = None if output == "table" else Writer(run, output, "ProblemList", KEYS)
    code = ExitCode.OK
    for name in file:
        problems = _problems_of(run, name)
        for problem in problems:
            code = ExitCode.NO
            if writer is not None:
                writer.item(_item(problem))
            else:
                _show(run, problem)
    if writer is not None:
        writer.end()
    return code


def _problems_of(run: Run, name: str) -> tuple[Problem, ...]:
    from sessctl.replay.expressions import check_expressions
    from sessctl.replay.load import load_scenario
    from sessctl.replay.problems import ScenarioError

    try:
        scenario = load_scenario(Path(name))
        for note in scenario.notes:
            run.note(note)
        check_expressions(scenario)
    except ScenarioError as exc:
        return exc.problems
    except MissingExtra as exc:  # the scenario is right; this machine cannot run it yet
        run.note(f"{name}: {exc.message}: {exc.hint}")
    run.note(f"{name}: ok, {len(scenario.steps)} steps")
    return ()


def _item(problem: Problem) -> dict[str, Any]:
    place = problem.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "key": problem.key or None,
        "message": problem.message,
        "hint": problem.hint,
    }


def _show(run: Run, problem: Problem) -> None:
    """`shop.yaml:12:5: steps[2].gett: unknown key 'gett' in a step; did you mean 'get'?`"""
    key = f"{problem.key}: " if problem.key else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    run.streams.line((f"{problem.place}: ", "key"), f"{key}{problem.message}", (hint, "accent"))
