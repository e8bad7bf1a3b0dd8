"""`sessctl config init`: backends proposed from a project's own files, and written after a yes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli.confirm import confirm_plainly
from sessctl.cli.options import command
from sessctl.cli.output import Writer, to_json
from sessctl.config.discovery.propose import discover
from sessctl.config.writing import ConfigFile, added
from sessctl.errors import ExitCode

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.discovery.propose import Discovery, Proposal

KEYS = ("backend", "outcome", "file", "settings", "found", "notes")
FORMATS = ("table", "json", "jsonl", "name")


@command("connection", "output", "safety")
def init(
    run: Run,
    *,
    user: Annotated[
        bool, typer.Option("--user", help="Into your own config, not the project's.")
    ] = False,
) -> ExitCode:
    """Look for session stores in the project's files; nothing of it is run. Exit 1: none found."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    found = discover(run.cwd)
    target = _target(run, found, user=user)
    config = target.check(explicit=run.options.config, environ=run.environ, cwd=run.cwd)
    new = [one for one in found.proposals if one.name not in config.backends]
    if user or run.options.config:
        for one in new:
            one.anchor(found.root)
    default = None
    if new:
        several = len(new) > 1 and not config.backends
        default = new[0].name if several else None
        target.add(new, default=default)
        target.check(explicit=run.options.config, environ=run.environ, cwd=run.cwd)
    _show(run, found, new, target)
    if new and run.options.dry_run and output == "table":
        for line in added("", (), new, default).splitlines():
            run.streams.line(line)
        return ExitCode.OK
    if new and not run.options.dry_run:
        counted = "1 backend" if len(new) == 1 else f"{len(new)} backends"
        confirm_plainly(run, f"Write {counted} to {target.path}?")
        target.write()
    _answer(run, output, found, new, target)
    return ExitCode.OK if found.proposals else ExitCode.NO


def _target(run: Run, found: Discovery, *, user: bool) -> ConfigFile:
    if user:
        return ConfigFile.of_user(run.environ)
    named = ConfigFile.named(run.options.config, run.environ)
    return named or ConfigFile.of_project(found.root)


def _show(run: Run, found: Discovery, new: list[Proposal], target: ConfigFile) -> None:
    """What was found and where, on standard error."""
    if run.options.quiet:
        return
    say = run.streams.say
    for one in new:
        say((f"[backends.{one.name}]", "accent"))
        for line in one.lines:
            value = to_json(line.value).decode()
            say((f"  {line.key} = ", "key"), value, (f"  # {', '.join(line.origins)}", "muted"))
        for note in dict.fromkeys(one.notes):
            say(("  note: ", "warn"), note)
    for note in found.notes:
        run.note(note)
    for one in found.proposals:
        if one not in new:
            run.note(f"[backends.{one.name}] is configured already, and stays as it is")
    if not found.proposals:
        run.note(
            f"no session store was found in {found.root}; write one into {target.path}, or "
            "try -b URL, or `sessctl demo`"
        )


def _answer(
    run: Run, output: str, found: Discovery, new: list[Proposal], target: ConfigFile
) -> None:
    if output == "table":
        if new:
            names = ", ".join(one.name for one in new)
            run.streams.line((f"Wrote {target.path}: {names}.", "accent"), " Next: sessctl list")
        return
    done = "would-write" if run.options.dry_run else "written"
    writer = Writer(run, output, "BackendProposalList", KEYS, name="backend")
    for one in found.proposals:
        writer.item(_item(one, done if one in new else "present", target))
    more = {"notes": found.notes} if output == "json" else {}
    writer.end(**more)


def _item(proposal: Proposal, outcome: str, target: ConfigFile) -> dict[str, Any]:
    return {
        "backend": proposal.name,
        "outcome": outcome,
        "file": str(target.path),
        "settings": proposal.table(),
        "found": {line.key: list(line.origins) for line in proposal.lines},
        "notes": list(dict.fromkeys(proposal.notes)),
    }
