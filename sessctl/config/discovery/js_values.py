"""What a value in JavaScript source can be, as far as it can be told without running it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unknown:
    line: int = 0


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number or `true`; null and undefined are None."""

    value: str | float | bool | None
    line: int


@dataclass(frozen=True, slots=True)
class Env:
    """`process.env.NAME`, with what stands behind `||` or `??`."""

    name: str
    line: int
    default: JsValue | None = None


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Member:
    of: JsValue
    name: str
    line: int


@dataclass(frozen=True, slots=True)
class Call:
    callee: JsValue
    args: tuple[JsValue, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[JsValue, ...]
    line: int


@dataclass(frozen=True, slots=True)
class Object:
    entries: dict[str, JsValue]
    line: int


@dataclass(frozen=True, slots=True)
class Import:
    """A package's export: `default`, `*` or a name."""

    package: str
    export: str
    line: int


JsValue = Unknown | Literal | Env | Name | Member | Call | Array | Object | Import
UNKNOWN = Unknown()
