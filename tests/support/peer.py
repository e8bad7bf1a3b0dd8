"""A peer: a real application in a process of its own, which says on which port it listens."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Self

from tests.support.npm import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

START_TIMEOUT_S = 30.0


class PeerApp:
    """An application that prints {"port": N} when ready and ends when its stdin closes; started on
    construction, ended by `stop`."""

    def __init__(self, command: Sequence[str], **environment: str) -> None:
        # Not a pipe: one that nobody reads would block the app.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,  # closes with us, and the app ends with it
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        try:
            self.port = self._read_port()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def errors(self) -> str:
        """Return what the app has written to stderr so far."""
        self._errors.seek(0)
        return self._errors.read().decode("utf-8", "replace")

    def stop(self) -> None:
        """End the app; harmless when repeated."""
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _read_port(self) -> int:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if waiting.select(START_TIMEOUT_S) else b""
        if not line:
            msg = f"the peer did not start: {self.errors()}"
            raise RuntimeError(msg)
        return int(json.loads(line)["port"])


class PythonApp(PeerApp):
    """`tests/peers/NAME/app.py` under this Python."""

    def __init__(self, name: str, *arguments: str) -> None:
        super().__init__([sys.executable, "-m", f"tests.peers.{name}.app", *arguments])
