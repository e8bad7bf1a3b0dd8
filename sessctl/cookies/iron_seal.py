"""The seal of @hapi/iron by itself: its fields, its MAC and its encryption. See `iron.py`.

A text password makes each key by PBKDF2 with a salt that the seal carries; where the password was a
buffer the salt is empty, and the buffer is the key. Source: hapijs/iron 7.0.1 `lib/index.js`.
"""

from __future__ import annotations

import hashlib
import re
import secrets as random
from dataclasses import dataclass, replace
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING

from sessctl.cookies.crypto import aes_decrypt, aes_encrypt
from sessctl.cookies.jose import b64url, to_b64url
from sessctl.errors import CookieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.cookies.guessing import Guess
    from sessctl.text import Secret

PREFIX = "Fe26.2"
_NAME = "an iron seal"  # in an error
_FIELDS = 8
_ROUNDS = 1_000_000  # 0.5 s a key; the app's setting, never the cookie's
_KEY_BYTES = {"aes-256-cbc": 32, "aes-128-ctr": 16}
_IV_BYTES, _SALT_BYTES, _MAC_KEY_BYTES = 16, 32, 32
_EXPIRY = re.compile(r"[0-9]{1,15}")

# As parameters of a cookie format.
PARAMETERS = {
    "cipher": "aes-256-cbc or aes-128-ctr (aes-256-cbc)",
    "encryption_iterations": "rounds of PBKDF2 for the key (1)",
    "integrity_iterations": "rounds of PBKDF2 for the key of the MAC (1)",
}


@dataclass(frozen=True, slots=True)
class Seal:
    """The fields of a seal, as text."""

    password_id: str
    salt: str
    iv: str
    ciphertext: str
    expiry: str  # ms since 1970, or nothing
    mac_salt: str
    mac: str

    @property
    def signed(self) -> str:
        """The first six fields, which the MAC is over."""
        six = (PREFIX, self.password_id, self.salt, self.iv, self.ciphertext, self.expiry)
        return "*".join(six)

    @property
    def text(self) -> str:
        """The whole of it, as it stands in a cookie."""
        return f"{self.signed}*{self.mac_salt}*{self.mac}"

    @property
    def expires_ms(self) -> int | None:
        """When it ends, in ms since 1970; None for never, or for what is no such number."""
        return int(self.expiry) if _EXPIRY.fullmatch(self.expiry) else None


@dataclass(frozen=True, slots=True)
class Settings:
    """How the app seals; nothing in a seal tells."""

    cipher: str
    rounds: int
    mac_rounds: int

    @property
    def is_stream(self) -> bool:
        """The cipher pads nothing."""
        return self.cipher.endswith("ctr")

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Settings:
        """Raises UsageError for a parameter that cannot be."""
        cipher = parameters.get("cipher", "aes-256-cbc")
        if cipher not in _KEY_BYTES:
            raise UsageError(f"cipher is one of: {', '.join(_KEY_BYTES)}")
        names = ("encryption_iterations", "integrity_iterations")
        return cls(cipher, *(_rounds(parameters.get(name, "1"), name) for name in names))


def is_seal(text: str) -> bool:
    """Whether the text has the shape of a seal."""
    return text.startswith(f"{PREFIX}*") and text.count("*") == _FIELDS - 1


def parse(text: str) -> Seal:
    """Raises CookieError."""
    if not text.isascii():
        raise CookieError("a letter that is not ASCII, of which no seal is made")
    prefix, *rest = text.split("*")
    if prefix != PREFIX:
        raise CookieError(f"it does not start with {PREFIX}*, as seals of this version do")
    if len(rest) != _FIELDS - 1:
        raise CookieError(f"{len(rest) + 1} fields between stars, where a seal has {_FIELDS}")
    return Seal(*rest)


def is_genuine(seal: Seal, password: Secret, settings: Settings) -> bool:
    """Whether the MAC is right; texts are compared, as the library does."""
    return compare_digest(_mac(seal, password, settings), seal.mac.encode())


def seal_guesser(seal: Seal, settings: Settings) -> Guess:
    """What tries passwords on a seal's MAC: 0.1 million a second and core with one round."""
    signed = seal.signed.encode()
    salt = seal.mac_salt.encode()
    wanted = seal.mac.encode()

    def guess(password: bytes) -> bool:
        key = password
        if salt:
            key = hashlib.pbkdf2_hmac("sha1", password, salt, settings.mac_rounds, _MAC_KEY_BYTES)
        return to_b64url(hmac_digest(key, signed, "sha256")).encode() == wanted

    return guess


def opened(seal: Seal, password: Secret, settings: Settings) -> bytes | None:
    """The plaintext; None if it cannot be had with these settings.

    Raises:
        MissingExtra: without cryptography.
    """
    key = _key(password, seal.salt, settings.rounds, _KEY_BYTES[settings.cipher])
    try:
        iv, ciphertext = b64url(seal.iv), b64url(seal.ciphertext)
        return aes_decrypt(_NAME, key, iv, ciphertext, stream=settings.is_stream)
    except (CookieError, ValueError):  # ValueError: a length or a padding that cannot be
        return None


def sealed(
    plain: bytes, password: Secret, settings: Settings, *, password_id: str, expiry: str
) -> Seal:
    """A new seal. Raises MissingExtra without cryptography."""
    salt, iv = random.token_hex(_SALT_BYTES), random.token_bytes(_IV_BYTES)
    key = _key(password, salt, settings.rounds, _KEY_BYTES[settings.cipher])
    ciphertext = to_b64url(aes_encrypt(_NAME, key, iv, plain, stream=settings.is_stream))
    mac_salt = random.token_hex(_SALT_BYTES)
    seal = Seal(password_id, salt, to_b64url(iv), ciphertext, expiry, mac_salt, mac="")
    return replace(seal, mac=_mac(seal, password, settings).decode())


def _rounds(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= _ROUNDS):
        raise UsageError(f"{name} is a number from 1 to {_ROUNDS}")
    return int(text)


def _key(password: Secret, salt: str, rounds: int, size: int) -> bytes:
    if not salt:
        return password.reveal()
    salt_bytes = salt.encode()
    return hashlib.pbkdf2_hmac("sha1", password.reveal(), salt_bytes, rounds, size)


def _mac(seal: Seal, password: Secret, settings: Settings) -> bytes:
    """The MAC as text."""
    key = _key(password, seal.mac_salt, settings.mac_rounds, _MAC_KEY_BYTES)
    signed = seal.signed.encode()
    return to_b64url(hmac_digest(key, signed, "sha256")).encode()
