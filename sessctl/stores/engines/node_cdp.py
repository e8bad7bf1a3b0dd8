"""One connection to a Node inspector: the Chrome DevTools Protocol, JSON over a WebSocket.

Source: Chrome DevTools Protocol 1.3, domain Runtime; Node 20.20 `src/inspector_agent.cc`.
Nothing is enabled: neither the Debugger domain, which would slow the application down, nor
Runtime's events. Objects of the application stay there; here they are ids (`Remote`).
"""

from __future__ import annotations

import inspect
import socket
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec

from sessctl.errors import MissingExtra, StoreError, StoreUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect
except ImportError:
    raise MissingExtra("a live Node process", "node") from None

_GROUP = "sessctl"  # our objects in the application; they go when the connection does


class Remote(NamedTuple):
    """An object in the application; an argument of `Cdp.run` like any other value."""

    object_id: str


class Cdp:
    """A connection, used by one thread. A reply belongs to its request by number, so that an
    exception between the two mixes nothing up.

    Args:
        path: of the WebSocket: `/` and the target's id.
        timeout_s: how long the application may take for one answer.

    Raises:
        StoreUnreachable: nobody there, or no inspector.
    """

    def __init__(self, host: str, port: int, path: str, timeout_s: float) -> None:
        self._where = f"the inspector at {host}:{port}"
        self._timeout_s = timeout_s
        self._number = 0
        self._early: dict[int, Any] = {}  # replies that somebody else waits for
        self._open = ExitStack()
        known = inspect.signature(connect).parameters
        options: dict[str, Any] = {"proxy": None} if "proxy" in known else {}
        with self._errors():
            # Our own socket: a redirect leads nowhere else.
            sock = socket.create_connection((host, port), timeout_s)
            self._open.callback(sock.close)
            address = f"[{host}]" if ":" in host else host
            self._socket = self._open.enter_context(
                connect(
                    f"ws://{address}:{port}{path}", sock=sock, compression=None, max_size=None,
                    ping_interval=None, open_timeout=timeout_s, close_timeout=1, **options,
                )
            )  # fmt: skip

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One request and its reply.

        Raises:
            StoreUnreachable: the connection is lost, or no answer came in time.
            StoreError: the application's side says no.
        """
        self._number += 1
        number = self._number
        with self._errors():
            message = {"id": number, "method": method, "params": params}
            self._socket.send(msgspec.json.encode(message).decode())
            while number not in self._early:
                reply = msgspec.json.decode(self._socket.recv(self._timeout_s))
                if "id" in reply:  # else an event
                    self._early[reply["id"]] = reply
        reply = self._early.pop(number)
        result: dict[str, Any] = reply.get("result", {})
        if "error" in reply:
            raise StoreError(f"{self._where} refused {method}")
        if "exceptionDetails" in result:
            # Its text may hold session data; the kind of error tells enough.
            kind = result["exceptionDetails"].get("exception", {}).get("className", "an error")
            raise StoreError(f"{self._where}: {kind} in {method}")
        return result

    def evaluate(self, expression: str, *, checked: bool = True) -> dict[str, Any]:
        """Evaluate a text of ours; never one with data in it.

        Args:
            checked: V8 ends it before it changes anything.
        """
        found: dict[str, Any] = self.call(
            "Runtime.evaluate", expression=expression, objectGroup=_GROUP, silent=True,
            includeCommandLineAPI=True, throwOnSideEffect=checked,
        )["result"]  # fmt: skip
        return found

    def remote(self, expression: str) -> Remote:
        """Evaluate a text of ours to an object, which stays there. Changes nothing."""
        return Remote(self.evaluate(expression)["objectId"])

    def run(self, owner: Remote, name: str, *arguments: Any) -> Any:
        """Call a function of a helper object; its result by value."""
        return self._call_on(owner, name, arguments, by_value=True).get("value")

    def get(self, owner: Remote, name: str, *arguments: Any) -> Remote:
        """The same; the result stays there."""
        found = self._call_on(owner, name, arguments, by_value=False)
        return Remote(found["objectId"])

    def _call_on(
        self, owner: Remote, name: str, arguments: tuple[Any, ...], *, by_value: bool
    ) -> dict[str, Any]:
        sent = [
            {"objectId": each.object_id} if isinstance(each, Remote) else {"value": each}
            for each in arguments
        ]
        found: dict[str, Any] = self.call(
            "Runtime.callFunctionOn", objectId=owner.object_id, arguments=sent,
            functionDeclaration=f"function(...given) {{ return this.{name}(...given); }}",
            returnByValue=by_value, objectGroup=_GROUP, silent=True,
        )["result"]  # fmt: skip
        return found

    def parts(self, of: Remote) -> dict[str, Any]:
        """Own properties of an object by name: a `Remote`, or else the value's description.

        What V8 keeps beside them, as `[[Scopes]]` of a function, comes under its name.
        """
        reply = self.call("Runtime.getProperties", objectId=of.object_id, ownProperties=True)
        found: dict[str, Any] = {}
        for part in [*reply["result"], *reply.get("internalProperties", ())]:
            value = part.get("value", {})
            if "objectId" in value:
                found[part["name"]] = Remote(value["objectId"])
        return found

    def scopes(self, function: Remote) -> list[Remote]:
        """The scopes that a function closes over, innermost first; the global ones left out.

        Only their ids come: a variable's value, which may be a secret, stays where it is.
        """
        holder = self.parts(function).get("[[Scopes]]")
        if holder is None:
            return []
        reply = self.call("Runtime.getProperties", objectId=holder.object_id, ownProperties=True)
        return [
            Remote(part["value"]["objectId"])
            for part in reply["result"]
            if part.get("value", {}).get("description", "").startswith(_LOCAL_SCOPES)
        ]

    def release(self, remote: Remote) -> None:
        """Let go of an object; harmless when the connection is gone."""
        with suppress(StoreError):
            self.call("Runtime.releaseObject", objectId=remote.object_id)

    def close(self) -> None:
        """Disconnect; every object that we held there is let go. Harmless when repeated."""
        with suppress(WebSocketException, OSError, TimeoutError):
            self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            self.close()
            raise StoreUnreachable(
                f"{self._where} did not answer within {self._timeout_s:g} s",
                hint="the process is busy, stopped, or held in a debugger",
            ) from None
        except (WebSocketException, OSError, msgspec.DecodeError) as exc:
            self.close()
            raise StoreUnreachable(
                f"{self._where}: {_cause(exc)}", hint="the process has ended, or its inspector"
            ) from None


_LOCAL_SCOPES = ("Closure", "Block", "Local", "Module")


def _cause(exc: Exception) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "nobody listens there"
    return "the connection broke" if isinstance(exc, OSError) else "the connection was closed"
