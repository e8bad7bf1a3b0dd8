"""The signed cookies of Fastify: @fastify/cookie's text, @fastify/session's session id.

Who writes them: @fastify/cookie (checked with 11.1.5), @fastify/session (11.1.3).

    7d8f2c1e4b5a69788796a5b4c3d2e1f0.tA2kFDDLLRi2xtP+5HmvgzZIdFzxCstVXkEivW740aM
    secret: this-is-a-32-plus-character-secret-value!

Text + `.` + base64(HMAC-SHA256(secret, text)) without padding, percent-encoded by most. Without a
prefix nothing in a value tells the two apart, nor from express-session's where `cookiePrefix` is
`s:`. Not supported: a signer object of the app's own.
Source: @fastify/cookie `signer.js`; @fastify/session `index.js`, `lib/session.js`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.paste import percent_decode
from sessctl.errors import CookieError, UsageError
from sessctl.text import is_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.text import Secret

_DIGEST = "hash of the signature: sha1, sha256, sha384, sha512 (sha256)"


class FastifyCookie:
    """A text that the app signed with `reply.setCookie(..., {signed: true})`."""

    name = "fastify-cookie"
    cookie_name = "user"
    carries_time = False
    carries_expiry = False
    parameters: Mapping[str, str] = {"digest": _DIGEST}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return _match(percent_decode(value), 50)

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        return self._decoded(self._split(value, context)[0])

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        digest = signed_text.digest_of(context, "sha256")
        try:
            text, signature = self._split(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded = self._decoded(text)
        index = signed_text.fitting(text, signature, secrets, digest)
        if index is None:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)
        return Verdict(VerdictWord.VALID, Signature.VALID, decoded, index)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        digest = signed_text.digest_of(context, "sha256")
        return signed_text.plain_mac(*self._split(value, context), digest)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        if not isinstance(content, str) or not content or not is_utf8(content):
            raise UsageError(
                f"a cookie of {self.name} carries a text, not data",
                hint="give a session id, or a text that is not an object of JSON",
            )
        mac = signed_text.signature_of(
            content, secrets[0], signed_text.digest_of(context, "sha256")
        ).decode()
        text = f"{self._prefix(context)}{content}.{mac}"
        return [Cookie(context.name or self.cookie_name, signed_text.wire(text))]

    def _decoded(self, text: str) -> DecodedCookie:
        return DecodedCookie(self.name, payload=text)

    def _prefix(self, context: CookieContext) -> str:
        return ""

    def _split(self, value: str, context: CookieContext) -> tuple[str, str]:
        """(text, signature), the prefix taken off. Raises CookieError."""
        context.budget.check_cookie(len(value))
        text, prefix = percent_decode(value), self._prefix(context)
        if not text.startswith(prefix):
            raise CookieError(f"it does not begin with '{prefix}'")
        found = signed_text.split(text.removeprefix(prefix))
        if not found[1]:
            raise CookieError("nothing after the last '.', where the signature should be")
        return found


class FastifySession(FastifyCookie):
    """The session id of @fastify/session."""

    name = "fastify-session"
    cookie_name = "sessionId"
    parameters: Mapping[str, str] = {
        "prefix": "`cookiePrefix` of the app, `s:` for Express's sake (none)",
        "digest": _DIGEST,
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        # Behind a prefix it is found by its name only (--format): `s:` says Express.
        text = percent_decode(value)
        return _match(text, 50) if signed_text.is_id_like(text.rpartition(".")[0]) else None

    def _decoded(self, text: str) -> DecodedCookie:
        return DecodedCookie(self.name, sid=text)

    def _prefix(self, context: CookieContext) -> str:
        return context.parameters.get("prefix", "")


def _match(text: str, score: int) -> Match | None:
    signed, _, signature = text.rpartition(".")
    digest = signed_text.digest_by_shape(signature)
    if digest is None or not signed or signed.startswith("s:"):
        return None
    evidence = f"a signature of {len(signature)} base64 characters ({digest}) at the end"
    return Match(score if digest == "sha256" else score - 20, evidence)
