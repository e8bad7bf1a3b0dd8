"""From what a project says to the backends that a configuration could have."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.config.checking import check_backend
from sessctl.config.discovery import (
    compose,
    env_files,
    node_settings,
    packages,
    python_packages,
    python_settings,
)
from sessctl.config.discovery.connection import (
    DEV,
    Connections,
    Found,
    Line,
    Variables,
    group_of,
    reference_to,
)
from sessctl.config.discovery.evidence import Evidence, Use
from sessctl.config.discovery.ignored import is_ignored
from sessctl.config.discovery.libraries import SESSIONS, STORES
from sessctl.config.discovery.lines import references, setting
from sessctl.config.discovery.places import cache_of, place_of
from sessctl.config.discovery.project import Project
from sessctl.config.model import Backend
from sessctl.config.references import anchored, follow_url, names_url
from sessctl.errors import SessctlError
from sessctl.stores.registry import find_layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# One for each kind of evidence; the variables come before the files that use them.
FINDERS = (
    packages.find,
    env_files.find,
    compose.find,
    node_settings.find,
    python_packages.find,
    python_settings.find,
)
_LIKELY_KINDS = ("redis", "postgresql", "mysql", "mongodb")
# Variables that hold what signs cookies, where the source does not say.
_SECRET_NAMES = (
    "SESSION_SECRET", "SESSION_SECRET_KEY", "COOKIE_SECRET", "EXPRESS_SESSION_SECRET",
    "NEXTAUTH_SECRET", "AUTH_SECRET", "APP_SECRET", "DJANGO_SECRET_KEY", "FLASK_SECRET_KEY",
    "SECRET_KEY", "SECRET",
)  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")  # of a backend
_PATHS = ("url", "cache", "password", "secrets", "store_secrets")  # and references to files


@dataclass(slots=True)
class Proposal:
    """A backend that could be written: its keys in order, where each was found, and notes.

    `kind` is that of its store: redis, postgresql, file ...
    """

    name: str
    kind: str
    lines: list[Line]
    notes: list[str] = field(default_factory=list)

    def anchor(self, root: Path) -> None:
        """Make its paths whole, for a file that counts wherever one stands."""
        whole = anchored(msgspec.convert(self.table(), Backend), root)
        self.lines = [
            line._replace(value=getattr(whole, line.key)) if line.key in _PATHS else line
            for line in self.lines
        ]

    def table(self) -> dict[str, Any]:
        """The keys as TOML has them; `columns.sid` stands in a table of its own."""
        found: dict[str, Any] = {}
        for line in self.lines:
            key, dot, inner = line.key.partition(".")
            if dot:
                found.setdefault(key, {})[inner] = line.value
            else:
                found[key] = line.value
        return found


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a project says: its folder, backends to propose, and what else is worth knowing."""

    root: Path
    proposals: list[Proposal]
    notes: list[str]


def discover(folder: Path) -> Discovery:
    """Read the project around a folder and propose backends. Nothing of it is run or connected to.

    Secrets are looked at to tell them apart and are in nothing that is returned: a proposal names
    them by references.
    """
    project, evidence = Project.around(folder), Evidence()
    for find in FINDERS:
        find(project, evidence)
    proposer = _Proposer(evidence)
    proposals, notes = [], list(evidence.notes)
    for proposal in proposer.proposals():
        problem = _problem(proposal, project.root)
        if problem is None:
            proposals.append(proposal)
        else:
            notes.append(f"not proposed: {proposal.name}, as {problem}")
    notes += proposer.notes()
    notes += _open_to_git(project, proposals)
    return Discovery(project.root, proposals, notes)


def _problem(proposal: Proposal, root: Path) -> str | None:
    """Why a backend like this could not be used."""
    try:
        backend = anchored(msgspec.convert(proposal.table(), Backend), root)
        if names_url(backend.url):
            backend = follow_url(backend, {})
        if not backend.url_problem:
            check_backend(msgspec.structs.replace(backend, name=proposal.name))
    except SessctlError as exc:
        return exc.message
    return None


def _open_to_git(project: Project, proposals: Sequence[Proposal]) -> Iterator[str]:
    """Secrets that the next commit would publish."""
    named = {
        text.removeprefix("dotenv:").partition("#")[0]
        for proposal in proposals
        for line in proposal.lines
        for text in (line.value if isinstance(line.value, list) else [line.value])
        if isinstance(text, str) and text.startswith("dotenv:")
    }
    for name in sorted(named):
        if is_ignored(project, name) is False:
            yield f"{name} is not ignored by git: add it to .gitignore before it is committed"


