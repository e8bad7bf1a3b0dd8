"""What an app signs with itsdangerous itself: tokens in links, cookies of its own.

Who writes it: itsdangerous (checked with 2.2.0); its six classes are the parameter `kind`.

    value.aVW5AA.5f5X...            timestamp-signer; signer without the time
    {"id": 7}.5f5X...               serializer; timed-serializer with a time
    eyJpZCI6N30.aVW5AA.5f5X...      urlsafe-timed; urlsafe without the time

Kind, salt, key derivation, hash and separator are the app's choice, and nothing in a value tells
them, the kind aside: it is told by its look, and the others are the library's own unless given.
The age is judged only where `max_age` is given, as by the library.
Not supported: a serializer other than JSON, an algorithm other than HMAC.
Source: itsdangerous 2.2.0 `signer.py`, `timed.py`, `serializer.py`, `url_safe.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies import signed_text
from sessctl.cookies.base import DecodedCookie, Match
from sessctl.cookies.itsdangerous_signing import (
    EPOCH,
    PARAMETERS,
    SignedByItsdangerous,
    Signing,
    beginning,
    is_stamp,
    packed,
    unpacked,
)
from sessctl.errors import UsageError, did_you_mean
from sessctl.text import decode_id, encode_id, is_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.cookies.base import CookieContext

_SIGNER, _SERIALIZER = b"itsdangerous.Signer", b"itsdangerous"  # the salts
_TEXT, _JSON, _PACKED = "a text", "JSON", "JSON in base64"


class Kind(NamedTuple):
    """A class of the library: what it signs, with its salt, and whether with a time."""

    body: str
    salt: bytes
    timed: bool


_KINDS = {
    "signer": Kind(_TEXT, _SIGNER, timed=False),
    "timestamp-signer": Kind(_TEXT, _SIGNER, timed=True),
    "serializer": Kind(_JSON, _SERIALIZER, timed=False),
    "timed-serializer": Kind(_JSON, _SERIALIZER, timed=True),
    "urlsafe": Kind(_PACKED, _SERIALIZER, timed=False),
    "urlsafe-timed": Kind(_PACKED, _SERIALIZER, timed=True),
}
_SCORES = {_TEXT: 60, _JSON: 80, _PACKED: 70}
_ALPHABET = re.compile(r"[A-Za-z0-9_=-]*")  # no separator is made of these
_WORD = re.compile(r"\.?[A-Za-z0-9_-]+")
_EXPRESS = ("s:", "s%3A", "s%3a")  # text + `.` + signature as well, of another library
_BEGINS = (b"{", b"[", b'"')


class Itsdangerous(SignedByItsdangerous):
    """A text or JSON, signed."""

    name = "itsdangerous"
    cookie_name = "token"
    parameters: Mapping[str, str] = {
        "kind": f"{', '.join(_KINDS)} (by the look; for text timestamp-signer, else urlsafe-timed)",
        **PARAMETERS,
        "sep": "what stands between value and signature (.)",
        **EPOCH,
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if value.startswith(_EXPRESS):
            return None
        signed, _, signature = value.rpartition(".")
        digest = signed_text.digest_by_shape(signature.rstrip("="), url_safe=True)
        if digest is None or not signed or len(value) > context.budget.cookie_bytes:
            return None
        kind = _KINDS[_looks_like(value, ".")]
        time = " and a time" if kind.timed else ""
        evidence = f"{kind.body}{time} with a signature of {len(signature)} characters ({digest})"
        if kind.body == _TEXT and not kind.timed:
            return Match(35, evidence)  # it may be anybody's
        return Match(_SCORES[kind.body] - (0 if kind.timed else 10), evidence)

    def _signing_of(self, value: str, context: CookieContext) -> Signing:
        separator = _separator(context)
        return _signing(_kind(context) or _looks_like(value, separator), context)

    def _signing_for(self, content: Any, context: CookieContext) -> Signing:
        return _signing(_kind(context) or _usual_for(content), context)

    def _read(self, value: str, body: bytes, context: CookieContext) -> DecodedCookie:
        kind = _KINDS[_kind(context) or _looks_like(value, _separator(context))]
        if kind.body == _TEXT:
            return DecodedCookie(self.name, payload=decode_id(body))
        from sessctl.serializers.json import decode  # 9 ms; only JSON needs it

        raw = unpacked(body, context.budget) if kind.body == _PACKED else body
        found = decode(raw, context.budget)
        return DecodedCookie(self.name, payload=found.data, notes=found.notes)

    def _written(self, content: Any, context: CookieContext) -> bytes:
        kind = _KINDS[_kind(context) or _usual_for(content)]
        if kind.body == _TEXT:
            if not isinstance(content, str) or not content:
                raise UsageError("a signer signs a text", hint="-p kind=urlsafe-timed takes data")
            return encode_id(content)
        from sessctl.serializers.python_json import encode

        if kind.body == _JSON:
            return encode(content)
        return packed(encode(content, compact=True, ascii=False))


def _signing(kind: str, context: CookieContext) -> Signing:
    found = _KINDS[kind]
    usual = Signing(found.salt, "django-concat", timed=found.timed)
    return replace(usual.given(context), separator=_separator(context))


def _kind(context: CookieContext) -> str | None:
    """The kind that is asked for. Raises UsageError."""
    found = context.parameters.get("kind")
    if found is not None and found not in _KINDS:
        raise UsageError(
            f"itsdangerous has no kind '{found}'",
            hint=did_you_mean(found, _KINDS, all_are="there are"),
        )
    return found


def _separator(context: CookieContext) -> str:
    found = context.parameters.get("sep", ".")
    if _ALPHABET.fullmatch(found) or not is_utf8(found):
        raise UsageError(
            f"'{found}' cannot separate a value from its signature, which may hold it",
            hint="itsdangerous takes no letters, digits, - _ or =",
        )
    return found


def _usual_for(content: Any) -> str:
    return "timestamp-signer" if isinstance(content, str) else "urlsafe-timed"


def _looks_like(value: str, separator: str) -> str:
    """The kind of a value, by its look."""
    signed = value.rpartition(separator)[0]
    body, found, stamp = signed.rpartition(separator)
    timed = bool(found) and is_stamp(stamp)
    body = body if timed else signed
    if body[:1] in ("{", "["):
        return "timed-serializer" if timed else "serializer"
    if _is_packed(body):
        return "urlsafe-timed" if timed else "urlsafe"
    return "timestamp-signer" if timed else "signer"


def _is_packed(body: str) -> bool:
    if _WORD.fullmatch(body) is None:
        return False
    return (beginning(body.encode()) or b"")[:1] in _BEGINS
