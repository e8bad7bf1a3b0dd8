"""Flask's config, and that of Flask-Session in it.

Source: Flask-Session 0.8.0 `defaults.py`, `base.py`; Flask 3.1.3 `app.py`, `config.py`.
"""

from __future__ import annotations

import ast
import posixpath
from typing import TYPE_CHECKING

from sessctl.config.discovery.evidence import Text, Use, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.python_source import PythonFile

_TYPES = ("redis", "memcached", "filesystem", "cachelib", "sqlalchemy", "mongodb", "dynamodb")
_SETTINGS = {
    "redis": {"prefix": "SESSION_KEY_PREFIX"},
    "memcached": {"prefix": "SESSION_KEY_PREFIX"},
    "sqlalchemy": {"prefix": "SESSION_KEY_PREFIX", "table": "SESSION_SQLALCHEMY_TABLE"},
    "mongodb": {"prefix": "SESSION_KEY_PREFIX", "collection": "SESSION_MONGODB_COLLECT"},
    "dynamodb": {"prefix": "SESSION_KEY_PREFIX"},
    "filesystem": {"prefix": "SESSION_KEY_PREFIX"},
    "cachelib": {"prefix": "SESSION_KEY_PREFIX"},
}
# SESSION_TYPE -> what holds its connection.
_CLIENTS = {
    "redis": "SESSION_REDIS", "memcached": "SESSION_MEMCACHED", "mongodb": "SESSION_MONGODB",
    "cachelib": "SESSION_CACHELIB",
}  # fmt: skip
_PARTS = {
    "url": "url", "host": "host", "port": "port", "password": "password", "db": "database",
    "username": "username", "cache_dir": "directory",
}  # fmt: skip


def uses(files: Sequence[PythonFile], evidence: Evidence) -> list[Use]:
    """Flask's own cookie, or the store that Flask-Session keeps sessions in."""
    config = _Config(files)
    if not config.is_flask:
        return []
    common = config.named(
        cookie_name="SESSION_COOKIE_NAME", **{"lifetime:s": "PERMANENT_SESSION_LIFETIME"}
    )
    secrets = tuple(
        value
        for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS")
        for value in config.several(name)
        if value is not None
    )
    kind = config.value("SESSION_TYPE")
    if not isinstance(kind, Text) or kind.value.lower() not in _TYPES:
        if not secrets:
            return []
        return [Use("flask", secrets[0].origin, common, secrets=secrets)]
    word = kind.value.lower()
    package = f"flask-session:{word}"
    return [
        Use("flask-session", kind.origin, common, secrets=secrets, store=package),
        Use(package, kind.origin, config.named(**_SETTINGS[word]), config.connection(word)),
    ]


class _Config:
    """Everything that ends in an application's `config`; the last one that sets a name counts."""

    def __init__(self, files: Sequence[PythonFile]) -> None:
        self._set: dict[str, tuple[PythonFile, ast.expr]] = {}
        self.is_flask = False
        for file in files:
            if "INSTALLED_APPS" in file.constants():
                continue  # Django's
            self._set |= {name: (file, node) for name, node in _entries(file)}
            self.is_flask |= any(
                name in ("flask.Flask", "quart.Quart", "flask_session.Session")
                for name, _ in file.calls()
            )

    def value(self, name: str) -> Value | None:
        file, node = self._set.get(name, (None, None))
        return file.value(node) if file else None

    def several(self, name: str) -> list[Value | None]:
        if name not in self._set:
            return []
        file, node = self._set[name]
        return [file.value(one) for one in file.items(node)]

    def named(self, **names: str) -> dict[str, Value]:
        found = {key: self.value(name) for key, name in names.items()}
        return {key: value for key, value in found.items() if value is not None}

    def connection(self, kind: str) -> dict[str, Value]:
        """Where the store is."""
        if kind == "filesystem":
            return self.named(directory="SESSION_FILE_DIR")
        if kind == "sqlalchemy":
            return self.named(url="SQLALCHEMY_DATABASE_URI")
        found = self.named(database="SESSION_MONGODB_DB") if kind == "mongodb" else {}
        file, node = self._set.get(_CLIENTS.get(kind, ""), (None, None))
        client = file.resolved(node) if file and node is not None else None
        if file is None or not isinstance(client, ast.Call):
            return found
        first = file.value(client.args[0]) if client.args else None
        if first is not None:
            is_url = not isinstance(first, Text) or "://" in first.value
            place = "directory" if kind == "cachelib" else "url" if is_url else "host"
            found["hosts" if kind == "memcached" else place] = first
        for word in client.keywords:
            part = _PARTS.get(word.arg or "")
            value = file.value(word.value) if part else None
            if part and value is not None:
                found[part] = value
        if kind == "redis" and not found:
            found["url"] = Text("redis://localhost:6379/0", file.origin(client))
        elif kind == "redis" and "url" not in found:
            found.setdefault("host", Text("localhost", file.origin(client)))
        return found


def _entries(file: PythonFile) -> Iterator[tuple[str, ast.expr]]:
    """What a configuration of Flask is made of: classes and modules first, then the app's own."""
    in_config = "config" in posixpath.basename(file.name) or "settings" in file.name
    constants = file.constants()
    if in_config or "SESSION_TYPE" in constants or "SECRET_KEY" in constants:
        yield from constants.items()
    yield from file.config_entries()
