"""The extra `crypto`: its libraries (cryptography, PyNaCl, joserfc) are imported when needed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sessctl.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def _aes(format: str, key: bytes, iv: bytes, *, stream: bool) -> tuple[Any, Any]:
    """(cipher, padding). Raises ValueError for a key or a vector of another size."""
    with crypto_for(format):
        from cryptography.hazmat.primitives.ciphers import Cipher  # 30 ms
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
        from cryptography.hazmat.primitives.padding import PKCS7

    return Cipher(AES(key), CTR(iv) if stream else CBC(iv)), PKCS7(AES.block_size)
