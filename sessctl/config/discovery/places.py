"""Where the store of a library is, for `propose.py`: a file, a server, a cache beside a table."""

from __future__ import annotations

from urllib.parse import quote

from sessctl.config.discovery.connection import DEV, Connections, Found, Line
from sessctl.config.discovery.evidence import Text, Use, Value
from sessctl.config.discovery.libraries import CACHES, SQL, STORES
from sessctl.config.discovery.lines import relative_path


def place_of(package: str, use: Use | None, group: str, connections: Connections) -> Found | None:
    """Where the store of a package is: as its source says, else a variable, else a service."""
    library = STORES[package]
    kinds = {"sql": SQL, "cache": CACHES}.get(library.kind, (library.kind,))
    said = use.connection if use else {}
    told = said.get("kind")
    if isinstance(told, Text):
        kinds = (told.value,)
    if library.kind in ("file", "sqlite", "memcached", "dynamodb") and group != DEV:
        return None
    place = (
        _written_place(package, library.kind, said, connections)
        or connections.by_source(kinds, said)
        or connections.by_variables(kinds)
        or (connections.by_service(kinds) if group == DEV else None)
    )
    if place is None and library.url is not None and group == DEV:
        origin = (f"{package}'s own default",)
        place = Found(library.kind, [Line("url", library.url, origin)])
    if place is not None and use is not None and use.unread:
        place.notes.append(
            f"{use.origin} also sets {', '.join(use.unread)}, which only running it would tell"
        )
    return place


def _written_place(
    package: str, kind: str, said: dict[str, Value], connections: Connections
) -> Found | None:
    """The stores whose place is no URL of a server."""
    known = {key: connections.resolved(value) for key, value in said.items()}
    texts = {key: value for key, value in known.items() if value is not None}
    url = ""
    where = next(iter(texts.values()), None)
    if package == "connect-sqlite3" and ("directory" in texts or "database" in texts):
        folder = texts["directory"].value if "directory" in texts else "."
        table = texts["table"].value if "table" in texts else "sessions"
        name = texts["database"].value if "database" in texts else table
        url = f"sqlite:///{relative_path(f'{folder}/{name}')}"
    elif kind == "sqlite" and "url" in texts and "://" not in texts["url"].value:
        url = f"sqlite:///{relative_path(texts['url'].value)}"
    elif kind in ("memcached", "cache") and "hosts" in texts and "@" not in texts["hosts"].value:
        kind, where = "memcached", texts["hosts"]
        url = f"memcached://{where.value}"
    elif kind == "file" and "directory" in texts:
        url = f"file://{relative_path(texts['directory'].value)}"
    elif "sqlite" in texts:
        kind, where = "sqlite", texts["sqlite"]
        url = f"sqlite:///{relative_path(where.value)}"
    elif kind == "sql" and "url" in texts and texts["url"].value.startswith("sqlite:"):
        kind, where = "sqlite", texts["url"]
        url = f"sqlite:///{relative_path(_path_of_flask(where.value))}"
    if not url or where is None:
        return None
    return Found(kind, [Line("url", url, (str(where.origin),))])


def cache_of(use: Use | None, connections: Connections, notes: list[str]) -> list[Line]:
    """The cache that stands before a table, if the settings name one that keeps copies."""
    said = {
        key.removeprefix("cache."): value
        for key, value in (use.connection if use else {}).items()
        if key.startswith("cache.")
    }
    if not said:
        if use is not None and use.package == "django:cached_db":
            notes.append("its sessions are in a cache, too, which no file tells: cache = its URL")
        return []
    found = connections.by_source(("redis",), said)
    hosts = connections.resolved(said["hosts"]) if "hosts" in said else None
    if found is not None:
        line = found.lines[0]
    elif hosts is not None:
        line = Line("url", f"memcached://{hosts.value}", (str(hosts.origin),))
    else:
        return []
    if found is not None and len(found.lines) > 1:
        notes.append(
            f"the cache at {line.origins[-1]} takes a password: put its whole URL into a "
            'variable, and cache = "env:NAME"'
        )
    value, prefix = str(line.value), said.get("prefix")
    if isinstance(prefix, Text) and "://" in value:
        value += f"{'&' if '?' in value else '?'}prefix={quote(prefix.value, safe=':.')}"
    return [line._replace(key="cache", value=value)]


def _path_of_flask(url: str) -> str:
    """The file of a SQLAlchemy URL. Flask-SQLAlchemy 3 puts relative ones into `instance`."""
    path = url.partition("///")[2].partition("?")[0]
    return path if path.startswith("/") else f"instance/{path}"
