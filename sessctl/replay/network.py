"""From a URL to a connection: addresses resolved once, TLS verified, no proxies.

`Network` belongs to one run and is shared by its clients, so that a name means the same machine
from the first request to the last.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from sessctl.errors import HttpError, Refused, UsageError
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable
    from pathlib import Path
    from typing import TypeVar

    from sessctl.replay.url import Url

    T = TypeVar("T")

    Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

# Where clouds hand out credentials, beside the link-local 169.254.169.254: AWS, Alibaba, Azure.
_METADATA = frozenset(map(ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")))
_NAT64 = IPv6Network("64:ff9b::/96")


class Deadline:
    """The end of one exchange; each wait in it has a limit of its own as well, in seconds."""

    def __init__(self, total_s: float) -> None:
        self._ends = asyncio.get_running_loop().time() + total_s
        self._total_s = total_s

    async def wait(self, awaitable: Awaitable[T], limit_s: float, what: str) -> T:
        """Wait for `what` at most so long.

        Raises:
            HttpError: (timeout) naming what did not happen in time.
        """
        left_s = self._ends - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(limit_s, left_s)):
                return await awaitable
        except TimeoutError:
            span = format_duration(limit_s if limit_s <= left_s else self._total_s)
            whole = "" if limit_s <= left_s else " for the whole exchange"
            raise HttpError("timeout", f"{what} within {span}{whole}") from None


class Network:
    """How the clients of a run reach their servers.

    Args:
        targets: what the user named; only these may be link-local or a cloud's metadata service.
        ca_file: PEM file of the certificate authorities to trust instead of the system's.

    Raises:
        UsageError: `ca_file` cannot be read.
    """

    def __init__(self, targets: Iterable[Url] = (), *, ca_file: Path | None = None) -> None:
        self._targets = {url.host for url in targets}
        self._answers: dict[str, tuple[str, ...]] = {}
        self._working: dict[tuple[str, int], str] = {}
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        if ca_file is not None:
            self._context()

    async def connect(self, url: Url, deadline: Deadline, limit_s: float) -> tuple[Streams, str]:
        """Open a connection, over TLS for https; with the address that it leads to.

        Raises:
            HttpError: refused, unreachable, timeout or tls.
            Refused: the address is link-local or a metadata service and nobody named it.
        """
        what = f"no connection to {url.origin}"
        return await deadline.wait(self._connect(url), limit_s, what)

    async def _connect(self, url: Url) -> tuple[Streams, str]:
        if url.socket is not None:
            try:
                return await asyncio.open_unix_connection(url.socket), url.socket
            except OSError as exc:
                raise _unreachable(url, exc) from None
        place = (url.host, url.port)
        addresses = await self._resolve(url)
        if place in self._working:
            addresses = (self._working[place],)
        for address in addresses:
            try:
                streams = await asyncio.open_connection(
                    address,
                    url.port,
                    ssl=self._context() if url.is_secure else None,
                    server_hostname=url.host.removesuffix(".") if url.is_secure else None,
                )
            except ssl.SSLError as exc:
                raise _tls_failed(url, exc) from None
            except OSError as exc:
                if address == addresses[-1]:
                    raise _unreachable(url, exc) from None
            else:
                self._working[place] = address
                return streams, address
        raise HttpError("unreachable", f"no address for '{url.host}'")

    async def _resolve(self, url: Url) -> tuple[str, ...]:
        if url.host not in self._answers:
            self._answers[url.host] = await _look_up(url)
        answer = self._answers[url.host]
        if url.host not in self._targets:
            for address in answer:
                _check(address, url)
        return answer

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            try:
                self._tls = ssl.create_default_context(cafile=self._ca_file)  # 10 ms
            except OSError as exc:
                reason = exc.strerror or "it holds no certificate"
                raise UsageError(
                    f"cannot read the certificate authorities of {self._ca_file} ({reason})",
                    hint="it has to be a PEM file",
                ) from None
        return self._tls


async def _look_up(url: Url) -> tuple[str, ...]:
    if url.ip is not None:
        return (url.host,)
    if url.is_loopback:
        return "127.0.0.1", "::1"  # never asked for: the jar trusts these names as it does https
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            url.host, url.port, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError):
        raise HttpError(
            "unreachable", f"no address for '{url.host}'", hint="check the name and the network"
        ) from None
    return tuple(dict.fromkeys(str(row[4][0]) for row in found))


def _check(address: str, url: Url) -> None:
    ip = _plain(ip_address(address.partition("%")[0]))
    if ip.is_link_local or ip in _METADATA:
        raise Refused(
            f"'{url.host}' leads to {ip}, a link-local address or a cloud's metadata service",
            hint="nothing was sent; name it as the target if you mean it",
        )


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that some IPv6 addresses stand for."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip


def _unreachable(url: Url, exc: OSError) -> HttpError:
    if isinstance(exc, ConnectionRefusedError):
        return HttpError(
            "refused", f"nobody listens at {url.origin}", hint="start the application, or --target"
        )
    reason = (exc.strerror or type(exc).__name__).lower()
    return HttpError("unreachable", f"cannot reach {url.origin} ({reason})")


def _tls_failed(url: Url, exc: ssl.SSLError) -> HttpError:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return HttpError(
            "tls",
            f"the certificate of {url.origin} is not trusted ({exc.verify_message.rstrip('.')})",
            hint="--ca-file names a certificate authority of your own",
        )
    reason = (exc.reason or "handshake failed").lower().replace("_", " ")
    return HttpError(
        "tls", f"no TLS with {url.origin} ({reason})", hint="is it https that is spoken there?"
    )
