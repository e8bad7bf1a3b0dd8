"""Tornado's signed cookies: `set_signed_cookie`, before 6.3 `set_secure_cookie`.

Who writes them: Tornado 3.2 and later in version 2, earlier ones in version 1 (checked with 6.6.1).

    2|1:0|10:1767225600|4:user|4:NDI=|98997cdf2d36ce9bfcfae9ff68de822d1e9e686442c7ce13d0bccbc66cb53e93
    NDI=|1767225600|1a44b06da1a2965515e9c34c1d9e93dc28358aac
    cookie_secret: correct horse battery staple

Version 2 has fields `length:content`, closed by a bar each: key version, seconds since 1970, the
cookie's name, base64 of the value; then hexadecimal HMAC-SHA256 of all before. The key is the
secret itself, or with a map of key versions the one that the cookie names (`--secret-from
3=env:NEW`). Version 1 is base64, seconds and hexadecimal HMAC-SHA1 of name, base64 and seconds with
nothing between them. A value is any bytes; the app says whether they are JSON.

Not supported: nothing that Tornado writes itself. It judges by age alone, 31 days unless the app
says otherwise (`--max-age 31d`).
Source: Tornado 6.6.1 `tornado/web.py`, create_signed_value and decode_signed_value.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import timedelta
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.python import as_json, bytes_of, text_or_bytes, wire
from sessctl.cookies.times import timed_as_usual
from sessctl.errors import CookieError, UsageError
from sessctl.timespec import MAX_MS, from_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.text import Secret

_FIELD = re.compile(rb"(0|[1-9][0-9]{0,5}):")
_V1 = re.compile(rb"[A-Za-z0-9+/]*={0,2}\|[0-9]{1,20}\|[0-9a-f]{40}")
_V2_TAIL = re.compile(rb"[0-9a-f]{64}")
_AHEAD = timedelta(days=31)  # further in the future, version 1 takes a cookie for a forged one
_DIGESTS = {1: "sha1", 2: "sha256"}


class Parts(NamedTuple):
    """A cookie's parts; `name` is that of version 2, which carries it."""

    version: int
    key_version: int | None
    stamp: bytes
    name: bytes | None
    value: bytes
    mac: bytes
    text: bytes  # version 2: what was signed


class Tornado:
    """A value that the app signed."""

    name = "tornado"
    cookie_name = "user"
    lifetime = timedelta(days=31)  # of get_signed_cookie
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str] = {
        "min_version": "1 or 2: the oldest version that the app takes (1)",
        "version": "1 or 2, to sign (2)",
        "key_version": "of the secret to sign with, where the app has a map of them (the first)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        try:
            parts = _split(value, context)
        except CookieError:
            return None
        if parts.version == 2:
            return Match(97, "2| and fields with their lengths, as Tornado signs them")
        likely = len(parts.stamp) == 10
        return (
            Match(80, "base64|time|40 hexadecimal digits, Tornado before 3.2") if likely else None
        )

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        return self._decoded(_split(value, context))

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        oldest = _version(context, "min_version", 1)
        try:
            parts = _split(value, context)
            decoded = self._decoded(parts)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        name = _name(context, parts)
        index, why = _fitting(parts, name, secrets)
        if index is None:
            word = VerdictWord.UNKNOWN_KEY if why else VerdictWord.BAD_SIGNATURE
            signature = Signature.UNVERIFIED if why else Signature.INVALID
            if parts.version == 1 and context.name is None:
                why = f"judged as '{self.cookie_name}': the name is signed; --name"
            return Verdict(word, signature, decoded, notes=(why,) if why else ())
        if parts.version < oldest:
            return Verdict(VerdictWord.VERSION_NOT_ALLOWED, Signature.VALID, decoded, index)
        if why := _refused(parts, name):  # Tornado has one word for all that it does not take
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.VALID, decoded, index, notes=(why,))
        if decoded.issued_at is None:
            return Verdict(VerdictWord.PAYLOAD_ERROR, Signature.VALID, decoded, index)
        if parts.version == 1 and decoded.issued_at > now + _AHEAD:
            return Verdict(VerdictWord.FROM_FUTURE, Signature.VALID, decoded, index)
        verdict = Verdict(VerdictWord.VALID, Signature.VALID, decoded, index)
        return timed_as_usual(verdict, now, max_age, self.lifetime, "max_age_days")

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        from sessctl.cookies.guessing import Mac

        parts = _split(value, context)
        message = _message(parts, _name(context, parts))
        return Mac(message, bytes.fromhex(parts.mac.decode()), _DIGESTS[parts.version])

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        raw = bytes_of(content)
        if raw is None:  # what the app would call json_encode for
            raw = as_json(content, compact=False).replace(b"</", rb"<\/")
        name, secret = context.name or self.cookie_name, _signing(secrets, context)
        value, stamp = b64encode(raw), b"%d" % int(now.timestamp())
        version = _version(context, "version", 2)
        if version == 1:
            parts = Parts(1, None, stamp, None, value, b"", b"")
            text = b"|".join((value, stamp, b""))
        else:
            fields = ((secret.key_id or "0").encode(), stamp, name.encode(), value)
            text = b"|".join((b"2", *(b"%d:%b" % (len(one), one) for one in fields), b""))
            parts = Parts(2, None, stamp, None, value, b"", text)
        mac = _mac(parts, name.encode(), secret.reveal())
        return [Cookie(name, wire((text + mac).decode()))]

    def _decoded(self, parts: Parts) -> DecodedCookie:
        ms = int(parts.stamp) * 1000 if parts.stamp.isdigit() and len(parts.stamp) <= 20 else -1
        try:
            payload = text_or_bytes(b64decode(parts.value))
        except (Base64Error, ValueError):
            raise CookieError("its value is not base64") from None
        notes = () if not parts.key_version else (f"key version {parts.key_version}",)
        at = from_ms(ms) if 0 <= ms <= MAX_MS else None
        return DecodedCookie(self.name, payload=payload, issued_at=at, notes=notes)


