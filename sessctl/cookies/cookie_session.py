"""Sessions kept whole in a cookie, its signature in a second one: cookie-session, koa-session.

Who writes them: cookie-session (checked with 2.1.1) and koa-session (7.0.2), through cookies
(0.9.2) and keygrip (1.1.0).

    session=eyJ1c2VyX2lkIjo0MiwibmFtZSI6ImFsaWNlIn0=; session.sig=yu6A1PrA76q9BiPSnNBkC4W2WXE
    secret: correct horse battery staple

The value is base64 of JSON, readable by whoever holds it. `<name>.sig` is HMAC-SHA1 of `name=value`
in url-safe base64 without padding: the name is signed too. koa-session adds `_expire` and `_maxAge`
(ms), or `_session`; with a store of its own its cookie is the key of the session there.
Not supported: `encode` and `decode` functions of the app's own, a Keygrip that writes hex.
Source: cookie-session `index.js`; koa-session `src/context.ts`; cookies, keygrip `index.js`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import replace
from datetime import timedelta
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.times import timed
from sessctl.cookies.unsigned import PARAMETER, is_signed, unsigned
from sessctl.errors import CookieError, SerializerError, UsageError
from sessctl.timespec import MAX_MS, MIN_MS, from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.text import Secret

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_BODY = re.compile(r"(?:ey[I-L]|e30)[A-Za-z0-9+/_-]*={0,2}")  # {" and {}
_KEY = re.compile(r"[A-Za-z0-9_.:-]{16,128}")  # a prefix of the app may stand before it
_KOA_S_OWN = ("_expire", "_maxAge", "_session")
_ONE_DAY = timedelta(days=1)


class CookieSession:
    """The whole session as JSON."""

    name = "cookie-session"
    cookie_name = "session"
    carries_time = False
    carries_expiry = False
    parameters = {  # noqa: RUF012
        "digest": "hash of the signature: sha1, sha256, sha384, sha512 (sha1)",
        **PARAMETER,
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _evidence(value, context)
        return found and Match(
            found.score - 30 if _is_koa_s(value) else found.score, found.evidence
        )

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        payload, notes = _payload(value, context)
        return DecodedCookie(
            self.name, payload=payload, signed=context.companion is not None, notes=notes
        )

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        is_expected, digest = is_signed(context), signed_text.digest_of(context, "sha1")
        decoded, problem = None, ""
        try:
            decoded = self.decode(value, context)
        except (CookieError, SerializerError) as exc:
            problem = exc.message
        if decoded is not None and (context.companion is None or not is_expected):
            found = unsigned(decoded, expects_signature=is_expected)
            return timed(found, now, max_age)
        name = context.name or self.cookie_name
        index = _fitting(name, value, context.companion or "", secrets, digest)
        if decoded is None:
            word = VerdictWord.MALFORMED if index is None else VerdictWord.PAYLOAD_ERROR
            signature = Signature.NONE if index is None else Signature.VALID
            return Verdict(word, signature, None, index, (problem,))
        if index is None:
            notes = () if context.name else (f"judged as '{name}': the name is signed; --name",)
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded, notes=notes)
        return timed(Verdict(VerdictWord.VALID, Signature.VALID, decoded, index), now, max_age)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        text = f"{context.name or self.cookie_name}={value}"
        digest = signed_text.digest_of(context, "sha1")
        return signed_text.plain_mac(text, context.companion or "", digest, url_safe=True)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        value = self._value(content, now, ttl)
        name, digest = context.name or self.cookie_name, signed_text.digest_of(context, "sha1")
        cookie = Cookie(name, value)
        if not is_signed(context):
            return [cookie]
        return [cookie, Cookie(f"{name}.sig", _signature(name, value, secrets[0], digest))]

    def _value(self, content: Any, now: datetime, ttl: timedelta | None) -> str:
        return _encoded(content)


class KoaSession(CookieSession):
    """The same with its end inside; with an external store, the session's key there."""

    name = "koa-session"
    cookie_name = "koa.sess"
    carries_time = True
    carries_expiry = True

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _evidence(value, context)
        if found is not None:
            is_koa_s = _is_koa_s(value)
            more = ", with koa-session's own keys" if is_koa_s else ""
            return Match(found.score + (5 if is_koa_s else -30), f"{found.evidence}{more}")
        if _is_signature(context.companion) and _KEY.fullmatch(value):
            return Match(40, "what looks like a session id, with a .sig cookie beside it")
        return None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        if not _BODY.fullmatch(value) and _KEY.fullmatch(value):
            return DecodedCookie(self.name, sid=value, signed=context.companion is not None)
        decoded = super().decode(value, context)
        if not isinstance(decoded.payload, dict):
            return decoded
        expires_ms, age_ms = map(_number, map(decoded.payload.get, ("_expire", "_maxAge")))
        issued_ms = None if expires_ms is None or age_ms is None else expires_ms - age_ms
        return replace(
            decoded,
            payload={k: v for k, v in decoded.payload.items() if k not in _KOA_S_OWN},
            expires_at=_instant(expires_ms),
            issued_at=_instant(issued_ms),
        )

    def _value(self, content: Any, now: datetime, ttl: timedelta | None) -> str:
        if isinstance(content, str):
            if not _KEY.fullmatch(content) or ttl is not None:
                raise UsageError(
                    "a text is the session's key in a store, which has 16 letters, digits, _ . : - "
                    "or more and no time to live",
                    hint="give an object of JSON for a session that the cookie carries",
                )
            return content
        if isinstance(content, dict) and not content.keys() & set(_KOA_S_OWN):
            age_ms = (ttl or _ONE_DAY) // timedelta(milliseconds=1)
            content = {**content, "_expire": to_ms(now) + age_ms, "_maxAge": age_ms}
        return _encoded(content)


