"""Acme's cookie: `acme1.PAYLOAD.ISSUED.MAC`.

PAYLOAD is JSON in base64url, ISSUED seconds since 1970, MAC the HMAC-SHA256 of what stands before
its dot, in hex. Secret of the example: `acme-secret`.

    acme1.eyJ1c2VyIjogNDJ9.1700000000.2b5c...
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.errors import CookieError, SerializerError, UsageError
from sessctl.serializers.json import decode as read_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret

_FORM = re.compile(r"acme1\.([A-Za-z0-9_-]+)\.(\d{1,11})\.([0-9a-f]{64})")


class AcmeToken:
    """Carries its payload and the moment it was issued."""

    name = "acme-token"
    cookie_name = "acme"
    carries_time = True
    carries_expiry = False
    parameters: dict[str, str] = {}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return Match(95, "acme1. and three parts") if _FORM.fullmatch(value) else None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        context.budget.check_cookie(len(value))
        found = _FORM.fullmatch(value)
        if found is None:
            raise CookieError("no cookie of Acme's", hint="acme1.PAYLOAD.ISSUED.MAC")
        try:
            text = urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4))
            payload = read_json(text, context.budget)
        except Base64Error:
            raise CookieError("the payload is no base64url") from None
        except SerializerError as exc:
            raise CookieError(f"the payload is no JSON: {exc.message}") from None
        issued = datetime.fromtimestamp(int(found[2]), UTC)
        return DecodedCookie(self.name, payload=payload.data, issued_at=issued, notes=payload.notes)

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
            decoded = self.decode(value, context)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        signed, _, mac = value.rpartition(".")
        fits = [hmac.compare_digest(_mac(signed, secret), mac) for secret in secrets]
        if True not in fits:
            return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)
        issued = decoded.issued_at
        too_old = max_age is not None and issued is not None and now - issued > max_age
        word = VerdictWord.EXPIRED if too_old else VerdictWord.VALID
        return Verdict(word, Signature.VALID, decoded, fits.index(True))

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
            raise UsageError("Acme's cookies hold an object", hint="sign '{\"user\": 42}'")
        payload = urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
        signed = f"acme1.{payload}.{int(now.timestamp())}"
        value = f"{signed}.{_mac(signed, secrets[0])}"
        return [Cookie(context.name or self.cookie_name, value)]


def _mac(text: str, secret: Secret) -> str:
    return hmac.new(secret.reveal(), text.encode(), "sha256").hexdigest()
