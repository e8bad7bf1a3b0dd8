"""Who wrote a value, told by its first bytes: what the serializers share that read several forms.

    80 05 95 ...   pickle, protocol 2 to 5; in protocol 0 a dictionary begins with (, in 1 with }
    7b 22 ...      JSON, an object
    83 a5 ...      msgpack, a map

A dictionary begins in no two of them alike: 80 alone is msgpack's empty map, and no pickle is one
byte long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.serializers import serializer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})  # of msgpack: of up to 15 keys, 2^16, 2^32
_OLD_PICKLE = b"(}"
_BLANK = b" \t\r\n"  # what JSON allows in front


def is_pickle(raw: bytes) -> bool:
    """What is no msgpack begins as a pickle does, since Python 2.3."""
    return raw[:1] == b"\x80"


def form_of(raw: bytes) -> str:
    """The serializer that wrote a dictionary. Raises SerializerError."""
    first = raw[:1]
    if is_pickle(raw) and len(raw) > 1:
        return "pickle"
    if raw and raw[0] in _MAPS:
        return "msgpack"
    if raw.lstrip(_BLANK)[:1] == b"{":
        return "json"
    if first and first in _OLD_PICKLE:
        return "pickle"
    raise SerializerError("neither msgpack nor JSON nor a pickle of a session", offset=0)


def peek(
    paths: Sequence[str], form_of: Callable[[bytes], str] = form_of
) -> Callable[[bytes], tuple[Any, ...]]:
    """A reader of dotted paths, each value by its own form's; most stores have one form."""
    readers: dict[str, Callable[[bytes], tuple[Any, ...]]] = {}

    def read(raw: bytes) -> tuple[Any, ...]:
        form = form_of(raw)
        if form not in readers:
            readers[form] = serializer(form).peek(paths)
        return readers[form](raw)

    return read
