"""A replay as JSON lines: one event a line, as it happens, and the verdict last.

    {"event": "run", "run": "stateful"}
    {"event": "exchange", "run": "stateful", "step": "1", "client": "main", "request": {...}, ...}
    {"event": "step", "run": "stateful", "step": "1", "values": [...], "failures": [], ...}
    {"event": "end", "run": "stateful", "complete": true}
    {"event": "verdict", "sentence": "stateful: 2 of 5 steps ...", "steps": [...], ...}

The keys are those of the JSON transcript, of which each line is a part.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sessctl.cli.output import to_json
from sessctl.replay.reports.build import record_view, step_views, verdict_view
from sessctl.replay.reports.exchanges import Exchanges
from sessctl.replay.transcript import Exchanged, RunBegan, RunEnded, StepEnded
from sessctl.text import readable

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.replay.reports.veil import Veil
    from sessctl.replay.study import Study
    from sessctl.replay.transcript import Event


class JsonLines:
    """Writes each event when it comes, so that a reader can follow."""

    def __init__(self, run: Run, veil: Veil) -> None:
        self._run, self._veil, self._views = run, veil, Exchanges(veil)
        self._title = ""

    def __call__(self, event: Event) -> None:
        match event:
            case RunBegan(mode):
                self._title = readable(mode.title)
                self._write("run")
            case Exchanged(key, exchange):
                self._write("exchange", step=key, **asdict(self._views.exchange(exchange)))
            case StepEnded(record):
                view = asdict(record_view(record, self._views, self._veil))
                del view["exchanges"]  # they have been told
                self._write("step", step=view.pop("key"), **view)
            case RunEnded(transcript):
                self._write("end", complete=transcript.complete)

    def end(self, study: Study) -> None:
        """What it all says, if it was compared at all."""
        if study.finding is None:
            return
        steps = [
            {
                "step": one.key,
                "judgement": one.judgement,
                "differences": [asdict(difference) for difference in one.differences],
            }
            for one in step_views(study, self._veil)
            if one.judgement is not None
        ]
        verdict = asdict(verdict_view(study, study.finding, self._veil))
        self._title = ""
        self._write("verdict", **verdict, steps=steps)

    def _write(self, event: str, **more: Any) -> None:
        head = {"event": event} | ({"run": self._title} if self._title else {})
        self._run.streams.raw(to_json(head | more) + b"\n")
        self._run.streams.flush()
