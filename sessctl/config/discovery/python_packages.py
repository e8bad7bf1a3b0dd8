"""pyproject.toml and requirements files: which session libraries the project uses."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from sessctl.config.discovery.evidence import Origin
from sessctl.config.discovery.libraries import DISTRIBUTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.project import Project

_PROJECT = "pyproject.toml"
_REQUIREMENTS = re.compile(r"requirements[\w.-]*\.(?:txt|in)")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def find(project: Project, evidence: Evidence) -> None:
    """Name every known distribution of the dependencies."""
    for file in project.names():
        if file != _PROJECT and not _REQUIREMENTS.fullmatch(file):
            continue
        text = project.read(file)
        if text is None:
            continue
        wanted = _of_pyproject(text, evidence) if file == _PROJECT else text.splitlines()
        for requirement in wanted:
            name = _normal(requirement)
            if name in DISTRIBUTIONS:
                origin = Origin(file, _line(text, name))
                evidence.packages.setdefault(DISTRIBUTIONS[name], origin)
    if "flask-session" in evidence.packages:
        evidence.packages.pop("flask", None)  # its own cookie is not in use


def _of_pyproject(text: str, evidence: Evidence) -> Iterator[str]:
    """The dependencies, also as Poetry has them."""
    try:
        table: Any = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        evidence.note(f"{_PROJECT} is no TOML that can be read")
        return
    found = [
        *_items(table, "project", "dependencies"),
        *_items(table, "tool", "poetry", "dependencies"),
    ]
    yield from (one for one in found if isinstance(one, str))


def _items(table: Any, *path: str) -> list[Any]:
    """A list, or the names of a table, at this place; nothing where there is none."""
    for key in path:
        table = table.get(key) if isinstance(table, dict) else None
    return list(table) if isinstance(table, list | dict) else []


def _normal(requirement: str) -> str:
    """The name in `Flask_Session[redis]>=0.8 ; python_version > "3"`, as PEP 503 spells it."""
    found = _NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def _line(text: str, name: str) -> int:
    pattern = re.escape(name).replace(r"\-", "[-_.]+")
    found = re.search(rf"(?im)(?<![\w-]){pattern}(?![\w-])", text)
    return text.count("\n", 0, found.start()) + 1 if found else 0
