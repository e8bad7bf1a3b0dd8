"""What Litestar's stores keep in a file: MessagePack of an end and of bytes, here JSON.

    {"expires_at": timestamp or nil, "data": b'{"user_id":1,"role":"admin"}'}

Litestar writes it with msgspec, and so does this: what is written again is the same to the byte.

Source: litestar 2.25.0 `stores/base.py` (StorageObject), `middleware/session/base.py`.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec looks it up
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT, Budget
from sessctl.serializers import json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.serializers import Value


class Stored(msgspec.Struct):
    """Litestar's own StorageObject; aware, or None: it never ends."""

    expires_at: datetime | None
    data: bytes


_decoder = msgspec.msgpack.Decoder(Stored)


def stored(raw: bytes) -> Stored:
    """Raises SerializerError for what is none."""
    try:
        found = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise SerializerError(f"not what Litestar stores ({_lower(exc)})") from None
    if found.expires_at is not None and found.expires_at.tzinfo is None:
        raise SerializerError("its end has no time zone")
    return found


def _lower(exc: Exception) -> str:
    text = str(exc)
    return text[:1].lower() + text[1:]


def moved(raw: bytes, ends: datetime | None) -> bytes:
    """The same with another end. Raises SerializerError."""
    return msgspec.msgpack.encode(Stored(ends, stored(raw).data))


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """The application's data. Raises SerializerError."""
    budget.check_value(len(raw))
    return json.decode(stored(raw).data, budget)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths in the data."""
    read = json.peek(paths)
    return lambda raw: read(stored(raw).data)


def encode(data: Any) -> bytes:
    """Without an end, which whoever stores it gives it. Raises SerializerError."""
    return msgspec.msgpack.encode(Stored(None, json.encode(data)))


def written(data: Any) -> bytes:
    """As `encode`. Raises SerializerError for what JSON has no place for."""
    return msgspec.msgpack.encode(Stored(None, json.written(data)))


def edited(raw: bytes, data: Any) -> bytes:
    """Other data, the same end. Raises SerializerError as JSON's `edited` does."""
    was = stored(raw)
    new = json.edited(was.data, data)
    return raw if new == was.data else msgspec.msgpack.encode(Stored(was.expires_at, new))
