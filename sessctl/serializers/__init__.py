"""Bytes to data and back, one module per way of writing; safe on hostile input.

A serializer is a module with `decode(raw, budget) -> Value`, `encode(data) -> bytes` and
`Peek(paths)`, which reads a few paths out of a value without building the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget


class Value(msgspec.Struct, frozen=True):
    """Decoded data, with remarks on what a careless reader would have hidden."""

    data: Any
    notes: tuple[str, ...] = ()


class Serializer(Protocol):
    """What a serializer module offers."""

    @staticmethod
    def decode(raw: bytes, budget: Budget) -> Value:
        """Data and notes. Raises SerializerError, and nothing else, for any input."""
        ...

    @staticmethod
    def encode(data: Any) -> bytes:
        """The bytes the framework itself would have written."""
        ...

    @staticmethod
    def written(data: Any) -> bytes:
        """A new value. Raises SerializerError for what cannot be written, and for everything where
        values are only read."""
        ...

    @staticmethod
    def edited(raw: bytes, data: Any) -> bytes:
        """A value with other data, what stays the same as it stands: `data` is the whole value as
        `decode` would give it. Raises SerializerError for what cannot be written."""
        ...

    @staticmethod
    def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
        """A fast reader of a few dotted paths; None where there is nothing.

        The reader raises SerializerError for what does not decode.
        """
        ...


# What `decode` and the cookies mark values with that JSON has no word for.
MARKS = frozenset(
    {"__bytes__", "__datetime__", "__uuid__", "__tuple__", "__set__", "__float__", "__bson__"}
    | {"__php_object__", "__object__", "__map__", "__markup__"}
)


def same(left: Any, right: Any) -> bool:
    """The same data, numbers of the same kind: 1, 1.0 and true are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def is_serializer(name: str) -> bool:
    """There is one of that name."""
    return name in _MODULES


def serializer(name: str) -> Serializer:
    """The serializer module of that name, imported when asked for."""
    from importlib import import_module

    module: Any = import_module(_MODULES[name])
    return module  # type: ignore[no-any-return]


_MODULES = {
    name: f"sessctl.serializers.{name.replace('-', '_')}"
    for name in (
        *("json", "bson", "msgpack", "pickle"),
        *("flask-session", "json-or-pickle", "by-bytes", "cachelib", "beaker", "litestar"),
    )
}
