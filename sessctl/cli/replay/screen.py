"""A replay as people read it: the table, the store, the jar, the evidence, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cli.blocks import row
from sessctl.cli.columns import aligned
from sessctl.cli.pager import terminal_size
from sessctl.cli.replay.diagram import diagram
from sessctl.cli.replay.store_lines import store_lines
from sessctl.cli.replay.table import step_table
from sessctl.cli.theme import speaks_unicode
from sessctl.replay.reports.build import run_view, step_views, verdict_view
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line, Piece
    from sessctl.replay.reports.report import RunView, VerdictView
    from sessctl.replay.reports.veil import Veil
    from sessctl.replay.study import Study
    from sessctl.replay.transcript import Transcript


def show(run: Run, study: Study, veil: Veil, *, with_jar: bool, with_diagram: bool) -> None:
    """All of it, through the pager if it is long.

    A study without a finding is one run, which is shown as it was.
    """
    lines = _lines(run, study, veil, with_jar=with_jar, with_diagram=with_diagram)
    run.streams.lines(lines if speaks_unicode(run.environ) else _in_ascii(lines))


_ASCII = str.maketrans({"→": ">", "│": "|", "─": "-", "►": ">", "◄": "<"})


def _in_ascii(lines: Iterable[Line]) -> Iterator[Line]:
    for line in lines:
        yield [(text.translate(_ASCII), role) for text, role in line]


def _lines(
    run: Run, study: Study, veil: Veil, *, with_jar: bool, with_diagram: bool
) -> Iterator[Line]:
    room = terminal_size()[0] if run.streams.stdout_is_terminal else None
    steps = step_views(study, veil)
    runs = [run_view(transcript, veil) for transcript in study.transcripts]
    yield from step_table(steps, runs[0], headers=not run.options.no_headers, room=room)
    if study.store:
        names = {step.key: step.name or step.action for step in steps}
        yield from store_lines(runs, names, where=study.store, room=room)
    if with_jar:
        yield from _jar_lines(study.transcripts[0], veil, room)
    if with_diagram:
        yield []
        yield from diagram(runs[0], store=study.store, room=room)
    if study.finding is not None:
        yield from _conclusion(verdict_view(study, study.finding, veil))
    else:
        yield from _failures(runs[0])


def _conclusion(verdict: VerdictView) -> Iterator[Line]:
    yield []
    if verdict.carrier is not None:
        yield row("carrier", f"{verdict.carrier}: {verdict.carrier_why}")
    elif verdict.carrier_why:
        yield row("carrier", (f"not told: {verdict.carrier_why}", "warn"))
    for one in verdict.evidence:
        yield row("evidence", one.text, (f" → {one.points_to}" if one.points_to else "", "muted"))
    if verdict.verdict != "not compared" and not verdict.has_control:
        text = "noise was not removed: without a control run nothing tells it from state"
        yield row("note", (text, "warn"))
    for text in verdict.unmet:
        yield row("failed", (text, "danger"))
    yield [(verdict.sentence, "danger" if verdict.verdict == "not compared" else "accent")]


def _failures(run: RunView) -> Iterator[Line]:
    failed = [(one.key, text) for one in run.steps for text in one.failures]
    if failed:
        yield []
    for key, text in failed:
        yield row("failed", (f"step {key}: {text}", "danger"))


def _jar_lines(transcript: Transcript, veil: Veil, room: int | None) -> Iterator[Line]:
    yield []
    rows: list[list[Piece]] = []
    for client, jar in transcript.jars.items():
        for cookie in jar:
            ends, begun = cookie.expires_ms, cookie.created_ms
            lives = "until closed" if ends is None else format_duration((ends - begun) / 1000)
            flags = [
                *(["HttpOnly"] if cookie.http_only else []),
                *(["Secure"] if cookie.secure else []),
                *([f"SameSite={cookie.same_site}"] if cookie.same_site != "unset" else []),
            ]
            domain = cookie.domain if cookie.host_only else f".{cookie.domain}"
            value = veil.credential(cookie.value)
            cells = (client, cookie.name, value, domain, cookie.path, lives, " ".join(flags))
            rows.append([(text, "plain") for text in cells])
    if rows:
        header = ("client", "cookie", "value", "domain", "path", "lives", "flags")
        yield from aligned(header, rows, room=room)
    else:
        yield [("the jar is empty", "muted")]
