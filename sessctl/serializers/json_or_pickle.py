"""JSON, or a pickle where the application chose to write pickles; told apart by the first byte.

Django's PickleSerializer (removed in 5.0) writes pickles of protocol 2 and later, which begin with
a byte that no JSON has. They are read as `pickle` reads them, and never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.limits import DEFAULT
from sessctl.serializers import first_bytes, json, serializer
from sessctl.serializers.first_bytes import is_pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Value

encode, written = json.encode, json.written


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Raises SerializerError for what is neither."""
    return serializer(_form_of(raw)).decode(raw, budget)


def edited(raw: bytes, data: Any) -> bytes:
    """JSON with other data. Raises SerializerError, for every pickle too."""
    return serializer(_form_of(raw)).edited(raw, data)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths out of either."""
    return first_bytes.peek(paths, _form_of)


def _form_of(raw: bytes) -> str:
    return "pickle" if is_pickle(raw) else "json"
