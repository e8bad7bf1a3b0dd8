"""A JSON object as the body of a cookie: what may be signed, and what a key has opened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import VerdictWord
from sessctl.errors import SerializerError, UsageError
from sessctl.text import is_utf8

if TYPE_CHECKING:
    from sessctl.cookies.base import DecodedCookie, Verdict
    from sessctl.limits import Budget


def check_object(format: str, content: Any) -> dict[str, Any]:
    """The content of a cookie to be signed. Raises UsageError for what is no JSON object."""
    if not isinstance(content, dict):
        raise UsageError(
            f"a {format} cookie carries data, a JSON object", hint="""sessctl sign '{"user":7}'"""
        )
    return content


def written(format: str, content: Any) -> bytes:
    """The body, compact and in UTF-8. Raises UsageError."""
    from sessctl.serializers.json import written as written_as_json

    try:
        return written_as_json(check_object(format, content))
    except SerializerError as exc:
        raise UsageError(f"the payload {exc.message}") from None


def sid_in(found: Any) -> str | None:
    """An id that a payload names; None for what no store can hold: no text, half an emoji."""
    return found if isinstance(found, str) and is_utf8(found) else None


def read(body: bytes, verdict: Verdict, decoded: DecodedCookie, budget: Budget) -> Verdict:
    """A verdict that is good so far, with the object that the body is; `payload_error` if none."""
    from sessctl.serializers.json import decode  # 9 ms; only payloads need it

    try:
        found = decode(body, budget)
    except SerializerError as exc:
        return unreadable(verdict, exc.message)
    if not isinstance(found.data, dict):
        return unreadable(verdict, "the payload is not a JSON object")
    decoded = replace(decoded, payload=found.data, notes=(*decoded.notes, *found.notes))
    return replace(verdict, decoded=decoded)


def unreadable(verdict: Verdict, why: str) -> Verdict:
    """The verdict on a genuine cookie with a body that its library cannot read."""
    return replace(verdict, word=VerdictWord.PAYLOAD_ERROR, notes=(*verdict.notes, why))
