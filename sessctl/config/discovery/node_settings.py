"""What the source of a Node project sets: `session({...})`, `new RedisStore({...})`, their drivers.

Source: express-session 1.19.0, @fastify/session 11.1.3, koa-session 7.0.2, koa-generic-session
2.3.1, cookie-session 2.1.1, iron-session 8.0.4, next-auth 4.24 for the options of sessions; the
stores' own code (see `libraries.py`), redis 5, ioredis 5, pg 8 and mysql2 3 for those of stores.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING

from sessctl.config.discovery.evidence import Named, Origin, Text, Use, Value
from sessctl.config.discovery.javascript import Source
from sessctl.config.discovery.js_values import (
    Array,
    Call,
    Env,
    JsValue,
    Literal,
    Member,
    Name,
    Object,
)
from sessctl.config.discovery.libraries import DRIVERS, SESSIONS, STORES
from sessctl.config.discovery.project import JAVASCRIPT

if TYPE_CHECKING:
    from sessctl.config.discovery.evidence import Evidence
    from sessctl.config.discovery.project import Project

# Our key -> where the options have it.
_SETTINGS = {
    "express-session": {"cookie_name": "name", "lifetime:ms": "cookie.maxAge"},
    "@fastify/session": {"cookie_name": "cookieName", "lifetime:ms": "cookie.maxAge"},
    "koa-session": {"cookie_name": "key", "prefix": "prefix", "lifetime:ms": "maxAge"},
    "koa-generic-session": {
        "cookie_name": "key", "prefix": "prefix", "lifetime:ms": "cookie.maxAge",
    },
    "cookie-session": {"cookie_name": "name"},
    "iron-session": {"cookie_name": "cookieName"},
    "connect-redis": {"prefix": "prefix", "lifetime:s": "ttl"},
    "connect-pg-simple": {"table": "tableName", "schema": "schemaName", "lifetime:s": "ttl"},
    "express-mysql-session": {
        "table": "schema.tableName", "columns.sid": "schema.columnNames.session_id",
        "columns.expires": "schema.columnNames.expires",
        "columns.data": "schema.columnNames.data", "lifetime:ms": "expiration",
    },
    "connect-mongo": {"collection": "collectionName", "lifetime:s": "ttl"},
    "session-file-store": {"extension": "fileExtension", "lifetime:s": "ttl"},
    "connect-sqlite3": {"table": "table"},
    "connect-memcached": {"prefix": "prefix"},
    "connect-dynamodb": {"prefix": "prefix", "columns.sid": "hashKey"},
    "connect-session-knex": {"table": "tableName"},
    "connect-session-sequelize": {"table": "tableName"},
}  # fmt: skip
_SECRETS = {
    "express-session": ("secret",), "@fastify/session": ("secret",), "cookie-session":
    ("keys", "secret"), "iron-session": ("password",), "next-auth": ("secret",),
    "client-sessions": ("secret",), "@fastify/secure-session": ("key", "secret"),
}  # fmt: skip
_STORE_SECRETS = {
    "session-file-store": "secret", "connect-memcached": "secret", "connect-mongo": "crypto.secret",
}  # fmt: skip
# Part of a connection -> the names that drivers and stores have for it, the first that is there.
_CONNECTION = {
    "url": (
        "url",
        "conString",
        "connectionString",
        "mongoUrl",
        "uri",
        "conObject.connectionString",
    ),
    "host": ("socket.host", "host", "conObject.host"),
    "port": ("socket.port", "port", "conObject.port"),
    "username": ("username", "user", "conObject.user"),
    "password": ("password", "conObject.password"),
    "database": ("database", "db", "dbName", "conObject.database"),
    "directory": ("path", "dir"),
    "hosts": ("hosts",),
    "table": ("table",),
}
# Where a store is handed the driver that it uses.
_HANDED = ("client", "pool", "clientPromise", "mongooseConnection")


def find(project: Project, evidence: Evidence) -> None:
    """Read every source file that names one of the packages."""
    known = (*SESSIONS, *STORES)
    for name, text in project.sources(JAVASCRIPT):
        if any(package in text for package in known):
            evidence.uses += _Reader(name, Source(text)).uses()


class _Reader:
    """One file."""

    def __init__(self, file: str, source: Source) -> None:
        self._file, self._source = file, source
        self._unread: list[str] = []

    def uses(self) -> list[Use]:
        found: dict[tuple[str, int], Use] = {}
        for call in self._source.calls():
            made = self._use_of(call)
            if made is not None:
                found.setdefault((made.package, call.line), made)
        return [one for one in found.values() if _says_something(one)]

    def _use_of(self, call: Call) -> Use | None:
        args = call.args
        package = self._source.package_of(call)
        if isinstance(call.callee, Member) and call.callee.name == "register" and args:
            package, args = self._source.package_of(args[0]), args[1:]  # app.register(plugin, {})
        if package not in SESSIONS and package not in STORES:
            return None
        options = next(
            (one for arg in args if isinstance(one := self._source.resolved(arg), Object)),
            Object({}, call.line),
        )
        return self._use(package, options, call)

    def _use(self, package: str, options: Object, call: Call) -> Use:
        self._unread = []
        store = self._at(options, "store")
        use = Use(
            package,
            Origin(self._file, call.line),
            settings=self._settings(package, options),
            secrets=self._secrets(package, options),
            store=self._source.package_of(store) if store is not None else None,
        )
        if package in STORES:
            inside = _STORE_SECRETS.get(package)
            secret = self._value(options, inside) if inside else None
            use = replace(
                use,
                connection=self._connection(options),
                store_secrets=(secret,) if secret else (),
            )
        return replace(use, unread=tuple(self._unread))

    def _settings(self, package: str, options: Object) -> dict[str, Value]:
        wanted = _SETTINGS.get(package, {})
        found = {key: self._value(options, path) for key, path in wanted.items()}
        return {key: value for key, value in found.items() if value is not None}

    def _secrets(self, package: str, options: Object) -> tuple[Value, ...]:
        values: list[JsValue] = [
            value
            for key in _SECRETS.get(package, ())
            if (value := self._at(options, key)) is not None
        ]
        if package.startswith("koa-"):
            values = [self._source.resolved(one) for one in self._source.assigned("keys")]
        several = [one for value in values[:1] for one in _each(value)]
        taken = [self._taken(self._source.resolved(one)) for one in several]
        return tuple(one for one in taken if one is not None)

    def _connection(self, options: Object) -> dict[str, Value]:
        found = self._parts(options)
        for handed in _HANDED:
            driver = self._at(options, handed)
            if isinstance(driver, Call) and self._source.package_of(driver) in DRIVERS:
                found |= self._of_driver(driver)
        return found

    def _parts(self, options: Object) -> dict[str, Value]:
        found: dict[str, Value] = {}
        for part, paths in _CONNECTION.items():
            values = [value for path in paths if (value := self._value(options, path)) is not None]
            if values:
                found[part] = values[0]
        return found

    def _of_driver(self, driver: Call) -> dict[str, Value]:
        """createClient({...}), new Redis(url), new Redis(port, host), new Pool({...})."""
        found: dict[str, Value] = {}
        for arg in map(self._source.resolved, driver.args):
            if isinstance(arg, Object):
                found |= self._parts(arg)
                continue
            value = self._taken(arg)
            if value is None:
                continue
            number = isinstance(arg, Literal) and isinstance(arg.value, float)
            bare = isinstance(arg, Literal) and "://" not in str(arg.value)
            found.setdefault("port" if number else "host" if bare and "port" in found else "url",
                             value)  # fmt: skip
        return found

    # -- values -----------------------------------------------------------------------------------

    def _at(self, options: Object, path: str) -> JsValue | None:
        """What stands at a dotted path, names followed."""
        value: JsValue = options
        for key in path.split("."):
            if not isinstance(value, Object) or key not in value.entries:
                return None
            value = self._source.resolved(value.entries[key])
        return value

    def _value(self, options: Object, path: str) -> Value | None:
        found = self._at(options, path)
        if found is None:
            return None
        taken = self._taken(found)
        if taken is None and found != Literal(None, found.line):
            self._unread.append(path)
        return taken

    def _taken(self, value: JsValue) -> Value | None:
        """A literal or a variable; None for all that only running it would tell."""
        if isinstance(value, Literal) and value.value is not None:
            text = value.value
            if isinstance(text, float) and text.is_integer():
                text = int(text)
            return Text(str(text), Origin(self._file, value.line))
        if isinstance(value, Env):
            default = None
            if value.default is not None:
                inner = self._taken(self._source.resolved(value.default))
                default = inner if isinstance(inner, Text) else None
            return Named(value.name, Origin(self._file, value.line), default)
        return self._called(value) if isinstance(value, Call) else None

    def _called(self, call: Call) -> Value | None:
        """`Number(process.env.X)`, `path.join(__dirname, "sessions")`."""
        callee = call.callee
        if isinstance(callee, Name) and callee.name in ("Number", "String", "parseInt"):
            return self._taken(call.args[0]) if call.args else None
        if isinstance(callee, Member) and callee.name in ("join", "resolve"):
            parts = [self._path_part(one) for one in call.args]
            if parts and None not in parts:
                path = posixpath.normpath(posixpath.join(*filter(None, parts)))
                return Text(path, Origin(self._file, call.line))
        return None

    def _path_part(self, value: JsValue) -> str | None:
        if value == Name("__dirname", value.line):
            return posixpath.dirname(self._file) or "."
        if isinstance(value, Call) and isinstance(value.callee, Member):
            return "." if value.callee.name == "cwd" else None
        return str(value.value) if isinstance(value, Literal) else None


def _each(value: JsValue) -> tuple[JsValue, ...]:
    return value.items if isinstance(value, Array) else (value,)


def _says_something(use: Use) -> bool:
    """`connectPgSimple(session)` makes a class, and sets nothing."""
    said = use.settings or use.connection or use.secrets or use.store or use.store_secrets
    return bool(said)
