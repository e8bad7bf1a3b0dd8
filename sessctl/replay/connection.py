"""One HTTP/1.1 connection: h11 says what the bytes mean, asyncio moves them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import h11  # 50 ms

from sessctl.errors import HttpError, UsageError
from sessctl.replay.body import BodyReader
from sessctl.replay.message import Response, Timing
from sessctl.text import escape

if TYPE_CHECKING:
    from sessctl.replay.message import HttpLimits, Request
    from sessctl.replay.network import Deadline, Streams

_PIECE = 64 * 1024
_IDLE_S = 1.0  # servers close an idle connection after 2 to 5 s; a POST must not meet that moment
_MAX_INTERIM = 20  # answers 1xx before the real one


@dataclass(slots=True)
class Connection:
    """One connection and where its protocol stands."""

    streams: Streams
    address: str
    origin: str
    limits: HttpLimits
    has_heard: bool = False  # a byte of the answer that is awaited
    _uses: int = 0
    _idle_since: float = 0.0
    _connected_at: float = field(default_factory=lambda: _now())
    _first_byte_at: float = 0.0
    _h11: h11.Connection = field(init=False)

    def __post_init__(self) -> None:
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=self.limits.head_bytes)

    async def exchange(
        self, head: h11.Request, body: bytes, started: float, deadline: Deadline
    ) -> Response:
        reused, self._uses, self.has_heard = self._uses > 0, self._uses + 1, False
        await self._send(head, body, deadline)
        answer = await self._head(deadline)
        reader, problem = BodyReader(_encoding(answer), self.limits.body), None
        try:
            while isinstance(event := await self._event(deadline), h11.Data):
                reader.feed(bytes(event.data))
            reader.finish()
        except HttpError as exc:
            problem = exc
        return Response(
            answer.status_code,
            bytes(answer.reason),
            tuple((bytes(name), bytes(value)) for name, value in answer.headers.raw_items()),
            reader.body(),
            Timing(
                0.0 if reused else self._connected_at - started,
                self._first_byte_at - started,
                _now() - started,
            ),
            self.address,
            reused,
            problem,
        )

    def make_ready(self) -> bool:
        """Whether another request may follow on this connection."""
        done = self._h11.our_state is h11.DONE and self._h11.their_state is h11.DONE
        if not done or self._h11.trailing_data[0]:
            return False  # what nobody asked for must not become the next answer
        self._h11.start_next_cycle()
        self._idle_since = _now()
        return True

    async def is_quiet(self) -> bool:
        """It is still open, and nothing came on it that nobody asked for: a `408` sent before
        closing must not become the answer to the next request."""
        if _now() - self._idle_since >= _IDLE_S or self.streams[1].is_closing():
            return False
        try:
            async with asyncio.timeout(0):
                await self.streams[0].read(1)  # b"" at the end
        except TimeoutError:
            return True
        except OSError:
            pass
        return False

    def close(self) -> None:
        self.streams[1].transport.abort()

    async def _send(self, head: h11.Request, body: bytes, deadline: Deadline) -> None:
        events = [head, *([h11.Data(data=body)] if body else []), h11.EndOfMessage()]
        try:
            pieces = [self._h11.send(event) for event in events]
        except h11.LocalProtocolError as exc:  # a Content-Length that is not the body's
            raise unsendable(self.origin, exc) from None
        writer = self.streams[1]
        writer.write(b"".join(piece for piece in pieces if piece))
        what = f"{self.origin} did not take the request"
        try:
            await deadline.wait(writer.drain(), self.limits.read_s, what)
        except OSError:
            raise self._closed() from None

    async def _head(self, deadline: Deadline) -> h11.Response:
        for _ in range(_MAX_INTERIM):
            event = await self._event(deadline)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse) or event.status_code == 101:
                break
        raise HttpError("malformed", f"{self.origin} sent no final answer, only interim ones")

    async def _event(self, deadline: Deadline) -> h11.Event | type[h11.PAUSED]:
        try:
            while (event := self._h11.next_event()) is h11.NEED_DATA:
                self._h11.receive_data(await self._read(deadline))
        except h11.RemoteProtocolError as exc:
            raise self._protocol_error(exc) from None
        return event  # type: ignore[return-value]  # NEED_DATA has just been ruled out

    async def _read(self, deadline: Deadline) -> bytes:
        what = (
            f"no more came from {self.origin}"
            if self.has_heard
            else f"no answer from {self.origin}"
        )
        try:
            data = await deadline.wait(self.streams[0].read(_PIECE), self.limits.read_s, what)
        except OSError:
            raise self._closed() from None
        if not data and not self.has_heard:
            raise self._closed()
        if not self.has_heard:
            self.has_heard, self._first_byte_at = True, _now()
        return data

    def _closed(self) -> HttpError:
        when = "in the middle of" if self.has_heard else "without"
        return HttpError("closed", f"{self.origin} closed the connection {when} an answer")

    def _protocol_error(self, exc: h11.RemoteProtocolError) -> HttpError:
        if exc.error_status_hint == 431:
            limit = self.limits.head_bytes // 1024
            return HttpError("too-large", f"the head of the answer is over {limit} KiB")
        if "peer" in str(exc) and "closed" in str(exc):
            return self._closed()
        return HttpError("malformed", f"{self.origin} does not answer in HTTP ({escape(str(exc))})")


def request_head(request: Request) -> h11.Request:
    """The head as it is sent. Raises UsageError for one that HTTP has no way to send."""
    given = {name.lower() for name, _ in request.headers}
    headers = list(request.headers)
    if b"host" not in given:
        headers.insert(0, (b"Host", request.url.authority.encode()))
    if not given & {b"content-length", b"transfer-encoding"} and (
        request.body or request.method in ("POST", "PUT", "PATCH")
    ):
        headers.append((b"Content-Length", b"%d" % len(request.body)))
    try:
        return h11.Request(method=request.method, target=request.url.target, headers=headers)
    except h11.LocalProtocolError as exc:
        raise unsendable(request.url.origin, exc) from None


def unsendable(origin: str, exc: h11.LocalProtocolError) -> UsageError:
    """The error for a request that would not be HTTP."""
    return UsageError(
        f"the request to {origin} cannot be sent ({escape(str(exc))})",
        hint="header values hold no line break, NUL or blank at their ends",
    )


def _encoding(answer: h11.Response) -> bytes:
    found = [value for name, value in answer.headers if name == b"content-encoding"]
    return b", ".join(found)


def _now() -> float:
    return asyncio.get_running_loop().time()
