"""The fields of a session that a condition may name, and what kind of value each holds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(StrEnum):
    """What a field holds, in the words of an error."""

    TEXT = "a text"
    INSTANT = "an instant"  # ms since 1970 UTC
    DURATION = "a duration"  # ms
    SIZE = "a size"  # bytes
    DATA = "a value of JSON"


class Subject(Protocol):
    """What a condition looks at: a session."""

    @property
    def sid(self) -> str: ...
    @property
    def user(self) -> str | None: ...
    @property
    def created_ms(self) -> int | None: ...
    @property
    def seen_ms(self) -> int | None: ...
    @property
    def expires_ms(self) -> int | None: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def problem(self) -> object | None: ...
    @property
    def data(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its name; `get` is its value by the store's clock in ms, None where there is none;
    `path` is its way through the data, empty for the others.
    """

    name: str
    kind: Kind
    get: Callable[[Subject, int], Any]
    path: tuple[str | int, ...] = ()


FIELDS = {
    field.name: field
    for field in (
        Field("sid", Kind.TEXT, lambda s, now: s.sid),
        Field("user", Kind.TEXT, lambda s, now: s.user),
        Field("created", Kind.INSTANT, lambda s, now: s.created_ms),
        Field("seen", Kind.INSTANT, lambda s, now: s.seen_ms),
        Field("expires", Kind.INSTANT, lambda s, now: s.expires_ms),
        Field(
            "ttl",
            Kind.DURATION,
            lambda s, now: None if s.expires_ms is None else s.expires_ms - now,
        ),
        Field("idle", Kind.DURATION, lambda s, now: None if s.seen_ms is None else now - s.seen_ms),
        Field("size", Kind.SIZE, lambda s, now: s.size_bytes),
    )
}
FIELD_NAMES = (*FIELDS, "data.PATH")


def data_field(path: tuple[str | int, ...]) -> Field:
    """A field of the application's data: `data.cart.0.sku`; the whole data without a path."""

    def get(session: Subject, now_ms: int) -> Any:
        value = session.data
        for step in path:
            if isinstance(value, dict):
                value = value.get(str(step))
            elif isinstance(value, list) and isinstance(step, int):
                value = value[step] if step < len(value) else None
            else:
                return None
        return value

    name = "data" + "".join(f".{step}" for step in path)
    return Field(name, Kind.DATA, get, path)
