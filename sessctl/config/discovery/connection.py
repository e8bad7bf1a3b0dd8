"""Where a project's store is, put together of what was found; no password is ever copied.

A variable that holds the whole URL is named. Where the URL has to be written (a compose file's
host name leads nowhere from outside of its network; a database is told in parts) it stands there
without its password, and the password is named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from sessctl.config.discovery.env_files import is_secret_name
from sessctl.config.discovery.evidence import Named, Origin, Text, Value, Variable
from sessctl.config.discovery.libraries import KINDS, PORTS
from sessctl.errors import SessctlError
from sessctl.stores.url import FILE_SCHEMES, StoreUrl, parse_store_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.config.discovery.evidence import Service

DEV = "dev"
_GROUPS = {
    "": DEV, "local": DEV, "dev": DEV, "development": DEV, "prod": "production",
    "production": "production", "stage": "staging", "staging": "staging",
}  # fmt: skip
_PORT = re.compile("[0-9]{1,5}")
# Words of a URL that lead to the store; what else an application's driver takes is not copied.
_OPTIONS = ("sslmode", "ssl-mode", "tls", "ssl", "authSource", "replicaSet", "directConnection")
# How the names of variables begin that tell a store in parts, and how they end.
_BEGINNINGS = {
    "redis": ("REDIS_",), "postgresql": ("PG", "POSTGRES_", "DB_"), "mysql": ("MYSQL_", "DB_"),
    "mongodb": ("MONGO_", "MONGODB_"), "memcached": ("MEMCACHED_",),
}  # fmt: skip
_ENDS = {
    "host": ("HOST",), "port": ("PORT",), "username": ("USER", "USERNAME"),
    "password": ("PASSWORD", "PASS"), "database": ("DATABASE", "DB", "NAME"),
}  # fmt: skip


class Line(NamedTuple):
    """A key of a backend, and what it was found by. `key` may be of a table: `columns.sid`."""

    key: str
    value: str | bool | list[str]
    origins: tuple[str, ...]


@dataclass(slots=True)
class Found:
    """The lines that lead to a store, and what a person should know of them."""

    kind: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Variables:
    """What a program sees of the files in one group: those for development, for production ..."""

    def __init__(self, every: Sequence[Variable], group: str) -> None:
        self.group = group
        mine = [one for one in every if group_of(one.origin.file) == group]
        self._known = {one.name: one for one in sorted(mine, key=_rank)}

    def get(self, name: str) -> Variable | None:
        return self._known.get(name)

    def with_value(self, value: str) -> Variable | None:
        """One that can be named and holds this."""
        return next((v for v in self._known.values() if v.value == value and v.names_itself), None)

    def __iter__(self) -> Iterator[Variable]:
        return iter(self._known.values())


def group_of(file: str) -> str | None:
    """Which way of running the project a file is for; None: tests."""
    if not file.startswith(".env"):
        return DEV
    words = [word for word in file.split(".")[2:] if word != "local"]
    word = words[0] if words else ""
    return None if word in ("test", "testing", "ci") else _GROUPS.get(word, word)


def _rank(one: Variable) -> tuple[bool, bool, bool]:
    """The last one of a name counts, as with dotenv-flow and Next.js: `.env.local` beats `.env`."""
    name = one.origin.file
    return name.startswith(".env"), name.endswith(".local"), name.count(".") > 1


def reference_to(variable: Variable) -> str:
    return f"dotenv:{variable.origin.file}#{variable.name}"


class Connections:
    """Finds the store of a group."""

    def __init__(self, variables: Variables, services: Sequence[Service]) -> None:
        self._variables = variables
        self._services = services

    def by_source(self, kinds: Sequence[str], said: dict[str, Value]) -> Found | None:
        """What the options of the store's library and of its driver say."""
        url = said.get("url")
        if not self._is_ours(url or said.get("host")):
            return None
        if url is not None:
            return self._by_value(kinds, url)
        if "host" not in said or len(kinds) != 1:
            return None
        return self._in_parts(kinds[0], said)

    def _is_ours(self, value: Value | None) -> bool:
        """What stands in the source is for development; elsewhere a variable has to say it."""
        if self._variables.group == DEV:
            return True
        return isinstance(value, Named) and self._variables.get(value.name) is not None

    def _by_value(self, kinds: Sequence[str], value: Value) -> Found | None:
        if isinstance(value, Named):
            known = self._variables.get(value.name)
            if known is not None:
                return self._by_variable(kinds, known, value.origin)
            if value.default is None:
                line = Line("url", f"env:{value.name}", (str(value.origin), "not set in a file"))
                return Found(kinds[0], [line])
            value = value.default
        return self._written(kinds, value.value, (str(value.origin),))

    def by_variables(self, kinds: Sequence[str]) -> Found | None:
        """A variable that holds a URL of the right kind, or several that hold its parts."""
        for one in self._variables:
            found = self._by_variable(kinds, one)
            if found is not None:
                return found
        for kind in kinds:
            for beginning in _BEGINNINGS.get(kind, ()):
                parts = self._parts(beginning)
                if "host" in parts:
                    return self._in_parts(kind, parts)
        return None

    def _parts(self, beginning: str) -> dict[str, Value]:
        """What PGHOST, PGPORT and their like say; the password by its name."""
        found: dict[str, Value] = {}
        for part, ends in _ENDS.items():
            for end in ends:
                one = self._variables.get(f"{beginning}{end}")
                if one is not None:
                    found.setdefault(part, Named(one.name, one.origin))
        return found

    def _by_variable(
        self, kinds: Sequence[str], one: Variable, said_at: Origin | None = None
    ) -> Found | None:
        origins = (*([str(said_at)] if said_at else []), str(one.origin))
        place = _parsed(one.value)
        kind = _kind_of(place)
        if place is None or kind is None or kind not in kinds:
            return None
        if one.names_itself and place.scheme in KINDS and not self._is_inside(place.host):
            return Found(kind, [Line("url", reference_to(one), origins)])
        return self._written(kinds, one.value, origins)

    def _is_inside(self, host: str) -> bool:
        """The name of a service, known within its compose network only."""
        return any(host == one.name for one in self._services)

    def _written(self, kinds: Sequence[str], url: str, origins: tuple[str, ...]) -> Found | None:
        place = _parsed(url)
        kind = _kind_of(place)
        if place is None or kind is None or kind not in kinds:
            return None
        if place.scheme not in KINDS:
            place = replace(place, scheme=kind)
        found, secret = Found(kind), place.password
        options = tuple(pair for pair in place.options if pair[0] in _OPTIONS)
        place = self._outside(replace(place, password=None, options=options), found)
        found.lines.append(Line("url", _typed(place), origins))
        if secret is not None:
            self._password(found, Text(secret.reveal_text(), _NOWHERE), origins[-1])
        return found

    def _outside(self, place: StoreUrl, found: Found) -> StoreUrl:
        """The URL as this machine reaches it."""
        service = next((one for one in self._services if one.name == place.host), None)
        if service is None:
            return place
        if service.port is None:
            found.notes.append(
                f"'{service.name}' ({service.origin}) publishes no port to this machine: give it "
                f'`ports: ["{PORTS[service.kind]}:{PORTS[service.kind]}"]`'
            )
            return place
        return replace(place, host="localhost", port=service.port)

    def _in_parts(self, kind: str, parts: dict[str, Value]) -> Found | None:
        known = {part: self.resolved(value) for part, value in parts.items()}
        host = known["host"]
        if host is None or kind not in PORTS:
            return None
        texts = {part: value.value for part, value in known.items() if value is not None}
        port = texts.get("port", "")
        path = texts.get("database", "")
        place = StoreUrl(
            kind, host.value, int(port) if _PORT.fullmatch(port) else PORTS[kind],
            f"/{path}" if path else "", texts.get("username") or None,
        )  # fmt: skip
        found = Found(kind)
        place = self._outside(place, found)
        seen = [str(v.origin) for key, v in known.items() if v and key != "password"]
        found.lines.append(Line("url", _typed(place), tuple(dict.fromkeys(seen))))
        if "password" in parts:
            self._password(found, parts["password"])
        return found

    def resolved(self, value: Value) -> Text | None:
        """What stands there, or in the variable that is named; never a secret's value."""
        if isinstance(value, Text):
            return value
        known = self._variables.get(value.name)
        if known is None or is_secret_name(known.name):  # never written, whatever it is used for
            return value.default if known is None else None
        return Text(known.value, known.origin)

    def by_service(self, kinds: Sequence[str]) -> Found | None:
        """The one database of the compose file that is of the right kind."""
        fit = [one for one in self._services if one.kind in kinds and one.port is not None]
        if not fit:
            return None
        service = fit[0]
        known = {part: self.resolved(value) for part, value in service.settings.items()}
        user, database = known.get("username"), known.get("database")
        name, base = user.value if user else "", database.value if database else ""
        if service.kind == "postgresql":  # as the image does
            name = name or "postgres"
            base = base or name
        place = StoreUrl(
            service.kind, "localhost", service.port, f"/{base}" if base else "", name or None
        )
        if service.kind == "mongodb" and name:  # the image makes its user there
            place = replace(place, options=(("authSource", "admin"),))
        found = Found(service.kind, [Line("url", _typed(place), (str(service.origin),))])
        if "password" in service.settings:
            self._password(found, service.settings["password"])
        return found

    def _password(self, found: Found, value: Value, seen_at: str = "") -> None:
        """The line that names the password; it is never written."""
        name = {"postgresql": "PGPASSWORD", "redis": "REDIS_PASSWORD"}.get(
            found.kind, f"{found.kind.upper()}_PASSWORD"
        )
        reference, origin, note = self.reference(value, name, "the password", seen_at)
        found.lines.append(Line("password", reference, (origin,)))
        if note:
            found.notes.append(note)

    def reference(
        self, value: Value, name: str, what: str, seen_at: str = ""
    ) -> tuple[str, str, str | None]:
        """(reference, where it was found, what has to be done for it).

        Args:
            name: of the variable to be made where the value stands in the open.
        """
        origin = seen_at or str(value.origin)
        if isinstance(value, Named):
            known = self._variables.get(value.name)
            if known is not None and known.names_itself:
                return reference_to(known), origin, None
            name = value.name
            note = f"{name} ({origin}) is in no .env file: export it"
            if value.default is not None and value.default.value:
                note += f"; the text at {value.default.origin} is what holds without it"
            return f"env:{name}", origin, note
        known = self._variables.with_value(value.value) if value.value else None
        if known is not None:
            return reference_to(known), f"{known.origin}, as at {origin}", None
        note = f"{origin} holds {what} itself, which is not copied: export it as {name}"
        return f"env:{name}", origin, note


_NOWHERE = Origin("")


def _typed(place: StoreUrl) -> str:
    """The URL to be written; a name may hold what means something else in a URL."""
    user = quote(place.username, safe="") if place.username else None
    return replace(place, username=user, path=quote(place.path)).typed


def _kind_of(place: StoreUrl | None) -> str | None:
    """The kind of store; SQLAlchemy names its driver, too: postgresql+psycopg2."""
    if place is None:
        return None
    kind = KINDS.get(place.scheme)
    if kind is None:
        sql = KINDS.get(place.scheme.partition("+")[0])
        kind = sql if sql in ("postgresql", "mysql") else None
    return kind


def _parsed(url: str) -> StoreUrl | None:
    if "://" not in url or len(url) > 2000:
        return None
    try:
        return parse_store_url(url, file_schemes=FILE_SCHEMES)
    except SessctlError:
        return None
