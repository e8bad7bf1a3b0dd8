"""Python source read as a syntax tree: nothing of it is imported or run.

What a name stands for is looked up in its own file only; what cannot be told without running it is
not told.
"""

from __future__ import annotations

import ast
import operator
import posixpath
import warnings
from typing import TYPE_CHECKING

from sessctl.config.discovery.evidence import Named, Origin, Text, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DEPTH = 30
_TIMEDELTA = {
    "weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1,
}  # fmt: skip
_SIGNS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Mult: operator.mul,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
}
_HUGE = 1e15
_TIMEDELTA_ORDER = ("days", "seconds")  # its first positional arguments
# What gives a variable's value: os, python-decouple, django-environ, environs, Starlette's Config.
_READERS = frozenset({
    "os.environ.get", "os.getenv", "environ.get", "getenv", "decouple.config", "config", "env",
    "env.str", "env.url", "env.get_value", "env.cache_url", "Config", "starlette.config.Config",
})  # fmt: skip
# Those that read a URL, from a variable of this name unless told otherwise.
_URL_READERS = {
    "dj_database_url.config": "DATABASE_URL", "env.db": "DATABASE_URL", "env.db_url":
    "DATABASE_URL", "env.cache": "CACHE_URL",
}  # fmt: skip
_NAMED_PATHS = frozenset({"Path", "pathlib.Path", "str"})
_SAME_PATH = frozenset({"resolve", "absolute", "as_posix"})
_JOINS = frozenset({"os.path.join", "path.join"})
_HERE = frozenset({"os.path.abspath", "os.path.realpath", "os.path.dirname"})
_ENVIRONMENT = frozenset({"os.environ", "environ"})


