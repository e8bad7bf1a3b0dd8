"""aiohttp_session's `AIOHTTP_SESSION`: the whole session in the cookie, plain or encrypted.

Who writes it: aiohttp-session (checked with 2.12.1): SimpleCookieStorage, EncryptedCookieStorage,
NaClCookieStorage. Their secret is a key of 32 bytes, as it is or in base64.

    "{\\"created\\": 1767225600\\054 \\"session\\": {\\"user_id\\": 42}}"
    "gAAAAABpVbkAoIeS2lZ6eoQrshxoCJx0_2ke3YKPT45EAvJvDAmctHE0_KIHdLJ9lxjlZutv6aT_vw5z7Mx8oQNuSaKi..."
    "gOhNKlPreOss7zePoww/dQSzm59zr/AMJeFZWZu6ZrNxhAcpIKr2dfB93v9zkamQ3TKqQuzWi1IDj8tYYbI+VnT/rMT9..."
    key (base64): xLvLH77JnWW/WdhcjLYu4tuWPw/hBvSD2a+nO9Tjmoo=

In each of them is JSON, {"created": second, "session": {...}}: in quotes with Python's escapes, as
a Fernet token, or as base64 of 24 bytes of nonce and libsodium's secretbox. The app's `max_age`,
which the cookie does not tell, is judged by `created`, and by a Fernet token's own time too.
Not supported: an `encoder` of the app's own.
Source: aiohttp_session 2.12.1 `__init__.py`, `cookie_storage.py`, `nacl_storage.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sessctl.cookies import fernet, json_body
from sessctl.cookies.base import (
    UNUSED_BITS,
    Cookie,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.cookies.crypto import ENCRYPTED, crypto_for, indexed_keys, keys_in
from sessctl.cookies.jose import instant, is_number
from sessctl.cookies.python import as_json, wire
from sessctl.cookies.unsigned import PARAMETER, is_signed, unsigned
from sessctl.errors import CookieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Guess
    from sessctl.limits import Budget
    from sessctl.text import Secret

NAME = "AIOHTTP_SESSION"
_KEY_BYTES = 32
_NO_KEY = f"its secret is a key of {_KEY_BYTES} bytes, as it is or in base64"
_SKEW_S = 60  # what Fernet lets the clocks differ by
_BOX = re.compile(r"[A-Za-z0-9+/]{56,}={0,2}")
_NONCE_BYTES, _TAG_BYTES = 24, 16


class _Storage(ABC):
    """What the three share: the name, and the object with `created` and `session`."""

    name: str
    cookie_name = NAME
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str] = {}

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        session = json_body.check_object(self.name, content)
        if session.keys() != {"created", "session"}:
            session = {"created": int(now.timestamp()), "session": session}
        body = as_json(session, compact=False)
        return [Cookie(context.name or self.cookie_name, self._value(body, secrets[0], now))]

    @abstractmethod
    def _value(self, body: bytes, secret: Secret, now: datetime) -> str:
        """The cookie's value around this JSON."""


