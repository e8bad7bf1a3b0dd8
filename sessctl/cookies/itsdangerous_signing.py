"""How itsdangerous signs: `VALUE.SIGNATURE`, or `VALUE.TIME.SIGNATURE`.

Who writes it: itsdangerous (checked with 2.2.0 and 0.24), through which Flask, Quart, Flask-Session
and Starlette sign.

The signature is url-safe base64 without padding of an HMAC; its key is made of salt and secret in
one of four ways. TIME is base64 of the seconds since 1970, big-endian; versions up to 0.24 count
from 2011. The library decodes a signature before it compares, so that another spelling of the same
bytes is valid.
Source: itsdangerous 2.2.0 `signer.py`, `timed.py`, `encoding.py`, `url_safe.py`; 0.24 for 2011.
"""

from __future__ import annotations

import hashlib
import zlib
from abc import ABC, abstractmethod
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from sessctl.cookies import signed_text
from sessctl.cookies.base import Cookie, Signature, Verdict, VerdictWord
from sessctl.errors import CookieError, LimitExceeded, SerializerError, UsageError, did_you_mean
from sessctl.text import encode_id
from sessctl.timespec import MAX_MS, format_duration, from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any, ClassVar

    from itsdangerous import Signer

    from sessctl.cookies.base import CookieContext, DecodedCookie
    from sessctl.cookies.guessing import Guess
    from sessctl.limits import Budget
    from sessctl.text import Secret

_DERIVATIONS = ("django-concat", "concat", "hmac", "none")
_STAMP_BYTES = 8
EPOCH_2011_S = 1_293_840_000
_LOOK_BYTES = 1024
_YEAR_2100_S = 4_102_444_800
PARAMETERS = {
    "salt": "of the key; the library's own",
    "digest": "hash of the signature: sha1, sha256, sha384, sha512 (sha1)",
    "key_derivation": f"{', '.join(_DERIVATIONS)}; the library's own",
}
EPOCH = {
    "epoch": f"seconds since 1970 where its clock starts: {EPOCH_2011_S} for itsdangerous 0.24 "
    "and older (by the look)"
}


@dataclass(frozen=True, slots=True)
class Signing:
    """How an app's Signer is set up."""

    salt: bytes
    derivation: str
    digest: str = "sha1"
    separator: str = "."
    timed: bool = True

    def given(self, context: CookieContext) -> Signing:
        """The same with the settings of the context. Raises UsageError."""
        settings = context.parameters
        derivation = settings.get("key_derivation", self.derivation)
        if derivation not in _DERIVATIONS:
            raise UsageError(
                f"itsdangerous has no key derivation '{derivation}'",
                hint=did_you_mean(derivation, _DERIVATIONS, all_are="there are"),
            )
        salt = encode_id(settings["salt"]) if "salt" in settings else self.salt
        digest = signed_text.digest_of(context, self.digest)
        return replace(self, salt=salt, derivation=derivation, digest=digest)


@lru_cache(maxsize=64)  # a key is made once a secret, not once a cookie
def keyed(secret: Secret, signing: Signing) -> Signer:
    """The library's own signer, its key made of the secret already."""
    from itsdangerous import Signer  # 20 ms; reading a cookie does without

    def signer(secret: bytes, derivation: str) -> Signer:
        return Signer(
            secret,
            salt=signing.salt,
            sep=signing.separator,
            key_derivation=derivation,
            digest_method=getattr(hashlib, signing.digest),
        )

    return signer(signer(secret.reveal(), signing.derivation).derive_key(), "none")


@dataclass(frozen=True, slots=True)
class Parts:
    """A value taken apart. `issued_at` is None where it carries no time."""

    body: bytes
    signed: bytes  # what the signature is of
    signature: bytes
    stamp_s: int | None = None  # since 1970
    notes: tuple[str, ...] = ()

    @property
    def issued_at(self) -> datetime | None:
        return None if self.stamp_s is None else from_ms(self.stamp_s * 1000)

    @property
    def spelling(self) -> tuple[str, ...]:
        """A note on a signature that the library would have written another way."""
        usual = to_base64(from_base64(self.signature) or b"")
        return () if usual == self.signature else (_SPELLING,)


_SPELLING = "another spelling of the signature, which the library takes too"


