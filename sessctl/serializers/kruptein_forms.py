"""The two forms in which kruptein writes what it encrypted: a JSON object, or DER in base64.

Source: kruptein 2.2.3 and 3.0.8 to 3.4.0 `lib/kruptein.js`; see `kruptein.py`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import NamedTuple

import msgspec

TAG_BYTES = 16
_PARTS = 6
_LONGEST_SALT = 1024  # kruptein takes 128 bytes


class Envelope(NamedTuple):
    """A value's parts; of ct, mac and aad whatever stands there: in JSON text, as UTF-8."""

    is_der: bool
    ct: bytes
    mac: bytes
    iv: bytes
    salt: bytes
    tag: bytes
    aad: bytes


class _Buffer(msgspec.Struct, tag_field="type", tag="Buffer"):
    data: list[int]


class _JsonForm(msgspec.Struct):
    hmac: str
    ct: str
    iv: _Buffer
    salt: _Buffer
    aad: str
    at: _Buffer


_json_form = msgspec.json.Decoder(_JsonForm)


def parse(raw: bytes) -> Envelope | None:
    """The parts of a value in one of the two forms; None for any other."""
    try:
        if raw.startswith(b"{"):
            if raw.startswith(b'{"cookie"'):  # a plain session; most are
                return None
            found = _json_form.decode(raw)
            buffers = [bytes(buffer.data) for buffer in (found.iv, found.salt, found.at)]
            iv, salt, tag = buffers
            ct, mac, aad = (text.encode() for text in (found.ct, found.hmac, found.aad))
            envelope = Envelope(False, ct, mac, iv, salt, tag, aad)
        else:
            if not raw.startswith(b"M"):  # base64 of the tag of a SEQUENCE
                return None
            parts = _octet_strings(b64decode(raw, validate=True))
            if len(parts) != _PARTS:
                return None
            ct, mac, iv, salt, tag, aad = parts
            envelope = Envelope(True, ct, mac, iv, salt, tag, aad)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    fits = 8 <= len(envelope.iv) <= 128 and len(envelope.salt) <= _LONGEST_SALT
    return envelope if fits and len(envelope.tag) == TAG_BYTES else None


def write(parts: Envelope) -> bytes:
    if parts.is_der:
        ordered = (parts.ct, parts.mac, parts.iv, parts.salt, parts.tag, parts.aad)
        return b64encode(_der(0x30, b"".join(_der(0x04, part) for part in ordered)))
    texts = {"hmac": parts.mac.decode(), "ct": parts.ct.decode()}
    buffers = {
        name: {"type": "Buffer", "data": list(data)}
        for name, data in (("iv", parts.iv), ("salt", parts.salt), ("at", parts.tag))
    }
    at = buffers.pop("at")
    written = {**texts, **buffers, "aad": parts.aad.decode(), "at": at}  # the library's order
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


def _octet_strings(der: bytes) -> list[bytes]:
    """The members of a SEQUENCE of OCTET STRINGs. Raises ValueError for anything else."""
    body, rest = _member(der, 0x30)
    if rest:
        raise ValueError("more than one value")
    found: list[bytes] = []
    while body and len(found) <= _PARTS:
        part, body = _member(body, 0x04)
        found.append(part)
    return found


def _member(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """The content of the first member, and what follows it; lengths are checked against it."""
    if len(der) < 2 or der[0] != tag:
        raise ValueError("another type")
    length, start = der[1], 2
    if length >= 0x80:
        start += length - 0x80
        length = int.from_bytes(der[2:start])
    if not 2 <= start <= 6 or start + length > len(der):
        raise ValueError("a length beyond the end")
    return der[start : start + length], der[start + length :]


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(length))) + length + content
