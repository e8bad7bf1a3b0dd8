"""Values that kruptein encrypted: session-file-store, connect-mongo 4 to 6, connect-memcached.

Written by kruptein 2.2 and 3.0 to 3.4 (npm), in one of two forms:

- text of a JSON object `{hmac, ct, iv, salt, aad, at}`; `iv`, `salt` and `at` as Node writes a
  Buffer, `{"type":"Buffer","data":[..]}`, the rest in the option `encodeas` ("binary": each
  character is a byte);
- base64 of a DER SEQUENCE of the OCTET STRINGs ct, hmac, iv, salt, at, aad: the form of 3.x. Up to
  3.3 ct, hmac and aad hold the *text* in `encodeas`, from 3.4 on the bytes.

AES-256-GCM; the key is PBKDF2 of the secret (15 000 rounds up to 3.0, 20 000 later) or scrypt
(session-file-store's choice). The HMAC, in the hash of PBKDF2, is over the text of ct (up to 3.0),
over that and salt and iv read as UTF-8 (3.1 to 3.3), or over the bytes of the three (3.4). The
plaintext is JSON once more: of the serializer's text, of the session itself (connect-memcached),
or, in 3.4, of `{"type": "string" or "json", "value"}`.

Which of these it was is written nowhere: the HMAC tells. Not supported: other ciphers
(`algorithm`), Argon2, the JSON form of 3.x, which it cannot read itself before 3.4.

Source: kruptein 2.2.3, 3.0.8, 3.1.7, 3.3.0, 3.4.0 `lib/kruptein.js`; session-file-store 1.5.0
`lib/session-file-helpers.js`; connect-mongo 5.1.0 `MongoStore.js`, 6.0.0 `cryptoAdapters.ts`;
connect-memcached 2.0.0 `lib/connect-memcached.js`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import b64decode, b64encode
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers.kruptein_forms import TAG_BYTES, Envelope, parse, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.limits import Budget
    from sessctl.text import Secret

_KEYS_KEPT = 2048  # derived keys: a session that was listed is often looked at again

Encoding = Literal["binary", "hex", "base64"]
_HASHES = {"sha512": 64, "sha384": 48, "sha256": 32}  # and the size of their digests in bytes


class Recipe(NamedTuple):
    """One of the ways in which kruptein works, by its version and its options."""

    kdf: Literal["pbkdf2", "scrypt"]
    rounds: int  # scrypt: its N
    hash: str
    encoding: Encoding | None  # of ct, mac and aad; None: they are bytes
    covers: Literal["text", "text and buffers", "bytes"]  # what the HMAC is over


# How the plaintext wraps the serializer's text.
Wrapping = Literal["string", "none", "typed string", "typed json"]


class Opened(NamedTuple):
    """A value's text, and how it was encrypted."""

    text: bytes
    envelope: Envelope
    recipe: Recipe
    wrapping: Wrapping
    secret: Secret


class Kruptein:
    """Opens and seals values with a list of secrets, newest first; see `ciphers.Cipher`."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        self._secrets = secrets
        self._keys: OrderedDict[tuple[Any, ...], bytes] = OrderedDict()
        self._latest: Recipe | None = None  # opens most of the others, too

    def is_sealed(self, raw: bytes) -> bool:
        return parse(raw) is not None

    def open(self, raw: bytes, budget: Budget = DEFAULT) -> bytes:
        return self._open(raw).text

    def seal(self, text: bytes, like: bytes | None) -> bytes:
        """See `ciphers.Cipher`; the library's usual way is here that of session-file-store."""
        if like is None:
            recipe, secret = Recipe("scrypt", 16384, "sha512", "binary", "text"), self._secrets[0]
            envelope = Envelope(False, b"", b"", os.urandom(12), os.urandom(128), b"", b"")
            return self._sealed(_wrapped(text, "string"), envelope, recipe, secret)
        was = self._open(like)
        fresh = was.envelope._replace(
            iv=os.urandom(len(was.envelope.iv)), salt=os.urandom(len(was.envelope.salt))
        )
        return self._sealed(_wrapped(text, was.wrapping), fresh, was.recipe, was.secret)

    def _open(self, raw: bytes) -> Opened:
        envelope = parse(raw)
        if envelope is None:
            raise SerializerError("not a value that kruptein encrypted")
        recipes = sorted(_recipes(envelope), key=lambda recipe: recipe != self._latest)
        for secret in self._secrets:
            for recipe in recipes:
                key = self._key(secret, envelope.salt, recipe)
                if hmac.compare_digest(_mac(key, envelope, recipe), envelope.mac):
                    self._latest = recipe
                    text, wrapping = _unwrapped(_decrypted(key, envelope, recipe), recipe)
                    return Opened(text, envelope, recipe, wrapping, secret)
        raise SerializerError("encrypted, and none of the store secrets opens it")

    def _sealed(self, plain: bytes, parts: Envelope, recipe: Recipe, secret: Secret) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 30 ms, an extra

        key = self._key(secret, parts.salt, recipe)
        # The library takes an HMAC of the plaintext under a key that it forgets.
        aad = hmac.digest(os.urandom(128), plain, recipe.hash)
        sealed = AESGCM(key).encrypt(parts.iv, plain, aad)
        full = parts._replace(
            ct=_encoded(sealed[:-TAG_BYTES], recipe.encoding),
            tag=sealed[-TAG_BYTES:],
            aad=_encoded(aad, recipe.encoding),
        )
        return write(full._replace(mac=_mac(key, full, recipe)))

    def _key(self, secret: Secret, salt: bytes, recipe: Recipe) -> bytes:
        which = (secret, salt, *(recipe[:3] if recipe.kdf == "pbkdf2" else recipe[:2]))
        key = self._keys.pop(which, None)
        if key is None:
            if recipe.kdf == "pbkdf2":
                key = hashlib.pbkdf2_hmac(recipe.hash, secret.reveal(), salt, recipe.rounds, 32)
            else:
                key = hashlib.scrypt(
                    secret.reveal(), salt=salt, n=recipe.rounds, r=8, p=1, dklen=32
                )
        self._keys[which] = key
        if len(self._keys) > _KEYS_KEPT:
            self._keys.popitem(last=False)
        return key


