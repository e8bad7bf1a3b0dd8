"""What Beaker's signature signs: the session as a pickle or as JSON under zlib, perhaps encrypted.

The key of the ciphertext is PBKDF2-SHA1 of one round, from `encrypt_key`, with `validate_key` and
the nonce's text as salt. cryptography encrypts by AES-256-GCM (vector, tag, ciphertext),
pycryptodome by AES-256-CTR, which tells no wrong key from the right one.
Source: Beaker 1.14.1 `session.py` (_encrypt_data, _decrypt_data), `util.py`, `crypto/`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import pbkdf2_hmac
from os import urandom
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies import json_body
from sessctl.cookies.crypto import aes_decrypt, aes_encrypt, aes_gcm_decrypt, aes_gcm_encrypt
from sessctl.cookies.python import NO_PICKLE, as_json, why_unsafe
from sessctl.errors import CookieError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sessctl.limits import Budget
    from sessctl.text import Secret

PARAMETERS = {
    "serializer": "json or pickle, which is only read (by the look of it; sign writes json)",
    "crypto_type": "the library that encrypts: cryptography or pycryptodome (cryptography)",
    "encrypt_nonce_bits": "128, or 48 as before Beaker 1.8 (128)",
}
_FORMAT = "beaker"
_CIPHERS = _GCM, _CTR = "cryptography", "pycryptodome"
_SERIALIZERS = "json", "pickle"
_NONCES = {"128": (16, 24), "48": (6, 8)}  # its bytes, and characters of their base64
_ZLIB, _PICKLE = b"\x78", b"\x80"  # how a zlib stream and a pickle of protocol 2 and up begin
_IV_BYTES, _TAG_BYTES, _KEY_BYTES = 12, 16, 32
_FROM_0 = bytes(16)  # where pycryptodome counts from; each cookie has a key of its own


@dataclass(frozen=True, slots=True)
class Settings:
    """How the app is set up."""

    nonce_bytes: int
    nonce_characters: int
    cipher: str
    serializer: str | None  # None: by the look of the body

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Settings:
        """Raises UsageError for what Beaker does not have."""
        bits = _one_of("encrypt_nonce_bits", parameters, _NONCES) or "128"
        cipher = _one_of("crypto_type", parameters, _CIPHERS) or _GCM
        return cls(*_NONCES[bits], cipher, _one_of("serializer", parameters, _SERIALIZERS))

    def is_sealed(self, body: str) -> bool:
        """Whether it looks like nonce and ciphertext; a short nonce looks like nothing, and is
        told by who knows of it."""
        size = self.nonce_characters
        return len(body) > size and (size != 24 or body[22:24] == "==")


def _one_of(name: str, parameters: Mapping[str, str], known: Collection[str]) -> str | None:
    word = parameters.get(name)
    if word is not None and word not in known:
        raise UsageError(f"Beaker has no {name} '{word}'", hint=did_you_mean(word, known))
    return word


def from_base64(text: str) -> bytes:
    """Raises CookieError."""
    try:
        return b64decode(text, validate=True)
    except (Base64Error, ValueError):
        raise CookieError("what is signed is not base64, as Beaker writes it") from None


def to_base64(raw: bytes) -> str:
    return b64encode(raw).decode()


class Session(NamedTuple):
    """What a body holds."""

    data: dict[str, Any]
    notes: tuple[str, ...]
    unsafe: str | None  # what a pickle would do, if it is more than data


def read(raw: bytes, settings: Settings, budget: Budget) -> Session:
    """Raises CookieError or SerializerError."""
    is_json, is_pickle = raw[:1] == _ZLIB, raw[:1] == _PICKLE
    if settings.serializer is not None:
        is_json, is_pickle = settings.serializer == "json", settings.serializer == "pickle"
    if is_json:
        from sessctl.serializers.compression import inflate
        from sessctl.serializers.json import decode

        found = decode(inflate(raw, budget), budget)
    elif is_pickle:
        from sessctl.serializers.pickle import decode as read_pickle

        found = read_pickle(raw, budget)
    else:
        raise CookieError("neither a pickle nor JSON under zlib: no session of Beaker")
    if not isinstance(found.data, dict):
        raise CookieError("what it holds is not a session, but another value")
    notes = ("a pickle: read as data, nothing of it was run",) if is_pickle else ()
    return Session(found.data, (*notes, *found.notes), why_unsafe(found) if is_pickle else None)


def written(content: Any, now: datetime, settings: Settings) -> bytes:
    """JSON under zlib, with what Beaker keeps beside the data. Raises UsageError."""
    import zlib
    from uuid import uuid4

    if settings.serializer == "pickle":
        raise UsageError(
            NO_PICKLE,
            hint="-p serializer=json, and data_serializer = json in the app",
        )
    session = json_body.check_object(_FORMAT, content)
    own: dict[str, Any] = {"_domain": None, "_path": "/", "_id": uuid4().hex}
    own["_creation_time"] = own["_accessed_time"] = now.timestamp()
    added = {key: value for key, value in own.items() if key not in session}
    return zlib.compress(as_json({**added, **session}, compact=False))


def sealed(raw: bytes, encrypting: Secret, signing: Secret, settings: Settings) -> str:
    """Nonce and ciphertext."""
    nonce = to_base64(urandom(settings.nonce_bytes))
    key = _key(encrypting, signing, nonce)
    if settings.cipher == _CTR:
        ciphertext = aes_encrypt(_FORMAT, key, _FROM_0, raw, stream=True)
    else:
        iv = urandom(_IV_BYTES)
        both = aes_gcm_encrypt(_FORMAT, key, iv, raw)
        ciphertext = iv + both[-_TAG_BYTES:] + both[:-_TAG_BYTES]
    return nonce + to_base64(ciphertext)


def opened(
    body: str, encrypting: Sequence[Secret], signing: Secret, settings: Settings
) -> bytes | None:
    """The session as it is written, decrypted if there are secrets that encrypt; None if none of
    them opens it. Raises CookieError."""
    if not encrypting:
        return from_base64(body)
    size = settings.nonce_characters
    nonce, raw = body[:size], from_base64(body[size:])
    for secret in encrypting:
        key = _key(secret, signing, nonce)
        if settings.cipher == _CTR:
            return aes_decrypt(_FORMAT, key, _FROM_0, raw, stream=True)
        iv, tag = raw[:_IV_BYTES], raw[_IV_BYTES : _IV_BYTES + _TAG_BYTES]
        try:
            return aes_gcm_decrypt(_FORMAT, key, iv, raw[_IV_BYTES + _TAG_BYTES :] + tag)
        except ValueError:
            continue
    return None


def _key(encrypting: Secret, signing: Secret, nonce: str) -> bytes:
    salt = signing.reveal() + nonce.encode("utf-8", "surrogatepass")
    return pbkdf2_hmac("sha1", encrypting.reveal(), salt, 1, _KEY_BYTES)
