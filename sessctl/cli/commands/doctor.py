"""`sessctl doctor`: is everything in working order, and what to type where it is not."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sessctl.admin.doctor.check import Check, Status
from sessctl.admin.doctor.diagnose import diagnose
from sessctl.cli.options import command
from sessctl.cli.output import Writer
from sessctl.config.model import Config
from sessctl.config.opening import choose_backend
from sessctl.errors import ExitCode, SessctlError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.cli.run import Run
    from sessctl.cli.theme import Role

KEYS = ("area", "check", "status", "message", "fix")
FORMATS = ("table", "json", "jsonl", "csv", "tsv")
_ROLES: dict[Status, Role] = {Status.OK: "ok", Status.WARN: "warn", Status.FAIL: "danger"}


@command("connection", "output")
def doctor(run: Run) -> ExitCode:
    """Look at everything; exit 1 if something is wrong, 3 if a store could not be asked."""
    output = run.output_format(FORMATS, terminal="table", pipe="tsv")
    writer = None
    if output != "table":
        writer = Writer(run, output, "CheckList", KEYS)
    met: list[Check] = []
    for check in _checks(run):
        if writer is not None:
            writer.item(_item(check))
        else:
            _show(run, check, met[-1].area if met else "")
        met.append(check)
    counts = {status: sum(one.status is status for one in met) for status in Status}
    if writer is not None:
        writer.end(**({"summary": counts} if output in ("json", "jsonl") else {}))
    else:
        run.streams.line()
        run.streams.line(", ".join(f"{count} {status}" for status, count in counts.items()))
    if any(one.unreachable for one in met):
        return ExitCode.UNREACHABLE
    return ExitCode.NO if counts[Status.FAIL] else ExitCode.OK


def _checks(run: Run) -> Iterator[Check]:
    for name in run.options.backend:
        with suppress(SessctlError):  # told below, as a check
            run.warn_of_passwords([choose_backend(Config(), name)])
    named = run.options.backend or [one for one in [run.environ.get("SESSCTL_BACKEND")] if one]
    yield from diagnose(
        backends=named, config=run.options.config, environ=run.environ, folder=run.cwd, asker=run,
        timeout_s=run.timeout_s,
    )  # fmt: skip
    yield from _terminal(run)


def _terminal(run: Run) -> Iterator[Check]:
    area = "terminal"
    if not run.streams.stdout_is_terminal:
        yield Check(area, "terminal", Status.OK, "no terminal: plain output, no colour")
        return
    width, height = shutil.get_terminal_size()
    name = run.environ.get("TERM", "")
    yield Check(area, "terminal", Status.OK, f"{name or 'TERM is not set'}, {width} x {height}")
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    if encoding not in ("utf8", ""):
        yield Check(
            area, "encoding", Status.WARN, f"the locale's encoding is {encoding}",
            "export LC_ALL=C.UTF-8",
        )  # fmt: skip


def _show(run: Run, check: Check, area: str) -> None:
    if check.area != area:
        if area:
            run.streams.line()
        run.streams.line((check.area, "accent"))
    run.streams.line((f"  {check.status:<4}  ", _ROLES[check.status]), check.text)
    if check.fix:
        run.streams.line(("        fix: ", "key"), check.fix)


def _item(check: Check) -> dict[str, Any]:
    values = (check.area, check.name, str(check.status), check.text, check.fix)
    return dict(zip(KEYS, values, strict=True))
