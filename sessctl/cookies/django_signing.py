"""Whatever an app signs with Django: `django.core.signing`, and signed cookies of its own.

Who writes them: Django 1.4 and later (checked with 1.11, 2.2, 3.2, 4.2, 5.2).

    user:42:1vb66i:fM0iNVC5QK5Ap8xnsrB5U0LfxoO_uUX6iTlQ2Mgk52c     TimestampSigner, salt reset
    abc123:1vb66i:5WUG1OcTZhX1tZ0vzXx-NgdkuyxO1xGKd5RCMBXkXXk      set_signed_cookie("cart", ...)
    SECRET_KEY: correct horse battery staple

`dumps` signs JSON with its time, TimestampSigner a text with its time, Signer a text alone; how the
three are written and signed: `sessctl.serializers.django`. `set_signed_cookie` is a TimestampSigner
with the key "django.http.cookies" + SECRET_KEY and a salt made of the cookie's name and the app's
salt: `django.http.cookies.v2:<length of the salt>:<salt><name>` from 5.2.15 and 6.0.6 on
(CVE-2026-6873), `<name><salt>` before. Those versions read the older one too, unless
SIGNED_COOKIE_LEGACY_SALT_FALLBACK says no. The cookie `messages` is `dumps` under the same key.

Not supported: another separator than ':', SIGNING_BACKEND. Of an app's own serializer the payload
is not read.
Source: Django 5.2.19 `core/signing.py`, `http/request.py`, `http/response.py`,
`contrib/messages/storage/cookie.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sessctl.cookies import signed_text
from sessctl.cookies.base import Cookie, DecodedCookie, Match
from sessctl.cookies.django_signed import (
    DIGEST,
    Reading,
    SignedBody,
    is_timed,
    issued_at,
    session_match,
    with_body,
)
from sessctl.cookies.parameters import flag
from sessctl.cookies.python import as_json, wire
from sessctl.errors import UsageError, did_you_mean
from sessctl.serializers import django
from sessctl.text import is_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret

_MESSAGES, _MESSAGES_SALT = "messages", "django.contrib.messages"
_BODY = re.compile(r"\.e[AFJN][A-Za-z0-9_-]+|[A-Za-z0-9_-]{2,}")
# What each of the three takes for its salt unless it is told another.
_SALTS = {
    "dumps": "django.core.signing",
    "timestamp-signer": "django.core.signing.TimestampSigner",
    "signer": "django.core.signing.Signer",
}


class DjangoSigning(SignedBody):
    """What `dumps`, TimestampSigner and Signer make; which of them it was is seen by the form."""

    name = "django-signing"
    cookie_name = "token"
    parameters: Mapping[str, str] = {
        "kind": "dumps, timestamp-signer or signer (read: by its form; signed: dumps)",
        "salt": "of the key (django.core.signing, with .TimestampSigner or .Signer for those)",
        **DIGEST,
        "compress": "true: `dumps` with compress=True (false)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if found := session_match(value, "as django.core.signing writes it"):
            return found
        if is_timed(value) is not None:
            return Match(70, "a text, a time in base 62 and a signature, as Django signs them")
        text, _, signature = value.rpartition(":")
        if text and signed_text.digest_by_shape(signature, url_safe=True) is not None:
            return Match(55, "a text and a signature behind a colon, as Django's Signer has them")
        return None

    def salts(self, context: CookieContext, reading: Reading | None) -> tuple[str, ...]:
        if "salt" in context.parameters:
            return (context.parameters["salt"],)
        if reading is None or "kind" in context.parameters:
            return (_SALTS[_kind(context) or "dumps"],)
        if reading.signed.stamp is None:
            return (_SALTS["signer"],)
        return (_SALTS["dumps"], _SALTS["timestamp-signer"])

    def read(self, value: str, context: CookieContext) -> Reading:
        context.budget.check_cookie(len(value))
        kind = _kind(context)
        is_plain = kind == "signer" or (kind is None and is_timed(value) is None)
        signed = django.split(value, timed=not is_plain)
        if kind == "dumps":
            return with_body(self.name, signed, context.budget)
        if kind is None and not is_plain and _BODY.fullmatch(signed.body):
            found = with_body(self.name, signed, context.budget)
            if not found.problem:
                return found
        return _text(self.name, signed)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        kind = _kind(context) or "dumps"
        name, at = context.name or self.cookie_name, None if kind == "signer" else now
        compress = flag(context, "compress", default=False)
        if kind == "dumps":
            body = django.packed(as_json(content, compact=True), compress=compress)
        else:
            body = _checked(content)
        return [Cookie(name, wire(self._signed(body, secrets, context, at)))]


class DjangoSignedCookie(SignedBody):
    """A text that an app keeps with `set_signed_cookie`; the cookie of Django's messages."""

    name = "django-signed-cookie"
    cookie_name = _MESSAGES
    key_prefix = b"django.http.cookies"
    parameters: Mapping[str, str] = {
        "salt": "the `salt` that the app gives (none)",
        **DIGEST,
        "legacy": "true: signed as before 5.2.15 and 6.0.6, which is read in any case (false)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        body = is_timed(value)
        if body is None:
            return None
        if context.name == _MESSAGES and _BODY.fullmatch(body):
            return Match(95, "the cookie of Django's messages")
        return Match(70, "a text, a time in base 62 and a signature, as Django signs them")

    def salts(self, context: CookieContext, reading: Reading | None) -> tuple[str, ...]:
        name, salt = context.name or "", context.parameters.get("salt", "")
        legacy = flag(context, "legacy", default=False)
        found = (f"django.http.cookies.v2:{len(salt)}:{salt}{name}", f"{name}{salt}")
        if reading is None:
            return found[1:] if legacy else found
        return (*found, _MESSAGES_SALT) if name == _MESSAGES else found

    def read(self, value: str, context: CookieContext) -> Reading:
        context.budget.check_cookie(len(value))
        signed = django.split(value)
        if context.name == _MESSAGES and _BODY.fullmatch(signed.body):
            found = with_body(self.name, signed, context.budget)
            if not found.problem:
                return found
        return _text(self.name, signed)

    def fitting(
        self, reading: Reading, secrets: Sequence[Secret], context: CookieContext
    ) -> tuple[int | None, tuple[str, ...]]:
        index, notes = super().fitting(reading, secrets, context)
        if index is None and context.name is None:
            notes = ("the cookie's name is part of the signature: --name",)
        return index, notes

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        name = context.name or self.cookie_name
        if name == _MESSAGES and isinstance(content, list):
            body = django.packed(as_json(content, compact=True))
            value = self._signed(body, secrets, context, now, salt=_MESSAGES_SALT)
        else:
            if isinstance(content, dict | list):  # what apps mean by JSON in a cookie
                content = as_json(content, compact=False).decode()
            value = self._signed(_checked(content), secrets, context, now)
        return [Cookie(name, wire(value))]


def _kind(context: CookieContext) -> str | None:
    kind = context.parameters.get("kind")
    if kind is not None and kind not in _SALTS:
        raise UsageError(f"Django signs nothing of kind '{kind}'", hint=did_you_mean(kind, _SALTS))
    return kind


def _text(format: str, signed: django.Signed) -> Reading:
    decoded = DecodedCookie(format, payload=signed.body, issued_at=issued_at(signed))
    return Reading(signed, decoded)


def _checked(content: Any) -> str:
    if not isinstance(content, str) or not is_utf8(content):
        raise UsageError("this is the signature of a text, not of data", hint="give a text")
    return content
