"""What an audit found, for people and as items."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Any

from sessctl.admin.audit import Severity
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.admin.audit import Audit, Finding, Skipped
    from sessctl.cli.streams import Line
    from sessctl.cli.theme import Role

KEYS = (
    "backend", "status", "id", "severity", "title", "where", "count", "evidence", "sids", "why",
    "fix", "reason",
)  # fmt: skip
_ROLES: dict[Severity, Role] = {
    Severity.CRITICAL: "danger",
    Severity.HIGH: "danger",
    Severity.MEDIUM: "warn",
    Severity.LOW: "accent",
    Severity.INFO: "accent",
}
_WIDEST = 100  # columns; longer lines are hard to read
_NARROWEST = 40


def finding_item(backend: str, one: Finding) -> dict[str, Any]:
    """A finding as an item; its key order is a contract."""
    values = (
        backend, "found", one.id, str(one.severity), one.title, one.where, one.count, one.evidence,
        list(one.sids), one.why, one.fix, None,
    )  # fmt: skip
    return dict(zip(KEYS, values, strict=True))


def skipped_item(backend: str, one: Skipped) -> dict[str, Any]:
    """A check that could not be made, as an item of the same keys."""
    values: tuple[Any, ...] = (
        backend, "skipped", one.id, None, one.title, one.where, None, None, [], None, None,
        one.reason,
    )  # fmt: skip
    return dict(zip(KEYS, values, strict=True))


def summary_of(audits: Sequence[Audit], fail_on: Severity, *, failed: bool) -> dict[str, Any]:
    """The end of a document: counts, and what passed everywhere."""
    found = [one for audit in audits for one in audit.findings]
    ids = [set(audit.passed) for audit in audits]
    return {
        "sessions": sum(audit.sessions for audit in audits),
        "complete": all(audit.complete for audit in audits),
        "fail_on": str(fail_on),
        "failed": failed,
        **{str(one): sum(f.severity is one for f in found) for one in reversed(Severity)},
        "skipped": sum(len(audit.skipped) for audit in audits),
        "passed": sorted(set.intersection(*ids)) if ids else [],
    }


def report(backend: str, audit: Audit, *, wide: bool) -> Iterator[Line]:
    """The findings below their severities, the worst first, then what was not looked at."""
    room = max(min(shutil.get_terminal_size((80, 24)).columns, _WIDEST), _NARROWEST)
    cut = "" if audit.complete else ", of more"
    count = f"{audit.sessions:,} session{'' if audit.sessions == 1 else 's'}{cut}"
    yield [("audit of ", "plain"), (backend, "accent"), (f"  {count}", "muted")]
    for severity in reversed(Severity):
        some = [one for one in audit.findings if one.severity is severity]
        if some:
            yield []
            yield [(f"{severity.upper()} ({len(some)})", _ROLES[severity])]
        for one in some:
            yield from _block(one, room)
    if audit.skipped:
        yield []
        yield [(f"SKIPPED ({len(audit.skipped)})", "warn"), (" could not be found out", "muted")]
        for left in audit.skipped:
            yield from _head(left.id, left.title, room)
            yield from _row("where", left.where, room)
            yield from _row("why", left.reason, room, "muted")
    yield []
    for line in textwrap.wrap(_totals(audit), room):
        yield [(line, "plain")]
    if wide:
        yield from _row("passed", ", ".join(sorted(audit.passed)), room, "muted")


def _block(one: Finding, room: int) -> Iterator[Line]:
    yield from _head(one.id, one.title, room)
    sids = f"; {', '.join(one.sids)}" if one.sids else ""
    yield from _row("where", one.where, room)
    yield from _row("found", one.evidence + sids, room)
    yield from _row("why", one.why, room, "muted")
    yield [(f"    {'fix':<7}", "muted"), (one.fix, "plain")]  # to be pasted, so in one piece


def _head(id: str, title: str, room: int) -> Iterator[Line]:
    """The id and what it means, on one line where they fit."""
    if len(id) + len(title) + 4 <= room:
        yield [("  ", "plain"), (id, "key"), (f"  {title}", "plain")]
    else:
        yield [("  ", "plain"), (id, "key")]
        yield from _row("", title, room)


def _row(name: str, text: str, room: int, role: Role = "plain") -> Iterator[Line]:
    """`name` and its text, wrapped below itself."""
    lines = textwrap.wrap(escape(text), room - 11, break_on_hyphens=False)
    for place, line in enumerate(lines):
        yield [(f"    {'' if place else name:<7}", "muted"), (line, role)]


def _totals(audit: Audit) -> str:
    counts = [
        f"{sum(one.severity is severity for one in audit.findings)} {severity}"
        for severity in reversed(Severity)
        if any(one.severity is severity for one in audit.findings)
    ]
    found = ", ".join(counts) if counts else "nothing found"
    skipped = f", {len(audit.skipped)} skipped" if audit.skipped else ""
    return f"{found}{skipped}, {len(audit.passed)} passed"
