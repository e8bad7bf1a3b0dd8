"""What an audit says: rules, what was found by them, and what could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is, the mildest first."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info to 4 for critical."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to mend.

    `where` it applies: the backend's store, a place in its settings, a file. `count`: of how many
    sessions, where it is about sessions; `sids`: up to three of them, shortened. Nothing here
    holds a value out of a session, or a secret.
    """

    id: str
    severity: Severity
    title: str
    where: str
    evidence: str
    why: str
    fix: str
    count: int | None = None
    sids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that could not be made, and why."""

    id: str
    title: str
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What a check looks for. `fix` is a line to paste; BACKEND in it is the backend's name."""

    id: str
    severity: Severity
    title: str
    why: str
    fix: str

    def found(
        self,
        where: str,
        evidence: str,
        *,
        severity: Severity | None = None,
        fix: str | None = None,
        count: int | None = None,
        sids: tuple[str, ...] = (),
    ) -> Finding:
        """The rule is broken there; `severity` and `fix` where the place says more."""
        return Finding(
            self.id, severity or self.severity, self.title, where, evidence, self.why,
            fix or self.fix, count, sids,
        )  # fmt: skip

    def skipped(self, where: str, reason: str) -> Skipped:
        """Whether it is broken there could not be found out."""
        return Skipped(self.id, self.title, where, reason)


def named(finding: Finding, backend: str) -> Finding:
    """The finding with the backend's name in what is to be pasted."""
    return replace(finding, fix=finding.fix.replace("BACKEND", backend))


def percent(part: int, whole: int) -> str:
    """`12 of 200 (6%)`."""
    share = 100 * part / whole if whole else 0
    shown = f"{share:.0f}%" if share >= 1 or not part else "<1%"
    return f"{part:,} of {whole:,} ({shown})"
