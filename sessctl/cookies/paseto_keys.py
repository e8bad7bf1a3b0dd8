"""PASETO version 4 below its claims: keys, what is signed, what is encrypted.

`local`: BLAKE2b of the key makes one for XChaCha20 and one for the MAC, BLAKE2b too. `public`:
Ed25519. Signed is a list of texts, each with its length before it (PAE).
A key is a PASERK (`k4.local.`, `k4.secret.`, `k4.public.`), PEM of Ed25519, or bare bytes: those
are for `local`, unless the app's purpose is said to be `public`. With a public key, which everybody
has, nothing may ever be encrypted.
Source: paseto-standard/paseto-spec `docs/01-Protocol-Versions/Version4.md`; pyseto
1.10.0 `versions/v4.py`, `key.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from typing import TYPE_CHECKING

from sessctl.cookies.crypto import crypto_for, keys_in
from sessctl.cookies.jose import b64url
from sessctl.errors import CookieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sessctl.text import Secret

FORMAT = "paseto-v4"
LOCAL, PUBLIC = "local", "public"
NONCE_BYTES, MAC_BYTES, SIGNATURE_BYTES = 32, 32, 64
_KEY_BYTES, _PAIR_BYTES = 32, 64  # a pair: the seed of a private key, and its public key
_LONGEST_KEY = 64  # what BLAKE2b takes, and pyseto; the specification has 32
_PASERK = {"k4.local.": LOCAL, "k4.secret.": "secret", "k4.public.": PUBLIC}


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what it is for: `local`; `secret`, which signs and verifies; `public`."""

    kind: str
    raw: bytes  # of `secret` the seed

    @property
    def purpose(self) -> str:
        """The kind of token that it fits."""
        return LOCAL if self.kind == LOCAL else PUBLIC

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether an Ed25519 signature is this key's."""
        with crypto_for(FORMAT):
            from cryptography.exceptions import InvalidSignature
            from cryptography.hazmat.primitives.asymmetric import ed25519

        try:
            if self.kind == PUBLIC:
                public = ed25519.Ed25519PublicKey.from_public_bytes(self.raw)
            else:
                public = ed25519.Ed25519PrivateKey.from_private_bytes(self.raw).public_key()
            public.verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature. Raises UsageError for a public key."""
        if self.kind != "secret":
            raise UsageError(
                "the secret is a public key, which checks and cannot sign",
                hint="give the private key: --secret-from file:PATH",
            )
        with crypto_for(FORMAT):
            from cryptography.hazmat.primitives.asymmetric import ed25519
        return ed25519.Ed25519PrivateKey.from_private_bytes(self.raw).sign(message)


def keys_of(secret: Secret, purpose: str | None) -> list[Key]:
    """The keys that a secret may be, the one to sign with first; none if it can be no key.

    Args:
        purpose: of the app; None: bare bytes are a key for `local`.

    Raises:
        UsageError: it looks like PEM or a PASERK and is not.
    """
    found = list(_read(secret, purpose))
    return [key for key in found if purpose is None or key.purpose == purpose]


def _read(secret: Secret, purpose: str | None) -> Iterator[Key]:
    raw = secret.reveal()
    if raw.lstrip().startswith(b"-----BEGIN "):
        yield _from_pem(raw)
        return
    text = raw.decode("ascii", "replace").strip()
    for prefix, kind in _PASERK.items():
        if text.startswith(prefix):
            yield _from_paserk(kind, text.removeprefix(prefix))
            return
    if purpose != PUBLIC:
        exact = list(keys_in(secret, {_KEY_BYTES}))
        yield from (Key(LOCAL, key) for key in exact)
        if raw not in exact and len(raw) <= _LONGEST_KEY:
            yield Key(LOCAL, raw)
        return
    for key in keys_in(secret, {_KEY_BYTES, _PAIR_BYTES}):
        yield Key(PUBLIC, key) if len(key) == _KEY_BYTES else _of_pair(key)


def _from_paserk(kind: str, text: str) -> Key:
    try:
        raw = b64url(text)
    except CookieError:
        raw = b""
    if kind == "secret" and len(raw) == _PAIR_BYTES:
        return _of_pair(raw)
    is_right = len(raw) == _KEY_BYTES or (kind == LOCAL and 0 < len(raw) <= _LONGEST_KEY)
    if not is_right or kind == "secret":
        raise UsageError("the secret looks like a PASERK of version 4, and cannot be read as one")
    return Key(kind, raw)


def _of_pair(raw: bytes) -> Key:
    """A seed with its public key behind it. Raises UsageError if they do not belong together."""
    with crypto_for(FORMAT):
        from cryptography.hazmat.primitives.asymmetric import ed25519

    seed, public = raw[:_KEY_BYTES], raw[_KEY_BYTES:]
    made = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    if not compare_digest(made, public):
        raise UsageError("the secret is 64 bytes, but no private key with its public one behind it")
    return Key("secret", seed)


def _from_pem(raw: bytes) -> Key:
    with crypto_for(FORMAT):
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.serialization import (
            load_pem_private_key,
            load_pem_public_key,
        )

    for load in (load_pem_public_key, lambda pem: load_pem_private_key(pem, password=None)):
        try:
            key = load(raw)
        except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it has a password
            continue
        if isinstance(key, ed25519.Ed25519PublicKey):
            return Key(PUBLIC, key.public_bytes_raw())
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return Key("secret", key.private_bytes_raw())
    raise UsageError(
        "the secret looks like a key, and is none of Ed25519",
        hint="PEM without a password (-----BEGIN PUBLIC KEY-----), or a PASERK",
    )


# -- local -----------------------------------------------------------------------------------------


def seal(key: Key, nonce: bytes, plain: bytes, *around: bytes) -> bytes:
    """Ciphertext and MAC. `around`: header, footer and implicit assertion."""
    header, *rest = around
    ciphertext = _xchacha20(_encryption(key, nonce), plain)
    return ciphertext + _mac(key, nonce, pae(header, nonce, ciphertext, *rest))


def unseal(key: Key, nonce: bytes, ciphertext: bytes, mac: bytes, *around: bytes) -> bytes | None:
    """The plaintext, or None if the MAC is not this key's. `around`: as of `seal`."""
    header, *rest = around
    if not compare_digest(_mac(key, nonce, pae(header, nonce, ciphertext, *rest)), mac):
        return None
    return _xchacha20(_encryption(key, nonce), ciphertext)


