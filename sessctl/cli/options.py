"""Options that many commands take, declared once; accepted before or after the command.

A command is a function whose first parameter is a `Run`. `command("output", "safety")` adds the
shared options of these groups to its signature, so that typer sees them and the function does not.
"""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from sessctl.cli.streams import PipeClosed

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = "table, wide, json, jsonl, csv, tsv, name"


@dataclass(slots=True)
class Options:
    """The shared options of one invocation, the root's and the command's merged."""

    backend: list[str] = field(default_factory=list)
    all_backends: bool = False
    config: str | None = None
    timeout: str | None = None
    gentle: bool = False
    max_unpacked: str | None = None
    allow_stale: bool = False
    output: str | None = None
    fields: str | None = None
    no_headers: bool = False
    out_file: str | None = None
    csv_raw: bool = False
    show_ids: bool = False
    redact: bool = False
    utc: bool = False
    color: str | None = None
    no_color: bool = False
    no_pager: bool = False
    dry_run: bool = False
    yes: bool = False
    confirm: str | None = None
    force: list[str] = field(default_factory=list)
    nice: float | None = None
    rate: float | None = None
    max_latency: str | None = None
    max_lag: str | None = None
    lag_from: list[str] = field(default_factory=list)
    wait_replicas: int | None = None
    run_time: str | None = None
    pause_file: str | None = None
    max_pause: str | None = None
    recheck: str | None = None
    journal_key_file: str | None = None
    no_input: bool = False
    quiet: int = 0
    verbose: int = 0
    traceback: bool = False

    @property
    def several_backends(self) -> bool:
        """More than one backend may be meant."""
        return self.all_backends or len(self.backend) > 1


