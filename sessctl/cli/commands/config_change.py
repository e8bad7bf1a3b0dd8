"""`sessctl config use|edit`: the default backend, and the whole file in an editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sessctl.cli.editor import draft_of
from sessctl.cli.items import SCHEMA
from sessctl.cli.options import command
from sessctl.cli.output import to_json
from sessctl.config.checking import check_backend
from sessctl.config.file import project_sources
from sessctl.config.writing import ConfigFile
from sessctl.errors import ConfigError, ExitCode, SessctlError

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.config.model import Config

FORMATS = ("table", "json", "jsonl")


@command("connection", "output", "safety")
def use(
    run: Run,
    *,
    name: Annotated[str, typer.Argument(help="A configured backend.", metavar="BACKEND")],
) -> ExitCode:
    """Make a backend the default, in the file that defines it: a name means nothing elsewhere."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    chosen = run.config.backend(name)
    target = _file_of(run, chosen.source)
    target.set_default(chosen.name)
    after = _checked(run, target)
    if after.default_backend != chosen.name:
        raise ConfigError(
            f"'{after.default_backend}' stays the default here: "
            f"the {after.origins['default_backend']} sets it, and is nearer",
            hint="`sessctl config edit` changes that file; -b and SESSCTL_BACKEND beat both",
        )
    if not run.options.dry_run:
        target.write()
    _tell(run, output, target, f"{chosen.name} is the default now", default_backend=chosen.name)
    return ExitCode.OK


@command("connection", "output", "safety")
def edit(
    run: Run,
    *,
    user: Annotated[
        bool, typer.Option("--user", help="Your own config, not the project's.")
    ] = False,
) -> ExitCode:
    """Open the nearest config in $VISUAL or $EDITOR; it is checked before it takes its place."""
    output = run.output_format(FORMATS, terminal="table", pipe="table")
    target = _nearest(run, user=user)
    before = target.text
    with draft_of(run, before, name=target.path.name) as draft:
        target.text = draft.edit()
        if target.text == before:
            draft.discard()
            run.note("nothing was changed")
            return ExitCode.OK
        _checked(run, target)
        if not run.options.dry_run:
            target.write()
        draft.discard()
    _tell(run, output, target, "written")
    return ExitCode.OK


def _file_of(run: Run, source: str) -> ConfigFile:
    """The file in which a backend stands, by its label."""
    named = ConfigFile.named(run.options.config, run.environ)
    if named is not None:
        return named
    if source == "user config":
        return ConfigFile.of_user(run.environ)
    return ConfigFile(project_sources(run.cwd)[0])


def _nearest(run: Run, *, user: bool) -> ConfigFile:
    named = ConfigFile.named(run.options.config, run.environ)
    if named is not None:
        return named
    projects = [] if user else project_sources(run.cwd)
    return ConfigFile(projects[0]) if projects else ConfigFile.of_user(run.environ)


def _checked(run: Run, target: ConfigFile) -> Config:
    """The configuration as it would be; every backend can be used."""
    config = target.check(explicit=run.options.config, environ=run.environ, cwd=run.cwd)
    for backend in config.backends.values():
        if backend.url_problem:
            continue  # a variable that is not set today
        try:
            check_backend(backend)
        except SessctlError as exc:
            raise exc.at(file=str(target.path)) from None
    return config


def _tell(run: Run, output: str, target: ConfigFile, what: str, **more: Any) -> None:
    dry = run.options.dry_run
    if output == "table":
        would = " (dry run, nothing was written)" if dry else ""
        run.streams.line(f"{target.path}: {what}{would}")
        return
    document = {"schema": SCHEMA, "kind": "ConfigChange", "file": str(target.path)}
    run.streams.raw(to_json({**document, **more, "written": not dry}) + b"\n")
