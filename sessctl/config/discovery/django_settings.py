"""Django's settings: SESSION_ENGINE and the database or cache that it leads to.

Source: Django 5.2 `conf/global_settings.py`, `contrib/sessions/backends/*`,
`core/cache/backends/base.py` for the keys; django-redis 7.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from sessctl.config.discovery.evidence import Origin, Text, Use, Value

if TYPE_CHECKING:
    import ast
    from collections.abc import Sequence

    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.python_source import PythonFile

_BACKENDS = "django.contrib.sessions.backends."
_DATABASES = {
    "sqlite3": "sqlite", "postgresql": "postgresql", "postgresql_psycopg2": "postgresql",
    "postgis": "postgresql", "mysql": "mysql",
}  # fmt: skip
_PARTS = {
    "database": "NAME", "username": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT",
}  # fmt: skip
# Settings of tests and of places that are not here; the rest of several files is read as one.
_ELSEWHERE = ("test", "tests", "testing", "ci", "prod", "production", "staging", "stage")
_DEFAULT_ENGINE = "db"


def uses(files: Sequence[PythonFile], evidence: Evidence) -> list[Use]:
    """The store of the sessions, and what signs."""
    mine = [file for file in files if _is_settings(file)]
    if not mine:
        return []
    return _Settings(sorted(mine, key=_rank)).uses(evidence)


def _is_settings(file: PythonFile) -> bool:
    words = posixpath.basename(file.name).removesuffix(".py").replace("-", "_").split("_")
    if any(word in _ELSEWHERE for word in words):
        return False
    constants = file.constants()
    in_settings = "settings" in file.name
    return "INSTALLED_APPS" in constants or (
        in_settings and not constants.keys().isdisjoint(("SESSION_ENGINE", "DATABASES", "CACHES"))
    )


def _rank(file: PythonFile) -> tuple[bool, str]:
    """What is common first; what others add to it counts."""
    base = posixpath.basename(file.name)
    return base not in ("base.py", "common.py", "__init__.py", "settings.py"), file.name


class _Settings:
    """Several files read as one: the last one that sets a name counts."""

    def __init__(self, files: Sequence[PythonFile]) -> None:
        self._set: dict[str, tuple[PythonFile, ast.expr]] = {}
        for file in files:
            self._set |= {name: (file, node) for name, node in file.constants().items()}
        first = files[0]
        where = self._set.get("INSTALLED_APPS")
        self._origin = where[0].origin(where[1]) if where else Origin(first.name)

    def uses(self, evidence: Evidence) -> list[Use]:
        engine = self._value("SESSION_ENGINE")
        name = engine.value if isinstance(engine, Text) else _BACKENDS + _DEFAULT_ENGINE
        backend = name.removeprefix(_BACKENDS)
        origin = engine.origin if engine else self._origin
        package = f"django:{backend}"
        if backend not in ("db", "cache", "cached_db", "file", "signed_cookies"):
            evidence.note(f"SESSION_ENGINE {name[:80]} ({origin}) is none of Django's own")
            return []
        keys = [self._value("SECRET_KEY"), *self._fallbacks()]
        secrets = tuple(one for one in keys if one is not None)
        session = Use(
            package if backend == "signed_cookies" else "django",
            self._origin,
            self._named(cookie_name="SESSION_COOKIE_NAME", **{"lifetime:s": "SESSION_COOKIE_AGE"}),
            secrets=secrets if backend == "signed_cookies" else (),  # else a bare id
            store=package,
        )
        if backend == "signed_cookies":
            return [session]
        signs = secrets if backend in ("db", "cached_db", "file") else ()
        connection, settings = self._place(backend)
        store = Use(package, origin, settings, connection, store_secrets=signs)
        return [session, store]

    def _fallbacks(self) -> list[Value | None]:
        if "SECRET_KEY_FALLBACKS" not in self._set:
            return []
        file, node = self._set["SECRET_KEY_FALLBACKS"]
        return [file.value(one) for one in file.items(node)]

    def _value(self, name: str) -> Value | None:
        file, node = self._set.get(name, (None, None))
        return file.value(node) if file else None

    def _named(self, **names: str) -> dict[str, Value]:
        found = {key: self._value(name) for key, name in names.items()}
        return {key: value for key, value in found.items() if value is not None}

    def _place(self, backend: str) -> tuple[dict[str, Value], dict[str, Value]]:
        """(connection, settings of the layout)."""
        if backend == "file":
            return self._named(directory="SESSION_FILE_PATH"), {}
        if backend == "cache":
            return self._cache(f"django.contrib.sessions.{backend}")
        connection = self._database()
        settings: dict[str, Value] = {}
        if (zone := self._zone()) is not None:
            settings["expires_zone"] = zone
        if backend == "cached_db":
            there, prefix = self._cache(f"django.contrib.sessions.{backend}")
            connection |= {f"cache.{key}": value for key, value in there.items()}
            connection |= {f"cache.{key}": value for key, value in prefix.items()}
        return connection, settings

    def _zone(self) -> Value | None:
        """TIME_ZONE counts for dates in the database where USE_TZ is off."""
        file, node = self._set.get("USE_TZ", (None, None))
        told = file.resolved(node) if file and node is not None else None
        if told is not None and getattr(told, "value", True) is False:
            return self._value("TIME_ZONE")
        return None

    def _database(self) -> dict[str, Value]:
        file, node = self._set.get("DATABASES", (None, None))
        if file is None:
            return {}
        written = file.entries(node).get("default")
        whole = file.value(written)
        if whole is not None:  # dj_database_url.config(), env.db()
            return {"url": whole}
        entries = file.entries(written)
        engine = file.value(entries.get("ENGINE"))
        kind = _DATABASES.get(engine.value.rpartition(".")[2]) if isinstance(engine, Text) else None
        found = {
            part: value
            for part, name in _PARTS.items()
            if (value := file.value(entries.get(name))) is not None
        }
        if kind == "sqlite":
            return {"sqlite": found["database"]} if "database" in found else {}
        if kind is not None and engine is not None:
            found["kind"] = Text(kind, engine.origin)
            found.setdefault("host", Text("localhost", engine.origin))
        return found

    def _cache(self, name: str) -> tuple[dict[str, Value], dict[str, Value]]:
        file, node = self._set.get("CACHES", (None, None))
        if file is None or node is None:
            return {}, {}
        alias = self._value("SESSION_CACHE_ALIAS")
        entries = file.entries(
            file.entries(node).get(alias.value if isinstance(alias, Text) else "default")
        )
        backend = file.value(entries.get("BACKEND"))
        where = [file.value(one) for one in file.items(entries["LOCATION"])[:1]] if (
            "LOCATION" in entries
        ) else []  # fmt: skip
        found: dict[str, Value] = {}
        if isinstance(backend, Text) and where and where[0] is not None:
            word = backend.value.lower()
            key = "url" if "redis" in word else "hosts" if "memcache" in word else ""
            found = {key: where[0]} if key else {}
        before = file.value(entries.get("KEY_PREFIX"))
        version = file.value(entries.get("VERSION"))
        parts = [one.value if isinstance(one, Text) else None for one in (before, version)]
        said = before or version
        if said is None:
            return found, {}
        prefix = f"{parts[0] or ''}:{parts[1] or '1'}:{name}"
        return found, {"prefix": Text(prefix, said.origin)}
