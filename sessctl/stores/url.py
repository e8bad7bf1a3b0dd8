"""Our own reading of store URLs: drivers never see one.

A driver that meets a bad port tends to quote the URL, password and all, in its error. Here the
password becomes a `Secret` before anything else is looked at. The *last* `@` ends the credentials,
so that passwords holding `@`, `/`, `#` or `:` work unescaped as well.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote, urlencode

from sessctl.errors import UsageError
from sessctl.text import Secret, escape

if TYPE_CHECKING:
    from collections.abc import Mapping

# Schemes whose whole rest is a path, without host or credentials.
FILE_SCHEMES = frozenset({"sqlite", "file"})

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f]")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?")
# Passwords that some drivers take from the query string; they become secrets here too.
_SECRET_WORDS = ("password", "passwd", "sslpassword", "pwd")
# What belongs to the layout and not to the connection: `redis://host/0?layout=connect-redis`.
_SETTINGS = (
    *("layout", "prefix", "schema", "table", "collection", "directory", "expires_zone"),
    "cache",  # a URL itself
)
_SENTINEL_WORD = "sentinel_password"  # sentinels have one of their own
# How the schemes end whose URLs may name several hosts.
_SEVERAL_HOSTS = ("+sentinel", "+cluster", "mongodb")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """A store URL in parts. `path` is as written after the authority, percent-decoded.

    `settings` are those of the query's words that say how the sessions are laid out. `others` are
    further hosts, for the schemes that take a list: `mongodb://a:1,b:2/db`. `is_borrowed`: it is
    the application's own URL, with options for the driver that the application has.
    """

    scheme: str
    host: str = ""
    port: int | None = None
    path: str = ""
    username: str | None = None
    password: Secret | None = None
    options: tuple[tuple[str, str], ...] = ()
    is_file: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    others: tuple[tuple[str, int | None], ...] = ()
    sentinel_password: Secret | None = None
    is_borrowed: bool = False

    @property
    def masked(self) -> str:
        """The URL as it may be shown; without a password it may be typed again."""
        if self.is_file:
            slash = "/" if self.scheme == "sqlite" else ""
            return f"{self.scheme}://{slash}{quote(self.path)}"
        user = f"{self.username or ''}{':***' if self.password else ''}"
        hosts = ",".join(host_port(host, port) for host, port in self.hosts)
        return f"{self.scheme}://{user + '@' if user else ''}{hosts}{self.path}"

    @property
    def hosts(self) -> tuple[tuple[str, int | None], ...]:
        """Every host with its port, in the order of the URL."""
        return ((self.host, self.port), *self.others)

    @property
    def typed(self) -> str:
        """`masked` with the words of its query, to be typed once more."""
        words = urlencode((*self.options, *self.settings), safe=":/*")
        return f"{self.masked}?{words}" if words else self.masked

    @property
    def is_local(self) -> bool:
        """Nothing leaves this machine: a file, a socket, a process, the loopback interface."""
        local = ("", "localhost", "127.0.0.1", "::1")
        return self.scheme == "node+pid" or all(host in local for host, _ in self.hosts)

    def option(self, name: str) -> str | None:
        return dict(self.options).get(name)


def host_port(host: str, port: int | None) -> str:
    """`host:port` as a URL writes it, `[::1]:27017` for IPv6."""
    return f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def parse_store_url(text: str, *, file_schemes: frozenset[str]) -> StoreUrl:
    """Take a store URL apart; never quotes the password, whatever is wrong.

    Args:
        text: `redis://user:password@host:6379/0`, `redis+unix:///run/redis.sock?db=1`,
            `redis+sentinel://host1,host2:26380/mymaster`, `sqlite:///relative.db`,
            `sqlite:////absolute.db`, `file:///absolute/directory`, `file://relative/directory`.
        file_schemes: schemes whose whole rest is a path, without host or credentials.

    Raises:
        UsageError: not a URL, no such port, a control character.
    """
    scheme, _, rest = text.partition("://")
    if _SCHEME.fullmatch(scheme) is None:
        # Nothing of it is quoted: who knows where its password stands.
        raise UsageError("the store URL has no scheme", hint="write redis://host:6379/0")
    if scheme in file_schemes:
        path, _, query = rest.partition("?")
        if scheme == "sqlite":  # `sqlite:///x` is relative, `sqlite:////x` absolute: SQLAlchemy's
            path = path.removeprefix("/")
        options, settings = _options(query)
        return StoreUrl(
            scheme, path=unquote(path), options=options, is_file=True, settings=settings
        )
    credentials, at, place = rest.rpartition("@")
    username, password = _credentials(credentials) if at else (None, None)
    if _CONTROL.search(rest):
        raise UsageError(
            f"the {scheme} URL holds a blank or a control character", hint="write a blank as %20"
        )
    place, _, fragment = place.partition("#")
    place, _, query = place.partition("?")
    authority, slash, path = place.partition("/")
    several = authority.split(",") if scheme.endswith(_SEVERAL_HOSTS) else [authority]
    (host, port), *others = [_host_and_port(scheme, one) for one in several]
    if others and not all((host, *(name for name, _ in others))):
        raise UsageError(f"the {scheme} URL has a comma without a host beside it")
    options, settings = _options(query)
    if fragment:
        raise UsageError(f"the {scheme} URL has a '#' part", hint="write # as %23 in a password")
    if password is None:
        word = next((value for key, value in options if key in _SECRET_WORDS), None)
        password = Secret(word, "url") if word else None
    of_sentinels = dict(options).get(_SENTINEL_WORD)
    secret = (*_SECRET_WORDS, _SENTINEL_WORD)
    options = tuple((key, value) for key, value in options if key not in secret)
    return StoreUrl(
        scheme, host, port, slash + unquote(path), username, password, options,
        settings=settings, others=tuple(others),
        sentinel_password=Secret(of_sentinels, "url") if of_sentinels else None,
    )  # fmt: skip


def _credentials(text: str) -> tuple[str | None, Secret | None]:
    user, colon, password = text.partition(":")
    return unquote(user) or None, Secret(unquote(password), "url") if colon and password else None


_Words = tuple[tuple[str, str], ...]


def _options(query: str) -> tuple[_Words, _Words]:
    """The query's words for the engine, and those for the layout."""
    found = parse_qsl(query, keep_blank_values=True)
    for key, value in found:
        if key in (*_SECRET_WORDS, _SENTINEL_WORD):
            Secret(value, "url")
        if key == "cache":
            with suppress(UsageError):  # learns its password; what is wrong is said when it is used
                parse_store_url(value, file_schemes=FILE_SCHEMES)
    return (
        tuple(pair for pair in found if pair[0] not in _SETTINGS),
        tuple(pair for pair in found if pair[0] in _SETTINGS),
    )


