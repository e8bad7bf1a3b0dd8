"""What was measured and whether it will do; a JSON line for programs and a table for people."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# With more than this part of the machine used by others, CPU seconds are fairer than wall time, and
# absolute figures (rows a second, latency) say nothing.
BUSY = 0.10
# perf.md section 3: any streaming command, without and with SQLAlchemy.
CEILING_MB, CEILING_SQL_MB = 60.0, 90.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the report. `ok` is None for what is reported and not judged."""

    case: str
    n: int
    figures: dict[str, Any]
    ok: bool | None
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        rounded = {
            key: round(value, 3) if isinstance(value, float) else value
            for key, value in self.figures.items()
        }
        line = {"case": self.case, "n": self.n, **rounded, "ok": self.ok, "remarks": self.remarks}
        return json.dumps(line)


def limited(
    case: str,
    n: int,
    remark: str,
    *,
    limit: float | None,
    value: float,
    unit: str,
    also: bool = True,
    **more: Any,
) -> Measurement:
    """A figure that has to stay under a limit; without one it is reported only.

    `also`: whatever else has to hold for the measurement to pass.
    """
    ok = None if limit is None else value <= limit and also
    remarks = [remark, *([f"over its limit ({unit} {limit:g})"] if ok is False else [])]
    return Measurement(
        case, n, {unit: value, "peer": None, "ratio": None, "limit": limit, **more}, ok, remarks
    )


def skipped(case: str, reason: str) -> Measurement:
    """A case that could not be run. It has not passed."""
    return Measurement(case, 0, {"skipped": reason}, None, [f"skipped: {reason}"])


def print_table(results: Sequence[Measurement]) -> None:
    """All results on standard error, one line each."""
    head = ("case", "n", "wall", "client", "server", "MB", "ratio", "by", "wall/cpu", "floor",
            "goal", "", "peer, remarks")  # fmt: skip
    rows = [head, *(_row(result) for result in results)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head) - 1)]
    for row in rows:
        cells = [
            text.ljust(width) if place in (0, 7, 11) else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=False))
        ]
        print("  ".join([*cells, row[-1]]).rstrip(), file=sys.stderr)


def _row(result: Measurement) -> tuple[str, ...]:
    found = result.figures
    verdict = {True: "ok", False: "FAIL", None: "-"}[result.ok]
    pair = ""
    if "ratio_wall" in found:
        pair = f"{found['ratio_wall']:.2f}/{found['ratio_cpu']:.2f}"
    text = ", ".join(filter(None, [found.get("peer"), *result.remarks]))
    return (
        result.case,
        f"{result.n:,}",
        *(_figure(found.get(key)) for key in ("wall", "cpu_client", "cpu_server")),
        _figure(found.get("rss_mb"), 1),
        _figure(found.get("ratio")),
        found.get("judged_by", ""),
        pair,
        _figure(found.get("floor")),
        _figure(found.get("goal")),
        verdict,
        text,
    )


def _figure(value: Any, digits: int = 2) -> str:
    return f"{value:.{digits}f}" if isinstance(value, float | int) else ""