# -- the ways --------------------------------------------------------------------------------------


def _recipes(envelope: Envelope) -> list[Recipe]:
    """What the value can have been encrypted with: the digest's length leaves few hashes."""
    found: list[Recipe] = []
    for name, size in _HASHES.items():
        lengths: dict[Encoding, int] = {"base64": -(-size // 3) * 4, "hex": 2 * size}
        if not envelope.is_der:
            lengths["binary"] = size
        for encoding, length in lengths.items():
            # Characters: in UTF-8 every other byte of "binary" takes two.
            if length != len(envelope.mac.decode("utf-8", "replace")):
                continue
            if envelope.is_der:
                found.append(Recipe("pbkdf2", 20_000, name, encoding, "text and buffers"))
                found.append(Recipe("pbkdf2", 15_000, name, encoding, "text"))
                found.append(Recipe("scrypt", 16_384, name, encoding, "text and buffers"))
                found.append(Recipe("scrypt", 16_384, name, encoding, "text"))
            else:
                found.append(Recipe("scrypt", 16_384, name, encoding, "text"))
                found.append(Recipe("pbkdf2", 15_000, name, encoding, "text"))
        if envelope.is_der and size == len(envelope.mac):
            found.append(Recipe("pbkdf2", 20_000, name, None, "bytes"))
            found.append(Recipe("scrypt", 16_384, name, None, "bytes"))
    return found


def _mac(key: bytes, parts: Envelope, recipe: Recipe) -> bytes:
    """The HMAC in the form in which it stands in the value."""
    covered = parts.ct
    if recipe.covers == "text and buffers":  # Node adds a Buffer to a string as if it were UTF-8
        for buffer in (parts.salt, parts.iv):
            covered += buffer.decode("utf-8", "replace").encode()
    elif recipe.covers == "bytes":
        covered += parts.salt + parts.iv
    return _encoded(hmac.digest(key, covered, recipe.hash), recipe.encoding)


def _decrypted(key: bytes, parts: Envelope, recipe: Recipe) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 30 ms, an extra

    try:
        sealed = _decoded(parts.ct, recipe.encoding) + parts.tag
        return AESGCM(key).decrypt(parts.iv, sealed, _decoded(parts.aad, recipe.encoding))
    except (InvalidTag, ValueError):
        raise SerializerError("encrypted with the right secret, and tampered with since") from None


def _unwrapped(plain: bytes, recipe: Recipe) -> tuple[bytes, Wrapping]:
    try:
        value = msgspec.json.decode(plain)
        if isinstance(value, str):
            return value.encode(), "string"
        if recipe.covers == "bytes" and isinstance(value, dict) and "value" in value:
            if value.get("type") == "string" and isinstance(value["value"], str):
                return value["value"].encode(), "typed string"
            if value.get("type") == "json":
                return bytes(msgspec.json.decode(plain, type=dict[str, msgspec.Raw])["value"]), (
                    "typed json"
                )
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise SerializerError("decrypts to what is not JSON") from None
    return plain, "none"


def _wrapped(text: bytes, wrapping: Wrapping) -> bytes:
    if wrapping == "none":
        return text
    if wrapping == "typed json":
        return b'{"type":"json","value":%b}' % text
    try:
        string = json.dumps(text.decode(), ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise SerializerError("cannot be encrypted: not UTF-8") from None
    return string if wrapping == "string" else b'{"type":"string","value":%b}' % string


def _encoded(data: bytes, encoding: Encoding | None) -> bytes:
    match encoding:
        case "base64":
            return b64encode(data)
        case "hex":
            return data.hex().encode()
        case "binary":
            return data.decode("latin-1").encode()
    return data


def _decoded(written: bytes, encoding: Encoding | None) -> bytes:
    """Raises ValueError for what the encoding does not know."""
    match encoding:
        case "base64":
            return b64decode(written, validate=True)
        case "hex":
            return bytes.fromhex(written.decode())
        case "binary":
            return written.decode().encode("latin-1")
    return written
