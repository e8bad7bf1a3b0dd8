"""`HttpClient`: HTTP/1.1 requests sent and answered byte for byte, on h11 and asyncio streams.

    async with HttpClient(Network([url])) as http:
        response = await http.send(Request("GET", url, ((b"Cookie", b"sid=abc"),)))

No jar, no redirects, no proxies, no netrc: whoever calls decides. Only `Host` and `Content-Length`
are added, where they are not given. One client has connections of its own, as a browser has.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from sessctl.errors import HttpError
from sessctl.replay.connection import Connection, request_head
from sessctl.replay.message import HttpLimits, Request, Response
from sessctl.replay.network import Deadline, Network

if TYPE_CHECKING:
    from types import TracebackType

    import h11

    from sessctl.replay.url import Url

_REPEATABLE = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")  # RFC 9110, 9.2.2


class HttpClient:
    """Sends requests over connections of its own, which are kept alive between them."""

    def __init__(self, network: Network, limits: HttpLimits | None = None) -> None:
        self._network = network
        self._limits = limits or HttpLimits()
        self._idle: dict[str, list[Connection]] = {}

    async def send(self, request: Request) -> Response:
        """Send a request and read its answer.

        Raises:
            HttpError: there was no answer, or its head could not be read.
            Refused: the address is not one to talk to (see `Network`).
            UsageError: the request cannot be sent as it is.
        """
        head = request_head(request)
        started = asyncio.get_running_loop().time()
        deadline = Deadline(self._limits.total_s)
        connection = await self._take(request.url)
        if connection is not None:
            try:
                return await self._exchange(connection, request, head, started, deadline)
            except HttpError as exc:
                was_idle = exc.kind == "closed" and not connection.has_heard
                if not was_idle or request.method not in _REPEATABLE:
                    raise
        streams, address = await self._network.connect(
            request.url, deadline, self._limits.connect_s
        )
        connection = Connection(streams, address, request.url.origin, self._limits)
        return await self._exchange(connection, request, head, started, deadline)

    async def close(self) -> None:
        """Close what is kept alive."""
        while self._idle:
            for connection in self._idle.popitem()[1]:
                connection.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _exchange(
        self,
        connection: Connection,
        request: Request,
        head: h11.Request,
        started: float,
        deadline: Deadline,
    ) -> Response:
        try:
            response = await connection.exchange(head, request.body, started, deadline)
        except BaseException:  # cancelled ones too: half an answer is left on the wire
            connection.close()
            raise
        if connection.make_ready():
            self._idle.setdefault(request.url.origin, []).append(connection)
        else:
            connection.close()
        return response

    async def _take(self, url: Url) -> Connection | None:
        waiting = self._idle.get(url.origin, [])
        while waiting:
            connection = waiting.pop()
            if await connection.is_quiet():
                return connection
            connection.close()
        return None


__all__ = ["HttpClient", "HttpLimits", "Network", "Request", "Response"]
