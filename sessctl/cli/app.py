"""The command line's frame: the lazy table on top of typer, and the one broad exception handler.

A command's module is imported when it is called; help and suggestions come from the table.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as build

from sessctl.cli.help import PlainCommand, PlainHelp
from sessctl.cli.options import merge, root_parameters, version_parameter
from sessctl.cli.report import report, report_usage
from sessctl.cli.run import Run
from sessctl.cli.streams import DISK_ERRORS, OutputFailed, PipeClosed, Streams
from sessctl.cli.table import ALIASES, COMMANDS, DEFAULT, Row
from sessctl.errors import ExitCode, SessctlError, nearest
from sessctl.plugins import take_failures

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGE = "sessctl.cli.commands"


class LazyGroup(PlainHelp, TyperGroup):
    """Commands by name from a table; only the one that is called is imported."""

    rows: dict[str, Row] = COMMANDS
    path = ""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.rows)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        name = ALIASES.get(cmd_name, cmd_name) if not self.path else cmd_name
        row = self.rows.get(name)
        if row is None:
            return None
        if name not in self.commands:
            self.add_command(_load(f"{self.path} {name}".strip(), name, row), name)
        return self.commands[name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0] if args else ""
        if name and self.get_command(ctx, name) is None:
            known = [*self.rows, *(ALIASES if not self.path else ())]
            near = nearest(name, known)
            where = f"{self.path} " if self.path else ""
            if DEFAULT in self.rows and not (near and name.isalpha()):
                return super().resolve_command(ctx, [DEFAULT, *args])
            if not name.startswith("-"):
                others = f" {self._known()}" if self.path else " See sessctl --help."
                ctx.fail(
                    f"no such command '{where}{name}'."
                    + (f" Did you mean '{where}{near}'?" if near else others)
                )
        return super().resolve_command(ctx, args)

    def _known(self) -> str:
        return f"sessctl {self.path} takes {', '.join(self.rows)}"


def _load(path: str, name: str, row: Row) -> Any:
    """A typer command, or a group, for one row of the table."""
    if row.children:
        kind = type("Children", (LazyGroup,), {"rows": row.children, "path": path})
        # An option in front of the file is the default command's: `replay --stateless shop.yaml`.
        settings = {**_SETTINGS, "ignore_unknown_options": DEFAULT in row.children}
        group = typer.Typer(
            cls=kind, name=name, help=row.summary, add_completion=False, no_args_is_help=True,
            rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=settings,
        )  # fmt: skip
        group.callback()(lambda: None)
        return build(group)
    from importlib import import_module

    module, _, function = row.target.partition(":")
    one = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    target = getattr(import_module(f"{_PACKAGE}.{module}"), function)
    one.command(name, cls=PlainCommand, help=row.summary, context_settings=_SETTINGS)(target)
    return build(one)


_SETTINGS = {"help_option_names": ["-h", "--help"]}


def _root(*, ctx: typer.Context, version: bool = False, **given: Any) -> None:
    merge(ctx.obj["run"].options, given)


def _build_app() -> Any:
    keyword = inspect.Parameter.KEYWORD_ONLY
    _root.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("ctx", keyword, annotation=typer.Context),
            version_parameter(),
            *root_parameters(),
        ]
    )
    _root.__annotations__ = {}
    app = typer.Typer(
        cls=LazyGroup, name="sessctl", add_completion=False, no_args_is_help=True,
        rich_markup_mode=None, pretty_exceptions_enable=False, context_settings=_SETTINGS,
        help="Look after web sessions: see them, judge their cookies, end them, undo it.",
    )  # fmt: skip
    app.callback()(_root)
    return app


def build_root() -> Any:
    """The command line as typer has it; a command is imported when it is asked for."""
    return build(_build_app())


def run_command(argv: Sequence[str], streams: Streams) -> ExitCode:
    """Run one command line on these streams and return its exit code; nothing is raised."""
    run = Run(streams)
    code = _run(run, argv, streams)
    with suppress(OSError):
        for failure in take_failures():
            run.warn(failure)
    return code


def _run(run: Run, argv: Sequence[str], streams: Streams) -> ExitCode:
    try:
        code = build_root().main(
            list(argv), prog_name="sessctl", standalone_mode=False, obj={"run": run}
        )
        streams.flush()
        found = code if isinstance(code, ExitCode) else ExitCode(code or 0)
        if found is ExitCode.OK and streams.is_log_full:
            return ExitCode.JOURNAL
        is_cut = run.writes and streams.reader_gone and found is ExitCode.OK
        return ExitCode.PIPE_CLOSED if is_cut else found
    except (PipeClosed, BrokenPipeError):
        streams.discard_output()
        return ExitCode.PIPE_CLOSED if run.writes else ExitCode.OK
    except OSError as exc:
        if exc.errno not in DISK_ERRORS:
            return _bug(exc, run, argv)
        streams.discard_output()
        return report(OutputFailed.of(exc), run, argv)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except SessctlError as exc:
        return report(exc, run, argv)
    except Exception as exc:  # noqa: BLE001 - the only broad handler; Python's own exit 1 means "no"
        if type(exc).__name__ == "Abort":
            return ExitCode.INTERRUPTED
        if hasattr(exc, "format_message"):  # typer's usage errors; it vendors click since 0.26
            return report_usage(exc, run, argv)
        return _bug(exc, run, argv)


def _bug(exc: Exception, run: Run, argv: Sequence[str]) -> ExitCode:
    from sessctl.cli.report import report_bug

    try:
        return report_bug(exc, run, argv)
    except BrokenPipeError:
        return ExitCode.BUG


def main(argv: Sequence[str] | None = None) -> int:
    """The entry point `sessctl`."""
    words = list(sys.argv[1:] if argv is None else argv)
    _no_core_dumps()
    streams = Streams.of_process()
    code = run_command(words, streams)
    streams.abandon()
    return int(code)


def _no_core_dumps() -> None:
    """A crash must not write secrets and sessions to the disk (S26)."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
