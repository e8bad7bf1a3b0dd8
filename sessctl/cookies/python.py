"""What the cookies of Python's frameworks have in common: quoting, JSON, pickles."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError, UsageError
from sessctl.text import encode_id

if TYPE_CHECKING:
    from sessctl.serializers import Value

NO_PICKLE = "pickles are read and never written"


def wire(text: str) -> str:
    """A value as `http.cookies` sends it: quoted, where a header needs that."""
    from http.cookies import SimpleCookie  # 3 ms; reading a cookie does without

    return SimpleCookie().value_encode(text)[1]


def as_json(content: Any, *, compact: bool) -> bytes:
    """A payload as Python's own module writes JSON: in ASCII, keys in the given order.

    Raises:
        UsageError: the content holds what JSON has no place for.
    """
    from sessctl.serializers.python_json import encode

    try:
        return encode(content, compact=compact)
    except SerializerError as exc:
        raise UsageError(f"the payload {exc.message}", hint=exc.hint) from None


def text_or_bytes(raw: bytes) -> Any:
    """Bytes as text; as a mark where they are none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return {"__bytes__": b64encode(raw).decode()}


def bytes_of(content: Any) -> bytes | None:
    """The reverse of `text_or_bytes`; None for other content. Raises UsageError."""
    if isinstance(content, str):
        try:
            return encode_id(content)
        except UnicodeEncodeError:
            raise UsageError("the text has half an emoji, which no cookie can carry") from None
    if isinstance(content, dict) and content.keys() == {"__bytes__"}:
        try:
            return b64decode(content["__bytes__"], validate=True)
        except (Base64Error, TypeError, ValueError):
            return None
    return None


def why_unsafe(pickled: Value) -> str | None:
    """A note on what is called or made when this pickle is loaded; None: it is plain data."""
    pending = [pickled.data]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if "__object__" in item:
                return f"its pickle would have '{item['__object__']}' run by whoever loads it"
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
    return None
