"""The report as a page for people: one file that loads nothing and runs nothing.

Everything that comes from outside passes two gates: `_shown` spells out what could lead the eye
astray (control and bidi characters), and jinja2 escapes what a browser would read as markup.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from sessctl.replay.reports.diagram import lay_out
from sessctl.replay.reports.lanes import timeline
from sessctl.text import escape
from sessctl.timespec import format_duration, format_size

if TYPE_CHECKING:
    from jinja2 import Environment

    from sessctl.replay.reports.report import BodyView, Report

# More exchanges of one step than this are counted, not shown.
MAX_SHOWN = 6


def page(report: Report) -> str:
    """The page, as HTML."""
    template = _environment().get_template("page.html")
    return template.render(
        report=report,
        diagram=lay_out(report),
        timeline=timeline(report),
        max_shown=MAX_SHOWN,
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # 25 ms; only pages need it

    found = Environment(
        loader=PackageLoader("sessctl.replay.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "pretty": _pretty,
        "body": _body,
        "size": format_size,
        "duration": format_duration,
    }
    return found


def _shown(value: Any) -> Any:
    """Any text of a template; line feeds and tabs are the layout of a body."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # a template's own markup
        return value
    lines = value.replace("\r\n", "\n").split("\n")
    return "\n".join("\t".join(map(escape, line.split("\t"))) for line in lines)


def _pretty(data: Any) -> str:
    """Session data, or a part of it."""
    return "none" if data is None else json.dumps(data, indent=2, ensure_ascii=False)


def _body(body: BodyView) -> str:
    """A body to read; JSON is indented."""
    text = body.text or ""
    if "json" in body.content_type and not body.shortened:
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return text
    return text
