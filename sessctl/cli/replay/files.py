"""What a replay writes beside its answer: reports, and the jar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sessctl.config.paths import replace_file
from sessctl.errors import UsageError, did_you_mean
from sessctl.replay.jar import Jar
from sessctl.replay.jar_file import write_jar
from sessctl.replay.reports import RENDERERS, render
from sessctl.replay.scenario import MAIN
from sessctl.replay.transcript import STATEFUL, RunEnded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.cli.run import Run
    from sessctl.replay.reports.veil import ReportOptions
    from sessctl.replay.study import Study
    from sessctl.replay.transcript import Event


@dataclass(frozen=True, slots=True)
class ReportFile:
    """One `--report KIND=PATH`."""

    kind: str
    path: Path


def report_files(words: Iterable[str]) -> list[ReportFile]:
    """The reports that were asked for, checked before anything runs. Raises UsageError."""
    found: list[ReportFile] = []
    for word in words:
        kind, _, name = word.partition("=")
        if not kind or not name:
            raise UsageError(f"--report {word}: no KIND=PATH", hint="--report html=report.html")
        if kind not in RENDERERS:
            hint = did_you_mean(kind, RENDERERS, all_are="there are")
            raise UsageError(f"no report of kind '{kind}'", hint=hint)
        path = Path(name)
        if path.is_dir() or not path.parent.is_dir():
            raise UsageError(f"cannot write {name}", hint="name a file in a folder that is there")
        if any(path == other.path for other in found):
            raise UsageError(f"two reports go to {name}", hint="give each a file of its own")
        found.append(ReportFile(kind, path))
    return found


def write_reports(
    run: Run, files: Iterable[ReportFile], study: Study, options: ReportOptions
) -> None:
    """Each for its owner alone (0600), whole or not at all. Raises UsageError."""
    for one in files:
        content = render(one.kind, study, options).encode("utf-8", "backslashreplace")
        try:
            replace_file(one.path, content)
        except OSError as exc:
            reason = (exc.strerror or "error").lower()
            raise UsageError(f"cannot write the report {one.path} ({reason})") from None
        run.note(f"{one.kind} report: {one.path}")


class JarFile:
    """Writes the jar of the client without a name when the first run has ended."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunEnded) and event.transcript.mode == STATEFUL:
            write_jar(event.transcript.jars.get(MAIN, Jar()), self._path)