class PythonFile:
    """One file. `parsed` is False for what is no Python of this version."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._tree = _parsed(text)
        self.parsed = self._tree is not None
        self._scope: dict[str, ast.expr] = {}
        self._imports: dict[str, str] = {}
        for node in self._nodes():
            self._learn(node)

    def _nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self._tree) if self._tree else iter(())

    def _learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    self._scope[target.id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            self._scope[node.target.id] = node.value
        elif isinstance(node, ast.Import):
            for one in node.names:
                self._imports[one.asname or one.name.partition(".")[0]] = (
                    one.name if one.asname else one.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                self._imports[one.asname or one.name] = f"{node.module}.{one.name}"

    # -- what stands in the file ------------------------------------------------------------------

    def constants(self) -> dict[str, ast.expr]:
        """NAME -> what is assigned to it, the last one: of the module and of its classes."""
        return {name: node for name, node in self._scope.items() if name.isupper()}

    def config_entries(self) -> Iterator[tuple[str, ast.expr]]:
        """What `app.config["X"] = v`, `app.config.update(X=v)`, `from_mapping(X=v)` and
        `app.secret_key = v` set."""
        for node in self._nodes():
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    name = _config_key(target)
                    if name is not None:
                        yield name, node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if node.func.attr not in ("update", "from_mapping") or not _is_config(
                    node.func.value
                ):
                    continue
                for word in node.keywords:
                    if word.arg is not None:
                        yield word.arg, word.value
                for given in node.args:
                    yield from self.entries(given).items()

    def calls(self) -> Iterator[tuple[str, ast.Call]]:
        """Every call, with the full name of what is called as the imports tell it."""
        for node in self._nodes():
            if isinstance(node, ast.Call):
                yield self.full_name(node.func), node

    def full_name(self, node: ast.expr) -> str:
        """`redis.asyncio.from_url` for `from_url`, if that is what was imported; "" for no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self._imports.get(node.id, node.id), *reversed(parts)])

    def origin(self, node: ast.AST) -> Origin:
        return Origin(self.name, getattr(node, "lineno", 0))

    # -- values -----------------------------------------------------------------------------------

    def resolved(self, node: ast.expr, depth: int = 0) -> ast.expr:
        """What a name stands for, as far as this file tells."""
        while isinstance(node, ast.Name) and node.id in self._scope and depth < _DEPTH:
            node, depth = self._scope[node.id], depth + 1
        return node

    def entries(self, node: ast.expr | None) -> dict[str, ast.expr]:
        """The entries of a dict with texts as keys, `{...}` or `dict(...)`; else none."""
        node = self.resolved(node) if node is not None else None
        if isinstance(node, ast.Dict):
            return {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            }
        if isinstance(node, ast.Call) and self.full_name(node.func) == "dict":
            return {word.arg: word.value for word in node.keywords if word.arg}
        return {}

    def items(self, node: ast.expr) -> list[ast.expr]:
        """Those of a list, tuple or set; else the value itself."""
        node = self.resolved(node)
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [self.resolved(one) for one in node.elts]
        return [node]

    def value(self, node: ast.expr | None, depth: int = 0) -> Value | None:
        """A literal or a variable of the environment; None for all that only running would tell."""
        if node is None or depth > _DEPTH:
            return None
        node = self.resolved(node)
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):  # environ.get(X) or "y"
            first = self.value(node.values[0], depth + 1)
            rest = self.value(node.values[1], depth + 1)
            if isinstance(first, Named) and first.default is None and isinstance(rest, Text):
                return first._replace(default=rest)
            return first
        if isinstance(node, ast.Call) and (found := self._called(node, depth)) is not None:
            return found
        if isinstance(node, ast.Subscript) and self.full_name(node.value) in _ENVIRONMENT:
            key = self.value(node.slice, depth + 1)
            return Named(key.value, self.origin(node)) if isinstance(key, Text) else None
        text = self._text(node, depth)
        return None if text is None else Text(text, self.origin(node))

    def _called(self, node: ast.Call, depth: int) -> Value | None:
        name = self.full_name(node.func)
        given = {word.arg: word.value for word in node.keywords if word.arg}
        first = node.args[0] if node.args else None
        default = given.get("default", node.args[1] if len(node.args) > 1 else None)
        if name in _URL_READERS:
            named = self.value(given.get("env", first), depth + 1)
            variable = named.value if isinstance(named, Text) else _URL_READERS[name]
        elif name in _READERS and first is not None:
            named = self.value(first, depth + 1)
            if not isinstance(named, Text):
                return None
            variable = named.value
        elif name in ("int", "str", "bool", "float") and first is not None:
            return self.value(first, depth + 1)
        else:
            return None
        otherwise = self.value(default, depth + 1)
        return Named(
            variable, self.origin(node), otherwise if isinstance(otherwise, Text) else None
        )

    def _text(self, node: ast.expr, depth: int) -> str | None:
        if isinstance(node, ast.Constant):
            value = node.value
            if isinstance(value, bytes):
                return value.decode("utf-8", "replace") if value.isascii() else None
            plain = isinstance(value, str | int | float) and value != ""
            return str(value) if plain else None
        if isinstance(node, ast.JoinedStr) and all(
            isinstance(part, ast.Constant) for part in node.values
        ):
            return "".join(str(part.value) for part in node.values)  # type: ignore[attr-defined]
        path = self._path(node, depth)
        if path is not None:
            return path
        number = self._number(node, depth)
        return None if number is None else str(int(number) if number == int(number) else number)

    def _number(self, node: ast.expr, depth: int) -> float | None:
        """60 * 60 * 24, timedelta(days=31): a duration comes in seconds."""
        if depth > _DEPTH:
            return None
        node = self.resolved(node)
        if isinstance(node, ast.Constant):
            told = node.value
            plain = isinstance(told, int | float) and abs(told) < _HUGE
            return float(told) if plain else None  # type: ignore[arg-type]
        if isinstance(node, ast.BinOp) and type(node.op) in _SIGNS:
            left = self._number(node.left, depth + 1)
            right = self._number(node.right, depth + 1)
            if left is None or right is None:
                return None
            number = _SIGNS[type(node.op)](left, right)
            return number if abs(number) < _HUGE else None
        if isinstance(node, ast.Call) and self.full_name(node.func).endswith("timedelta"):
            return self._timedelta(node, depth)
        return None

    def _timedelta(self, node: ast.Call, depth: int) -> float | None:
        words = dict(zip(_TIMEDELTA_ORDER, node.args, strict=False))
        words |= {word.arg: word.value for word in node.keywords if word.arg}
        total = 0.0
        for unit, value in words.items():
            number = self._number(value, depth + 1)
            if number is None or unit not in _TIMEDELTA:
                return None
            total += number * _TIMEDELTA[unit]
        return total

    def _path(self, node: ast.expr, depth: int) -> str | None:
        """A path relative to the project: `BASE_DIR / "db.sqlite3"`, `os.path.join(...)`."""
        if depth > _DEPTH:
            return None
        node = self.resolved(node)
        if isinstance(node, ast.Name) and node.id == "__file__":
            return self.name
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            inner = self._path(node.value, depth + 1)
            return None if inner is None else posixpath.dirname(inner) or "."
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            return self._joined([node.left, node.right], depth)
        if not isinstance(node, ast.Call):
            return None
        name = self.full_name(node.func)
        if name in _JOINS:
            return self._joined(node.args, depth)
        if (name in _NAMED_PATHS or name in _HERE) and node.args:
            inner = self._path(node.args[0], depth + 1)
            if inner is None and name in ("Path", "pathlib.Path"):
                given = self.resolved(node.args[0])
                inner = str(given.value) if isinstance(given, ast.Constant) else None
            if inner is None or name != "os.path.dirname":
                return inner
            return posixpath.dirname(inner) or "."
        if isinstance(node.func, ast.Attribute) and node.func.attr in _SAME_PATH:
            return self._path(node.func.value, depth + 1)
        return None

    def _joined(self, nodes: list[ast.expr], depth: int) -> str | None:
        parts: list[str] = []
        for node in map(self.resolved, nodes):
            inner = self._path(node, depth + 1)
            if inner is None and isinstance(node, ast.Constant) and isinstance(node.value, str):
                inner = node.value
            if inner is None:
                return None
            parts.append(inner)
        return posixpath.normpath(posixpath.join(*parts)) if parts else None


def _parsed(text: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own: of escapes in somebody else's texts
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _config_key(target: ast.expr) -> str | None:
    """X of `app.config["X"]` and of `app.secret_key`."""
    if isinstance(target, ast.Attribute) and target.attr == "secret_key":
        return "SECRET_KEY"
    if isinstance(target, ast.Subscript) and _is_config(target.value):
        key = target.slice
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value
    return None


def _is_config(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "config"
