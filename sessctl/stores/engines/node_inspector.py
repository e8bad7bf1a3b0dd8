"""The door into a Node process: an inspector that is open, or that we open by SIGUSR1 and close
again.

Source: Node 20.20 `src/inspector_agent.cc` (the signal, the default port 9229) and
`src/inspector_socket_server.cc` (`/json/list`). Whoever reaches an inspector can run any code in
the process, without a password: so it is the loopback interface or nothing, and only for as long
as it takes. No port is asked that may be the application's own: it would take that for a visitor.
"""

from __future__ import annotations

import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from typing import TYPE_CHECKING

import msgspec

from sessctl.errors import Refused, StoreError, StoreUnreachable
from sessctl.stores.engines.node_cdp import Cdp
from sessctl.stores.engines.node_process import NodeProcess
from sessctl.stores.leaving import undone_at_the_end

if TYPE_CHECKING:
    from contextlib import ExitStack

    from sessctl.stores.engines.node_process import Listening
    from sessctl.stores.url import StoreUrl

DEFAULT_PORT = 9229
_HOST = "127.0.0.1"
_ANSWER_BYTES = 64 * 1024
_TARGET = re.compile(r"ws://[^/\s]+(/[\w-]+)")
_OPENS_WITHIN_S = 3.0
_BETWEEN_LOOKS_S = 0.01
_PROBE_S = 2.0
_CLOSE_S = 3.0
_CLOSE_TRIES = 3
_CLOSE = """(() => {
  if (process.pid !== %d) return;
  (process.getBuiltinModule || require)("inspector").close();
})()"""


@dataclass(frozen=True, slots=True)
class Door:
    """Where an inspector listens. `pid`: whose it has to be, as the process itself counts."""

    host: str
    port: int
    pid: int | None = None

    @property
    def target(self) -> str | None:
        """The path of its WebSocket; None: no inspector answers."""
        connection = HTTPConnection(self.host, self.port, timeout=_PROBE_S)
        try:
            connection.request("GET", "/json/list")
            answer = msgspec.json.decode(connection.getresponse().read(_ANSWER_BYTES))
            found = _TARGET.fullmatch(answer[0]["webSocketDebuggerUrl"])
        except (OSError, HTTPException, msgspec.DecodeError, LookupError, TypeError):
            return None
        finally:
            connection.close()
        return found and found[1]

    def connect(self, timeout_s: float) -> Cdp:
        """Connect, and see that it is the right process.

        Raises:
            StoreUnreachable: no inspector there.
            Refused: it is another process's.
        """
        target = self.target
        if target is None:
            raise StoreUnreachable(
                f"no Node inspector answers at {self.host}:{self.port}",
                hint=f"node+pid://PID opens it; or start the app with --inspect={_HOST}:9229",
            )
        cdp = Cdp(self.host, self.port, target, timeout_s)
        try:
            pid = cdp.number("process.pid")
            if self.pid not in (None, pid):
                raise Refused(
                    f"the inspector at {self.host}:{self.port} is process {pid}'s, "
                    f"not process {self.pid}'s"
                )
        except BaseException:
            cdp.close()
            raise
        return cdp


def reach(url: StoreUrl, opened: ExitStack) -> Door:
    """Where the inspector of a URL is; one that we open is closed with `opened`.

    Raises:
        Refused: not on this machine, or a process that must not be signalled.
        StoreUnreachable: no such process, or its inspector did not open.
    """
    if url.scheme == "node+pid":
        process = NodeProcess.of(url.host)
        opened.callback(process.close)
        return _of_process(process, opened)
    if not url.is_local:
        raise Refused(
            f"an inspector is spoken to on this machine only, not on {url.host}",
            hint="whoever reaches it can run code there; make a tunnel: ssh -L "
            f"9229:{_HOST}:{url.port or DEFAULT_PORT} {url.host}, and open node://{_HOST}:9229",
        )
    host = _HOST if url.host in ("", "localhost") else url.host
    return Door(host, url.port or DEFAULT_PORT)


def _of_process(process: NodeProcess, opened: ExitStack) -> Door:
    host, port = process.inspector_at
    before = process.listening()
    is_safe = _is_loopback(host)
    door = Door(host if is_safe and host != "localhost" else _HOST, port, process.own_pid)
    if port in before and door.target is not None:
        return door  # open before us: stays open
    process.check_signal()
    if not is_safe:
        raise Refused(
            f"process {process.pid} would open its inspector to the network, at {host}",
            hint="start the app with --inspect-port=127.0.0.1:9229",
        )
    if process.is_taken(port):
        raise Refused(
            f"port {port} is taken: process {process.pid} could not open its inspector there",
            hint="is another process being inspected? one after the other, or start the app with "
            "--inspect-port=0",
        )
    opening = _Opening(process, door.host, before)
    opened.enter_context(undone_at_the_end(opening.close))
    return opening.open()


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name of who knows what
        return False


class _Opening:
    """An inspector between our signal and its end.

    Args:
        before: what the process listened on before the signal.
    """

    def __init__(self, process: NodeProcess, host: str, before: Listening) -> None:
        self._process = process
        self._host = host
        self._before = before
        self._signalled = False
        self._door: Door | None = None

    def open(self) -> Door:
        """Send the signal and wait. Raises StoreUnreachable when nothing opens."""
        self._signalled = True  # before it is: an interrupt may strike between
        self._process.send(signal.SIGUSR1)
        self._door = self._wait()
        if self._door is None:
            self._signalled = False  # nothing to close, and nothing more to wait for
            raise StoreUnreachable(
                f"process {self._process.pid} did not open its inspector within "
                f"{_OPENS_WITHIN_S:g} s",
                hint="it is busy (then it may open later: its log says so), or handles SIGUSR1 "
                "itself, or has one open at another port: node://127.0.0.1:PORT",
            )
        return self._door

    def _wait(self) -> Door | None:
        deadline = time.monotonic() + _OPENS_WITHIN_S
        while time.monotonic() < deadline:
            self._process.check_alive()
            # A server of the app's own may start just now: only what answers as one is it.
            for port in self._process.listening().keys() - self._before.keys():
                door = Door(self._host, port, self._process.own_pid)
                if door.target is not None:
                    return door
            time.sleep(_BETWEEN_LOOKS_S)
        return None

    def close(self) -> None:
        """Close the inspector, over a connection of its own: another may be in mid-call.

        Raises:
            StoreError: it is still open, which somebody has to know.
        """
        door = self._door or (self._wait() if self._signalled else None)
        if door is None:
            return
        for _ in range(_CLOSE_TRIES):
            with suppress(StoreError, Refused), door.connect(_CLOSE_S) as cdp:
                # No reply comes: the connection closes instead.
                cdp.evaluate(_CLOSE % (door.pid or 0), checked=False)
            if self._is_closed(door):
                return
        raise StoreError(
            f"the inspector of process {self._process.pid} could not be closed again: anybody on "
            f"this machine can run code there, at {door.host}:{door.port}",
            hint="it is busy or stopped? run the command again, or end the process",
        )

    def _is_closed(self, door: Door) -> bool:
        try:
            return door.port not in self._process.listening()
        except StoreError:  # the process has ended
            return True
