"""The commands and their options as a table to look into: what `words.json` is made from.

To read it from typer takes the import of every command, a second; to read the file, a millisecond.
"""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any

from sessctl.admin.audit.finding import Severity
from sessctl.admin.placing import Conflict
from sessctl.cli.app import build_root
from sessctl.cli.commands.help import TOPICS
from sessctl.cli.completion.scripts import SCRIPTS
from sessctl.cli.findings import KEYS as FINDING_KEYS
from sessctl.cli.items import COOKIE_KEYS, SESSION_KEYS
from sessctl.cli.listing import SORT_KEYS
from sessctl.cli.options import GUARDS
from sessctl.cli.outcomes import FORMATS, KEYS
from sessctl.cli.session_table import COLUMNS
from sessctl.cli.table import ALIASES, COMMANDS, DEFAULT, Row
from sessctl.cli.watch_items import EVENT_KEYS, ROW_KEYS
from sessctl.cookies.registry import FORMATS as COOKIE_FORMATS
from sessctl.demo.lessons import LESSONS
from sessctl.stores.registry import ENGINES, LAYOUTS

_FIELDS = {
    **dict.fromkeys(("list", "show", "create"), tuple(dict.fromkeys((*SESSION_KEYS, *COLUMNS)))),
    **dict.fromkeys(("decode", "verify"), COOKIE_KEYS),
    **dict.fromkeys(("expire", "purge", "restore", "touch", "copy", "import"), KEYS),
    "audit": FINDING_KEYS,
    "watch": tuple(dict.fromkeys((*EVENT_KEYS, *ROW_KEYS))),
}

_REFERENCES = {
    "env:": "an environment variable",
    "file:": "a file",
    "dotenv:": "PATH#NAME of a .env file",
    "keyring:": "SERVICE/USER",
    "cmd:": "what a program prints",
    "prompt": "typed, without echo",
    "stdin": "standard input",
}
_CONDITIONS = {
    "sid": "text",
    "user": "text",
    "created": "instant",
    "seen": "instant",
    "expires": "instant",
    "ttl": "duration",
    "idle": "duration",
    "size": "bytes",
    "data.": "what the application keeps",
    "exists(": "is it there?",
    "len(": "its length",
    "and": "",
    "or": "",
    "not": "",
}


def table_text() -> str:
    """`words.json`, one line a command.

    A command: `options` are [spellings, what follows or null for a flag, help], or just the
    spellings of one that stands in the same words before the command; `takes` says what its
    arguments are, `commands` are a group's, `default` is the one that takes a first word which
    names none. `values`, of the first entry, are the words of an option or of what it takes, each
    with what it means.
    """
    root = build_root()
    table = {"": _entry(root, {})}
    shared = {option[0]: option for option in table[""]["options"]}
    _walk(root, "", COMMANDS, shared, table)
    table[""]["commands"] |= {
        alias: f"The same as {name}." for alias, name in ALIASES.items() if name in COMMANDS
    }
    table[""]["aliases"] = ALIASES
    table[""]["values"] = _values()
    lines = (f"{json.dumps(path)}: {json.dumps(entry)}" for path, entry in table.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _walk(
    group: Any, path: str, rows: dict[str, Row], shared: dict[str, Any], table: dict[str, Any]
) -> None:
    for name, row in rows.items():
        if name == DEFAULT:
            table[path]["default"] = f"{path} {name}"
        else:
            table[path].setdefault("commands", {})[name] = row.summary
        below = f"{path} {name}".strip()
        command = group.get_command(None, name)
        table[below] = _entry(command, shared)
        if row.children:
            _walk(command, below, row.children, shared, table)
            continue
        module = import_module(f"sessctl.cli.commands.{row.target.partition(':')[0]}")
        table[below]["outputs"] = list(getattr(module, "FORMATS", FORMATS))
        if fields := _FIELDS.get(below) or getattr(module, "KEYS", None):
            table[below]["fields"] = list(fields)


def _entry(command: Any, shared: dict[str, Any]) -> dict[str, Any]:
    options: list[Any] = []
    takes: list[str] = []
    for parameter in command.get_params(_NoContext()):
        if parameter.param_type_name == "argument":
            takes.append(
                (parameter.metavar or parameter.name or "").rstrip(".").upper().rstrip("S")
            )
        elif not parameter.hidden:
            spellings = " ".join(sorted((*parameter.opts, *parameter.secondary_opts), key=len))
            is_flag = parameter.is_flag or parameter.count
            option = [spellings, None if is_flag else parameter.metavar or "", parameter.help or ""]
            options.append(spellings if shared.get(spellings) == option else option)
    return {"options": options, "takes": takes}


def _values() -> dict[str, dict[str, str]]:
    topics = {name: summary for name, (summary, _) in TOPICS.items()}
    commands = {name: row.summary for name, row in COMMANDS.items()}
    return {
        "TOPIC": topics | commands,
        "LESSON": {one.name: one.summary for one in LESSONS},
        "SHELL": dict.fromkeys(SCRIPTS, ""),
        "GUARD": dict.fromkeys(GUARDS, ""),
        "LAYOUT": dict.fromkeys(LAYOUTS, ""),
        "SCHEME": dict.fromkeys(ENGINES, ""),
        "KEY,...": dict.fromkeys(SORT_KEYS, ""),
        "WHEN": {"auto": "on a terminal", "always": "", "never": ""},
        "--format": dict.fromkeys(COOKIE_FORMATS, ""),
        "--conflict": dict.fromkeys(Conflict, ""),
        "--fail-on": dict.fromkeys(Severity, ""),
        "--export": {"hashcat": ""},
        "EXPR": _CONDITIONS,
        "REF": _REFERENCES,
    }


class _NoContext:
    """All that typer asks a context for when it lists parameters."""

    help_option_names = ("-h", "--help")