def split(value: str, signing: Signing, context: CookieContext) -> Parts:
    """A value's parts. Raises CookieError."""
    context.budget.check_cookie(len(value))
    try:
        raw = encode_id(value)
    except UnicodeEncodeError:
        raise CookieError("a lone surrogate, which no cookie can carry") from None
    separator = signing.separator.encode()
    signed, found, signature = raw.rpartition(separator)
    if not found:
        raise CookieError(f"no '{signing.separator}' before a signature")
    if not signing.timed:
        return Parts(signed, signed, signature)
    body, found, stamp = signed.rpartition(separator)
    if not found:
        raise CookieError(f"no time: there is only one '{signing.separator}'")
    seconds, notes = _seconds(stamp, context)
    return Parts(body, signed, signature, seconds, notes)


def _seconds(stamp: bytes, context: CookieContext) -> tuple[int, tuple[str, ...]]:
    """(seconds since 1970, notes). Raises CookieError."""
    raw = from_base64(stamp)
    if raw is None or len(raw) > _STAMP_BYTES:
        raise CookieError("its time is not base64 of at most 8 bytes")
    seconds, notes = int.from_bytes(raw, "big"), tuple[str, ...]()
    epoch_s = epoch_of(context)
    if epoch_s is None and seconds < EPOCH_2011_S:  # the library itself is of 2011
        epoch_s = EPOCH_2011_S
        notes = ("its time counts from 2011, as itsdangerous 0.24 and older write it",)
    seconds += epoch_s or 0
    if seconds * 1000 > MAX_MS:
        raise CookieError("its time is out of range")
    return seconds, notes


def epoch_of(context: CookieContext) -> int | None:
    """Where the app's clock starts; None if it is not said. Raises UsageError."""
    text = context.parameters.get("epoch")
    if text is None:
        return None
    if not text.isdecimal() or not text.isascii() or int(text[:12]) > _YEAR_2100_S:
        raise UsageError(f"'{text}' is no number of seconds", hint=f"-p epoch={EPOCH_2011_S}")
    return int(text)


def from_base64(text: bytes) -> bytes | None:
    """What the library reads: it skips what is not of the alphabet. None: the padding is wrong."""
    try:
        return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        return None


def to_base64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def unpacked(body: bytes, budget: Budget) -> bytes:
    """The JSON in a body of the url-safe serializers; a dot in front: it is compressed.

    Raises:
        SerializerError: neither base64 nor zlib.
        LimitExceeded: it unpacks to more than the budget.
    """
    raw = from_base64(body.removeprefix(b"."))
    if raw is None:
        raise SerializerError("not base64")
    if not body.startswith(b"."):
        return raw
    from sessctl.serializers.compression import inflate

    return inflate(raw, budget)


def beginning(body: bytes) -> bytes | None:
    """The first characters of the JSON in such a body; None: it is none."""
    raw = from_base64(body.removeprefix(b"."))
    if raw is None or not body.startswith(b"."):
        return raw
    try:
        return zlib.decompressobj().decompress(raw, _LOOK_BYTES)
    except zlib.error:
        return None


def packed(raw: bytes) -> bytes:
    """The body that the url-safe serializers make of JSON: compressed where that is shorter."""
    small = zlib.compress(raw)
    return b"." + to_base64(small) if len(small) < len(raw) - 1 else to_base64(raw)


def is_stamp(text: str) -> bool:
    """Whether the text is a time between 2011 and 2100 as the library writes it."""
    raw = from_base64(text.encode()) if len(text) == 6 and text.isascii() else None
    return raw is not None and len(raw) == 4 and int.from_bytes(raw, "big") < _YEAR_2100_S


