"""What differs between two states of a session's data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MAX_CHANGES = 50


@dataclass(frozen=True, slots=True)
class DataChange:
    """One value inside a session's data: `path` is `$.cart[0].qty`; None is absent."""

    path: str
    old: Any
    new: Any


def data_changes(old: Any, new: Any) -> list[DataChange]:
    """What differs between two values of session data, deepest first by path; at most 50."""
    found: list[DataChange] = []
    _walk("$", old, new, found)
    return found[:_MAX_CHANGES]


_ABSENT = object()


def _walk(path: str, old: Any, new: Any, found: list[DataChange]) -> None:
    if len(found) > _MAX_CHANGES:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            name = f"{path}.{key}" if str(key).isidentifier() else f"{path}[{key!r}]"
            _walk(name, old.get(key, _ABSENT), new.get(key, _ABSENT), found)
    elif isinstance(old, list) and isinstance(new, list):
        for place in range(max(len(old), len(new))):
            ours = old[place] if place < len(old) else _ABSENT
            theirs = new[place] if place < len(new) else _ABSENT
            _walk(f"{path}[{place}]", ours, theirs, found)
    elif type(old) is not type(new) or old != new:  # 1, 1.0 and true are equal, and not the same
        found.append(
            DataChange(path, None if old is _ABSENT else old, None if new is _ABSENT else new)
        )
