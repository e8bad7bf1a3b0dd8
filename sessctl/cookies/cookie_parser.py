"""cookie-parser's cookies of an Express app: text or JSON, signed or not.

Who writes them: `res.cookie` of Express (checked with 5.3.0); read by cookie-parser 1.4.7.

    j%3A%7B%22user_id%22%3A42%2C%22name%22%3A%22alice%22%7D                      JSON, not signed
    s%3Aalice.cTu65x4uI62IpkXfv%2FrkrAnPPYVuCndrP00Dfa1zlbs                      text, signed
    s%3Aj%3A%7B%22user_id%22%3A42...%7D.RPkebNWKmF98KTqY09Tv9EWvoWkdKZzvORi...   JSON, signed
    secret: correct horse battery staple

`s:` is not signed, `j:` is. JSON that does not parse, or is null, 0, false or "", stays text.
An app finds what is signed in `req.signedCookies` and what is not in `req.cookies`. Anybody can
write the latter, so `verify` calls it missing_signature, unless `-p signed=false` says that the app
reads it there.
Source: cookie-parser 1.4.7 `index.js`; express 5.3.0 `lib/response.js`, res.cookie.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.paste import percent_decode
from sessctl.cookies.unsigned import PARAMETER, is_signed, unsigned
from sessctl.errors import CookieError, SerializerError, UsageError
from sessctl.text import encode_id, is_utf8

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.limits import Budget
    from sessctl.text import Secret


class CookieParser:
    """A value of the app's own, which is no session of express-session."""

    name = "cookie-parser"
    cookie_name = "user"
    carries_time = False
    carries_expiry = False
    parameters = PARAMETER

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        text = percent_decode(value)
        if text.startswith(("j:{", "j:[")):
            return Match(90, "j: and JSON, not signed")
        inner, dot, signature = text.removeprefix("s:").rpartition(".")
        is_signed = dot and signed_text.digest_by_shape(signature) == "sha256"
        if not (text.startswith("s:") and is_signed):
            return None
        if inner.startswith("j:"):
            return Match(95, "s:j: with a signature of 43 base64 characters")
        if signed_text.is_id_like(inner):
            return Match(60, "s: with a signature, and a text that is rather a session id")
        return Match(80, "s: with a signature of 43 base64 characters")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        text, signature = _split(value, context.budget)
        payload, notes = _payload(text, context.budget)
        return DecodedCookie(self.name, payload=payload, signed=signature is not None, notes=notes)

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
            text, signature = _split(value, context.budget)
            decoded = self.decode(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        if signature is None:
            return unsigned(decoded, expects_signature=expects_signature)
        index = signed_text.fitting(text, signature, secrets)
        if index is None:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)
        return Verdict(VerdictWord.VALID, Signature.VALID, decoded, index)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        text, signature = _split(value, context.budget)
        return signed_text.plain_mac(text, signature or "")

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        text = content if isinstance(content, str) else f"j:{_json(content)}"
        if not is_utf8(text):
            raise UsageError("the text is not UTF-8, which a cookie cannot carry")
        if is_signed(context):
            text = f"s:{text}.{signed_text.signature_of(text, secrets[0]).decode()}"
        return [Cookie(context.name or self.cookie_name, signed_text.wire(text))]


def _split(value: str, budget: Budget) -> tuple[str, str | None]:
    """(text, signature); the signature is None where there is no `s:`. Raises CookieError."""
    budget.check_cookie(len(value))
    text = percent_decode(value)
    return signed_text.split(text[2:]) if text.startswith("s:") else (text, None)


def _payload(text: str, budget: Budget) -> tuple[Any, tuple[str, ...]]:
    """(payload, notes): JSON after `j:` if it is true in JavaScript, else the text. Raises
    CookieError."""
    if not text.startswith("j:"):
        return text, ()
    from sessctl.serializers.json import decode  # 9 ms; only JSON needs it

    try:
        found = decode(encode_id(text[2:]), budget)
    except UnicodeEncodeError:
        raise CookieError("a lone surrogate, which no cookie can carry") from None
    except SerializerError:
        return text, ("j: with something that is not JSON; cookie-parser leaves it as text",)
    if found.data in (None, 0, ""):
        return text, ()
    return found.data, found.notes


def _json(content: Any) -> str:
    from sessctl.serializers.json import encode

    try:
        return encode(content).decode()
    except SerializerError as exc:
        raise UsageError(f"the payload {exc.message}") from None
