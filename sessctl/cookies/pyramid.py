"""Pyramid's `SignedCookieSessionFactory`: all of a session in its cookie.

Who writes it: Pyramid 1.5 and later (checked with 2.1, and with 1.10.8, which pickles).

    1UhC57lUte6Gup7EsIKrYrM0aFhLWEA3B7HuXgvWjcWgmm17w376u6UJr28KbKmfgOySrqDuYGBgCEAFfQlVd1sxNzY3...
    secret: correct horse battery staple

Url-safe base64 without padding of HMAC(SHA-512, salt + secret, body) and the body: JSON of
`[renewed, created, {...}]` in seconds since 1970, up to 1.10 a pickle of that. The salt is
`pyramid.session.`; salt and secret are latin-1 if both can be, else UTF-8. A session is over when
it was not renewed for the `timeout` of the app, 20 minutes by default (`--max-age 20m`).

Pickles are read, inert, and not written. Not supported: `EncryptedCookieSessionFactory` and other
serializers of an app's own.
Source: Pyramid 2.1 `pyramid/session.py`, WebOb 1.8 `webob/cookies.py` SignedSerializer.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import timedelta
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies.base import (
    UNUSED_BITS,
    Cookie,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.cookies.guessing import hmac_guesser
from sessctl.cookies.python import as_json, why_unsafe
from sessctl.cookies.signed_text import digest_of
from sessctl.cookies.times import timed_as_usual
from sessctl.errors import CookieError, LimitExceeded, SerializerError, UsageError
from sessctl.serializers.first_bytes import is_pickle
from sessctl.text import encode_id
from sessctl.timespec import MAX_MS, from_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Guess
    from sessctl.serializers import Value
    from sessctl.text import Secret

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
_BODY = re.compile(rb"\[-?[0-9]|\x80[\x02-\x05]")
_SALT = "pyramid.session."
_SIZES = {"sha512": 64, "sha256": 32, "sha1": 20, "sha384": 48}
_HEAD = 92  # characters: the longest signature and more


class Parts(NamedTuple):
    """Signature and body as bytes, and what the body says."""

    mac: bytes
    body: bytes
    value: Value | None
    decoded: DecodedCookie | None
    problem: SerializerError | None
    notes: tuple[str, ...]


class Pyramid:
    """The session with the time of its last renewal."""

    name = "pyramid"
    cookie_name = "session"
    lifetime = timedelta(minutes=20)  # without a renewal
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str] = {
        "salt": f"in front of the secret ({_SALT})",
        "digest": "hash of the signature: sha1, sha256, sha384, sha512 (sha512)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if not _ALPHABET.fullmatch(value):
            return None
        head = value[:_HEAD]
        raw = b64decode(head[: len(head) // 4 * 4], b"-_")
        for digest, size in _SIZES.items():
            if _BODY.match(raw, size):
                return Match(
                    90 if digest == "sha512" else 75,
                    f"base64 of {size} bytes and what begins as a session of Pyramid",
                )
        return None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        parts = self._split(value, context)
        if isinstance(parts.problem, LimitExceeded):
            raise parts.problem
        if parts.decoded is None:
            assert parts.problem is not None
            raise CookieError(f"not a session of Pyramid: {parts.problem.message}")
        return parts.decoded

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        digest, salt = digest_of(context, "sha512"), context.parameters.get("salt", _SALT)
        try:
            parts = self._split(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        index = next(
            (
                index
                for index, secret in enumerate(secrets)
                if compare_digest(hmac_digest(_key(salt, secret), parts.body, digest), parts.mac)
            ),
            None,
        )
        if index is None:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, parts.decoded)
        if parts.decoded is None:
            why = parts.problem.message if parts.problem else ""
            return Verdict(VerdictWord.PAYLOAD_ERROR, Signature.VALID, None, index, (why,))
        word, notes = VerdictWord.VALID, parts.notes
        if (
            parts.value is not None
            and is_pickle(parts.body)
            and (unsafe := why_unsafe(parts.value))
        ):
            word, notes = VerdictWord.UNSAFE_PICKLE, (*notes, unsafe)
        verdict = Verdict(word, Signature.VALID, parts.decoded, index, notes)
        return timed_as_usual(verdict, now, max_age, self.lifetime, "timeout")

    def guesser(self, value: str, context: CookieContext) -> Guess:
        parts, digest = self._split(value, context), digest_of(context, "sha512")
        if len(parts.mac) != hashlib.new(digest).digest_size:
            raise CookieError("shorter than a signature: no secret made it")
        guess, salt = (
            hmac_guesser(parts.body, parts.mac, digest),
            context.parameters.get("salt", _SALT),
        )
        return lambda secret: guess(_salted(salt, secret))

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
                "the session is an object of JSON", hint="""sessctl sign '{"user_id": 42}'"""
            )
        digest, salt = digest_of(context, "sha512"), context.parameters.get("salt", _SALT)
        at = now.timestamp()
        body = as_json([int(at), at, content], compact=False)  # renewed in whole seconds
        mac = hmac_digest(_key(salt, secrets[0]), body, digest)
        value = b64encode(mac + body, b"-_").rstrip(b"=").decode()
        return [Cookie(context.name or self.cookie_name, value)]

    def _split(self, value: str, context: CookieContext) -> Parts:
        """Raises CookieError."""
        context.budget.check_cookie(len(value))
        if not _ALPHABET.fullmatch(value):
            raise CookieError("not url-safe base64 without padding")
        try:
            raw = b64decode(value + "=" * (-len(value) % 4), b"-_")
        except Base64Error:
            raise CookieError("its length is none of base64") from None
        is_usual = b64encode(raw, b"-_").rstrip(b"=").decode() == value
        notes = () if is_usual else UNUSED_BITS
        size = _SIZES[digest_of(context, "sha512")]
        mac, body = raw[:size], raw[size:]
        try:
            found = _value(body, context)
            return Parts(mac, body, found, self._decoded(found), None, notes)
        except SerializerError as exc:
            return Parts(mac, body, None, None, exc, notes)

    def _decoded(self, value: Value) -> DecodedCookie:
        """Raises SerializerError for what is no session."""
        data = value.data
        if isinstance(data, dict) and data.keys() == {"__tuple__"}:
            data = data["__tuple__"]
        if not isinstance(data, list) or len(data) != 3 or not isinstance(data[2], dict):
            raise SerializerError("expected [renewed, created, {...}]")
        renewed, created = map(_instant, data[:2])
        notes = value.notes
        if created is not None and created != renewed:
            notes = (*notes, f"session begun {created.isoformat(timespec='seconds')}")
        return DecodedCookie(self.name, payload=data[2], issued_at=renewed, notes=notes)


def _value(body: bytes, context: CookieContext) -> Value:
    from sessctl.serializers.json_or_pickle import decode  # 9 ms with msgspec

    return decode(body, context.budget)


def _instant(seconds: Any) -> datetime | None:
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    return from_ms(int(seconds * 1000)) if is_number and 0 <= seconds * 1000 <= MAX_MS else None


def _key(salt: str, secret: Secret) -> bytes:
    return _salted(salt, secret.reveal())


def _salted(salt: str, secret: bytes) -> bytes:
    """Salt and secret in latin-1, if it has all their letters; else in UTF-8."""
    try:
        return (salt + secret.decode()).encode("latin-1")
    except UnicodeDecodeError:  # a secret of bytes
        return salt.encode("latin-1", "replace") + secret
    except UnicodeEncodeError:
        return encode_id(salt) + secret
