"""The events of a study, run to their end or to a signal, with everybody listening told."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from sessctl.cli.progress import Progress
from sessctl.errors import ExitCode
from sessctl.replay.transcript import Exchanged, RunBegan, RunEnded, StepBegan, StepEnded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from sessctl.cli.run import Run
    from sessctl.replay.credentials import Credentials
    from sessctl.replay.transcript import Event, Exchange


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


class Requests:
    """With -v: every request and its answer, as they happen."""

    def __init__(self, run: Run, credentials: Credentials) -> None:
        self._run, self._credentials = run, credentials

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunBegan):
            self._run.detail(f"-- {event.mode.title}")
        elif isinstance(event, Exchanged):
            self._credentials.learn(event.exchange)
            for line in self._lines(event.key, event.exchange):
                self._run.detail(self._credentials.hide(line))

    def _lines(self, key: str, exchange: Exchange) -> list[str]:
        shown = self._credentials.value
        who = f"{exchange.client}: " if exchange.client != "main" else ""
        lines = [f"{key} {who}> {exchange.sent.method} {exchange.sent.url}"]
        sent = [f"{one.name}={shown(one.value)}" for one in exchange.choice.sent]
        sent += [f"{name} (by hand)" for name in exchange.given]
        lines += [f"{key} {who}> Cookie: {'; '.join(sent)}"] if sent else []
        if exchange.response is None:
            return [*lines, f"{key} {who}< {exchange.error}"]
        body = exchange.response.body
        total_ms = round(exchange.response.timing.total_s * 1000)
        lines.append(f"{key} {who}< {exchange.response.status}, {body.size_bytes} B, {total_ms}ms")
        for change in exchange.changes:
            if change.cookie is not None:
                what = f"{change.cookie.name}={shown(change.cookie.value)}"
            else:
                what = "a cookie"
            why = f": {change.refusal}" if change.refusal else ""
            lines.append(f"{key} {who}< Set-Cookie: {what} ({change.outcome}{why})")
        return [*lines, *([f"{key} {who}< {exchange.problem}"] if exchange.problem else [])]
