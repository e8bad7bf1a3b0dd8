"""`sessctl demo`: sample sessions in an SQLite file and a tour through the commands."""

from __future__ import annotations

import shlex
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.cli.options import command
from sessctl.demo.sessions import build_demo
from sessctl.demo.tour import NEXT, TOUR
from sessctl.errors import ExitCode, SessctlError

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.demo.tour import Step


@command("output")
def demo(run: Run) -> ExitCode:
    """Build the store, run the tour, say what to type next."""
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
