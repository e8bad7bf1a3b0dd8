"""express-session's `connect.sid`: a session id, signed.

Who writes it: express-session (1.x; checked with 1.19.0) through cookie-signature (1.2.2).

    s%3A7d8f2c1e4b5a69788796a5b4c3d2e1f0.pzBLXAaV3ZcBeTr0cE%2FLAc7LGz%2B35Tyls3u7oo7oQjE
    secret: correct horse battery staple

`s:` + sid + `.` + base64(HMAC-SHA256(secret, sid)) without padding, percent-encoded. The `s:` is
not signed; the *last* dot splits. There is no time in it: expiry is the store's business.
Not supported: a custom `cookie-signature` (no option for one exists).
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from hmac import compare_digest
from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import (
    Cookie,
    DecodedCookie,
    Match,
    PlainJudge,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.cookies.paste import percent_decode
from sessctl.errors import CookieError, UsageError
from sessctl.text import is_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.limits import Budget
    from sessctl.text import Secret

# Nothing but a cookie, as it is or percent-encoded, its sid as `genid` makes it by default:
# uid-safe, 24 bytes.
_PLAIN = re.compile(rb"s(?::|%3A)([A-Za-z0-9_-]{32})\.([A-Za-z0-9+/]{43})")
_ENCODED = re.compile(rb"s(?::|%3A)([A-Za-z0-9_-]{32})\.([A-Za-z0-9+/%]{45,129})")


class ExpressSession:
    """The signed session id of express-session."""

    name = "express-session"
    cookie_name = "connect.sid"
    carries_time = False
    carries_expiry = False
    parameters: Mapping[str, str] = {}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        text = percent_decode(value)
        if not text.startswith("s:"):
            return None
        sid, dot, signature = text[2:].rpartition(".")
        if not dot:
            return Match(20, "starts with s: but has no signature")
        if signed_text.digest_by_shape(signature) != "sha256":
            return Match(30, "starts with s:, the signature is not 43 base64 characters")
        if sid.startswith("j:"):
            return Match(40, "s:j: is rather a signed JSON cookie of cookie-parser")
        usual = " and what looks like a session id" if signed_text.is_id_like(sid) else ""
        return Match(95 if usual else 80, f"s: with a signature of 43 base64 characters{usual}")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        sid, _ = _split(value, context.budget)
        return DecodedCookie(self.name, sid=sid)

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
            sid, signature = _split(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded = DecodedCookie(self.name, sid=sid)
        index = signed_text.fitting(sid, signature, secrets)
        if index is None:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)
        return Verdict(VerdictWord.VALID, Signature.VALID, decoded, index)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        return signed_text.plain_mac(*_split(value, context.budget))

    def plain_judge(
        self, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
    ) -> PlainJudge:
        from sessctl.cookies.guessing import begun

        keyed = list(enumerate(begun(secret.reveal(), "sha256") for secret in secrets))
        plain, encoded = _PLAIN.fullmatch, _ENCODED.fullmatch

        def judge(line: bytes) -> tuple[int | None, tuple[bytes, ...]] | None:
            found = plain(line)
            if found is None and encoded(line) is not None:
                found = plain(line.replace(b"%2B", b"+").replace(b"%2F", b"/"))
            if found is None:
                return None
            sid, given = found.groups()
            own = (b'"' + sid + b'"',)
            for index, (inner, outer) in keyed:
                mac, whole_mac = inner(), outer()
                mac.update(sid)
                whole_mac.update(mac.digest())
                if compare_digest(b2a_base64(whole_mac.digest(), newline=False)[:-1], given):
                    return index, own
            return None, own

        return PlainJudge(("sid",), judge)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        if not isinstance(content, str) or not content:
            raise UsageError(
                "an express-session cookie carries a session id, not data",
                hint="give the id of a session in the store, as `sessctl list -o name` prints them",
            )
        if not is_utf8(content):
            raise UsageError("the session id is not UTF-8, which a cookie cannot carry")
        text = f"s:{content}.{signed_text.signature_of(content, secrets[0]).decode()}"
        return [Cookie(context.name or self.cookie_name, signed_text.wire(text))]


def _split(value: str, budget: Budget) -> tuple[str, str]:
    """(sid, signature) of a value in wire form or decoded. Raises CookieError."""
    budget.check_cookie(len(value))
    text = percent_decode(value)
    if not text.startswith("s:"):
        raise CookieError("no 's:' at the start, so express-session would ignore it")
    return signed_text.split(text[2:])
