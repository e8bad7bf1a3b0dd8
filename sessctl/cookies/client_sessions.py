"""client-sessions: the whole session in a cookie, encrypted.

Who writes it: mozilla's client-sessions (checked with 0.8.0).

    urKgG8AwJ4fgVKU0KeCr5w.OcOFvoOvWaqF3FoFOzgh...cBsK.1767225600000.86400000.hhm-_6A0RYhW...4Wuo
    secret: correct horse battery staple; name: session_state

`iv.ciphertext.createdAt.duration.hmac`: the first two and the last in url-safe base64 without
padding, the times in ms. AES-256-CBC over `name=JSON`; HMAC-SHA256 over the raw iv, `.`, the raw
ciphertext and `.createdAt.duration`. The two keys are HMAC-SHA256 of two constants by the secret;
or both are given, as secrets with the ids `encryption` and `signature`, raw or in base64.
The library has no rotation; several secrets are tried one after the other.
Source: client-sessions 0.8.0 `lib/client-sessions.js`.
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, replace
from datetime import timedelta
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import (
    UNUSED_BITS,
    Cookie,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.cookies.crypto import ENCRYPTED, aes_decrypt, aes_encrypt
from sessctl.errors import CookieError, SerializerError, UsageError, did_you_mean
from sessctl.timespec import MAX_MS, from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Guess
    from sessctl.text import Secret

_PARTS = re.compile(
    r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]+)\.([0-9]{1,15})\.([0-9]{1,15})\.([A-Za-z0-9_-]{22,86})"
)
_CIPHERS = {"aes128": 16, "aes192": 24, "aes256": 32}  # bytes of the key
_DIGESTS = (
    *("sha256", "sha256-drop128", "sha384", "sha384-drop192", "sha512", "sha512-drop256"),
)  # fmt: skip
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Parts:
    """A cookie taken apart; times in ms."""

    iv: bytes
    ciphertext: bytes
    created_ms: int
    duration_ms: int
    mac: bytes
    notes: tuple[str, ...] = ()

    @property
    def signed(self) -> bytes:
        """What the MAC is of."""
        return b".".join(
            (self.iv, self.ciphertext, b"%d" % self.created_ms, b"%d" % self.duration_ms)
        )


@dataclass(frozen=True, slots=True)
class Keys:
    """The two keys, and the place of the secret they come from."""

    encryption: bytes
    signature: bytes
    index: int


class ClientSessions:
    """An encrypted payload with its times in the clear."""

    name = "client-sessions"
    cookie_name = "session_state"
    carries_time = True
    carries_expiry = True
    parameters: Mapping[str, str] = {
        "cipher": "aes128, aes192 or aes256 (aes256)",
        "digest": f"of the MAC: {', '.join(_DIGESTS)} (sha256)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if not _PARTS.fullmatch(value):
            return None
        return Match(95, "iv.ciphertext.time.duration.hmac, the times in milliseconds")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        return self._times(_split(value, context))

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        cipher, digest = _algorithms(context)
        try:
            parts = _split(value, context)
            decoded = replace(self._times(parts), notes=())
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        for keys in _keys(secrets, cipher, digest):
            if compare_digest(_mac(parts.signed, keys, digest), parts.mac):
                break
        else:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)
        word, payload, notes = _opened(parts, keys, context)
        decoded = replace(decoded, payload=payload)
        is_over = decoded.expires_at is not None and decoded.expires_at < now
        is_old = max_age is not None and (
            decoded.issued_at is None or now - decoded.issued_at > max_age
        )
        if word is VerdictWord.VALID and (is_over or is_old):
            word = VerdictWord.EXPIRED
        return Verdict(word, Signature.VALID, decoded, keys.index, (*parts.notes, *notes))

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        from os import urandom

        from sessctl.serializers.json import encode

        cipher, digest = _algorithms(context)
        keys = next(_keys(secrets, cipher, digest))
        name = context.name or self.cookie_name
        if not isinstance(content, dict):
            raise UsageError(
                "the session is an object of JSON", hint="""sessctl sign '{"user": 42}'"""
            )
        try:
            plain = name.encode() + b"=" + encode(content)
        except SerializerError as exc:
            raise UsageError(f"the payload {exc.message}") from None
        iv = urandom(16)
        ciphertext = aes_encrypt(self.name, keys.encryption, iv, plain)
        duration_ms = (ttl or _ONE_DAY) // timedelta(milliseconds=1)
        parts = Parts(iv, ciphertext, to_ms(now), duration_ms, b"")
        mac = _mac(parts.signed, keys, digest)
        value = f"{_text(iv)}.{_text(ciphertext)}.{parts.created_ms}.{duration_ms}.{_text(mac)}"
        return [Cookie(name, value)]

    def guesser(self, value: str, context: CookieContext) -> Guess:
        parts, digest = _split(value, context), _algorithms(context)[1]

        def guess(secret: bytes) -> bool:
            key = hmac_digest(secret, b"cookiesession-signature", "sha256")
            return _mac(parts.signed, Keys(b"", key, 0), digest) == parts.mac

        return guess

    def signing_index(self, secrets: Sequence[Secret]) -> int:
        named = {one.key_id: place for place, one in enumerate(secrets)}
        return named.get("signature", 0)  # of a pair of keys; the library has no rotation

    def _times(self, parts: Parts) -> DecodedCookie:
        end_ms = parts.created_ms + parts.duration_ms
        if end_ms > MAX_MS:
            raise CookieError("its times are out of range")
        issued_at, expires_at = from_ms(parts.created_ms), from_ms(end_ms)
        notes = (ENCRYPTED,)
        return DecodedCookie(self.name, issued_at=issued_at, expires_at=expires_at, notes=notes)


def _split(value: str, context: CookieContext) -> Parts:
    context.budget.check_cookie(len(value))
    found = _PARTS.fullmatch(value)
    if found is None:
        raise CookieError("not iv.ciphertext.time.duration.hmac")
    texts = found[1], found[2], found[5]
    try:
        iv, ciphertext, mac = map(_bytes, texts)
    except Base64Error:
        raise CookieError("a part is not base64") from None
    is_usual = tuple(map(_text, (iv, ciphertext, mac))) == texts
    notes = () if is_usual else UNUSED_BITS
    return Parts(iv, ciphertext, int(found[3]), int(found[4]), mac, notes)


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _algorithms(context: CookieContext) -> tuple[str, str]:
    """(cipher, digest). Raises UsageError for one that the library does not have."""
    cipher = context.parameters.get("cipher", "aes256")
    digest = context.parameters.get("digest", "sha256")
    for kind, word, known in (("cipher", cipher, _CIPHERS), ("digest", digest, _DIGESTS)):
        if word not in known:
            raise UsageError(
                f"client-sessions has no {kind} '{word}'", hint=did_you_mean(word, known)
            )
    return cipher, digest


def _keys(secrets: Sequence[Secret], cipher: str, digest: str) -> Iterator[Keys]:
    """The pairs of keys that the secrets stand for. Raises UsageError."""
    named = {one.key_id: place for place, one in enumerate(secrets) if one.key_id}
    size = _CIPHERS[cipher]
    if {"encryption", "signature"} <= named.keys():
        encryption = _raw(secrets[named["encryption"]], size)
        if len(encryption) != size:
            raise UsageError(
                f"the encryption key of {cipher} has {size} bytes, not {len(encryption)}"
            )
        place = named["signature"]
        yield Keys(encryption, _raw(secrets[place], None), place)
        return
    if named or cipher != "aes256" or not digest.startswith("sha256"):
        raise UsageError(
            "client-sessions takes a secret for aes256 and sha256, else two keys, which have the "
            "ids encryption and signature",
            hint="--secret-from encryption=file:enc.key --secret-from signature=file:sig.key",
        )
    for place, secret in enumerate(secrets):
        enc, mac = (
            hmac_digest(secret.reveal(), f"cookiesession-{use}".encode(), "sha256")
            for use in ("encryption", "signature")
        )
        yield Keys(enc, mac, place)


def _raw(secret: Secret, size: int | None) -> bytes:
    """A key as bytes: those given, else what they are the base64 of."""
    given = secret.reveal()
    try:
        decoded = b64decode(given, validate=True)
    except (Base64Error, ValueError):
        return given
    return given if len(given) == size or len(decoded) < 16 else decoded


def _mac(message: bytes, keys: Keys, digest: str) -> bytes:
    name, _, bits = digest.partition("-drop")
    mac = hmac_digest(keys.signature, message, name)
    return mac[: int(bits) // 8] if bits else mac


def _opened(
    parts: Parts, keys: Keys, context: CookieContext
) -> tuple[VerdictWord, Any, tuple[str, ...]]:
    """(verdict, payload, notes) of a cookie whose MAC is right."""
    from sessctl.serializers.json import decode

    try:
        plain = aes_decrypt(ClientSessions.name, keys.encryption, parts.iv, parts.ciphertext)
    except ValueError:
        return VerdictWord.DECRYPT_FAILED, None, ()
    name, _, body = plain.partition(b"=")
    try:
        found = decode(body, context.budget)
    except SerializerError as exc:
        return VerdictWord.PAYLOAD_ERROR, None, (exc.message,)
    written_for = name.decode("utf-8", "replace")
    if context.name is None:
        return VerdictWord.VALID, found.data, (f"made for the name '{written_for}'", *found.notes)
    word = VerdictWord.VALID if written_for == context.name else VerdictWord.NAME_MISMATCH
    return word, found.data, found.notes
