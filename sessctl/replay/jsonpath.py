"""The part of JSONPath that names one value: `$.a.b[0]`, `$['a key'][-1]`."""

from __future__ import annotations

import re
from typing import Any

from sessctl.errors import UsageError

_STEP = re.compile(
    r"\.(?P<name>[^\s.\[\]'\"*?()]+)|\[(?P<index>-?\d{1,9})\]"
    r"|\['(?P<single>[^']*)'\]|\[\"(?P<double>[^\"]*)\"\]"
)
MISSING = object()


def parse_path(path: str) -> tuple[str | int, ...]:
    """Keys and indexes from the top. Raises UsageError for what names several values, or none."""
    if not path.startswith("$"):
        raise UsageError(f"'{path}' is no JSON path", hint="write $.name, $.list[0], $['a key']")
    steps: list[str | int] = []
    place = 1
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise UsageError(
                f"'{path}' is no JSON path from '{path[place : place + 20]}' on",
                hint="one value only: $.name, $.list[0], $['a key']; no *, .. or filters",
            )
        index = match["index"]
        steps.append(int(index) if index is not None else next(filter(None, _names(match)), ""))
        place = match.end()
    return tuple(steps)


def _names(match: re.Match[str]) -> tuple[str | None, ...]:
    return match["name"], match["single"], match["double"]


def find(data: Any, path: str) -> Any:
    """The value at a path, or `MISSING`. Raises UsageError for a path that is none."""
    for step in parse_path(path):
        data = _child(data, step)
    return data


def _child(data: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return data.get(step, MISSING) if isinstance(data, dict) else MISSING
    is_there = isinstance(data, list) and -len(data) <= step < len(data)
    return data[step] if is_there else MISSING
