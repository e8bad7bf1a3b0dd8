"""What Django signs of a session: the cookie of `signed_cookies`, and a stored row pasted as one.

Who writes them: Django 1.4 and later (checked with 1.11, 2.2, 3.2, 4.2, 5.2). The engine
`signed_cookies` keeps all of the session in `sessionid`; the engines `db`, `cached_db` and `file`
keep the same text under another salt, before 3.1 in another form. An example and the signature:
`sessctl.serializers.django`.

The payload is read without SECRET_KEY. Not supported: SIGNING_BACKEND, `key_salt` of a session
class of the app's own (`--salt` names it). Pickles (PickleSerializer, up to 4.2) are read, inert.
Source: `contrib/sessions/backends/signed_cookies.py` and `base.py`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.guessing import hmac_guesser
from sessctl.cookies.python import as_json, run_by
from sessctl.cookies.times import timed, timed_as_usual
from sessctl.errors import CookieError, LimitExceeded, SerializerError, UsageError
from sessctl.serializers import django
from sessctl.serializers.first_bytes import is_pickle
from sessctl.timespec import MAX_MS, from_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext, PlainJudge
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


class SignedBody:
    """The formats of Django whose value is `BODY:STAMP:SIGNATURE`; they differ by their salts."""

    name: str
    cookie_name: str
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str]
    key_prefix = b""
    lifetime: timedelta | None = None  # the library's own limit, where it has one
    setting = ""

    def salts(self, context: CookieContext, reading: Reading | None) -> tuple[str, ...]:
        """The salts to try, the one to sign with first."""
        raise NotImplementedError

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
        if reading.pickled is not None and (called := run_by(reading.pickled)):
            word = VerdictWord.UNSAFE_PICKLE
            notes = (*notes, f"its pickle would have '{called}' run by whoever loads it")
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


class DjangoSignedCookies(SignedBody):
    """All of a session in its cookie."""

    name = "django-signed-cookies"
    cookie_name = "sessionid"
    salt = "django.contrib.sessions.backends.signed_cookies"
    lifetime: timedelta | None = timedelta(days=14)
    setting = "SESSION_COOKIE_AGE"
    parameters: Mapping[str, str] = {"salt": f"of the key ({salt})", **DIGEST}

    def salts(self, context: CookieContext, reading: Reading | None) -> tuple[str, ...]:
        return (context.parameters.get("salt", self.salt),)

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return session_match(value, "as django.core.signing writes it")

    def plain_judge(
        self, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
    ) -> PlainJudge:
        from sessctl.cookies.django_batch import plain_judge  # only a batch needs it

        return plain_judge(self, secrets, now=now, max_age=max_age)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        body = django.packed(session_json(content))
        return [Cookie(context.name or self.cookie_name, self._signed(body, secrets, context, now))]


class DjangoSessionData(DjangoSignedCookies):
    """The text of a stored session: the column `session_data`, a file, an older row."""

    name = "django-session-data"
    salt = django.STORED
    lifetime = None  # its row says how long it lives
    parameters: Mapping[str, str] = {
        "salt": f"of the key ({salt})",
        **DIGEST,
        "layout": "signing, or legacy-base64 to sign as Django did before 3.1 (signing)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if ":" in value:
            return super().sniff(value, context)
        try:
            django.split_old(value)
        except SerializerError:
            return None
        return Match(90, "base64 of 40 hexadecimal digits, a colon and data, Django before 3.1")

    def read(self, value: str, context: CookieContext) -> Reading:
        if ":" in value:
            return super().read(value, context)
        context.budget.check_cookie(len(value))
        old = django.split_old(value)
        signed = django.Signed("", None, old.data.decode("latin-1"), old.mac)
        return of_data(self.name, signed, old.data, context.budget)

    def fitting(
        self, reading: Reading, secrets: Sequence[Secret], context: CookieContext
    ) -> tuple[int | None, tuple[str, ...]]:
        if reading.signed.stamp is not None:
            return super().fitting(reading, secrets, context)
        guess = _old_guesser(reading.signed)
        for index, secret in enumerate(secrets):
            if guess(secret.reveal()):
                return index, ("as Django stored it before 3.1; 4.0 and later read it no more",)
        return None, ()

    def guesser(self, value: str, context: CookieContext) -> Guess:
        reading = self._read(value, context)
        if reading.signed.stamp is None:
            return _old_guesser(reading.signed)
        return super().guesser(value, context)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        layout = context.parameters.get("layout", "signing")
        if layout == "signing":
            return super().sign(content, secrets, context, now=now)
        if layout != "legacy-base64":
            raise UsageError(f"no layout '{layout}'", hint="-p layout=signing or legacy-base64")
        value = django.as_old(session_json(content), secrets[0].reveal())
        return [Cookie(context.name or self.cookie_name, value)]


def _old_guesser(signed: django.Signed) -> Guess:
    from hmac import compare_digest

    data, mac = signed.text.encode("latin-1"), signed.signature
    return lambda secret: compare_digest(django.old_mac(data, secret), mac)


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