class SignedByItsdangerous(ABC):
    """What the formats that sign through itsdangerous have in common."""

    name: str
    cookie_name: str
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str]
    signing: ClassVar[Signing]
    lifetime: ClassVar[timedelta | None] = None  # what the library allows unless told otherwise
    setting = ""  # the app's, of that lifetime

    @abstractmethod
    def _read(self, value: str, body: bytes, context: CookieContext) -> DecodedCookie:
        """What the body of a value says. Raises SerializerError."""

    @abstractmethod
    def _written(self, content: Any, context: CookieContext) -> bytes:
        """The body that a content is signed as. Raises UsageError, SerializerError."""

    def _signing_of(self, value: str, context: CookieContext) -> Signing:
        """How the app has signed a value. Raises UsageError."""
        return self.signing.given(context)

    def _signing_for(self, content: Any, context: CookieContext) -> Signing:
        """How the app would sign a content. Raises UsageError."""
        return self.signing.given(context)

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        parts = split(value, self._signing_of(value, context), context)
        try:
            return self._decoded(value, parts, context)
        except LimitExceeded:
            raise
        except SerializerError as exc:
            raise CookieError(f"its payload cannot be read: {exc.message}") from None

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        signing = self._signing_of(value, context)
        try:
            parts = split(value, signing, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded, problem = None, None
        try:
            decoded = self._decoded(value, parts, context)
        except SerializerError as exc:
            problem = exc.message
        index = fitting(parts, secrets, signing)
        if index is None:
            notes = _other_digest(parts.signature, signing.digest)
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded, notes=notes)
        word, notes = self._aged(parts, now, max_age)
        if word is VerdictWord.VALID and problem is not None:
            word, notes = VerdictWord.PAYLOAD_ERROR, (problem,)
        return Verdict(word, Signature.VALID, decoded, index, (*parts.spelling, *notes))

    def guesser(self, value: str, context: CookieContext) -> Guess:
        from sessctl.cookies.guessing import derived_guesser

        signing = self._signing_of(value, context)
        parts = split(value, signing, context)
        mac = from_base64(parts.signature) or b""
        if len(mac) != hashlib.new(signing.digest).digest_size:
            raise CookieError(
                "its signature is not base64 of the right length: no secret made it",
                hint=next(iter(_other_digest(parts.signature, signing.digest)), None),
            )
        return derived_guesser(_derivation(signing), parts.signed, mac, signing.digest)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        signing = self._signing_for(content, context)
        try:
            body = self._written(content, context)
        except SerializerError as exc:
            raise UsageError(f"the payload {exc.message}", hint=exc.hint) from None
        except UnicodeEncodeError:
            raise UsageError("the text has half an emoji, which no cookie can carry") from None
        if signing.timed:
            stamp_s = to_ms(now) // 1000 - (epoch_of(context) or 0)
            if stamp_s < 0:
                raise UsageError("no cookie can be of a time before its clock starts")
            raw = stamp_s.to_bytes(_STAMP_BYTES, "big").lstrip(b"\0")
            body += signing.separator.encode() + to_base64(raw)
        text = keyed(secrets[0], signing).sign(body).decode("utf-8", "surrogateescape")
        return [Cookie(context.name or self.cookie_name, text)]

    def _decoded(self, value: str, parts: Parts, context: CookieContext) -> DecodedCookie:
        found = self._read(value, parts.body, context)
        return replace(found, issued_at=parts.issued_at, notes=(*parts.notes, *found.notes))

    def _aged(
        self, parts: Parts, now: datetime, max_age: timedelta | None
    ) -> tuple[VerdictWord, tuple[str, ...]]:
        """The verdict on a signed value by its time, whole seconds as the library counts them."""
        limit = self.lifetime if max_age is None else max_age
        if limit is None:
            return VerdictWord.VALID, ()
        if parts.stamp_s is None:
            note = "it does not say when it was issued, so its age cannot be judged"
            return VerdictWord.UNVERIFIED, (note,)
        age_s = to_ms(now) // 1000 - parts.stamp_s
        if age_s < 0:
            return VerdictWord.FROM_FUTURE, ()
        if age_s <= limit.total_seconds():
            return VerdictWord.VALID, ()
        if max_age is not None:
            return VerdictWord.EXPIRED, ()
        usual = format_duration(limit.total_seconds())
        return VerdictWord.EXPIRED, (
            f"older than the {usual} that the library allows; if {self.setting} of the app is "
            "another: --max-age",
        )


def _derivation(signing: Signing) -> Callable[[bytes], bytes]:
    """From a secret to its key, as `Signer.derive_key` has it, for millions of secrets."""
    from sessctl.cookies.guessing import hmac_under

    salt, new = signing.salt, getattr(hashlib, signing.digest)
    if signing.derivation == "hmac":
        return hmac_under(salt, signing.digest)
    if signing.derivation == "none":
        return bytes
    before = salt + b"signer" if signing.derivation == "django-concat" else salt
    return lambda secret: bytes(new(before + secret).digest())


def fitting(parts: Parts, secrets: Sequence[Secret], signing: Signing) -> int | None:
    """The place of the secret that made the signature; None: none of them did."""
    for index, secret in enumerate(secrets):
        if keyed(secret, signing).verify_signature(parts.signed, parts.signature):
            return index
    return None


def _other_digest(signature: bytes, digest: str) -> tuple[str, ...]:
    """A note on a signature that has the length of another hash."""
    text = signature.decode("latin-1")
    found = signed_text.digest_by_shape(text, url_safe=True)
    if found is None or found == digest:
        return ()
    return (f"a signature of {len(text)} characters, which is {found} and not {digest}: --digest",)
