"""A session's stored value, pasted instead of a cookie: JSON as connect-redis and others keep it.

    {"cookie":{"originalMaxAge":604800000,"expires":"2026-11-27T18:30:51.004Z"},"passport":{"user":1}}

It carries no signature; the store is trusted. `cookie` is express-session's own part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.errors import SerializerError, UsageError
from sessctl.text import encode_id
from sessctl.timespec import from_ms, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret


class StoredJson:
    """A value as it stands in a store, not a cookie at all."""

    name = "stored-json"
    cookie_name = ""
    carries_time = False  # it has an expiry, but not when it was written
    carries_expiry = False
    parameters: Mapping[str, str] = {}

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        text = value.lstrip()
        if not text.startswith(("{", "[")):
            return None
        own = '"cookie"' in text[:200]
        return Match(
            90 if own else 60, "JSON with express-session's cookie object" if own else "JSON"
        )

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        from sessctl.serializers.json import decode  # 9 ms; only stored values need it

        try:
            raw = encode_id(value)
        except UnicodeEncodeError:
            raise SerializerError("a lone surrogate, which no store keeps") from None
        found = decode(raw, context.budget)
        expires_at = None
        if isinstance(found.data, dict) and isinstance(cookie := found.data.get("cookie"), dict):
            written = cookie.get("expires")
            ms = parse_iso_ms(written) if isinstance(written, str) else None
            expires_at = None if ms is None else from_ms(ms)
        return DecodedCookie(
            self.name, payload=found.data, signed=False, expires_at=expires_at, notes=found.notes
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
        try:
            decoded = self.decode(value, context)
        except SerializerError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        return Verdict(VerdictWord.MISSING_SIGNATURE, Signature.NONE, decoded)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        raise UsageError(
            "a stored value is not signed", hint="sessctl sign --format express-session"
        )