def pae(*pieces: bytes) -> bytes:
    """Pre-authentication encoding: no two lists of texts have the same."""
    sized = (len(piece).to_bytes(8, "little") + piece for piece in pieces)
    return len(pieces).to_bytes(8, "little") + b"".join(sized)


def _encryption(key: Key, nonce: bytes) -> bytes:
    """Key (32 bytes) and nonce (24) of XChaCha20."""
    return blake2b(b"paseto-encryption-key" + nonce, key=key.raw, digest_size=56).digest()


def _mac(key: Key, nonce: bytes, message: bytes) -> bytes:
    authentication = blake2b(b"paseto-auth-key-for-aead" + nonce, key=key.raw, digest_size=32)
    return blake2b(message, key=authentication.digest(), digest_size=MAC_BYTES).digest()


def _xchacha20(key_and_nonce: bytes, text: bytes) -> bytes:
    """The bare stream cipher, from block 0, which libsodium's Python binding does not offer.

    What makes XChaCha20 of ChaCha20 is HChaCha20, and that libsodium does when it opens a stream:
    the state then begins with its key (32 bytes; `crypto_secretstream_xchacha20poly1305_state` is
    a public structure). Source: libsodium 1.0.20 `crypto_secretstream_xchacha20poly1305.c`,
    init_pull; draft-irtf-cfrg-xchacha-03, section 2.3.
    """
    with crypto_for(FORMAT):
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
        from nacl.bindings import (
            crypto_secretstream_xchacha20poly1305_init_pull as init_pull,
        )
        from nacl.bindings import crypto_secretstream_xchacha20poly1305_state as stream_state

    key, nonce = key_and_nonce[:32], key_and_nonce[32:]
    state = stream_state()
    init_pull(state, nonce, key)
    counter_and_nonce = bytes(8) + nonce[16:]
    step = Cipher(ChaCha20(bytes(state.statebuf)[:32], counter_and_nonce), mode=None).encryptor()
    return step.update(text) + step.finalize()
