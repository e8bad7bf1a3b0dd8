"""JSON as Python's own `json` module writes it: Python's frameworks sign it so.

    {"user_id": 42, "name": "Zo\\u00eb"}

NaN and infinities are written too, of which the mark is `{"__float__": "NAN"}`.
Source: CPython 3.11 `Lib/json/encoder.py`; itsdangerous 2.2.0 `_json.py` for the compact form.
"""

from __future__ import annotations

import json
from typing import Any

from sessctl.errors import SerializerError
from sessctl.serializers import MARKS

_FLOATS = {"NAN": float("nan"), "INF": float("inf"), "-INF": float("-inf")}


def encode(data: Any, *, compact: bool = False, ascii: bool = True) -> bytes:
    """The bytes that `json.dumps` makes; compact and not in ASCII as itsdangerous asks for it.

    Raises:
        SerializerError: the data holds what JSON has no place for.
    """
    separators = (",", ":") if compact else None
    try:
        return json.dumps(_plain(data), separators=separators, ensure_ascii=ascii).encode()
    except (TypeError, ValueError, RecursionError) as exc:  # half an emoji is a ValueError
        raise SerializerError(f"cannot be written as JSON ({exc})") from None


def float_of(mark: Any) -> float:
    """The number of a mark `__float__`. Raises SerializerError."""
    if not isinstance(mark, str) or mark not in _FLOATS:
        raise SerializerError(f"__float__ is one of: {', '.join(_FLOATS)}")
    return _FLOATS[mark]


def _plain(node: Any) -> Any:
    if isinstance(node, list):
        return [_plain(item) for item in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"__float__"}:
        return float_of(node["__float__"])
    mark = next((key for key in node if key in MARKS), None)
    if mark is not None:
        raise SerializerError(f"holds {mark}, for which JSON has no place", hint="write it as text")
    return {key: _plain(value) for key, value in node.items()}
