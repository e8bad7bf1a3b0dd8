"""One connection to a Node inspector: the Chrome DevTools Protocol, JSON over a WebSocket.

Source: Chrome DevTools Protocol 1.3, domain Runtime; Node 20.20 `src/inspector_agent.cc`.
Nothing is enabled: neither the Debugger domain, which would slow the application down, nor
Runtime's events. Objects of the application stay there; here they are ids (`Remote`).
"""

from __future__ import annotations

import inspect
import socket
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import msgspec

from sessctl.errors import MissingExtra, StoreError, StoreUnreachable
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from websockets.exceptions import WebSocketException
    from websockets.sync.client import connect
except ImportError:
    raise MissingExtra("a live Node process", "node") from None

_LARGEST = 64 * 2**20  # of a message: a value of 8 MiB, every character of it escaped
_T = TypeVar("_T")
_GROUP = "sessctl"  # our objects in the application; they go when the connection does


class Remote(NamedTuple):
    """An object in the application; an argument of `Cdp.run` like any other value."""

    object_id: str


class _Value(msgspec.Struct):
    value: Any = None
    object_id: str = msgspec.field(name="objectId", default="")
    description: str = ""
    class_name: str = msgspec.field(name="className", default="")


class _Property(msgspec.Struct):
    name: str
    value: _Value = msgspec.field(default_factory=_Value)


class _Failure(msgspec.Struct):
    exception: _Value = msgspec.field(default_factory=_Value)


class _Result(msgspec.Struct):
    result: _Value | list[_Property] | None = None
    internal: list[_Property] = msgspec.field(name="internalProperties", default_factory=list)
    failure: _Failure | None = msgspec.field(name="exceptionDetails", default=None)

    @property
    def value(self) -> _Value:
        return self.result if isinstance(self.result, _Value) else _Value()

    @property
    def properties(self) -> list[_Property]:
        return [*self.result, *self.internal] if isinstance(self.result, list) else []


class _Reply(msgspec.Struct):
    id: int = 0  # 0: an event
    result: _Result = msgspec.field(default_factory=_Result)
    error: Any = None


_decode = msgspec.json.Decoder(_Reply).decode


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
        self._early: dict[int, _Reply] = {}  # replies that somebody else waits for
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
                    f"ws://{address}:{port}{path}", sock=sock, compression=None, max_size=_LARGEST,
                    ping_interval=None, open_timeout=timeout_s, close_timeout=1, **options,
                )
            )  # fmt: skip

    def call(self, method: str, **params: Any) -> _Result:
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
                found = _decode(self._socket.recv(self._timeout_s))
                if found.id:
                    self._early[found.id] = found
        reply = self._early.pop(number)
        if reply.error is not None:
            raise StoreError(f"{self._where} refused {method}")
        if reply.result.failure is not None:
            # Its text may hold session data; the kind of error tells enough.
            kind = escape(reply.result.failure.exception.class_name[:40]) or "an error"
            raise StoreError(f"{self._where}: {kind} in {method}")
        return reply.result

    def evaluate(self, expression: str, *, checked: bool = True) -> _Value:
        """Evaluate a text of ours; never one with data in it.

        Args:
            checked: V8 ends it before it changes anything.
        """
        return self.call(
            "Runtime.evaluate", expression=expression, objectGroup=_GROUP, silent=True,
            includeCommandLineAPI=True, returnByValue=False, throwOnSideEffect=checked,
        ).value  # fmt: skip

    def number(self, expression: str) -> int:
        """A number that such a text comes to."""
        value = self.evaluate(expression).value
        if not isinstance(value, int | float):
            raise StoreError(f"{self._where}: {expression} is no number")
        return int(value)

    def remote(self, expression: str) -> Remote:
        """Evaluate a text of ours to an object, which stays there. Changes nothing."""
        return Remote(self.evaluate(expression).object_id)

    def run(self, owner: Remote, name: str, *arguments: Any, returns: type[_T]) -> _T:
        """Call a function of a helper object; its result by value.

        Raises:
            StoreError: the result is not of the type that it should be.
        """
        found = self._call_on(owner, name, arguments, by_value=True)
        try:
            return msgspec.convert(found.value, returns)
        except msgspec.ValidationError:
            raise StoreError(f"{self._where} answers nonsense to '{name}'") from None

    def get(self, owner: Remote, name: str, *arguments: Any) -> Remote:
        """The same; the result stays there."""
        return Remote(self._call_on(owner, name, arguments, by_value=False).object_id)

    def _call_on(
        self, owner: Remote, name: str, arguments: tuple[Any, ...], *, by_value: bool
    ) -> _Value:
        sent = [
            {"objectId": each.object_id} if isinstance(each, Remote) else {"value": each}
            for each in arguments
        ]
        return self.call(
            "Runtime.callFunctionOn", objectId=owner.object_id, arguments=sent,
            functionDeclaration=f"function(...given) {{ return this.{name}(...given); }}",
            returnByValue=by_value, objectGroup=_GROUP, silent=True,
        ).value  # fmt: skip

    def parts(self, of: Remote) -> dict[str, Remote]:
        """The objects that are an object's own properties, by name; what V8 keeps beside them, as
        `[[Scopes]]` of a function, too."""
        reply = self.call("Runtime.getProperties", objectId=of.object_id, ownProperties=True)
        return {part.name: Remote(part.value.object_id) for part in reply.properties}

    def scopes(self, function: Remote) -> list[Remote]:
        """The scopes that a function closes over, innermost first; the global ones left out.

        Only their ids come: a variable's value, which may be a secret, stays where it is.
        """
        holder = self.parts(function).get("[[Scopes]]")
        if holder is None:
            return []
        reply = self.call("Runtime.getProperties", objectId=holder.object_id, ownProperties=True)
        return [
            Remote(part.value.object_id)
            for part in reply.properties
            if part.value.description.startswith(_LOCAL_SCOPES)
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
        except msgspec.DecodeError:
            self.close()
            raise StoreError(
                f"{self._where} answers what no inspector does", hint="is it Node's?"
            ) from None
        except (WebSocketException, OSError) as exc:
            self.close()
            raise StoreUnreachable(
                f"{self._where}: {_cause(exc)}", hint="the process has ended, or its inspector"
            ) from None


_LOCAL_SCOPES = ("Closure", "Block", "Local", "Module")


def _cause(exc: Exception) -> str:
    if isinstance(exc, ConnectionRefusedError):
        return "nobody listens there"
    return "the connection broke" if isinstance(exc, OSError) else "the connection was closed"
