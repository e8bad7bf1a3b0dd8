"""`Request` and `Response` of the HTTP client, and what one exchange may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sessctl.replay.body import Body, BodyLimits

if TYPE_CHECKING:
    from sessctl.errors import HttpError
    from sessctl.replay.url import Url

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one exchange may take: seconds and bytes."""

    connect_s: float = 10.0
    read_s: float = 30.0  # between two pieces, sent or received
    total_s: float = 60.0
    head_bytes: int = 256 * 1024
    body: BodyLimits = field(default_factory=BodyLimits)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; headers go out in this order and spelling."""

    method: str
    url: Url
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds from the start of `send`."""

    connected_s: float
    first_byte_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Response:
    """One answer; header lines as they came, several of one name included.

    `problem` says why the body is not whole: what had come of it is there, and the header lines
    hold, cookies too.
    """

    status: int
    reason: bytes
    headers: Headers
    body: Body
    timing: Timing
    address: str  # what was connected to
    reused: bool  # the connection
    problem: HttpError | None = None

    def values(self, name: bytes) -> list[bytes]:
        """The values of every header line of that name, in any letter case, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def set_cookie(self) -> list[bytes]:
        return self.values(b"set-cookie")
