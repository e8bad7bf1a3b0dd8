"""Keys of a backend, made of values that were found; a secret becomes a reference."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sessctl.config.discovery.connection import Connections, Line, Variables
from sessctl.config.discovery.env_files import is_secret_name
from sessctl.config.discovery.evidence import Named, Text, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def references(
    key: str, values: Sequence[Value], variables: Variables, notes: list[str]
) -> Line | None:
    connections = Connections(variables, ())
    found: list[str] = []
    origins: list[str] = []
    for value in values:
        reference, origin, note = connections.reference(value, "SESSION_SECRET", "a secret")
        if note and isinstance(value, Text):  # a reference to nothing would be in the way
            notes.append(
                f"{origin} holds a secret itself, which is not copied: put it into a variable, "
                f"and env:NAME into {key}"
            )
            continue
        notes += [note] if note else []
        found.append(reference)
        origins.append(origin)
    return Line(key, found, tuple(dict.fromkeys(origins))) if found else None


def setting(name: str, unit: str, value: Value, variables: Variables) -> Line | None:
    """A key of a backend; what a variable says counts as it stands in the file."""
    if isinstance(value, Named):
        if is_secret_name(value.name):
            return None
        known = variables.get(value.name)
        text = known.value if known else value.default.value if value.default else None
    else:
        text = value.value
    if text is None:
        return None
    if unit:
        text = _duration(text, 1000 if unit == "ms" else 1)
    return Line(name, text, (str(value.origin),)) if text is not None else None


def _duration(text: str, divisor: int) -> str | None:
    """A number of ms or seconds as people write it."""
    if not re.fullmatch("[0-9]{1,12}", text) or not 0 < int(text) // divisor < 3_000_000_000:
        return None
    seconds = int(text) // divisor
    for unit, size in _UNITS:
        if seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def relative_path(path: str) -> str:
    """A path as a URL has it: `./sessions` is `sessions`."""
    from posixpath import normpath
    from urllib.parse import quote

    return quote(normpath(path))