def _split(value: str, context: CookieContext) -> Parts:
    """Raises CookieError."""
    context.budget.check_cookie(len(value))
    raw = value.encode("utf-8", "surrogatepass")
    if not raw.startswith(b"2|"):
        if not _V1.fullmatch(raw):
            raise CookieError("neither 2|... nor base64|time|signature, as Tornado writes them")
        signed, stamp, mac = raw.split(b"|")
        return Parts(1, None, stamp, None, signed, mac, b"")
    fields, place = list[bytes](), 2
    for _ in range(4):
        found = _FIELD.match(raw, place)
        end = found.end() + int(found[1]) if found else -1
        if found is None or raw[end : end + 1] != b"|":
            raise CookieError("a field without its length, or of another one")
        fields.append(raw[found.end() : end])
        place = end + 1
    key_version, stamp, name, signed = fields
    if not _V2_TAIL.fullmatch(raw, place):
        raise CookieError("no signature of 64 hexadecimal digits at its end")
    if not key_version.isdigit() or len(key_version) > 9 or not stamp.isdigit():
        raise CookieError("its key version or its time is no number")
    return Parts(2, int(key_version), stamp, name, signed, raw[place:], raw[:place])


def _fitting(parts: Parts, name: bytes, secrets: Sequence[Secret]) -> tuple[int | None, str]:
    """(place of the secret that signed, why there is none to try)."""
    keys = {index: secret for index, secret in enumerate(secrets) if _may_sign(secret, parts)}
    if not keys and parts.version == 2:
        return None, f"no secret of key version {parts.key_version}"
    if not keys:
        return None, "version 1 has no key versions"
    for index, secret in keys.items():
        if compare_digest(_mac(parts, name, secret.reveal()), parts.mac):
            return index, ""
    return None, ""


def _may_sign(secret: Secret, parts: Parts) -> bool:
    """A secret without a version signs all; one with a version, what names it."""
    return secret.key_id is None or secret.key_id == str(parts.key_version)


def _refused(parts: Parts, name: bytes) -> str:
    """Why Tornado refuses a cookie whose signature is good; nothing if it does not."""
    if parts.name is not None and parts.name != name:
        return "its signature is good, for a cookie of another name"
    if parts.version == 1 and parts.stamp.startswith(b"0"):
        return "digits of the value may have been moved into its time"
    return ""


def _name(context: CookieContext, parts: Parts) -> bytes:
    """The cookie's name: as the app calls it, else what the cookie says itself."""
    if context.name is not None:
        return context.name.encode("utf-8", "surrogatepass")
    return Tornado.cookie_name.encode() if parts.name is None else parts.name


def _message(parts: Parts, name: bytes) -> bytes:
    return parts.text if parts.version == 2 else name + parts.value + parts.stamp


def _mac(parts: Parts, name: bytes, secret: bytes) -> bytes:
    return hmac_digest(secret, _message(parts, name), _DIGESTS[parts.version]).hex().encode()


def _signing(secrets: Sequence[Secret], context: CookieContext) -> Secret:
    wanted = context.parameters.get("key_version")
    if wanted is None:
        return secrets[0]
    for secret in secrets:
        if secret.key_id == wanted:
            return secret
    raise UsageError(f"no secret of key version {wanted}", hint="--secret-from 3=env:NAME")


def _version(context: CookieContext, key: str, usual: int) -> int:
    word = context.parameters.get(key, str(usual))
    if word not in ("1", "2"):
        raise UsageError(f"Tornado has no version '{word}'", hint=f"-p {key}=1, or 2")
    return int(word)
