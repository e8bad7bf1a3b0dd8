"""Flask's tagged JSON: JSON with words for tuples, bytes, markup, UUIDs and times.

Who writes it: Flask (checked with 3.1.3 and 2.2.5) and Quart (0.22) into their session cookies.

    {"cart":{" t":["A-1",2]},"login_at":{" d":"Thu, 01 Jan 2026 12:30:45 GMT"}}

An object of one key that begins with a blank is a tag: ` t` a tuple, ` b` bytes in base64, ` m`
markup, ` u` a UUID in hex, ` d` a time as HTTP writes it; ` di` an object whose only key looks like
a tag, with two underscores behind that key. Here they are the marks of every serializer:
`{"__tuple__": [...]}` and so on. Keys are sorted, which old versions and Quart leave out.
Not supported: tags that an app has registered itself; they stay objects.
Source: Flask 3.1.3 `json/tag.py`, `json/provider.py`; werkzeug 3.1 `http.py` for the times.
"""

from __future__ import annotations

import json as stdlib_json
import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers import MARKS, Value
from sessctl.serializers.python_json import float_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.limits import Budget

_HEX = re.compile(r"[0-9a-f]{32}")


def decode(raw: bytes, budget: Budget = DEFAULT) -> Value:
    """Decode a whole value; what its JSON hides is reported as by `json.decode`.

    Raises:
        SerializerError: not JSON, or a tag whose value Flask cannot read either.
        LimitExceeded: larger, deeper or wider than the budget.
    """
    from sessctl.serializers.json import decode  # 9 ms with msgspec

    found = decode(raw, budget)
    return Value(_untagged(found.data), found.notes)


def encode(data: Any, *, sort_keys: bool = True) -> bytes:
    """The bytes that Flask writes for data with marks. Raises SerializerError."""
    try:
        text = stdlib_json.dumps(_tagged(data), separators=(",", ":"), sort_keys=sort_keys)
    except (TypeError, ValueError, RecursionError) as exc:
        raise SerializerError(f"cannot be written as JSON ({exc})") from None
    return text.encode()


# -- reading ---------------------------------------------------------------------------------------


def _untagged(node: Any) -> Any:
    """A tree of JSON with marks for tags, from the leaves up, as Flask does it."""
    if isinstance(node, list):
        return [_untagged(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _untagged(value) for key, value in node.items()}
    if len(found) != 1:
        return found
    ((key, value),) = found.items()
    reader = _READERS.get(key)
    return found if reader is None else reader(value)


def _read_tuple(value: Any) -> Any:
    if not isinstance(value, list):
        raise _unreadable(" t", "no list")
    return {"__tuple__": value}


def _read_bytes(value: Any) -> Any:
    try:
        return {"__bytes__": b64encode(b64decode(value)).decode()}
    except (TypeError, ValueError):
        raise _unreadable(" b", "no base64") from None


def _read_markup(value: Any) -> Any:
    if not isinstance(value, str):
        raise _unreadable(" m", "no text")
    return {"__markup__": value}


def _read_uuid(value: Any) -> Any:
    try:
        return {"__uuid__": _uuid(value)}
    except (TypeError, ValueError, AttributeError):
        raise _unreadable(" u", "no UUID") from None


def _read_time(value: Any) -> Any:
    """What is no time is None in Flask, too."""
    if not isinstance(value, str):
        raise _unreadable(" d", "no text")
    try:
        found = datetime.strptime(value, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        from email.utils import parsedate_to_datetime  # 20 ms; only times of other writers need it

        try:
            found = parsedate_to_datetime(value)
        except (TypeError, ValueError, OverflowError):
            return None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return {"__datetime__": found.isoformat()}


def _read_dict(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        raise _unreadable(" di", "no object with a key")
    key = next(iter(value))
    return {key[:-2]: value[key]}


def _unreadable(tag: str, what: str) -> SerializerError:
    return SerializerError(f"{what} under the tag '{tag}', which Flask cannot read either")


def _uuid(text: str) -> str:
    if _HEX.fullmatch(text):
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    from uuid import UUID  # 3 ms; only other spellings need it

    return str(UUID(text))


_READERS: dict[str, Callable[[Any], Any]] = {
    " di": _read_dict,
    " t": _read_tuple,
    " b": _read_bytes,
    " m": _read_markup,
    " u": _read_uuid,
    " d": _read_time,
}


# -- writing ---------------------------------------------------------------------------------------


def _tagged(node: Any) -> Any:
    if isinstance(node, list):
        return [_tagged(item) for item in node]
    if not isinstance(node, dict):
        return node
    if len(node) == 1:
        ((key, value),) = node.items()
        if key in _WRITERS:
            try:
                return _WRITERS[key](value)
            except (TypeError, ValueError, AttributeError, KeyError, OverflowError):
                raise SerializerError(f"what stands under {key} is no such value") from None
        if key in MARKS:
            raise SerializerError(
                f"holds {key}, for which Flask's JSON has no place", hint="write it as text"
            )
        if key in _READERS:
            return {" di": {f"{key}__": _tagged(value)}}
    return {key: _tagged(value) for key, value in node.items()}


def _write_tuple(value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError
    return {" t": _tagged(value)}


def _write_bytes(value: Any) -> Any:
    return {" b": b64encode(b64decode(value, validate=True)).decode()}


def _write_markup(value: Any) -> Any:
    if not isinstance(value, str):
        raise TypeError
    return {" m": value}


def _write_uuid(value: Any) -> Any:
    return {" u": _uuid(value).replace("-", "")}


def _write_time(value: Any) -> Any:
    from email.utils import format_datetime  # 20 ms; a time in a cookie is rare

    found = datetime.fromisoformat(value)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return {" d": format_datetime(found.astimezone(UTC), usegmt=True)}


_WRITERS: dict[str, Callable[[Any], Any]] = {
    "__tuple__": _write_tuple,
    "__bytes__": _write_bytes,
    "__markup__": _write_markup,
    "__uuid__": _write_uuid,
    "__datetime__": _write_time,
    "__float__": float_of,
}