def _host_and_port(scheme: str, authority: str) -> tuple[str, int | None]:
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or _IPV6.fullmatch(host) is None or (rest and not rest.startswith(":")):
            raise UsageError(f"the {scheme} URL has a broken IPv6 address", hint="write [::1]:6379")
        port = rest[1:]
    else:
        host, _, port = authority.partition(":")
        if host and _HOST.fullmatch(host) is None:
            raise UsageError(
                f"the {scheme} URL has no valid host name", hint=f"write {scheme}://HOST:PORT/..."
            )
    if port and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise UsageError(f"the {scheme} URL has no valid port", hint="a port is 1 to 65535")
    return host, int(port) if port else None


def known_options(url: StoreUrl, known: tuple[str, ...], scheme: str) -> dict[str, str]:
    """The query's options for an engine; an application's URL may have others for its own driver.

    Raises:
        UsageError: one that the engine does not know, in a URL that was written for it.
    """
    options = dict(url.options)
    if not url.is_borrowed:
        flags(options, known, scheme)
    return {key: value for key, value in options.items() if key in known}


def left_aside(url: StoreUrl, known: tuple[str, ...]) -> list[str]:
    """What to say of the options that `known_options` leaves out."""
    others = [escape(key) for key, _ in url.options if key not in known]
    return [f"left aside of the application's URL: {', '.join(others)}"] if others else []


def flags(options: Mapping[str, str], known: tuple[str, ...], scheme: str) -> None:
    """Refuse query options that an engine does not know.

    Raises:
        UsageError: names the ones it knows.
    """
    for key in options:
        if key not in known:
            raise UsageError(
                f"{scheme} URLs have no option '{key}'", hint=f"known: {', '.join(known) or 'none'}"
            )
