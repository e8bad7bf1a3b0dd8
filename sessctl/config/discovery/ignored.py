"""Whether git leaves a file out, by the .gitignore files alone; git itself is not run."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sessctl.config.discovery.project import Project

if TYPE_CHECKING:
    from pathlib import Path


def is_ignored(project: Project, name: str) -> bool | None:
    """A file in the project's folder is ignored; None: there is no repository around it."""
    repository = _repository(project.root)
    if repository is None:
        return None
    ignored = False
    parents = [project.root, *project.root.parents]
    for folder in reversed(parents[: parents.index(repository) + 1]):
        text = Project(folder).read(".gitignore") or ""
        path = (project.root / name).relative_to(folder).as_posix()
        for line in text.splitlines():
            pattern = line.strip()
            if not pattern or pattern[0] == "#":
                continue
            if _matches(pattern.removeprefix("!"), path):
                ignored = pattern[0] != "!"
    return ignored


def _matches(pattern: str, path: str) -> bool:
    """A pattern with a slash is for a path, one without for a name anywhere."""
    anchored = pattern.removeprefix("**/")
    if "/" in anchored.rstrip("/"):
        return fnmatchcase(path, anchored.removeprefix("/"))
    return any(fnmatchcase(part, anchored.strip("/")) for part in path.split("/"))


def _repository(folder: Path) -> Path | None:
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)
