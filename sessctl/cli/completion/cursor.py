"""Where in a command line the cursor stands, and so what may come there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(slots=True)
class Cursor:
    """What the words before the cursor say.

    `current` is the part of the word that is to be completed, `before` the part of it that stays:
    `--force=`. `wants` names what is asked for as its metavar does (`FORMAT`, `SID`); "" where it
    is an option or a command.
    """

    path: str
    entry: dict[str, Any]
    shared: dict[str, Any]
    values: dict[str, dict[str, str]]
    current: str
    before: str = ""
    option: str = ""  # whose value is wanted
    wants: str = ""
    after_dashes: bool = False
    given: dict[str, list[str]] = field(default_factory=dict)  # values of the options so far

    def options(self) -> list[tuple[list[str], str | None, str]]:
        """The options that the command takes: spellings, what follows or None, help."""
        return [
            (found[0].split(), found[1], found[2])
            for one in self.entry["options"]
            for found in [self.shared[one] if isinstance(one, str) else one]
        ]

    def meaning(self, spelling: str) -> tuple[str, str | None] | None:
        """(the option's long name, what follows it or None for a flag)."""
        for spellings, follows, _ in self.options():
            if spelling in spellings:
                return max(spellings, key=len), follows
        return None


def load_words() -> dict[str, Any]:
    """The table of commands; see `words.py`."""
    text = (Path(__file__).parent / "words.json").read_text("ascii")
    found: dict[str, Any] = json.loads(text)
    return found


def find_cursor(words: Sequence[str], current: str) -> Cursor:
    """Read the words before the cursor as typer will read them; wrong ones are passed over."""
    table = load_words()
    root = table[""]
    shared = {one[0]: one for one in root["options"]}
    at = Cursor("", root, shared, root["values"], current)
    pending: tuple[str, str | None] | None = None
    arguments = 0
    for word in words:
        if pending is not None:
            at.given.setdefault(pending[0], []).append(word)
            pending = None
        elif at.after_dashes or word == "-" or not word.startswith("-"):
            name = root["aliases"].get(word, word) if not at.path else word
            below = f"{at.path} {name}".strip()
            if name in at.entry.get("commands", {}) and below in table:
                at.path, at.entry = below, table[below]
            elif default := at.entry.get("default"):
                at.path, at.entry, arguments = default, table[default], 1
            else:
                arguments += 1
        elif word == "--":
            at.after_dashes = True
        else:
            pending = _open_option(at, word)
    if pending is not None:
        at.option, at.wants = pending[0], pending[1] or ""
    elif current.startswith("-") and not at.after_dashes:
        name, equals, value = current.partition("=")
        if equals and (known := at.meaning(name)) and known[1] is not None:
            at.before, at.current = f"{name}=", value
            at.option, at.wants = known[0], known[1]
    elif takes := _takes(at, table):
        at.wants = takes[min(arguments, len(takes) - 1)]
    return at


def _open_option(at: Cursor, word: str) -> tuple[str, str | None] | None:
    """The option that waits for its value in the next word; None: the word is whole."""
    name, equals, value = word.partition("=")
    attached = not word.startswith("--") and len(word) > 2
    known = at.meaning(word[:2] if attached else name)
    if known is None or known[1] is None:
        return None
    if not attached and not equals:
        return known
    at.given.setdefault(known[0], []).append(word[2:] if attached else value)
    return None


def _takes(at: Cursor, table: dict[str, Any]) -> list[str]:
    default = at.entry.get("default")
    found: list[str] = table[default]["takes"] if default else at.entry["takes"]
    return found