class AiohttpPlain(_Storage):
    """SimpleCookieStorage: JSON that nothing signs, which is meant for tests."""

    name = "aiohttp-plain"
    parameters: Mapping[str, str] = PARAMETER

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if not value.startswith('{"created"') or "session" not in value:
            return None
        return Match(92, "JSON with `created` and `session`, which nothing signs")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        verdict = self._read(value, context.budget)
        if verdict.decoded is None or verdict.word is VerdictWord.PAYLOAD_ERROR:
            raise CookieError(f"no session of aiohttp_session: {verdict.notes[-1]}")
        return verdict.decoded

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        expects_signature = is_signed(context)
        try:
            decoded = self.decode(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        verdict = unsigned(decoded, expects_signature=expects_signature)
        return _judged(verdict, now, max_age) if verdict.valid else verdict

    def _read(self, value: str, budget: Budget) -> Verdict:
        budget.check_cookie(len(value))
        decoded = DecodedCookie(self.name, signed=False)
        good = Verdict(VerdictWord.VALID, Signature.NONE, decoded)
        return _opened(value.encode("utf-8", "surrogatepass"), good, decoded, budget)

    def _value(self, body: bytes, secret: Secret, now: datetime) -> str:
        return wire(body.decode())


class AiohttpFernet(_Storage):
    """EncryptedCookieStorage."""

    name = "aiohttp-fernet"

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return (
            Match(90, "a Fernet token: gAAAAA, and whole blocks")
            if fernet.is_token(value)
            else None
        )

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        token = fernet.parse(value, context.budget)
        return DecodedCookie(self.name, issued_at=instant(token.issued_s), notes=(ENCRYPTED,))

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
            token = fernet.parse(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded = DecodedCookie(self.name, issued_at=instant(token.issued_s))
        keys = indexed_keys(secrets, {_KEY_BYTES})
        fitting = [(index, key) for index, key in keys if fernet.is_genuine(token, key)]
        if not fitting:
            notes = () if keys else (_NO_KEY,)
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded, notes=notes)
        index, key = fitting[0]
        good = Verdict(VerdictWord.VALID, Signature.VALID, decoded, index, token.notes)
        plain = fernet.opened(self.name, token, key)
        if plain is None:
            return replace(good, word=VerdictWord.DECRYPT_FAILED)
        verdict = _judged(_opened(plain, good, decoded, context.budget), now, max_age)
        if max_age is None or not verdict.valid:
            return verdict
        clock = int(now.timestamp())
        if token.issued_s + int(max_age.total_seconds()) < clock:
            return replace(verdict, word=VerdictWord.EXPIRED)
        is_early = token.issued_s > clock + _SKEW_S
        return replace(verdict, word=VerdictWord.FROM_FUTURE) if is_early else verdict

    def guesser(self, value: str, context: CookieContext) -> Guess:
        from sessctl.text import Secret

        token = fernet.parse(value, context.budget)

        def guess(secret: bytes) -> bool:
            keys = keys_in(Secret.of_a_list(secret), {_KEY_BYTES})
            return any(fernet.is_genuine(token, key) for key in keys)

        return guess

    def _value(self, body: bytes, secret: Secret, now: datetime) -> str:
        return fernet.sealed(self.name, _key(secret), body, int(now.timestamp()))


class AiohttpNacl(_Storage):
    """NaClCookieStorage. Nothing tells its cookies from other ciphertexts but their name."""

    name = "aiohttp-nacl"

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if context.name != NAME or _BOX.fullmatch(value) is None or len(value) % 4:
            return None
        return Match(60, f"base64 of what may be a secretbox, in a cookie named {NAME}")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        _box(value, context.budget)
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
            box, notes = _box(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        with crypto_for(self.name):
            from nacl.exceptions import CryptoError  # 25 ms
            from nacl.secret import SecretBox

        decoded, keys = DecodedCookie(self.name), indexed_keys(secrets, {_KEY_BYTES})
        for index, key in keys:
            try:
                plain = SecretBox(key).decrypt(box)
            except CryptoError:
                continue
            good = Verdict(VerdictWord.VALID, Signature.VALID, decoded, index, notes)
            return _judged(_opened(plain, good, decoded, context.budget), now, max_age)
        notes = () if keys else (_NO_KEY,)
        return Verdict(VerdictWord.DECRYPT_FAILED, Signature.INVALID, decoded, notes=notes)

    def _value(self, body: bytes, secret: Secret, now: datetime) -> str:
        with crypto_for(self.name):
            from nacl.secret import SecretBox
        return b64encode(SecretBox(_key(secret)).encrypt(body)).decode()


def _key(secret: Secret) -> bytes:
    """The key that signs. Raises UsageError."""
    found = next(keys_in(secret, {_KEY_BYTES}), None)
    if found is None:
        raise UsageError(_NO_KEY, hint="--secret-from file:secret-key")
    return found


def _box(value: str, budget: Budget) -> tuple[bytes, tuple[str, ...]]:
    """(nonce, tag and ciphertext; notes). Raises CookieError."""
    budget.check_cookie(len(value))
    try:
        raw = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise CookieError("not base64 with padding, as NaClCookieStorage writes it") from None
    if len(raw) < _NONCE_BYTES + _TAG_BYTES:
        raise CookieError(f"{len(raw)} bytes, shorter than a nonce and a tag")
    is_usual = b64encode(raw).decode() == value
    return raw, () if is_usual else UNUSED_BITS


def _opened(body: bytes, good: Verdict, decoded: DecodedCookie, budget: Budget) -> Verdict:
    """The verdict on a body, and when it says that it was made."""
    verdict = json_body.read(body, good, decoded, budget)
    if not verdict.valid or verdict.decoded is None:
        return verdict
    payload = verdict.decoded.payload
    created, session = payload.get("created"), payload.get("session")
    if created and not is_number(created):
        return json_body.unreadable(verdict, "its `created` is not a number of seconds")
    if session is not None and not isinstance(session, dict):
        return json_body.unreadable(verdict, "its `session` is not a JSON object")
    issued_at = verdict.decoded.issued_at or instant(created)
    return replace(verdict, decoded=replace(verdict.decoded, issued_at=issued_at))


def _judged(verdict: Verdict, now: datetime, max_age: timedelta | None) -> Verdict:
    """A verdict that was good so far, by `created`: a cookie without it is as old as time itself.

    Source: aiohttp_session 2.12.1 `__init__.py`, Session.
    """
    if max_age is None or not verdict.valid or verdict.decoded is None:
        return verdict
    created = verdict.decoded.payload.get("created") or 0
    is_old = int(now.timestamp()) - created > max_age.total_seconds()
    return replace(verdict, word=VerdictWord.EXPIRED) if is_old else verdict
