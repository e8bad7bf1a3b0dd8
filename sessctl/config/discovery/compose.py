"""docker-compose.yml and compose.yaml: databases with published ports, and their users.

Source: the Compose specification, "services", "ports", "interpolation"; the official images'
pages for the variables of a database's environment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sessctl.config.discovery.env_files import expand, is_secret_name
from sessctl.config.discovery.evidence import Named, Origin, Service, Text, Value, Variable
from sessctl.config.discovery.libraries import PORTS
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.project import Project

_FILE = re.compile(r"(docker-)?compose(\.[\w-]+)?\.ya?ml")
_DEEP = 200  # levels of nesting; no compose file has ten
_MERGED, _BASES = 3, 20  # `<<` within `<<`, and how many at once
# The last word of an image's name, before its tag -> the kind of store.
_IMAGES = {
    "redis": "redis", "redis-stack": "redis", "redis-stack-server": "redis", "valkey": "redis",
    "keydb": "redis", "dragonfly": "redis", "postgres": "postgresql", "postgresql": "postgresql",
    "postgis": "postgresql", "timescaledb": "postgresql", "pgvector": "postgresql",
    "mysql": "mysql", "mysql-server": "mysql", "mariadb": "mysql", "percona": "mysql",
    "mongo": "mongodb", "mongodb": "mongodb", "memcached": "memcached",
    "dynamodb-local": "dynamodb",
}  # fmt: skip
# What an image takes from its environment, the first that is there.
_SETTINGS = {
    "username": (
        "POSTGRES_USER", "POSTGRESQL_USERNAME", "MYSQL_USER", "MARIADB_USER",
        "MONGO_INITDB_ROOT_USERNAME",
    ),
    "password": (
        "POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "MYSQL_PASSWORD", "MARIADB_PASSWORD",
        "MONGO_INITDB_ROOT_PASSWORD", "REDIS_PASSWORD", "VALKEY_PASSWORD",
    ),
    "database": (
        "POSTGRES_DB", "POSTGRESQL_DATABASE", "MYSQL_DATABASE", "MARIADB_DATABASE",
        "MONGO_INITDB_DATABASE",
    ),
}  # fmt: skip
_ONE_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::?[-?][^}]*)?\}|\$([A-Za-z_]\w*)")
_REQUIREPASS = re.compile(r"--requirepass[\s=]+[\"']?([^\s\"']+)")


def find(project: Project, evidence: Evidence) -> None:
    """Read the services of every compose file."""
    known = {one.name: one.value for one in evidence.variables if one.origin.file == ".env"}
    for name in project.names():
        if not _FILE.fullmatch(name):
            continue
        text = project.read(name)
        root = None if text is None else _compose(text)
        if root is None:
            evidence.note(f"{name} could not be read")
            continue
        _Reader(name, known, evidence).services(root)


def _compose(text: str) -> Any:
    """The tree of nodes; nothing that a file names is made of them."""
    from ruamel.yaml import YAML  # 10 ms
    from ruamel.yaml.error import YAMLError

    opened = max((line.count("[") + line.count("{") for line in text.splitlines()), default=0)
    if opened > _DEEP:
        return None
    try:
        return YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError, ValueError):
        return None


class _Reader:
    def __init__(self, file: str, known: dict[str, str], evidence: Evidence) -> None:
        self._file, self._known, self._evidence = file, known, evidence

    def services(self, root: Any) -> None:
        for key, service in _items(_get(root, "services")):
            image = _get(service, "image")
            kind = _kind(self._expanded(image.value)) if _is_text(image) else None
            environment = dict(self._environment(service))
            if kind is None:
                self._of_an_app(environment)
                continue
            settings = {
                part: found
                for part, names in _SETTINGS.items()
                if (found := next((environment[n] for n in names if n in environment), None))
            }
            given = self._requirepass(service) if kind == "redis" else None
            if given is not None:
                settings["password"] = given
            port = self._port(service, PORTS[kind])
            self._evidence.services.append(
                Service(key.value, kind, self._origin(key), port, settings)
            )

    def _of_an_app(self, environment: dict[str, Value]) -> None:
        """What an application is told; no reference leads into a compose file."""
        for name, value in environment.items():
            if isinstance(value, Text) and value.value:
                self._evidence.variables.append(
                    Variable(name, value.value, value.origin, names_itself=False)
                )

    def _environment(self, service: Any) -> Iterator[tuple[str, Value]]:
        node = _get(service, "environment")
        for key, value in _items(node):
            if _is_text(value):
                yield key.value, self._value(key.value, value.value, key)
        for item in _list(node):
            name, equals, text = item.value.partition("=") if _is_text(item) else ("", "", "")
            if equals:
                yield name, self._value(name, text, item)

    def _value(self, name: str, text: str, node: Any) -> Value:
        """One variable alone is named, so that a reference can be written."""
        origin, value = self._origin(node), self._expanded(text)
        if is_secret_name(name):
            Secret(value)
        alone = _ONE_VARIABLE.fullmatch(text)
        if alone is None:
            return Text(value, origin)
        return Named(alone[1] or alone[2], origin, Text(value, origin))

    def _requirepass(self, service: Any) -> Value | None:
        node = _get(service, "command")
        words = [one.value for one in _list(node) if _is_text(one)]
        text = node.value if _is_text(node) else " ".join(words)
        found = _REQUIREPASS.search(text)
        return self._value("password", found[1], node) if found else None

    def _port(self, service: Any, inner: int) -> int | None:
        """The port of this machine that leads to the container's `inner` one."""
        for item in _list(_get(service, "ports")):
            if _is_text(item):
                *_, published, target = ("", *self._expanded(item.value).split(":"))
            else:
                pair = (_get(item, "published"), _get(item, "target"))
                published, target = (self._expanded(p.value) if _is_text(p) else "" for p in pair)
            if target.partition("/")[0] == str(inner) and re.fullmatch("[0-9]{1,5}", published):
                return int(published)
        return None

    def _expanded(self, text: str) -> str:
        return expand(text, self._known)

    def _origin(self, node: Any) -> Origin:
        return Origin(self._file, node.start_mark.line + 1)


def _kind(image: str) -> str | None:
    word = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
    return _IMAGES.get(word)


def _is_text(node: Any) -> bool:
    return node is not None and isinstance(node.value, str)


def _items(node: Any) -> list[tuple[Any, Any]]:
    """The pairs of a mapping; of anything else none."""
    is_mapping = node is not None and node.id == "mapping"
    return [pair for pair in node.value if _is_text(pair[0])] if is_mapping else []


def _list(node: Any) -> list[Any]:
    return list(node.value) if node is not None and node.id == "sequence" else []


def _get(node: Any, key: str, depth: int = 0) -> Any:
    """The value of a key; one that `<<` merges in counts if the mapping has none of its own."""
    pairs = _items(node)
    own = next((value for name, value in pairs if name.value == key), None)
    if own is not None or depth == _MERGED:
        return own
    for name, value in pairs:
        if name.value == "<<":
            for base in _list(value)[:_BASES] or [value]:
                found = _get(base, key, depth + 1)
                if found is not None:
                    return found
    return None
