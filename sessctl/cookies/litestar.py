"""Litestar's client-side session: the whole session in a cookie, encrypted, with its end in clear.

Who writes it: Litestar 2 (checked with 2.25.0), CookieBackendConfig.

    P1Ta2jguZzSzlAsr/FtkeIC2NowG/eTiE1g/ly6g9WUDQNBXPb7LKs/hOUwF5umVL2x66mzFp2YRYWRkaXRpb25hbF9h...
    key (base64): xLvLH77JnWW/WdhcjLYu4tuWPw/hBvSD2a+nO9Tjmoo=

base64 of 12 bytes of nonce, AES-GCM over JSON with its tag, `additional_authenticated_data=` and
{"expires_at": second}, which the tag covers. The key has 16, 24 or 32 bytes. Values of more than
4032 characters stand in several cookies, `session-0` and on; Litestar sorts them as texts, so that
it reads back no more than ten. When the cookie was made is its end less the app's `max_age`.
Not supported: what `null` stands for, a session that was cleared.
Source: litestar 2.25.0 `middleware/session/client_side.py`.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, replace
from os import urandom
from typing import TYPE_CHECKING, Any

from sessctl.cookies import json_body
from sessctl.cookies.base import (
    UNUSED_BITS,
    Cookie,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.cookies.crypto import (
    ENCRYPTED,
    aes_gcm_decrypt,
    aes_gcm_encrypt,
    indexed_keys,
    keys_in,
)
from sessctl.cookies.jose import instant
from sessctl.cookies.parameters import seconds
from sessctl.cookies.picking import LITESTAR_CHUNK
from sessctl.errors import CookieError, SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret

_MARK = b"additional_authenticated_data="
_NONCE_BYTES, _TAG_BYTES = 12, 16
_KEY_BYTES = (16, 24, 32)
_NO_KEY = "its secret is a key of 16, 24 or 32 bytes, as it is, in base64 or in hexadecimal"
_TTL_S = 14 * 24 * 3600
_CHUNKS = 10
_TOO_LONG = (
    f"more than {_CHUNKS} chunks, which Litestar puts together in the order of texts: "
    "it reads no session from them"
)


@dataclass(frozen=True, slots=True)
class Parts:
    """A cookie taken apart; nothing of it is proven."""

    nonce: bytes
    sealed: bytes  # ciphertext and tag
    associated: bytes
    expires_s: int
    notes: tuple[str, ...]


class Litestar:
    """An encrypted payload, and when it ends."""

    name = "litestar"
    cookie_name = "session"
    carries_time = False  # it says when it ends, and not when it was made
    carries_expiry = True
    parameters: Mapping[str, str] = {
        "ttl": "seconds of the app's max_age, which tell when the cookie was made",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        try:
            _split(value, context)
        except (CookieError, SerializerError):
            return None
        return Match(97, "base64 of a ciphertext and `additional_authenticated_data=`")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        parts = _split(value, context)
        decoded = self._decoded(parts, context)
        return replace(decoded, notes=(*_too_long(value), ENCRYPTED))

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
            parts = _split(value, context)
            decoded = self._decoded(parts, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        keys = indexed_keys(secrets, _KEY_BYTES)
        for index, key in keys:
            try:
                plain = aes_gcm_decrypt(self.name, key, parts.nonce, parts.sealed, parts.associated)
            except ValueError:
                continue
            good = Verdict(VerdictWord.VALID, Signature.VALID, decoded, index, parts.notes)
            verdict = json_body.read(plain, good, decoded, context.budget)
            if too_long := _too_long(value):
                return replace(verdict, word=VerdictWord.MALFORMED, notes=too_long)
            is_over = parts.expires_s <= round(now.timestamp())
            return replace(verdict, word=VerdictWord.EXPIRED) if is_over else verdict
        notes = () if keys else (_NO_KEY,)
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
        body = json_body.written(self.name, content)
        key = next(keys_in(secrets[0], _KEY_BYTES), None)
        if key is None:
            raise UsageError(_NO_KEY, hint="--secret-from file:secret-key")
        lasts_s = seconds(context, "ttl") or _TTL_S if ttl is None else int(ttl.total_seconds())
        associated = b'{"expires_at":%d}' % (round(now.timestamp()) + lasts_s)
        nonce = urandom(_NONCE_BYTES)
        sealed = aes_gcm_encrypt(self.name, key, nonce, body, associated)
        value = b64encode(nonce + sealed + _MARK + associated).decode()
        name, size = context.name or self.cookie_name, LITESTAR_CHUNK
        if len(value) <= size:
            return [Cookie(name, value)]
        if too_long := _too_long(value):
            raise UsageError(too_long[0], hint="keep less in the session")
        chunks = [value[start : start + size] for start in range(0, len(value), size)]
        return [Cookie(f"{name}-{number}", chunk) for number, chunk in enumerate(chunks)]

    def _decoded(self, parts: Parts, context: CookieContext) -> DecodedCookie:
        lasts_s = seconds(context, "ttl")
        issued_s = None if lasts_s is None else parts.expires_s - lasts_s
        return DecodedCookie(
            self.name, issued_at=instant(issued_s), expires_at=instant(parts.expires_s)
        )


def _split(value: str, context: CookieContext) -> Parts:
    """Raises CookieError."""
    from sessctl.serializers.json import decode  # 9 ms

    context.budget.check_cookie(len(value))
    try:
        raw = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise CookieError("not base64 with padding, as Litestar writes it") from None
    front, mark, associated = raw.partition(_MARK)
    if not mark:
        raise CookieError(f"no `{_MARK.decode()}` in it, as Litestar writes it")
    if len(front) < _NONCE_BYTES + _TAG_BYTES:
        raise CookieError(f"{len(front)} bytes before the mark, fewer than a nonce and a tag")
    associated = associated.replace(_MARK, b"")  # as the library does
    try:
        found = decode(associated, context.budget).data
    except SerializerError as exc:
        raise CookieError(f"its end is unreadable: {exc.message}") from None
    expires_s = found.get("expires_at") if isinstance(found, dict) else None
    if not isinstance(expires_s, int) or isinstance(expires_s, bool):
        raise CookieError("its `expires_at` is not a number of seconds")
    is_usual = b64encode(raw).decode() == value
    notes = () if is_usual else UNUSED_BITS
    return Parts(front[:_NONCE_BYTES], front[_NONCE_BYTES:], associated, expires_s, notes)


def _too_long(value: str) -> tuple[str, ...]:
    return (_TOO_LONG,) if len(value) > _CHUNKS * LITESTAR_CHUNK else ()
