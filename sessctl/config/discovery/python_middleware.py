"""Session middleware that is given its settings as arguments: Starlette, starsessions, aiohttp,
Litestar, Pyramid."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from sessctl.config.discovery.evidence import Use, Value

if TYPE_CHECKING:
    from sessctl.config.discovery.python_source import PythonFile


class _Maker(NamedTuple):
    """What a class's arguments say. `settings`, `connection` and `secrets` map our keys to names of
    arguments; `first` is the name of the first positional one."""

    package: str
    settings: dict[str, str]
    secret: str = ""
    first: str = ""
    connection: dict[str, str] = {}  # noqa: RUF012 - never changed


# The last part of a full name, the package that it comes from, and what it makes. Where a
# middleware is handed over with its arguments (`add_middleware(X, ...)`), X is looked up.
_MAKERS = {
    ("starlette", "SessionMiddleware"): _Maker(
        "starlette", {"cookie_name": "session_cookie", "lifetime:s": "max_age"}, "secret_key"
    ),
    ("fastapi", "SessionMiddleware"): _Maker(
        "starlette", {"cookie_name": "session_cookie", "lifetime:s": "max_age"}, "secret_key"
    ),
    ("starsessions", "RedisStore"): _Maker(
        "starsessions:redis", {"prefix": "prefix"}, "", "url", {"url": "url"}
    ),
    ("aiohttp_session", "RedisStorage"): _Maker(
        "aiohttp-session:redis", {"cookie_name": "cookie_name", "lifetime:s": "max_age"},
        "", "client",
    ),
    ("aiohttp_session", "EncryptedCookieStorage"): _Maker(
        "aiohttp-session:cookie", {"cookie_name": "cookie_name"}, "secret_key", "secret_key"
    ),
    ("aiohttp_session", "NaClCookieStorage"): _Maker(
        "aiohttp-session:nacl", {"cookie_name": "cookie_name"}, "secret_key", "secret_key"
    ),
    ("litestar", "CookieBackendConfig"): _Maker(
        "litestar:cookie", {"cookie_name": "key", "lifetime:s": "max_age"}, "secret"
    ),
    ("litestar", "ServerSideSessionConfig"): _Maker(
        "litestar:redis", {"cookie_name": "key", "lifetime:s": "max_age"}
    ),
    ("pyramid", "SignedCookieSessionFactory"): _Maker(
        "pyramid", {"cookie_name": "cookie_name", "lifetime:s": "timeout"}, "secret", "secret"
    ),
}  # fmt: skip
_HANDED_OVER = ("add_middleware", "Middleware", "DefineMiddleware")


def uses(file: PythonFile) -> list[Use]:
    """Each of these in one file, and the store that it is made with."""
    return [one for name, call in file.calls() if (one := _use(file, name, call)) is not None]


def _use(file: PythonFile, name: str, call: ast.Call) -> Use | None:
    args = list(call.args)
    last = name.rpartition(".")[2] or getattr(call.func, "attr", "")
    if last in _HANDED_OVER and args:
        name = file.full_name(args.pop(0))
        last = name.rpartition(".")[2]
    root = name.partition(".")[0]
    maker = _MAKERS.get((root, last))
    if maker is None:
        return None
    given = {word.arg: word.value for word in call.keywords if word.arg}
    if maker.first and args:
        given.setdefault(maker.first, args[0])
    connection = _values(file, maker.connection, given)
    if maker.package == "aiohttp-session:redis":
        connection |= _client(file, given.get("client"))
    secret = file.value(given.get(maker.secret)) if maker.secret else None
    return Use(
        maker.package,
        file.origin(call),
        _values(file, maker.settings, given),
        connection,
        secrets=(secret,) if secret else (),
    )


def _values(
    file: PythonFile, wanted: dict[str, str], given: dict[str, ast.expr]
) -> dict[str, Value]:
    found = {key: file.value(given.get(name)) for key, name in wanted.items()}
    return {key: value for key, value in found.items() if value is not None}


def _client(file: PythonFile, node: ast.expr | None) -> dict[str, Value]:
    """`redis.asyncio.from_url(URL)`."""
    call = file.resolved(node) if node is not None else None
    if not isinstance(call, ast.Call) or not call.args:
        return {}
    url = file.value(call.args[0])
    return {"url": url} if url is not None else {}
