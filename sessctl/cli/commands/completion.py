"""`sessctl completion SHELL`: the script that teaches a shell what Tab offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sessctl.cli.completion.scripts import SCRIPTS
from sessctl.cli.options import command
from sessctl.errors import ExitCode, UsageError, did_you_mean

if TYPE_CHECKING:
    from sessctl.cli.run import Run


@command()
def completion(
    run: Run,
    *,
    shell: Annotated[str, typer.Argument(help="bash, zsh, fish or powershell.", metavar="SHELL")],
) -> ExitCode:
    """Print a script; what to do with it stands on its first lines."""
    if shell not in SCRIPTS:
        raise UsageError(
            f"no completion for '{shell}'", hint=did_you_mean(shell, SCRIPTS, all_are="shells")
        )
    run.streams.raw(SCRIPTS[shell].encode())
    return ExitCode.OK
