"""What a study found, written down: a page, a document, a table for people, a test result.

    text = render("html", study, ReportOptions())

Every format is drawn from the same `Report`, in which what must not be shown is masked already.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sessctl.errors import UsageError, did_you_mean
from sessctl.replay.reports.build import build_report
from sessctl.replay.reports.veil import ReportOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.replay.reports.report import Report
    from sessctl.replay.study import Study

# Format -> a function from a `Report` to text; imported only when asked for.
RENDERERS = {
    "html": "sessctl.replay.reports.page:page",
    "json": "sessctl.replay.reports.document:document",
    "junit": "sessctl.replay.reports.junit:junit",
    "md": "sessctl.replay.reports.markdown:markdown",
}


def render(format: str, study: Study, options: ReportOptions | None = None) -> str:
    """A study that has run, as text in one of the formats.

    Raises:
        UsageError: there is no such format.
    """
    if format not in RENDERERS:
        raise UsageError(
            f"there is no report format '{format}'",
            hint=did_you_mean(format, RENDERERS) or f"formats: {', '.join(RENDERERS)}",
        )
    module, _, name = RENDERERS[format].partition(":")
    draw: Callable[[Report], str] = getattr(import_module(module), name)
    return draw(build_report(study, options or ReportOptions()))


__all__ = ["RENDERERS", "ReportOptions", "render"]
