"""`sessctl backends ping`: who answers, how fast, and what is there. Nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.admin.ping import ping as ask
from sessctl.cli.columns import write_table
from sessctl.cli.options import command
from sessctl.cli.output import Writer, chosen_fields
from sessctl.errors import ExitCode

if TYPE_CHECKING:
    from sessctl.admin.ping import Pong
    from sessctl.cli.run import Run

KEYS = (
    "backend", "url", "reached", "latency_ms", "server", "version", "login", "tls",
    "layout", "seen", "sessions", "clock_ahead_ms", "problem",
)  # fmt: skip
_TABLE = ("backend", "answer", "latency_ms", "server", "login", "tls", "layout", "sessions")
FORMATS = ("table", "wide", "json", "jsonl", "csv", "tsv", "name")


@command("connection", "replicas", "output")
def ping(run: Run) -> ExitCode:
    """Connect to every backend, or those of -b; exit 3 if one cannot be used."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    pongs = []
    for backend in run.every_backend():
        found = ask(
            backend, timeout_s=run.timeout_s, allow_stale=run.options.allow_stale,
            environ=run.environ, asker=run,
        )  # fmt: skip
        pongs.append(found)
        _tell(run, found)
    if output in ("table", "wide"):
        usual = KEYS if output == "wide" else _TABLE
        fields = chosen_fields(run, KEYS) if run.options.fields else usual
        write_table(run, fields, ([_cell(one, key) for key in fields] for one in pongs))
    else:
        writer = Writer(run, output, "BackendPingList", KEYS, name="backend")
        for one in pongs:
            writer.item(_item(one))
        writer.end()
    return ExitCode.OK if all(one.ok for one in pongs) else ExitCode.UNREACHABLE


def _tell(run: Run, one: Pong) -> None:
    """What is wrong, and with -v what is behind the figures."""
    if one.problem is not None:
        run.warn(f"{one.backend}: {one.problem.message}")
        if one.problem.hint:
            run.note(f"{one.backend}: {one.problem.hint}")
        return
    if one.fits is False:
        run.warn(
            f"{one.backend}: the layout is {one.layout}, its sessions look like "
            f"{next(seen.layout for seen in one.seen if seen.sure)} (sessctl detect -b says why)"
        )
    for note in one.notes:
        run.note(f"{one.backend}: {note}")
    if one.skew is not None and one.skew.note:
        run.note(f"{one.backend}: {one.skew.note}")
    run.detail(f"{one.backend}: {one.address}")
    for seen in one.seen:
        sure = "sure" if seen.sure else f"{seen.score} of 100"
        run.detail(f"{one.backend}: {seen.layout} at {seen.place} ({sure}): {seen.evidence}")


def _item(one: Pong) -> dict[str, Any]:
    server, problem = one.server, one.problem
    values = (
        one.backend, one.address, one.reached, _ms(one.latency_ms),
        server and server.name, server and server.version, one.login,
        server and server.tls and str(server.tls), one.layout,
        [seen.layout for seen in one.seen if seen.sure], one.about,
        None if one.skew is None else one.skew.ahead_ms,
        problem and {"code": problem.code, "message": problem.message},
    )  # fmt: skip
    return dict(zip(KEYS, values, strict=True))


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _cell(one: Pong, key: str) -> str:
    item = _item(one)
    if key == "answer":
        return "ok" if one.ok else str(one.problem and one.problem.code)
    if key == "server" and item["version"]:
        return f"{item['server']} {item['version']}"
    if key == "layout" and one.layout is None and one.seen:
        return f"{one.seen[0].layout} (seen)"
    value = item[key]
    if key == "sessions" and value is not None:
        return f"~{value:,}"
    if key == "tls" and value is None and one.ok:
        return "local"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return str(value["message"])
    return ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
