"""Values that connect-mongo encrypts by itself: 3.x, and the Web Crypto adapter of 6.

What 4 to 6 encrypt with kruptein is read by `kruptein.py`.

- 3.x (option `secret`): a JSON string whose text is the JSON object `{hmac, ct, at, aad, iv}`, all
  hexadecimal but `at`, a Node Buffer. AES-256-GCM; the key is the *text* of the first 32 hex digits
  of PBKDF2-SHA512, salted with the first 16 hex digits of SHA-512 of the secret, 10 000 rounds; iv
  and aad count as text, too. The HMAC-SHA512, under the same key, is over the text of ct.
- 6 (`createWebCryptoAdapter`): base64 of iv (12 bytes) and AES-256-GCM; the key is PBKDF2-SHA256,
  310 000 rounds, over the salt `connect-mongo:webcrypto-default-salt`. The plaintext is the JSON
  text of the session.

Example of 3.x: `"{\\"hmac\\":\\"5d1c..\\",\\"ct\\":\\"9a..\\",\\"at\\":{..},..}"`.
Not supported: other algorithms, hashes, salts, rounds and encodings than the libraries' own.

Source: connect-mongo 3.2.0 `src/crypto.js`, `src/index.js`; 6.0.0 `src/lib/cryptoAdapters.ts`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING

import msgspec

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from sessctl.limits import Budget
    from sessctl.text import Secret

_TAG_BYTES = 16
_WEB_IV_BYTES = 12
_NOT_OPENED = "encrypted, and none of the store secrets opens it"


class _Buffer(msgspec.Struct, tag_field="type", tag="Buffer"):
    data: list[int]


class _Parts(msgspec.Struct):
    hmac: str
    ct: str
    at: _Buffer
    aad: str
    iv: str


class _Keys:
    """The secrets with their keys: one each, for the salt is always the same."""

    def __init__(self, secrets: Sequence[Secret], derive: Callable[[bytes], bytes]) -> None:
        self._secrets = secrets
        self._derive = derive
        self._keys: dict[int, bytes] = {}

    def __iter__(self) -> Iterator[bytes]:
        return (self[place] for place in range(len(self._secrets)))

    def __getitem__(self, place: int) -> bytes:
        if place not in self._keys:
            self._keys[place] = self._derive(self._secrets[place].reveal())
        return self._keys[place]


class ConnectMongo3:
    """What 3.x encrypts; see `ciphers.Cipher`."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._keys = _Keys(secrets, _key_of_3)

    def is_sealed(self, raw: bytes) -> bool:
        return _parts_of(raw) is not None

    def open(self, raw: bytes, budget: Budget = DEFAULT) -> bytes:
        return self._open(raw)[0]

    def seal(self, text: bytes, like: bytes | None) -> bytes:
        key = self._keys[0] if like is None else self._open(like)[1]
        iv = os.urandom(16).hex()
        aad = hmac.digest(iv.encode() + key, text, "sha512").hex()
        sealed = _aes(key).encrypt(iv.encode(), text, aad.encode())
        ct, tag = sealed[:-_TAG_BYTES].hex(), sealed[-_TAG_BYTES:]
        parts = {
            "hmac": hmac.digest(key, ct.encode(), "sha512").hex(),
            "ct": ct,
            "at": {"type": "Buffer", "data": list(tag)},
            "aad": aad,
            "iv": iv,
        }
        return json.dumps(json.dumps(parts, separators=(",", ":"))).encode()

    def _open(self, raw: bytes) -> tuple[bytes, bytes]:
        """The text, and the key that opened it."""
        parts = _parts_of(raw)
        if parts is None:
            raise SerializerError("not a value that connect-mongo 3 encrypted")
        for key in self._keys:
            if hmac.compare_digest(
                hmac.digest(key, parts.ct.encode(), "sha512").hex().encode(), parts.hmac.encode()
            ):
                return _opened_3(key, parts), key
        raise SerializerError(_NOT_OPENED)


class ConnectMongoWebCrypto:
    """What the Web Crypto adapter of 6 encrypts; see `ciphers.Cipher`."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._keys = _Keys(secrets, _web_key)

    def is_sealed(self, raw: bytes) -> bool:
        """It has no form but base64, long enough."""
        return _web_bytes(raw) is not None

    def open(self, raw: bytes, budget: Budget = DEFAULT) -> bytes:
        return self._open(raw)[0]

    def seal(self, text: bytes, like: bytes | None) -> bytes:
        key = self._keys[0] if like is None else self._open(like)[1]
        iv = os.urandom(_WEB_IV_BYTES)
        return b64encode(iv + _aes(key).encrypt(iv, text, None))

    def _open(self, raw: bytes) -> tuple[bytes, bytes]:
        from cryptography.exceptions import InvalidTag

        sealed = _web_bytes(raw)
        if sealed is None:
            raise SerializerError("not a value that Web Crypto encrypted")
        for key in self._keys:
            try:
                iv, rest = sealed[:_WEB_IV_BYTES], sealed[_WEB_IV_BYTES:]
                return _aes(key).decrypt(iv, rest, None), key
            except InvalidTag:
                continue
        raise SerializerError(_NOT_OPENED)


def _aes(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 30 ms, an extra

    return AESGCM(key)


def _key_of_3(secret: bytes) -> bytes:
    salt = hashlib.sha512(secret).hexdigest()[:16].encode()
    return hashlib.pbkdf2_hmac("sha512", secret, salt, 10_000, 64).hex()[:32].encode()


def _parts_of(raw: bytes) -> _Parts | None:
    if not raw.startswith(b'"{'):
        return None
    try:
        parts = msgspec.json.decode(msgspec.json.decode(raw, type=str), type=_Parts)
        fits = len(bytes(parts.at.data)) == _TAG_BYTES and 8 <= len(parts.iv.encode()) <= 128
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return parts if fits else None


def _opened_3(key: bytes, parts: _Parts) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        sealed = bytes.fromhex(parts.ct) + bytes(parts.at.data)
        return _aes(key).decrypt(parts.iv.encode(), sealed, parts.aad.encode())
    except (InvalidTag, ValueError):
        raise SerializerError("encrypted with the right secret, and tampered with since") from None


def _web_key(secret: bytes) -> bytes:
    salt = b"connect-mongo:webcrypto-default-salt"
    return hashlib.pbkdf2_hmac("sha256", secret, salt, 310_000, 32)


def _web_bytes(raw: bytes) -> bytes | None:
    if raw[:1] in (b"{", b'"', b"["):
        return None
    try:
        sealed = b64decode(raw, validate=True)
    except (Base64Error, ValueError):
        return None
    return sealed if len(sealed) > _WEB_IV_BYTES + _TAG_BYTES else None