def _option(*names: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


def _text(*names: str, help: str, panel: str, **more: Any) -> tuple[Any, Any]:
    return Annotated[str | None, _option(*names, help=help, panel=panel, **more)], None


def _flag(*names: str, help: str, panel: str) -> tuple[Any, Any]:
    return Annotated[bool, _option(*names, help=help, panel=panel)], False


def _many(*names: str, help: str, panel: str, **more: Any) -> tuple[Any, Any]:
    return Annotated[list[str] | None, _option(*names, help=help, panel=panel, **more)], None


def _number(*names: str, help: str, panel: str, **more: Any) -> tuple[Any, Any]:
    return Annotated[float | None, _option(*names, help=help, panel=panel, **more)], None


def _count(*names: str, help: str, panel: str, **more: Any) -> tuple[Any, Any]:
    return Annotated[int | None, _option(*names, help=help, panel=panel, **more)], None


def _counter(*names: str, help: str, panel: str) -> tuple[Any, Any]:
    return Annotated[int, _option(*names, help=help, panel=panel, count=True)], 0


def _print_version(ctx: typer.Context, value: bool) -> None:
    if value:
        from sessctl import __version__

        ctx.obj["run"].streams.line(f"sessctl {__version__}")
        raise typer.Exit


def version_parameter(*, hidden: bool = False) -> inspect.Parameter:
    """`--version`; a command takes it as well, and its help does not repeat it."""
    option = typer.Option(
        "-V", "--version", help="Print the version.", show_default=False, is_eager=True,
        callback=_print_version, hidden=hidden,
    )  # fmt: skip
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter("version", keyword, default=False, annotation=Annotated[bool, option])


C, O, S, P = "Connection", "Output", "Safety", "Pace"  # noqa: E741
GROUPS: dict[str, dict[str, tuple[Any, Any]]] = {
    "connection": {
        "backend": _many(
            "-b", "--backend", help="A configured name, or a URL.", panel=C, metavar="NAME|URL"
        ),
        "config": _text("--config", help="Read this config file only.", panel=C, metavar="PATH"),
        "timeout": _text("--timeout", help="Network budget (10s).", panel=C, metavar="DURATION"),
        "gentle": _flag("--gentle", help="Small pages: 100 sessions at once.", panel=C),
        "max_unpacked": _text(
            "--max-unpacked", help="Largest value that is read (8MiB).", panel=C, metavar="SIZE"
        ),
    },
    "replicas": {
        "allow_stale": _flag("--allow-stale", help="Read a Redis replica, too.", panel=C),
    },
    "backends": {
        "all_backends": _flag("--all-backends", help="Every configured backend.", panel=C),
    },
    "output": {
        "output": _text("-o", "--output", help=f"{_FORMATS}.", panel=O, metavar="FORMAT"),
        "fields": _text(
            "--fields", help="Choose and order columns or keys.", panel=O, metavar="A,B,C"
        ),
        "no_headers": _flag("--no-headers", help="No header line.", panel=O),
        "out_file": _text(
            "--out-file", help="Write there, readable by you only.", panel=O, metavar="PATH"
        ),
        "csv_raw": _flag("--csv-raw", help="No guard against spreadsheet formulas.", panel=O),
        "show_ids": _flag("--show-ids", help="Full session ids in tables.", panel=O),
        "redact": _flag("--redact", help="Shorten ids and mask data everywhere.", panel=O),
        "utc": _flag("--utc", help="Tables in UTC.", panel=O),
        "color": _text("--color", help="auto, always or never.", panel=O, metavar="WHEN"),
        "no_color": _flag("--no-color", help="The same as --color never.", panel=O),
        "no_pager": _flag("--no-pager", help="Never start a pager.", panel=O),
    },
    "safety": {
        "dry_run": _flag("-n", "--dry-run", help="Show the plan, change nothing.", panel=S),
        "yes": _flag("-y", "--yes", help="Answer the question with yes.", panel=S),
        "confirm": _text(
            "--confirm", help="Type the backend's name here.", panel=S, metavar="NAME"
        ),
        "force": _many(
            "--force",
            help="Lift one guard: share, no-ttl, wrong-store ...",
            panel=S,
            metavar="GUARD",
        ),
    },
    "pace": {
        "nice": _number(
            "--nice",
            help="Rest this many times as long as a page took (0; protected: 0.5).",
            panel=P,
            metavar="R",
            min=0,
        ),
        "rate": _number("--rate", help="At most so many a second.", panel=P, metavar="N", min=1),
        "max_latency": _text(
            "--max-latency",
            help="Pause while answers take longer (50ms).",
            panel=P,
            metavar="DURATION",
        ),
        "max_lag": _text(
            "--max-lag",
            help="Pause while a replica is further behind (2s).",
            panel=P,
            metavar="DURATION",
        ),
        "lag_from": _many(
            "--lag-from", help="A MySQL replica to ask.", panel=P, metavar="NAME|URL"
        ),
        "wait_replicas": _count(
            "--wait-replicas",
            help="Pause until so many Redis replicas have what was done.",
            panel=P,
            metavar="N",
            min=1,
        ),
        "run_time": _text("--run-time", help="Stop after this time.", panel=P, metavar="DURATION"),
        "pause_file": _text(
            "--pause-file", help="Pause while this file exists.", panel=P, metavar="PATH"
        ),
        "max_pause": _text(
            "--max-pause", help="Give up a pause after this (10m).", panel=P, metavar="DURATION"
        ),
    },
    "recheck": {
        "recheck": _text(
            "--recheck",
            help="Then look again for what requests in flight wrote back.",
            panel=P,
            metavar="DURATION",
        ),
    },
    "journal": {
        "journal_key_file": _text(
            "--journal-key-file",
            help="Encrypt the journal, or read one that is.",
            panel=S,
            metavar="PATH",
        ),
    },
    "general": {
        "no_input": _flag("--no-input", help="Never prompt.", panel="General"),
        "quiet": _counter("-q", help="Say less on standard error.", panel="General"),
        "verbose": _counter("-v", help="Say more on standard error.", panel="General"),
        "traceback": _flag(
            "--traceback", help="Show tracebacks of internal errors.", panel="General"
        ),
    },
}
GUARDS = ("share", "zone", "no-ttl", "wrong-store", "cascade", "journal", "old-journal")
_ALWAYS = ("general",)
_OWN = ("pace", "recheck", "journal")  # of a few commands: not to be said before the command


def command(*groups: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a typer command of a function that takes a `Run` first."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        shared = {k: v for group in (*groups, *_ALWAYS) for k, v in GROUPS[group].items()}
        own = [
            parameter.replace(annotation=eval(parameter.annotation, function.__globals__))  # noqa: S307
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]
        bundles: dict[str, Any] = {
            one.name: one.annotation for one in own if is_dataclass(one.annotation)
        }
        own = [each for one in own for each in _spelled_out(one)]

        @functools.wraps(function)
        def call(*, ctx: typer.Context, version: bool = False, **given: Any) -> Any:
            run = ctx.obj["run"]
            merge(run.options, {key: given.pop(key) for key in shared})
            for name, kind in bundles.items():
                given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            run.configure()
            try:
                code = run.answer(function(run, **given))
                run.close()
            except BrokenPipeError as exc:
                raise PipeClosed from exc
            return code

        call.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
                version_parameter(hidden=True),
                *[p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own],
                *[
                    inspect.Parameter(
                        key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                    )
                    for key, (annotation, default) in shared.items()
                ],
            ]
        )
        call.__annotations__ = {}
        return call

    return decorate


def _spelled_out(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The parameter itself; of a dataclass, which bundles several flags, one for each field."""
    kind = parameter.annotation
    if not is_dataclass(kind):
        return [parameter]
    annotations = get_type_hints(kind, include_extras=True)
    return [
        parameter.replace(name=one.name, default=one.default, annotation=annotations[one.name])
        for one in fields(kind)
    ]


def merge(options: Options, given: dict[str, Any]) -> None:
    """Take over what was said; what was not said leaves the earlier word standing."""
    for key, value in given.items():
        if isinstance(value, list):
            getattr(options, key).extend(value)
        elif value not in (None, False, 0):
            setattr(options, key, value)


def root_parameters() -> list[inspect.Parameter]:
    """The shared options once more, for before the command."""
    return [
        inspect.Parameter(
            key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for name, group in GROUPS.items()
        for key, (annotation, default) in group.items()
        if name not in _OWN
    ]


assert {f.name for f in fields(Options)} == {key for group in GROUPS.values() for key in group}
