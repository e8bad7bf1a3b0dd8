"""@fastify/secure-session: the whole session in the cookie, sealed by libsodium's secretbox.

Who writes it: @fastify/secure-session (checked with 8.3.0 and 8.4.0).

    KF4V9%2BO%2FcZkeyKpXW1FuFZovB5eMLhJ2dymjdLAcUbY5rxc%3D%3B%2FIOo9FAlMCgS8qxSXpaZ0oujm6y7yk0i
    key (base64): xLvLH77JnWW/WdhcjLYu4tuWPw/hBvSD2a+nO9Tjmoo=

base64(tag and ciphertext) `;` base64(24 bytes of nonce), percent-encoded; XSalsa20-Poly1305 over
JSON, to which the library adds `__ts`, the second it was written. It counts for `expiry` seconds
from then (86401 unless set), which the cookie does not say: that is `--max-age`.
The secret is a key of 32 bytes (raw, or as base64), or a passphrase from which Argon2id makes one.
Not supported: `cookieOptions.signed`, a signature of @fastify/cookie around it all.

Source: @fastify/secure-session 8.4.0 `index.js`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.crypto import ENCRYPTED, crypto_for, from_base64, keys_in
from sessctl.cookies.jose import instant, is_number
from sessctl.cookies.paste import percent_decode
from sessctl.errors import CookieError, SerializerError, UsageError
from sessctl.text import is_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.limits import Budget
    from sessctl.text import Secret

_SHAPE = re.compile(r"[A-Za-z0-9+/]{22,}={0,2};[A-Za-z0-9+/]{32}")
_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES, _SALT_BYTES = 32, 24, 16, 16
_TTL = timedelta(seconds=86_401)
_TIME = "__ts"
_SALT = b64decode("mq9hDxBVDbspDR6nLfFT1g==")  # the library's own, where the app sets none
_PASSPHRASE_BYTES = 32  # the library takes no shorter one
_OPERATIONS, _MEMORY_BYTES = 3, 256 << 20  # libsodium's MODERATE: 0.5 s
_DERIVATIONS = _NONE, _ARGON2 = "none", "argon2id-moderate"
_NO_KEY = (
    f"its secret is a key of {_KEY_BYTES} bytes, as it is or as base64, or a passphrase of "
    f"{_PASSPHRASE_BYTES} and more"
)


class FastifySecureSession:
    """The sealed session of @fastify/secure-session."""

    name = "fastify-secure-session"
    cookie_name = "session"
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str] = {
        "key_derivation": f"{' or '.join(_DERIVATIONS)} (by the look of the secret)",
        "salt": "of Argon2id: 16 characters, or 16 bytes as base64 (the library's own)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if _SHAPE.fullmatch(percent_decode(value)) is None:
            return None
        return Match(90, "base64, a semicolon, and a nonce of 24 bytes as base64")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        _split(value, context.budget)
        return DecodedCookie(self.name, notes=(ENCRYPTED,))

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        try:
            sealed, nonce = _split(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        with crypto_for(self.name):
            from nacl.exceptions import CryptoError  # 25 ms
            from nacl.secret import SecretBox

        is_tried = False
        for index, secret in enumerate(secrets):
            for key in _keys(secret, context):
                is_tried = True
                try:
                    plain = SecretBox(key).decrypt(sealed, nonce)
                except CryptoError:
                    continue
                lasts = _TTL if max_age is None else max_age
                return _opened(plain, index, context.budget, now, lasts)
        decoded, notes = DecodedCookie(self.name), () if is_tried else (_NO_KEY,)
        return Verdict(VerdictWord.DECRYPT_FAILED, Signature.INVALID, decoded, notes=notes)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        if not isinstance(content, dict):
            raise UsageError(
                f"a {self.name} cookie carries data, a JSON object",
                hint="""sessctl sign '{"user":7}'""",
            )
        from urllib.parse import quote

        from sessctl.serializers.json import encode

        with crypto_for(self.name):
            from nacl.secret import SecretBox

        plain = encode({**content, _TIME: round(now.timestamp())})
        key = next(_keys(secrets[0], context), None)
        if key is None:
            raise UsageError(_NO_KEY, hint="--secret-from file:secret-key")
        sealed = SecretBox(key).encrypt(plain)
        text = f"{b64encode(sealed.ciphertext).decode()};{b64encode(sealed.nonce).decode()}"
        return [Cookie(context.name or self.cookie_name, quote(text, safe=""))]


def _split(value: str, budget: Budget) -> tuple[bytes, bytes]:
    """(tag and ciphertext, nonce). Raises CookieError."""
    budget.check_cookie(len(value))
    sealed_text, semicolon, nonce_text = percent_decode(value).partition(";")
    if not semicolon:
        raise CookieError("no ';' between ciphertext and nonce")
    sealed, nonce = from_base64(sealed_text), from_base64(nonce_text)
    if sealed is None or nonce is None:
        raise CookieError("ciphertext or nonce is not base64")
    if len(sealed) < _TAG_BYTES:
        raise CookieError(f"a ciphertext of {len(sealed)} bytes, shorter than its tag")
    if len(nonce) != _NONCE_BYTES:
        raise CookieError(f"a nonce of {len(nonce)} bytes, not {_NONCE_BYTES}")
    return sealed, nonce


def _opened(plain: bytes, index: int, budget: Budget, now: datetime, max_age: timedelta) -> Verdict:
    """The verdict on a session that a key has opened."""
    from sessctl.serializers.json import decode

    decoded, word, notes = DecodedCookie(FastifySecureSession.name), VerdictWord.VALID, tuple[str]()
    try:
        found = decode(plain, budget)
    except SerializerError as exc:
        notes = (exc.message,)
        return Verdict(VerdictWord.PAYLOAD_ERROR, Signature.VALID, decoded, index, notes)
    if not isinstance(found.data, dict):
        notes = ("the session is not a JSON object",)
        return Verdict(VerdictWord.PAYLOAD_ERROR, Signature.VALID, decoded, index, notes)
    written = found.data.get(_TIME)
    payload = {key: value for key, value in found.data.items() if key != _TIME}
    decoded = replace(decoded, payload=payload, issued_at=instant(written), notes=found.notes)
    if _TIME not in found.data:
        notes = (f"it has no {_TIME}, so the library takes it for new each time",)
    elif not is_number(written):
        word, notes = VerdictWord.PAYLOAD_ERROR, (f"its {_TIME} is not a number of seconds",)
    elif written + int(max_age.total_seconds()) <= now.timestamp():
        word, notes = VerdictWord.EXPIRED, (f"written more than {max_age} ago",)
    return Verdict(word, Signature.VALID, decoded, index, notes)


def _keys(secret: Secret, context: CookieContext) -> Iterator[bytes]:
    """The keys that a secret can stand for, the likeliest first. Raises UsageError."""
    derivation = context.parameters.get("key_derivation")
    if derivation not in (None, *_DERIVATIONS):
        raise UsageError(f"key_derivation is one of: {', '.join(_DERIVATIONS)}")
    raw, text = secret.reveal(), secret.reveal_text()
    if derivation != _ARGON2:
        yield from keys_in(secret, {_KEY_BYTES}, also_hex=False)
    # What is no text is no passphrase: 0.5 s and 256 MiB saved where a key does not fit.
    if derivation != _NONE and is_utf8(text) and len(raw) >= _PASSPHRASE_BYTES:
        yield _derived(secret, _salt(context))


def _salt(context: CookieContext) -> bytes:
    given = context.parameters.get("salt")
    if given is None:
        return _SALT
    for salt in (given.encode("utf-8", "surrogateescape"), from_base64(given)):
        if salt is not None and len(salt) == _SALT_BYTES:
            return salt
    raise UsageError(f"the salt is {_SALT_BYTES} characters, or {_SALT_BYTES} bytes as base64")


@lru_cache(maxsize=16)  # a batch of cookies asks for the same few over and over
def _derived(secret: Secret, salt: bytes) -> bytes:
    with crypto_for(FastifySecureSession.name):
        from nacl.pwhash import argon2id
    return argon2id.kdf(
        _KEY_BYTES, secret.reveal(), salt, opslimit=_OPERATIONS, memlimit=_MEMORY_BYTES
    )
