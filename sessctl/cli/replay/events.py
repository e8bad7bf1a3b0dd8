"""A replay as JSON lines: one event a line, as it happens, and the finding last.

{"event": "run", "run": "stateful", "withheld": null}
{"event": "exchange", "run": "stateful", "step": "1", "client": "main", "method": "GET", ...}
{"event": "step", "run": "stateful", "step": "1", "name": "log in", "values": {}, ...}
{"event": "end", "run": "stateful", "complete": true}
{"event": "finding", "sentence": "stateful: 2 of 5 steps ...", "steps": [...], ...}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cli.output import to_json
from sessctl.cli.replay.words import called
from sessctl.replay.transcript import Exchanged, RunBegan, RunEnded, StepEnded
from sessctl.timespec import iso

if TYPE_CHECKING:
    from sessctl.cli.run import Run
    from sessctl.replay.credentials import Credentials
    from sessctl.replay.study import Finding
    from sessctl.replay.transcript import Event, Exchange, StepRecord


class JsonLines:
    """Writes each event when it comes, so that a reader can follow."""

    def __init__(self, run: Run, credentials: Credentials) -> None:
        self._run, self._credentials = run, credentials
        self._title = ""

    def __call__(self, event: Event) -> None:
        match event:
            case RunBegan(mode):
                self._title = mode.title
                self._write("run", run=mode.title, withheld=mode.withheld or None)
            case Exchanged(key, exchange):
                self._credentials.learn(exchange)
                self._write("exchange", run=self._title, step=key, **self._exchange(exchange))
            case StepEnded(record):
                self._write("step", run=self._title, **_step(record))
            case RunEnded(transcript):
                self._write("end", run=self._title, complete=transcript.complete)

    def finding(self, finding: Finding) -> None:
        """What it all says."""
        self._write(
            "finding",
            sentence=finding.sentence,
            verdict="stateful" if finding.is_stateful else "stateless",
            complete=finding.complete,
            carrier=finding.carrier.name,
            kept=str(finding.kept),
            noise_removed=finding.has_control,
            steps=[
                {
                    "step": one.key,
                    "verdict": str(one.verdict.judgement),
                    "differences": [
                        {"what": d.what, "stateful": d.stateful, "stateless": d.stateless}
                        for d in one.verdict.differences
                    ],
                }
                for one in finding.steps
            ],
            evidence=[
                {
                    "text": one.text,
                    "points_to": None if one.points_to is None else str(one.points_to),
                }
                for one in finding.evidence
            ],
            unmet=list(finding.unmet),
        )

    def _write(self, event: str, **more: Any) -> None:
        self._run.streams.raw(to_json({"event": event, **self._hidden(more)}) + b"\n")
        self._run.streams.flush()

    def _hidden(self, data: Any) -> Any:
        if isinstance(data, str):
            return self._credentials.hide(data)
        if isinstance(data, list):
            return [self._hidden(item) for item in data]
        if isinstance(data, dict):
            return {self._hidden(key): self._hidden(item) for key, item in data.items()}
        return data

    def _exchange(self, exchange: Exchange) -> dict[str, Any]:
        shown, response, look = self._credentials.value, exchange.response, exchange.look
        return {
            "client": exchange.client,
            "instance": exchange.instance or None,
            "started_at": iso(exchange.started_ms),
            "method": exchange.sent.method,
            "url": str(exchange.sent.url),
            "cookies": [
                {"name": one.name, "value": shown(one.value)} for one in exchange.choice.sent
            ],
            "given": list(exchange.given),
            "status": response.status if response else None,
            "location": exchange.location or None,
            "size_bytes": response.body.size_bytes if response else None,
            "elapsed_s": round(response.timing.total_s, 6) if response else None,
            "set_cookie": [
                {
                    "name": one.cookie.name if one.cookie else None,
                    "value": shown(one.cookie.value) if one.cookie else None,
                    "outcome": str(one.outcome),
                    "refusal": None if one.refusal is None else str(one.refusal),
                }
                for one in exchange.changes
            ],
            "problem": None if exchange.problem is None else exchange.problem.message,
            "session": None
            if look is None
            else {"fate": str(look.fate), "sid": shown(look.sid) if look.sid else None},
        }


def _step(record: StepRecord) -> dict[str, Any]:
    return {
        "step": record.key,
        "name": called(record.step),
        "place": str(record.step.place),
        "values": {name: record.values.get(name) for name in record.shown},
        "done": record.done or None,
        "failures": [
            {"message": one.message, "place": str(one.check.place)} for one in record.failures
        ],
        "problem": record.problem or None,
    }
