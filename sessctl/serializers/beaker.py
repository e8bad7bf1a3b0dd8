"""What Beaker keeps of a session: base64 of a pickle, or of JSON; in files inside one more pickle.

    {"session": "gAJ9cQ..."}      the pickle of a file, container_file/7/7e/7eafb6....cache
    {"_accessed_time": 1795200107.4, "_creation_time": 1795200107.3, "user_id": 1}

Only read. Not supported: `encrypt_key`, with which AES comes before base64.

Source: Beaker 1.14.1 `session.py` (_encrypt_data), `container.py` (FileNamespaceManager).
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any, NoReturn

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers import json, pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.serializers import Value

_outer = pickle.peek(("session",))


def session_in(raw: bytes) -> bytes:
    """The pickle or the JSON inside the pickle of a file. Raises SerializerError."""
    (text,) = _outer(raw)
    if isinstance(text, dict):  # written as bytes: they come marked
        text = text.get("__bytes__")
        text = text and _unbased(text)
    if not isinstance(text, str | bytes):
        raise SerializerError("no session of Beaker in it")
    inner = _unbased(text)
    if inner[:1] not in (b"\x80", b"{"):
        raise SerializerError("encrypted, or by a serializer of the application's own")
    return inner


def _unbased(text: str | bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise SerializerError("its session is not base64") from None


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """The session. Raises SerializerError."""
    budget.check_value(len(raw))
    inner = session_in(raw)
    return json.decode(inner, budget) if inner[:1] == b"{" else pickle.decode(inner, budget)


def peek(paths: Sequence[str]) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths in the session."""
    of_pickle, of_json = pickle.peek(paths), json.peek(paths)

    def read(raw: bytes) -> tuple[Any, ...]:
        inner = session_in(raw)
        return (of_json if inner[:1] == b"{" else of_pickle)(inner)

    return read


def encode(data: Any) -> NoReturn:
    """Raises SerializerError."""
    raise SerializerError("pickle is only read, never written")


def edited(raw: bytes, data: Any) -> NoReturn:
    """Raises SerializerError."""
    encode(data)


written = encode
