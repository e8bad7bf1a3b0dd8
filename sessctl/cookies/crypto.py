"""The extra `crypto`: its libraries (cryptography, PyNaCl, joserfc) are imported when needed."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sessctl.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from sessctl.text import Secret

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_GCM_TAG_BYTES = 16
# The note of `decode` on a cookie that says little without its secret.
ENCRYPTED = "encrypted: give the secret to read it (--secret-from env:NAME)"


@contextmanager
def crypto_for(format: str) -> Iterator[None]:
    """Around the import of such a library: MissingExtra names the format that needs it."""
    try:
        yield
    except ImportError:
        raise MissingExtra(f"the secret side of {format}", "crypto") from None


def aes_encrypt(format: str, key: bytes, iv: bytes, plain: bytes, *, stream: bool = False) -> bytes:
    """AES in CBC mode with the padding of PKCS#7; in counter mode and without, as a `stream`."""
    cipher, padding = _aes(format, key, iv, stream=stream)
    if not stream:
        padder = padding.padder()
        plain = padder.update(plain) + padder.finalize()
    step = cipher.encryptor()
    return bytes(step.update(plain) + step.finalize())


def aes_decrypt(
    format: str, key: bytes, iv: bytes, ciphertext: bytes, *, stream: bool = False
) -> bytes:
    """The reverse of `aes_encrypt`. Raises ValueError for lengths or a padding that cannot be."""
    cipher, padding = _aes(format, key, iv, stream=stream)
    step = cipher.decryptor()
    plain = step.update(ciphertext) + step.finalize()
    if stream:
        return bytes(plain)
    unpadder = padding.unpadder()
    return bytes(unpadder.update(plain) + unpadder.finalize())


def aes_gcm_encrypt(
    format: str, key: bytes, nonce: bytes, plain: bytes, associated: bytes | None = None
) -> bytes:
    """AES in Galois mode: the ciphertext and, behind it, the tag of 16 bytes."""
    with crypto_for(format):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 30 ms
    return AESGCM(key).encrypt(nonce, plain, associated)


def aes_gcm_decrypt(
    format: str, key: bytes, nonce: bytes, sealed: bytes, associated: bytes | None = None
) -> bytes:
    """The reverse of `aes_gcm_encrypt`. Raises ValueError when the tag is not that of this key."""
    with crypto_for(format):
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    if len(sealed) < _GCM_TAG_BYTES:
        raise ValueError("shorter than its tag")
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except InvalidTag:
        raise ValueError("another tag") from None


def keys_in(secret: Secret, sizes: Collection[int], *, also_hex: bool = True) -> Iterator[bytes]:
    """The keys of these sizes (bytes) that a secret may be: as it is, in base64, in hexadecimal.

    The first of them is the one to sign with.
    """
    raw = secret.reveal()
    text = raw.decode("ascii", "replace")
    yield from (key for key in (raw, from_base64(text)) if key is not None and len(key) in sizes)
    if also_hex and _HEX.fullmatch(text) and len(text) // 2 in sizes:
        yield bytes.fromhex(text)


def indexed_keys(secrets: Sequence[Secret], sizes: Collection[int]) -> list[tuple[int, bytes]]:
    """(place of its secret, key) of each key that the secrets may be."""
    return [(place, key) for place, one in enumerate(secrets) for key in keys_in(one, sizes)]


def from_base64(text: str) -> bytes | None:
    """As Node reads it, url-safe and unpadded too; None where it would skip characters."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (Base64Error, ValueError):
        return None


def _aes(format: str, key: bytes, iv: bytes, *, stream: bool) -> tuple[Any, Any]:
    """(cipher, padding). Raises ValueError for a key or a vector of another size."""
    with crypto_for(format):
        from cryptography.hazmat.primitives.ciphers import Cipher  # 30 ms
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
        from cryptography.hazmat.primitives.padding import PKCS7

    return Cipher(AES(key), CTR(iv) if stream else CBC(iv)), PKCS7(AES.block_size)
