"""A replay as people read it: the table, the store, the jar, the evidence, the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cli.blocks import row
from sessctl.cli.columns import aligned
from sessctl.cli.pager import terminal_size
from sessctl.cli.replay.diagram import diagram
from sessctl.cli.replay.store_lines import store_lines
from sessctl.cli.replay.table import step_table
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.streams import Line
    from sessctl.replay.credentials import Credentials
    from sessctl.replay.study import Finding, Study
    from sessctl.replay.transcript import Transcript


def show(
    run: Run, study: Study, credentials: Credentials, *, with_jar: bool, with_diagram: bool
) -> None:
    """All of it, through the pager if it is long."""
    run.streams.lines(
        _plain(run, _lines(run, study, credentials, with_jar=with_jar, with_diagram=with_diagram))
    )


def _plain(run: Run, lines: Iterator[Line]) -> Iterator[Line]:
    """Arrows and lifelines in ASCII, where the locale has no others."""
    if speaks_unicode(run.environ):
        yield from lines
        return
    for line in lines:
        yield [(text.translate(_ASCII), role) for text, role in line]


_ASCII = str.maketrans({"→": "->", "│": "|", "─": "-", "►": ">", "◄": "<", "·": "."})


def speaks_unicode(environ: dict[str, str]) -> bool:
    """The locale says UTF-8; the first of these that is set counts (POSIX)."""
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next((environ[name] for name in names if environ.get(name)), "")
    return "utf" in locale.lower()


def _lines(
    run: Run, study: Study, credentials: Credentials, *, with_jar: bool, with_diagram: bool
) -> Iterator[Line]:
    transcripts, finding = study.transcripts, study.finding
    room = terminal_size()[0] if run.streams.stdout_is_terminal else None
    alone = finding is None or not finding.complete
    stateless = None if alone else next(one for one in transcripts if not one.mode.stateful)
    yield from step_table(
        transcripts[0],
        stateless,
        {step.key: step for step in finding.steps} if finding else {},
        credentials,
        run.masker(),
        origin=study.runner.app.target.origin,
        headers=not run.options.no_headers,
        room=room,
    )
    if study.runner.app.watcher is not None:
        yield from store_lines(transcripts, credentials, run.masker(), where=study.store, room=room)
    if with_jar:
        yield from _jar_lines(transcripts[0], credentials, room)
    if with_diagram:
        yield []
        yield from diagram(transcripts[0], credentials, store=study.store, room=room)
    if finding is not None:
        yield from _conclusion(finding, credentials)
    else:
        yield from _unmet(
            [
                f"{failure.check.place}: step {record.key}: {failure.message}"
                for record in transcripts[0].failed
                for failure in record.failures
            ],
            credentials,
        )


def _conclusion(finding: Finding, credentials: Credentials) -> Iterator[Line]:
    yield []
    if finding.carrier.name is not None:
        why = f"{finding.carrier.name}: {finding.carrier.why}"
        yield row("carrier", credentials.hide(why))
    elif finding.carrier.why:
        yield row("carrier", ("not told: " + credentials.hide(finding.carrier.why), "warn"))
    for one in finding.evidence:
        told = (f" → {one.points_to}", "muted") if one.points_to else ""
        yield row("evidence", credentials.hide(one.text), told)
    if finding.complete and not finding.has_control:
        text = "noise was not removed: nothing tells it from state in one run (--runs 2 does)"
        yield row("note", (text, "warn"))
    yield from _unmet(finding.unmet, credentials)
    yield [(credentials.hide(finding.sentence), "accent" if finding.complete else "danger")]


def _unmet(unmet: list[str] | tuple[str, ...], credentials: Credentials) -> Iterator[Line]:
    for text in unmet:
        yield row("failed", (credentials.hide(text), "danger"))


def _jar_lines(
    transcript: Transcript, credentials: Credentials, room: int | None
) -> Iterator[Line]:
    yield []
    rows = []
    for client, jar in transcript.jars.items():
        for cookie in jar:
            left = None if cookie.expires_ms is None else cookie.expires_ms - cookie.created_ms
            flags = [
                word
                for word, is_set in (("HttpOnly", cookie.http_only), ("Secure", cookie.secure))
                if is_set
            ]
            flags += [f"SameSite={cookie.same_site}"] if cookie.same_site != "unset" else []
            rows.append([
                (client, "plain"), (cookie.name, "key"),
                (credentials.value(cookie.value), "plain"),
                (("" if cookie.host_only else ".") + cookie.domain, "plain"),
                (cookie.path, "plain"),
                ("until closed" if left is None else f"for {format_duration(left / 1000)}", "plain"),
                (" ".join(flags), "plain"),
            ])  # fmt: skip
    if not rows:
        yield [("the jar is empty", "muted")]
        return
    header = ("client", "cookie", "value", "domain", "path", "lives", "flags")
    hidden = [[(credentials.hide(text), role) for text, role in cells] for cells in rows]
    yield from aligned(header, hidden, room=room)
