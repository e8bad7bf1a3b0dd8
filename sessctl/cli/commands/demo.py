"""`sessctl demo`: sample sessions and a tour, lessons, and with --serve a shop."""

from __future__ import annotations

import shlex
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli.lesson_list import lesson_lines, list_lessons
from sessctl.cli.options import command
from sessctl.demo.sessions import build_demo
from sessctl.demo.tour import NEXT, TOUR
from sessctl.errors import ExitCode, SessctlError, UsageError

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.demo.tour import Step


def _option(*names: str, help: str, panel: str = "Shop", **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


_L = "Lessons"


@command("output")
def demo(
    run: Run,
    *,
    lesson: Annotated[
        str | None, typer.Argument(help="The lesson to play.", metavar="LESSON", show_default=False)
    ] = None,
    list_all: Annotated[bool, _option("--list", help="List the lessons.", panel=_L)] = False,
    target: Annotated[
        str | None,
        _option("--target", help="Play it against your app.", metavar="URL", panel=_L),
    ] = None,
    var: Annotated[
        list[str] | None,
        _option(
            "--var", help="What your app calls it: account=/me.", metavar="NAME=VALUE", panel=_L
        ),
    ] = None,
    serve: Annotated[bool, _option("--serve", help="Open the demo shop until Ctrl-C.")] = False,
    port: Annotated[
        int | None, _option("--port", help="Listen there; else on a free one.", metavar="N")
    ] = None,
    store: Annotated[
        str | None,
        _option("--store", help="memory, sqlite (else), or a URL of these.", metavar="STORE"),
    ] = None,
    secret_from: Annotated[
        list[str] | None,
        _option("--secret-from", help="Sign with this; newest first.", metavar="REF"),
    ] = None,
    set: Annotated[
        list[str] | None,
        _option("--set", help="rolling=yes, max-age=10s, keep=cookie ...", metavar="KEY=VALUE"),
    ] = None,
) -> ExitCode:
    """Play a lesson, open the shop, or build the store, run the tour, say what to type next."""
    if sum((lesson is not None, list_all, serve)) > 1:
        raise UsageError("a lesson, --list and --serve are three things", hint="give one of them")
    if target is not None and lesson is None:
        raise UsageError("--target needs a lesson", hint="sessctl demo logout --target URL")
    if var and target is None:
        raise UsageError("--var needs --target", hint="the demo shop has its own names")
    if serve:
        from sessctl.cli.demo_shop import serve_shop  # 30 ms with the server; the tour has none

        given, settings = secret_from or [], set or []
        return serve_shop(
            run, port=port or 0, store=store or "sqlite", references=given, settings=settings
        )
    if port is not None or store is not None or secret_from or set:
        raise UsageError("--port, --store, --secret-from and --set need --serve")
    if lesson is None and not list_all:
        return _tour(run)
    if lesson is None:
        return list_lessons(run)
    from sessctl.cli import demo_lessons  # 160 ms with the replay; the tour has none

    if target is not None:
        return demo_lessons.aim_lesson(run, lesson, target=target, var=var or ())
    return demo_lessons.play_lesson(run, lesson)


def _tour(run: Run) -> ExitCode:
    folder = Path(tempfile.mkdtemp(prefix="sessctl-demo-"))
    shop = build_demo(folder, now=datetime.now(UTC))
    line = run.streams.line
    line(("A small web shop's sessions are in ", "accent"), str(shop.database))
    for step in TOUR(shop):
        line()
        for text in step.lines:
            line((text, "muted"))
        line(("$ ", "muted"), ("sessctl " + shlex.join(_shown(step)), "accent"))
        _play(run, step, shop.config_path)
        if run.streams.reader_gone:  # | head
            return ExitCode.OK
    line()
    line(("To go on by yourself:", "accent"))
    for command_line, what in NEXT(shop):
        line("  ", (command_line, "accent"))
        line("      ", (what, "muted"))
    line()
    for pieces in lesson_lines():
        line(*pieces)
    return ExitCode.OK


def _shown(step: Step) -> list[str]:
    return [word if len(word) <= 60 else f"{word[:40]}..." for word in step.argv]


def _play(run: Run, step: Step, config: Path) -> None:
    """One command of the tour, as if it had been typed; a tour that goes wrong says so."""
    from sessctl.cli.app import run_command

    options = run.options
    words = [*step.argv, "--config", str(config), "-b", "demo", "--no-pager"]
    words += ["-o", "table"] if _takes_table(step) else []
    words += ["-q"] * options.quiet
    words += ["--color", options.color] if options.color else []
    for flag in ("no_color", "utc", "show_ids", "redact"):
        words += [f"--{flag.replace('_', '-')}"] if getattr(options, flag) else []
    code = run_command(words, run.streams)
    run.streams.outlives_reader = False
    if run.streams.reader_gone:
        return
    if code != step.exit_code:
        raise SessctlError(f"the tour expected exit code {step.exit_code} and got {int(code)}")


def _takes_table(step: Step) -> bool:
    """People read the tour, in a pipe too."""
    return "--count" not in step.argv
