"""Markdown, for a pull request or a ticket: the verdict, a table, a Mermaid sequence diagram.

What comes from outside is spelled so that neither reads it as its own: punctuation becomes a
character reference, `&#124;` in Markdown and `#124;` in Mermaid.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sessctl.text import escape, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.replay.reports.report import ExchangeView, Report, StepView

# In a line: what opens or closes code, emphasis, links, HTML, a table's cell, a bare link.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>()#!|~$^&@:\"']")
# Everything but letters, digits and blanks: `;` ends a statement, `#` begins a reference.
_MERMAID = re.compile(r"[^\w ./=-]|(?<![\w])end(?![\w])")
_CELL = 160
_MESSAGE = 60
_STORE_WORDS = {"none": "", "unchanged": ""}


def markdown(report: Report) -> str:
    """The document; rendered by GitHub, GitLab and most others."""
    return "\n".join([*_head(report), *_table(report), *_evidence(report), *_diagram(report), ""])


def _head(report: Report) -> Iterator[str]:
    yield f"## {_text(report.scenario.name or report.scenario.file)}"
    yield ""
    yield f"**{_text(report.verdict.sentence)}**"
    yield ""
    started = report.started_at or "nothing was sent"
    yield f"Target {_text(report.scenario.target)}, {_text(started)}"
    yield ""


def _table(report: Report) -> Iterator[str]:
    yield "| step | request | stateful | stateless | verdict | differs in |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for step in report.steps:
        yield f"| {' | '.join(_text(cell) for cell in _cells(step))} |"
    yield ""


def _cells(step: StepView) -> tuple[str, ...]:
    differs = ", ".join(one.what for one in step.differences)
    title = f"{step.key} {step.name}".rstrip()
    return title, step.action, step.stateful, step.stateless, step.judgement or "", differs


def _evidence(report: Report) -> Iterator[str]:
    for title, lines in (
        ("Not as expected", report.verdict.unmet),
        ("Evidence", [one.text for one in report.verdict.evidence]),
    ):
        if lines:
            yield f"### {title}"
            yield ""
            yield from (f"- {_text(line)}" for line in lines)
            yield ""


def _diagram(report: Report) -> Iterator[str]:
    exchanges = [
        (record.key, one)
        for record in (report.stateful.steps if report.stateful else ())
        for one in record.exchanges
    ]
    if not exchanges:
        return
    # Numbers, because a participant called `end` or with a colon would be read as syntax.
    clients = {name: f"C{n}" for n, name in enumerate({one.client: 0 for _, one in exchanges})}
    apps = {name: f"A{n}" for n, name in enumerate({one.instance: 0 for _, one in exchanges})}
    yield "### Sequence"
    yield ""
    yield "```mermaid"
    yield "sequenceDiagram"
    yield from (f"  participant {mark} as {_message(name)}" for name, mark in clients.items())
    yield from (f"  participant {mark} as {_message(name or 'app')}" for name, mark in apps.items())
    if any(one.store for _, one in exchanges):
        yield "  participant S as store"
    for key, one in exchanges:
        yield from _arrows(key, one, clients[one.client], apps[one.instance])
    yield "```"


def _arrows(key: str, one: ExchangeView, client: str, app: str) -> Iterator[str]:
    path = re.sub(r"^[a-z+]+://[^/]*", "", one.request.url)
    with_cookies = f" with {', '.join(cookie.name for cookie in one.sent)}" if one.sent else ""
    yield f"  {client}->>{app}: {_message(f'{key} {one.request.method} {path}{with_cookies}')}"
    if one.store and one.store.fate not in _STORE_WORDS:
        yield f"  {app}->>S: {_message(f'session {one.store.fate}')}"
    answer = str(one.response.status) if one.response else one.error or "no answer"
    lines = [f"{change.outcome} {change.cookie.name}" for change in one.received if change.cookie]
    said = f", {', '.join(lines)}" if lines else ""
    yield f"  {app}-->>{client}: {_message(answer + said)}"


def _text(text: str) -> str:
    return _MARKDOWN.sub(lambda m: f"&#{ord(m[0])};", escape(shorten(text, _CELL)))


def _message(text: str) -> str:
    shown = escape(shorten(text, _MESSAGE))
    return _MERMAID.sub(lambda m: "".join(f"#{ord(char)};" for char in m[0]), shown)
