"""JSON Lines: objects that have a cookie among their fields, as logs and our own `-o jsonl` do.

{"cookie": "connect.sid=s%3Aabc.def"}                a header's text, or a value
{"name": "connect.sid", "value": "s%3Aabc.def"}      `sign -o jsonl`, browsers' extensions
{"req": {"headers": {"cookie": "..."}}}              pino, winston and other logs of requests
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sessctl.cookies.batch.given import header_of
from sessctl.errors import UnreadableInput

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXTS = ("cookie", "http_cookie", "header")
_SET = ("set_cookie", "http_set_cookie")
_AROUND = ("headers", "req", "request", "res", "response", "http")
_DEEPEST = 3  # req.headers.cookie
_KEYS = "cookie, set-cookie, headers.cookie, req.headers.cookie, or name and value"

Fields = dict[str, msgspec.Raw]
_fields = msgspec.json.Decoder(Fields).decode
_text = msgspec.json.Decoder(str).decode
_texts = msgspec.json.Decoder(str | list[str]).decode


def is_record(line: bytes) -> bool:
    """Whether a line is an object with a cookie in it, and not a stored session: there `cookie` is
    an object itself."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        cookie_text(line)
    except UnreadableInput:
        return False
    return True


def cookie_text(line: bytes) -> str:
    """The cookie of a line, as `decode_cookie` takes it.

    Raises:
        UnreadableInput: not an object of JSON, or none with a cookie.
    """
    try:
        found = _find(_fields(line), _DEEPEST)
    except RecursionError:
        raise UnreadableInput("nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise UnreadableInput(f"not an object of JSON: {exc}") from None
    if found is None:
        raise UnreadableInput("no cookie in the object", hint=f"it may stand under {_KEYS}")
    return found


def _find(fields: Mapping[str, msgspec.Raw], depth: int) -> str | None:
    named = {key.lower().replace("-", "_"): raw for key, raw in fields.items()}
    if bytes(named.get("cookie", b"")).startswith(b"{"):
        return None  # a stored session of Express: `cookie` is an object there
    for key in _TEXTS:
        if (text := _as_text(named.get(key))) is not None:
            return text
    for key in _SET:
        if (lines := _as_texts(named.get(key))) is not None:
            return "Cookie: " + "; ".join(line.partition(";")[0] for line in lines)
    if (value := _as_text(named.get("value"))) is not None:
        return _named(value, named)
    if depth > 1:
        for key in _AROUND:
            raw = named.get(key)
            if raw is not None and bytes(raw).startswith(b"{"):
                text = _find(_fields(raw), depth - 1)
                if text is not None:
                    return text
    return None


def _named(value: str, named: Mapping[str, msgspec.Raw]) -> str | None:
    name, companion = _as_text(named.get("name")), _as_text(named.get("companion"))
    if name is None:
        return None
    pairs = [(name, value), *([(f"{name}.sig", companion)] if companion is not None else [])]
    return header_of(pairs)


def _as_text(raw: msgspec.Raw | None) -> str | None:
    return _text(raw) if raw is not None and bytes(raw).startswith(b'"') else None


def _as_texts(raw: msgspec.Raw | None) -> list[str] | None:
    if raw is None or not bytes(raw).startswith((b'"', b"[")):
        return None
    found = _texts(raw)
    return [found] if isinstance(found, str) else found
