"""What Beaker keeps of a session: base64 of a pickle, or of JSON compressed by zlib, inside one
more pickle.

    {"session": "gAJ9cQ..."}      the pickle of a file, container_file/7/7e/7eafb6....cache
    "gAJ9cQ..."                   that of a key in Redis, beaker_cache:7eafb6...:session
    {"_accessed_time": 1795200107.4, "_creation_time": 1795200107.3, "user_id": 1}

Only read. Not supported: `encrypt_key`, with which AES comes before base64.

Source: Beaker 1.14.1 `session.py` (_encrypt_data), `util.py`, `container.py`
(FileNamespaceManager), `ext/redisnm.py`.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any, NoReturn

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers import json, pickle
from sessctl.serializers.compression import inflate
from sessctl.serializers.first_bytes import is_pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Value


def session_in(raw: bytes, budget: Budget = DEFAULT) -> bytes:
    """The pickle or the JSON inside the pickle.

    Raises:
        SerializerError: there is none that could be read.
        LimitExceeded: the JSON unpacks to more than the budget allows.
    """
    text = pickle.decode(raw, budget).data
    if isinstance(text, dict) and "session" in text:
        text = text["session"]
    if isinstance(text, dict):  # written as bytes: they come marked
        text = text.get("__bytes__")
        text = text and _unbased(text)
    if not isinstance(text, str | bytes):
        raise SerializerError("no session of Beaker in it")
    inner = _unbased(text)
    if is_pickle(inner):
        return inner
    if inner[:1] != b"x":
        raise SerializerError("encrypted, or by a serializer of the application's own")
    return inflate(inner, budget)


def _unbased(text: str | bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise SerializerError("its session is not base64") from None


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """The session. Raises SerializerError."""
    budget.check_value(len(raw))
    inner = session_in(raw, budget)
    return pickle.decode(inner, budget) if is_pickle(inner) else json.decode(inner, budget)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths in the session."""
    of_pickle, of_json = pickle.peek(paths), json.peek(paths)

    def read(raw: bytes) -> tuple[Any, ...]:
        inner = session_in(raw)
        return of_pickle(inner) if is_pickle(inner) else of_json(inner)

    return read


def encode(data: Any) -> NoReturn:
    """Raises SerializerError."""
    raise SerializerError("pickle is only read, never written")


def edited(raw: bytes, data: Any) -> NoReturn:
    """Raises SerializerError."""
    encode(data)


written = encode