class _Proposer:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._packages = {**evidence.packages}
        for use in evidence.uses:
            self._packages.setdefault(use.package, use.origin)
            if use.store in STORES:
                self._packages.setdefault(use.store, use.origin)
        self._unplaced = {package for package in self._packages if package in STORES}
        files = [one.origin.file for one in evidence.variables]
        others = {group for file in files if (group := group_of(file)) not in (DEV, None)}
        self._groups = [DEV, *sorted(group for group in others if group and _NAME.fullmatch(group))]

    def proposals(self) -> Iterator[Proposal]:
        """The backends, those for development first."""
        taken: set[str] = set()
        for group in self._groups:
            variables = Variables(self._evidence.variables, group)
            for proposal in self._of_group(group, variables):
                names = (f"{group}-{proposal.kind}{number or ''}" for number in count())
                proposal.name = next(one for one in (group, *islice(names, 99)) if one not in taken)
                taken.add(proposal.name)
                yield proposal

    def notes(self) -> Iterator[str]:
        """What has no store that could be named."""
        for package in self._packages:
            library = SESSIONS.get(package)
            if library is not None and library.cookie_only:
                secrets = self._secrets(package, Variables(self._evidence.variables, DEV), [])
                how = f" --secret-from {secrets.value[0]}" if secrets else ""  # type: ignore[index]
                yield (
                    f"{package} ({self._packages[package]}) keeps sessions in the cookie itself: "
                    f"sessctl verify COOKIE --format {library.cookie_format}{how}"
                )
        for package in sorted(self._unplaced):
            kind = STORES[package].kind
            yield (
                f"{package} ({self._packages[package]}) keeps sessions in a store ({kind}) that "
                f'no file tells: layout = "{STORES[package].layout}", and its url by hand'
            )
        if "express-session" in self._packages and not any(p in STORES for p in self._packages):
            yield (
                "express-session has no store package: its sessions are in the memory of the "
                "process, and sessctl list -b node+pid://PID shows them"
            )

    # -- one group of variables -------------------------------------------------------------------

    def _of_group(self, group: str, variables: Variables) -> Iterator[Proposal]:
        connections = Connections(variables, self._evidence.services if group == DEV else ())
        packages = [package for package in self._packages if package in STORES]
        for package in packages:
            use = self._use(package)
            place = place_of(package, use, group, connections)
            if place is not None:
                self._unplaced.discard(package)
                yield self._proposal(package, use, group, variables, place)
        if not packages and not any(package in SESSIONS for package in self._packages):
            places = [connections.by_variables([kind]) for kind in _LIKELY_KINDS]
            known = [place for place in places if place is not None]
            if len(known) == 1:
                known[0].notes.append(
                    "which library keeps the sessions is not known here; "
                    "`sessctl detect -b NAME` looks into the store"
                )
                yield Proposal(group, known[0].kind, known[0].lines, known[0].notes)

    def _use(self, package: str) -> Use | None:
        return next((use for use in self._evidence.uses if use.package == package), None)

    def _session_use(self, store: str) -> tuple[str | None, Use | None]:
        """The library that makes the cookies for a store, and how it is called."""
        uses = [one for one in self._evidence.uses if one.package in SESSIONS]
        handed = next((one for one in uses if one.store == store), None)
        if handed is not None:
            return handed.package, handed
        names = [p for p in self._packages if p in SESSIONS and not SESSIONS[p].cookie_only]
        first = names[0] if names else None
        return first, next((one for one in uses if one.package == first), None)

    def _proposal(
        self, package: str, use: Use | None, group: str, variables: Variables, place: Found
    ) -> Proposal:
        session_name, session = self._session_use(package)
        library = SESSIONS.get(session_name or "")
        layout = (library.layouts.get(place.kind) if library else None) or STORES[package].layout
        seen = [self._packages[package]]
        if library and layout != STORES[package].layout and session_name:
            seen = [self._packages[session_name]]
        notes = place.notes
        lines = [*place.lines, Line("layout", layout, tuple(map(str, seen)))]
        lines += cache_of(use, Connections(variables, self._evidence.services), notes)
        known = find_layout(layout).settings
        settings: dict[str, Line] = {}
        for said in (use, session):  # of two lifetimes the cookie's counts
            for key, value in said.settings.items() if said else ():
                name, _, unit = key.partition(":")
                line = setting(name, unit, value, variables)
                if line and name.partition(".")[0] in (*known, "cookie_name", "lifetime"):
                    settings[name] = line
        lines += settings.values()
        secrets = self._secrets(session_name, variables, notes)
        lines += [secrets] if secrets else []
        if use is not None and use.store_secrets:
            line = references("store_secrets", use.store_secrets, variables, notes)
            lines += [line] if line else []
        if group == "production":
            lines.append(Line("protected", True, place.lines[0].origins[-1:]))
        return Proposal(group, place.kind, lines, notes)

    def _secrets(self, package: str | None, variables: Variables, notes: list[str]) -> Line | None:
        """What signs the cookies, as references, newest first."""
        use = next((u for u in self._evidence.uses if u.package == package and u.secrets), None)
        if use is not None:
            return references("secrets", use.secrets, variables, notes)
        for name in _SECRET_NAMES:
            known = variables.get(name)
            if known is not None and known.value and known.names_itself:
                return Line("secrets", [reference_to(known)], (str(known.origin),))
        return None
