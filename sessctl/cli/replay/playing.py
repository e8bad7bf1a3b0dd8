"""The events of a study, run to their end or to a signal, with everybody listening told."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from sessctl.cli.progress import Progress
from sessctl.errors import ExitCode
from sessctl.replay.reports.exchanges import Exchanges
from sessctl.replay.transcript import Exchanged, RunBegan, RunEnded, StepBegan, StepEnded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from sessctl.cli.run import Run
    from sessctl.replay.reports.report import ExchangeView
    from sessctl.replay.reports.veil import Veil
    from sessctl.replay.transcript import Event, Transcript

_NOBODY_THERE = ("refused", "unreachable", "timeout", "tls", "closed")


class Listener(Protocol):
    """Is told every event as it happens."""

    def __call__(self, event: Event) -> None: ...


def listen(
    run: Run, events: AsyncIterator[Event], listeners: Sequence[Listener]
) -> ExitCode | None:
    """Play it; an exit code if a signal ended it before its time.

    Connections and stores are closed then, and a hook that runs is ended.
    """
    where = Where()

    async def play() -> None:
        async for event in events:
            where(event)
            for listener in listeners:
                listener(event)

    async def stoppable() -> ExitCode | None:
        terminated = False
        task = asyncio.current_task()
        assert task is not None

        def terminate() -> None:
            nonlocal terminated
            terminated = True
            task.cancel()

        with suppress(RuntimeError, ValueError, NotImplementedError):  # not the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminate)
        try:
            await play()
        except asyncio.CancelledError:
            if not terminated:
                raise
            return ExitCode.TERMINATED
        return None

    try:
        code = asyncio.run(stoppable())
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if code is not None:
        run.note(f"stopped {where}; what was sent until then has been sent")
    return code


def check_reached(transcript: Transcript) -> None:
    """Raise the HttpError of the first request, if nobody answered it."""
    record = next((one for one in transcript.steps if one.exchanges), None)
    if record is None or any(one.response for one in record.exchanges):
        return
    error = record.exchanges[-1].error
    if error is not None and error.kind in _NOBODY_THERE:
        raise error.at(step=f"{record.key} {record.step.name}".strip())


class Where:
    """How far it has got, in words."""

    def __init__(self) -> None:
        self._run = self._step = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunBegan):
            self._run, self._step = event.mode.title, ""
        elif isinstance(event, StepBegan):
            self._step = f", at step {event.key}"

    def __str__(self) -> str:
        return f"in the run '{self._run}'{self._step}" if self._run else "before the first run"


class Bar:
    """The progress of the run that is being played, on a terminal."""

    def __init__(self, run: Run, steps: int) -> None:
        self._run, self._steps = run, steps
        self._bar: Progress | None = None

    def __call__(self, event: Event) -> None:
        if self._run.options.verbose:  # each request has a line of its own then
            return
        if isinstance(event, RunBegan):
            self._bar = Progress(self._run, event.mode.title, self._steps)
        elif isinstance(event, StepEnded) and self._bar is not None:
            self._bar.advance(1)
        elif isinstance(event, RunEnded):
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class Learner:
    """Stands before all others: what it hears of is not shown by them."""

    def __init__(self, veil: Veil) -> None:
        self._veil = veil

    def __call__(self, event: Event) -> None:
        if isinstance(event, Exchanged):
            self._veil.learn(event.exchange)


class Requests:
    """With -v: every request and its answer, as they happen."""

    def __init__(self, run: Run, veil: Veil) -> None:
        self._run, self._views = run, Exchanges(veil)

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunBegan):
            self._run.detail(f"-- {event.mode.title}")
        elif isinstance(event, Exchanged):
            for line in _lines(self._views.exchange(event.exchange)):
                self._run.detail(f"{event.key} {line}")


def _lines(exchange: ExchangeView) -> Iterator[str]:
    """Request and answer as `curl -v` shows them, in short."""
    sent = [f"{one.name}={one.value}" for one in exchange.sent]
    sent += [f"{name} (by hand)" for name in exchange.given]
    yield f"> {exchange.request.method} {exchange.request.url} ({exchange.client})"
    if sent:
        yield f"> Cookie: {'; '.join(sent)}"
    if exchange.response is None:
        yield f"< {exchange.error}"
        return
    answer = exchange.response
    yield f"< {answer.status} {answer.reason}, {answer.body.size_bytes} B, {answer.elapsed_ms} ms"
    for change in exchange.received:
        why = f": {change.refusal}" if change.refusal else ""
        yield f"< Set-Cookie: {change.line} ({change.outcome}{why})"
    if answer.problem:
        yield f"< {answer.problem}"
