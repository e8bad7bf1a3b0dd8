"""package.json: which session libraries the project uses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sessctl.config.discovery.evidence import Origin
from sessctl.config.discovery.libraries import SESSIONS, STORES

if TYPE_CHECKING:
    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.project import Project

_FILE = "package.json"
_LISTS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")


def find(project: Project, evidence: Evidence) -> None:
    """Name every known package of the dependencies."""
    text = project.read(_FILE)
    if text is None:
        return
    try:
        manifest: Any = json.loads(text)
    except (ValueError, RecursionError):
        evidence.note(f"{_FILE} is no JSON that can be read")
        return
    for key in _LISTS:
        wanted = manifest.get(key) if isinstance(manifest, dict) else None
        for package in wanted if isinstance(wanted, dict) else ():
            if package in STORES or package in SESSIONS:
                evidence.packages.setdefault(package, Origin(_FILE, _line(text, package)))


def _line(text: str, package: str) -> int:
    found = re.search(rf'"{re.escape(package)}"\s*:', text)
    return text.count("\n", 0, found.start()) + 1 if found else 1
