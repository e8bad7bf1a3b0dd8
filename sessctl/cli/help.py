"""Help on one screen: purpose, usage, examples, options in groups, exit codes, see also.

Plain text on every stream: rich's help costs 80 ms, and nobody sees its boxes in a pipe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

from sessctl.cli.table import ALIASES, COMMANDS, FIRST, Row
from sessctl.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Options that every command shares stand in one line each way; `sessctl --help` explains them.
_BRIEF = ("Connection", "Output", "Safety", "General")
_WIDTH = 88


class PlainHelp:
    """Mixed into typer's command and group; writes help the house way."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Called by typer with its context and formatter."""
        path = ctx.command_path.removeprefix("sessctl").strip()
        formatter.write("\n".join(_help(self, ctx, path)) + "\n")


class PlainCommand(PlainHelp, TyperCommand):
    """A typer command with our help."""


def _help(command: Any, ctx: Any, path: str) -> Iterator[str]:
    row = _row(path)
    if row is None:
        yield from _root_help(command, ctx)
        return
    yield row.summary
    yield ""
    # The file of a group's default command stands in its path already.
    pieces = [one for one in command.collect_usage_pieces(ctx) if command.name != one.strip("{}")]
    yield f"Usage: {ctx.command_path} {' '.join(pieces)}"
    arguments = [p for p in command.get_params(ctx) if p.param_type_name == "argument"]
    yield from _rows((p.metavar, p.help) for p in arguments)
    names = [alias for alias, name in ALIASES.items() if name == path]
    if names:
        yield f"Also spelled: {', '.join(names)}"
    yield ""
    yield "Examples:"
    yield from (f"  {example}" for example in row.examples)
    if row.children:
        yield ""
        yield "Commands:"
        yield from _rows((name, child.summary) for name, child in row.children.items())
    yield from _options(command, ctx, brief=_BRIEF)
    yield ""
    codes = ", ".join(f"{code} {ExitCode(code).name.lower()}" for code in row.exits)
    yield f"Exit codes: {codes}"
    yield f"See also: {', '.join('sessctl ' + name for name in (*row.see, 'help exit-codes'))}"


def _root_help(command: Any, ctx: Any) -> Iterator[str]:
    yield "Look after web sessions: see them, judge their cookies, end them, undo it."
    yield ""
    yield "Usage: sessctl COMMAND [ARGS] [OPTIONS]"
    yield ""
    yield "Most used:"
    yield from _rows((name, COMMANDS[name].summary) for name in FIRST)
    yield ""
    yield "More:"
    rest = [name for name in COMMANDS if name not in FIRST]
    yield from _rows((name, COMMANDS[name].summary) for name in rest)
    yield from _options(command, ctx, brief=())
    yield ""
    yield "First steps: sessctl demo. Topics: sessctl help."
    yield "Spelled also: " + ", ".join(f"{alias} ({name})" for alias, name in ALIASES.items())


def _row(path: str) -> Row | None:
    rows, row = COMMANDS, None
    for word in path.split():
        row = rows.get(ALIASES.get(word, word))
        if row is None:
            return None
        rows = row.children
    return row


def _options(command: Any, ctx: Any, *, brief: tuple[str, ...]) -> Iterator[str]:
    panels: dict[str, list[Any]] = {}
    for parameter in command.get_params(ctx):
        if getattr(parameter, "param_type_name", "") == "option" and not parameter.hidden:
            panels.setdefault(parameter.rich_help_panel or "Options", []).append(parameter)
    short: list[str] = []
    for panel, parameters in panels.items():
        if panel in brief:
            short += [max(p.opts, key=len) for p in parameters]
            continue
        if panel == "Options" and all("--help" in p.opts for p in parameters):
            continue
        yield ""
        yield f"{panel}:"
        yield from _rows(filter(None, (p.get_help_record(ctx) for p in parameters)))
    if short:
        yield ""
        yield from _wrapped("Shared options (sessctl --help): ", short)


def _rows(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    listed = list(pairs)
    width = min(max((len(name) for name, _ in listed), default=0), 30)
    for name, text in listed:
        yield f"  {name:<{width}}  {text}"


def _wrapped(head: str, words: list[str]) -> Iterator[str]:
    line = head
    for word in words:
        if len(line) + len(word) > _WIDTH:
            yield line.rstrip()
            line = "  "
        line += word + " "
    yield line.rstrip()
