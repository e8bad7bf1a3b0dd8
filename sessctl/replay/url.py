"""`Url`: where a request goes, taken apart once for the jar and for the HTTP client.

    http://127.0.0.1:3000/cart?page=2     https://[::1]/     http+unix://%2Frun%2Fapp.sock/login

The host is in the one spelling that cookies are compared with: small letters, punycode, a short
IPv6 address without brackets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, unquote, urljoin, urlsplit

from sessctl.errors import UsageError
from sessctl.text import shorten

_PORTS = {"http": 80, "https": 443}
_UNIX = "http+unix"
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)\.?")
# Left as they are in a path and a query: what a browser does not escape there either.
_ERRORS = "surrogateescape"  # bytes that are not UTF-8 keep their value
_KEPT = "!#$%&'()*+,/:;=?@[\\]^_`{|}~-."


@dataclass(frozen=True, slots=True)
class Url:
    """An absolute URL without its fragment. `target` is path and query as they are sent, ASCII."""

    scheme: str  # http or https
    host: str
    port: int
    target: str = "/"
    socket: str | None = None  # the path of a unix socket, which is connected to instead of host

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def origin(self) -> str:
        """Scheme, host and port; `http://localhost` for a unix socket, with the socket's path."""
        if self.socket is not None:
            return f"{_UNIX}://{quote(self.socket, safe='')}"
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and port as a `Host` header has them: no port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_secure(self) -> bool:
        return self.scheme == "https"

    @property
    def ip(self) -> IPv4Address | IPv6Address | None:
        """The host, if it is an address and no name."""
        return as_ip(self.host)

    @property
    def is_loopback(self) -> bool:
        """Nothing leaves this machine, whatever its resolver says: browsers trust such an origin
        as they trust https (W3C Secure Contexts, "potentially trustworthy")."""
        ip = self.ip
        if ip is not None:
            return ip.is_loopback
        name = self.host.removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")

    def join(self, reference: str) -> Url:
        """The URL that a link or a `Location` on this one leads to.

        Raises:
            UsageError: it leads to something that is neither http nor https.
        """
        base = f"{self.scheme}://{self.authority}"
        try:
            joined = parse_url(urljoin(f"{base}{self.target}", _trim(reference)))
        except ValueError:
            raise _no_url(reference) from None
        stays = f"{joined.scheme}://{joined.authority}" == base
        return replace(joined, socket=self.socket) if stays else joined

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def as_ip(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host without brackets spells, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def parse_url(text: str) -> Url:
    """Take an absolute URL apart; a missing path is `/`, other than ASCII is percent-encoded.

    Raises:
        UsageError: no http(s) URL, no host, a bad port, a user or a password, a control character.
    """
    shown, trimmed = shorten(text, 80), _trim(text)
    try:
        parts = urlsplit(trimmed)
        port = parts.port
        rest = trimmed[len(parts.scheme) + len("://") + len(parts.netloc) :]
        target = quote(f"{'' if rest.startswith('/') else '/'}{rest}", _KEPT, None, _ERRORS)
    except ValueError:
        raise _no_url(text) from None
    if parts.scheme not in (*_PORTS, _UNIX):
        raise UsageError(
            f"'{shown}' is not an http or https URL", hint="write http://127.0.0.1:3000/"
        )
    if "@" in parts.netloc:
        # Not quoted: a password may stand in it.
        raise UsageError("the URL holds a user or a password", hint="use `auth:` of a step")
    if parts.scheme == _UNIX:
        socket = unquote(parts.netloc)
        if not socket.startswith("/") or "\0" in socket:
            raise UsageError(
                f"'{shown}' names no socket", hint="write http+unix://%2Frun%2Fapp.sock/"
            )
        return Url("http", "localhost", 80, target, socket)
    host = _canonical_host(parts.hostname or "", shown)
    if port == 0:
        raise UsageError(f"'{shown}' has no valid port", hint="a port is 1 to 65535")
    return Url(parts.scheme, host, port or _PORTS[parts.scheme], target)


def _no_url(text: str) -> UsageError:
    return UsageError(f"'{shorten(text, 80)}' is not a URL", hint="write http://127.0.0.1:3000/")


def _trim(text: str) -> str:
    """Browsers ignore blanks and control characters around a URL, and a line break inside."""
    return re.sub(r"[\t\r\n]", "", text.strip("".join(map(chr, range(33))))).partition("#")[0]


def _canonical_host(host: str, shown: str) -> str:
    ip = as_ip(host)
    if ip is not None:
        return str(ip)
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    name = name.lower()
    if _HOST.fullmatch(name) is None:
        raise UsageError(f"'{shown}' has no valid host", hint="write http://HOST:PORT/")
    if _NUMERIC.fullmatch(name):
        # `2130706433`, `0x7f.1`: resolvers take these for addresses, and not all for the same.
        raise UsageError(f"'{shown}' has no valid host", hint="write an address as 127.0.0.1")
    return name
