"""JSON, or a pickle where the application chose to write pickles; told apart by the first byte.

Django's PickleSerializer (removed in 5.0) writes pickles of protocol 2 and later, which begin with
a byte that no JSON has. They are read as `pickle` reads them, and never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.limits import DEFAULT
from sessctl.serializers import json, serializer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Serializer, Value

encode, written = json.encode, json.written


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Raises SerializerError for what is neither."""
    return _of(raw).decode(raw, budget)


def edited(raw: bytes, data: Any) -> bytes:
    """JSON with other data. Raises SerializerError, for every pickle too."""
    return _of(raw).edited(raw, data)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths out of either."""
    of_json = json.peek(paths)
    of_pickle: Callable[[bytes], tuple[Any, ...]] | None = None

    def read(raw: bytes) -> tuple[Any, ...]:
        nonlocal of_pickle
        if not is_pickle(raw):
            return of_json(raw)
        if of_pickle is None:
            of_pickle = serializer("pickle").peek(paths)
        return of_pickle(raw)

    return read


def is_pickle(raw: bytes) -> bool:
    """The value begins as a pickle does, since Python 2.3."""
    return raw[:1] == b"\x80"


def _of(raw: bytes) -> Serializer:
    return serializer("pickle" if is_pickle(raw) else "json")
