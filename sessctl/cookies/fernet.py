"""Fernet tokens: AES-128-CBC, then HMAC-SHA256, with the second they were made.

    gAAAAABpVbkAYCMpVuVjAYzT9r_jolRrPNLZWXQNa7oogFcGMjr1tSwuobiqYsKgPgZ2pUs5VbKsE1AYMLJd4rc8...

Url-safe base64 with padding of 0x80, the time (8 bytes, big-endian), the initialisation vector
(16), the ciphertext, and the MAC (32) of all before it. The key has 32 bytes: one half signs, the
other encrypts. Source: cryptography 50 `fernet.py`; https://github.com/fernet/spec.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hmac import compare_digest
from hmac import digest as hmac_digest
from os import urandom
from typing import TYPE_CHECKING

from sessctl.cookies.base import UNUSED_BITS
from sessctl.cookies.crypto import aes_decrypt, aes_encrypt
from sessctl.errors import CookieError

if TYPE_CHECKING:
    from sessctl.limits import Budget

KEY_BYTES = 32
PREFIX = "gAAAAA"  # version 0x80, and a time before 2106
_HALF = KEY_BYTES // 2
_VERSION = 0x80
_TIME, _IV, _MAC = 8, 16, 32  # bytes of each part
_LEAST = 1 + _TIME + _IV + 16 + _MAC
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+={0,2}")


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart; nothing of it is proven."""

    signed: bytes  # all but the MAC
    mac: bytes
    notes: tuple[str, ...] = ()

    @property
    def issued_s(self) -> int:
        """Seconds since 1970; up to 2**64, whatever a calendar says."""
        return int.from_bytes(self.signed[1 : 1 + _TIME], "big")


def is_token(value: str) -> bool:
    """Whether the text has the shape of a token. Never raises."""
    size = len(value) // 4 * 3 - value[-2:].count("=")
    return (
        value.startswith(PREFIX)
        and len(value) % 4 == 0
        and size >= _LEAST
        and (size - _LEAST) % 16 == 0
        and _ALPHABET.fullmatch(value) is not None
    )


def parse(value: str, budget: Budget) -> Token:
    """Raises CookieError for what is no token."""
    budget.check_cookie(len(value))
    if _ALPHABET.fullmatch(value) is None or len(value) % 4:
        raise CookieError("not url-safe base64 with padding, as a Fernet token is")
    raw = urlsafe_b64decode(value)
    if raw[0] != _VERSION:
        raise CookieError(f"a Fernet token begins with 0x80, this one with 0x{raw[0]:02x}")
    if len(raw) < _LEAST:
        raise CookieError(f"a Fernet token of {len(raw)} bytes; the shortest has {_LEAST}")
    is_usual = urlsafe_b64encode(raw).decode() == value
    notes = () if is_usual else UNUSED_BITS
    return Token(raw[:-_MAC], raw[-_MAC:], notes)


def is_genuine(token: Token, key: bytes) -> bool:
    """Whether the key has made the token's MAC."""
    return compare_digest(hmac_digest(key[:_HALF], token.signed, "sha256"), token.mac)


def opened(format: str, token: Token, key: bytes) -> bytes | None:
    """The plaintext of a genuine token; None if there is none in it."""
    start = 1 + _TIME
    iv, ciphertext = token.signed[start : start + _IV], token.signed[start + _IV :]
    try:
        return aes_decrypt(format, key[_HALF:], iv, ciphertext)
    except ValueError:
        return None


def sealed(format: str, key: bytes, plain: bytes, issued_s: int) -> str:
    """A new token."""
    iv = urandom(_IV)
    ciphertext = aes_encrypt(format, key[_HALF:], iv, plain)
    signed = bytes([_VERSION]) + issued_s.to_bytes(_TIME, "big") + iv + ciphertext
    return urlsafe_b64encode(signed + hmac_digest(key[:_HALF], signed, "sha256")).decode()