def _evidence(value: str, context: CookieContext) -> Match | None:
    if not _BODY.fullmatch(value):
        return None
    if _is_signature(context.companion):
        return Match(90, "base64 of a JSON object, with a .sig cookie beside it")
    return Match(55, "base64 of a JSON object; its .sig cookie is not there")


def _is_signature(companion: str | None) -> bool:
    return (
        companion is not None and signed_text.digest_by_shape(companion, url_safe=True) is not None
    )


def _is_koa_s(value: str) -> bool:
    raw = _from_base64(value)
    return any(b'"%s":' % key.encode() in raw for key in _KOA_S_OWN)


def _payload(value: str, context: CookieContext) -> tuple[Any, tuple[str, ...]]:
    context.budget.check_cookie(len(value))
    if not _BASE64.fullmatch(value):
        raise CookieError("not base64, so no session of cookie-session or koa-session")
    from sessctl.serializers.json import decode  # 9 ms; only JSON needs it

    # Node puts U+FFFD where bytes are not UTF-8.
    text = _from_base64(value).decode("utf-8", "replace")
    try:
        found = decode(text.encode(), context.budget)
    except SerializerError as exc:
        raise CookieError(f"base64 of something else than JSON: {exc.message}") from None
    return found.data, found.notes


def _from_base64(value: str) -> bytes:
    """The bytes that Node reads: both alphabets, with padding or without."""
    text = value.rstrip("=").translate(_STANDARD)
    return b64decode(text[: len(text) - (len(text) % 4 == 1)] + "==")


_STANDARD = str.maketrans("-_", "+/")


def _encoded(content: Any) -> str:
    if not isinstance(content, dict):
        raise UsageError("the session is an object of JSON", hint="""sessctl sign '{"user": 42}'""")
    from sessctl.serializers.json import encode

    try:
        return b64encode(encode(content)).decode()
    except SerializerError as exc:
        raise UsageError(f"the payload {exc.message}") from None


def _signature(name: str, value: str, secret: Secret, digest: str) -> str:
    text = f"{name}={value}".encode("utf-8", "surrogatepass")  # hostile text is compared in vain
    mac = hmac_digest(secret.reveal(), text, digest)
    return b64encode(mac, b"-_").rstrip(b"=").decode()


def _fitting(
    name: str, value: str, companion: str, secrets: Sequence[Secret], digest: str
) -> int | None:
    given = companion.encode("utf-8", "surrogatepass")
    for index, secret in enumerate(secrets):
        if compare_digest(_signature(name, value, secret, digest).encode(), given):
            return index
    return None


def _number(value: Any) -> int | None:
    """A number of JSON as whole milliseconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if is_number else None


def _instant(ms: int | None) -> datetime | None:
    return from_ms(ms) if ms is not None and MIN_MS <= ms <= MAX_MS else None
