"""What the formats of Django have in common: `BODY:STAMP:SIGNATURE`, and data in the body.

How a text is split, packed and signed: `sessctl.serializers.django`.
Source: Django 5.2.19 `core/signing.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.guessing import hmac_guesser
from sessctl.cookies.python import as_json, why_unsafe
from sessctl.cookies.times import timed, timed_as_usual
from sessctl.errors import CookieError, LimitExceeded, SerializerError, UsageError
from sessctl.serializers import django
from sessctl.serializers.first_bytes import is_pickle
from sessctl.timespec import MAX_MS, from_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Guess
    from sessctl.limits import Budget
    from sessctl.serializers import Value
    from sessctl.text import Secret

DIGEST = {"digest": "hash of the signature: sha1, sha256, sha384, sha512 (by its length; sha256)"}
BEFORE_3_1 = "signed with SHA-1, as Django did before 3.1; later versions take it no more"
TIMED = re.compile(r"(.*):([0-9A-Za-z]{6}):([A-Za-z0-9_-]{27,86})", re.DOTALL)
# JSON of an object, zlib of anything, a pickle.
_SESSION = re.compile(r"(?:ey[I-L]|e30|\.e[AFJN]|gA)[A-Za-z0-9_-]*")
FROM_S, _UNTIL_S = 1_262_304_000, 4_102_444_800  # 2010 to 2100, for a guess


@dataclass(frozen=True, slots=True)
class Reading:
    """What a value says: in all of it, and where its signature is."""

    signed: django.Signed
    decoded: DecodedCookie
    pickled: Value | None = None
    problem: SerializerError | None = None  # why there is no payload


class SignedBody(ABC):
    """The formats of Django whose value is `BODY:STAMP:SIGNATURE`; they differ by their salts."""

    name: str
    cookie_name: str
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str]
    key_prefix = b""
    lifetime: timedelta | None = None  # the library's own limit, where it has one
    setting = ""

    @abstractmethod
    def salts(self, context: CookieContext, reading: Reading | None) -> tuple[str, ...]:
        """The salts to try, the one to sign with first."""

    def read(self, value: str, context: CookieContext) -> Reading:
        """Raises CookieError, or SerializerError."""
        context.budget.check_cookie(len(value))
        signed = django.split(value)
        return with_body(self.name, signed, context.budget)

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        reading = self._read(value, context)
        if isinstance(reading.problem, LimitExceeded):
            raise reading.problem
        if reading.problem is not None:
            raise CookieError(f"not a cookie of {self.name}: {reading.problem.message}")
        return reading.decoded

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        digest_of(context, "")
        try:
            reading = self._read(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        index, notes = self.fitting(reading, secrets, context)
        decoded = None if reading.problem is not None else reading.decoded
        if index is None:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded, notes=notes)
        if reading.problem is not None:
            notes = (*notes, reading.problem.message)
            return Verdict(VerdictWord.PAYLOAD_ERROR, Signature.VALID, None, index, notes)
        word = VerdictWord.VALID
        if reading.pickled is not None and (why := why_unsafe(reading.pickled)):
            word, notes = VerdictWord.UNSAFE_PICKLE, (*notes, why)
        verdict = Verdict(word, Signature.VALID, decoded, index, notes)
        if self.lifetime is None:
            return timed(verdict, now, max_age)
        return timed_as_usual(verdict, now, max_age, self.lifetime, self.setting)

    def fitting(
        self, reading: Reading, secrets: Sequence[Secret], context: CookieContext
    ) -> tuple[int | None, tuple[str, ...]]:
        """(place of the secret that signed it, remarks)."""
        signed = reading.signed
        digest = digest_of(context, signed.signature)
        for salt in self.salts(context, reading):
            signer = signer_for(salt, digest, self.key_prefix, tuple(secrets))
            index = signer.fitting(signed.text, signed.signature)
            if index is not None:
                is_old = digest == "sha1" and "digest" not in context.parameters
                return index, (BEFORE_3_1,) if is_old else ()
        return None, ()

    def guesser(self, value: str, context: CookieContext) -> Guess:
        reading = self._read(value, context)
        signed = reading.signed
        digest = digest_of(context, signed.signature)
        mac = signed_text.mac_of(signed.signature, digest, url_safe=True)
        guess = hmac_guesser(signed.text.encode("utf-8", "surrogatepass"), mac, digest)
        salts, prefix = self.salts(context, reading), self.key_prefix
        if len(salts) == 1:
            (salt,) = salts
            return lambda secret: guess(django.derived_key(salt, prefix + secret, digest))
        return lambda secret: any(
            guess(django.derived_key(salt, prefix + secret, digest)) for salt in salts
        )

    def _read(self, value: str, context: CookieContext) -> Reading:
        try:
            return self.read(value, context)
        except LimitExceeded:
            raise
        except SerializerError as exc:
            raise CookieError(f"not a cookie of {self.name}: {exc.message}") from None

    def _signed(
        self,
        body: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        now: datetime | None,
        *,
        salt: str | None = None,
    ) -> str:
        """The body with its time, unless that is None, and its signature."""
        text = body if now is None else f"{body}:{django.as_stamp(int(now.timestamp()))}"
        salt, digest = salt or self.salts(context, None)[0], digest_of(context, "")
        signer = signer_for(salt, digest, self.key_prefix, tuple(secrets))
        return f"{text}:{signer.signature(text)}"


def digest_of(context: CookieContext, signature: str) -> str:
    """The hash that the context names, else the one whose signatures have this length.

    Raises UsageError for one that there is not.
    """
    if "digest" in context.parameters:
        return signed_text.digest_of(context, "sha256")
    return signed_text.digest_by_shape(signature, url_safe=True) or "sha256"


@lru_cache(maxsize=16)  # the keys are derived once for all cookies of a batch
def signer_for(salt: str, digest: str, prefix: bytes, secrets: tuple[Secret, ...]) -> django.Signer:
    """Signs and checks with these secrets under this salt."""
    return django.Signer(salt, [prefix + secret.reveal() for secret in secrets], digest)


def with_body(format: str, signed: django.Signed, budget: Budget) -> Reading:
    """A signed text with the data of its body. Raises SerializerError for a time that is none."""
    try:
        data = django.unpacked(signed.body, budget)
    except SerializerError as exc:
        decoded = DecodedCookie(format, issued_at=issued_at(signed))
        return Reading(signed, decoded, problem=exc)
    return of_data(format, signed, data, budget)


def of_data(format: str, signed: django.Signed, data: bytes, budget: Budget) -> Reading:
    """A signed text whose body has unpacked to this."""
    from sessctl.serializers.json_or_pickle import decode  # 9 ms with msgspec

    at = issued_at(signed)
    try:
        value = decode(data, budget)
    except SerializerError as exc:
        return Reading(signed, DecodedCookie(format, issued_at=at), problem=exc)
    decoded = DecodedCookie(format, payload=value.data, issued_at=at, notes=value.notes)
    return Reading(signed, decoded, value if is_pickle(data) else None)


def issued_at(signed: django.Signed) -> datetime | None:
    """The time of a signed text. Raises SerializerError for one that no calendar has."""
    if signed.stamp is None:
        return None
    if signed.stamp * 1000 > MAX_MS:
        raise SerializerError("its time is out of range")
    return from_ms(signed.stamp * 1000)


def session_json(content: Any) -> bytes:
    """A session as JSONSerializer writes it. Raises UsageError."""
    if not isinstance(content, dict):
        raise UsageError(
            "the session is an object of JSON", hint="""sessctl sign '{"_auth_user_id": "42"}'"""
        )
    return as_json(content, compact=True)


def is_timed(value: str) -> str | None:
    """The body of a value that ends in a time of our days and a signature; else None."""
    found = TIMED.fullmatch(value)
    if found is None or signed_text.digest_by_shape(found[3], url_safe=True) is None:
        return None
    return found[1] if FROM_S < django.stamp_s(found[2]) < _UNTIL_S else None


def session_match(value: str, words: str) -> Match | None:
    """A value that is a session's data, its time and a signature."""
    body = is_timed(value)
    if body is None or not _SESSION.fullmatch(body):
        return None
    return Match(92, f"data, a time in base 62 and a signature, {words}")
