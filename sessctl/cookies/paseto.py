"""PASETO version 4: claims that a key signs (`public`) or encrypts (`local`).

Who writes them: pyseto (checked with 1.10.0), and the PASETO libraries of every language.

    v4.local.T2u7p3h7vRo-AeaezrJTKV291WI88Q-kEv9NdXzF-28y1Mwe8eVJ0yhpxHTps-Jddun8Hhow1fXKaMlZMxK-...
    key (base64): xLvLH77JnWW/WdhcjLYu4tuWPw/hBvSD2a+nO9Tjmoo=

Header, base64url without padding, and, if there is one, a footer behind another dot, which anybody
reads and the key vouches for. `exp`, `nbf` and `iat` are ISO 8601 texts. An implicit assertion is
signed too and stands nowhere in the token: `-p implicit_assertion=TEXT`. What a secret may be:
paseto_keys.py. Not supported: versions 1 to 3; payloads that are no JSON object; wrapped PASERKs.
Source: paseto-standard/paseto-spec; pyseto 1.10.0 `paseto.py`, `token.py`.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass, replace
from datetime import timedelta
from os import urandom
from typing import TYPE_CHECKING, Any

from sessctl.cookies import json_body, paseto_keys
from sessctl.cookies.base import (
    UNUSED_BITS,
    Cookie,
    DecodedCookie,
    Match,
    Signature,
    Verdict,
    VerdictWord,
)
from sessctl.cookies.crypto import ENCRYPTED
from sessctl.cookies.jose import shown, to_b64url
from sessctl.cookies.parameters import leeway_s
from sessctl.cookies.paseto_keys import LOCAL, MAC_BYTES, NONCE_BYTES, PUBLIC, SIGNATURE_BYTES
from sessctl.cookies.python import as_json
from sessctl.errors import CookieError, UsageError
from sessctl.timespec import from_ms, parse_iso_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.paseto_keys import Key
    from sessctl.text import Secret

_TOKEN = re.compile(r"(v[1-4])\.(local|public)\.([A-Za-z0-9_-]+)(?:\.([A-Za-z0-9_-]*))?")
_VERSION = "v4"
_TIMES = ("exp", "nbf", "iat")


@dataclass(frozen=True, slots=True)
class _Token:
    """A token's parts; nothing of it is proven."""

    purpose: str
    body: bytes
    footer: bytes
    notes: tuple[str, ...]

    @property
    def header(self) -> bytes:
        return f"{_VERSION}.{self.purpose}.".encode()


class PasetoV4:
    """A token with its claims."""

    name = "paseto-v4"
    cookie_name = "token"
    carries_time = True
    carries_expiry = True
    parameters: Mapping[str, str] = {
        "purpose": "local or public: what a bare key of bytes is for, and the only one that is "
        "taken (that of the secret; bare bytes are for local)",
        "implicit_assertion": "a text that is signed and not in the token (none)",
        "footer": "what sign puts behind the token, readable and signed (none)",
        "leeway": "seconds by which clocks may differ (0)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _TOKEN.fullmatch(value)
        if found is None:
            return None
        version, purpose = found[1], found[2]
        if version != _VERSION:
            return Match(60, f"{version}.{purpose}: a PASETO, of another version than 4")
        return Match(98, f"v4.{purpose}: a PASETO")

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        token = _parse(value, context)
        if token.purpose == LOCAL:
            return DecodedCookie(self.name, notes=(*_said(token), ENCRYPTED))
        claims = token.body[:-SIGNATURE_BYTES]
        verdict = _read(claims, _unproven(token), context)
        if verdict.word is VerdictWord.PAYLOAD_ERROR or verdict.decoded is None:
            return DecodedCookie(self.name, notes=(*_said(token), *verdict.notes))
        return verdict.decoded

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        purpose, leeway = _purpose(context), timedelta(seconds=leeway_s(context))
        keys = [(i, key) for i, one in enumerate(secrets) for key in _keys(one, purpose)]
        try:
            token = _parse(value, context)
            decoded = self.decode(value, context)
        except CookieError as exc:
            is_other = (found := _TOKEN.fullmatch(value)) is not None and found[1] != _VERSION
            word = VerdictWord.VERSION_NOT_ALLOWED if is_other else VerdictWord.MALFORMED
            return Verdict(word, Signature.NONE, notes=(exc.message,))
        decoded = replace(decoded, notes=_said(token))
        fitting = [(i, key) for i, key in keys if key.purpose == token.purpose]
        if not fitting:
            note = f"no secret is a key for v4.{token.purpose} (-p purpose, for bare bytes)"
            return Verdict(VerdictWord.ALG_NOT_ALLOWED, Signature.INVALID, decoded, notes=(note,))
        for index, key in fitting:
            claims = _proven(token, key, context)
            if claims is not None:
                good = Verdict(VerdictWord.VALID, Signature.VALID, decoded, index, token.notes)
                verdict = _read(claims, good, context)
                return _judged(verdict, now, leeway, max_age)
        return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        claims = json_body.check_object(self.name, content)
        if ttl is not None:
            claims = {**claims, "exp": (now + ttl).isoformat(timespec="seconds")}
        body = as_json(claims, compact=False)
        key = next(iter(_keys(secrets[0], _purpose(context))), None)
        if key is None:
            raise UsageError(
                "the secret is no key of PASETO version 4: 32 bytes (as they are, in base64 or in "
                "hexadecimal), a PASERK, or PEM of Ed25519",
                hint="--secret-from file:secret-key",
            )
        footer = _text(context, "footer")
        header, around = f"v4.{key.purpose}.".encode(), (footer, _text(context, _IMPLICIT))
        if key.purpose == LOCAL:
            nonce = urandom(NONCE_BYTES)
            raw = nonce + paseto_keys.seal(key, nonce, body, header, *around)
        else:
            raw = body + key.sign(paseto_keys.pae(header, body, *around))
        value = header.decode() + to_b64url(raw) + (f".{to_b64url(footer)}" if footer else "")
        return [Cookie(context.name or self.cookie_name, value)]


_IMPLICIT = "implicit_assertion"


def _parse(value: str, context: CookieContext) -> _Token:
    """Raises CookieError."""
    context.budget.check_cookie(len(value))
    found = _TOKEN.fullmatch(value)
    if found is None:
        raise CookieError("not v4.local. or v4.public. and base64url, and perhaps a footer")
    version, purpose, *fields = found.groups()
    if version != _VERSION:
        raise CookieError(f"a PASETO of version {version[1]}; only version 4 is read")
    texts = [text or "" for text in fields]
    if any(len(text) % 4 == 1 for text in texts):
        raise CookieError("a field is not base64url")
    body, footer = (urlsafe_b64decode(text + "=" * (-len(text) % 4)) for text in texts)
    least = NONCE_BYTES + MAC_BYTES if purpose == LOCAL else SIGNATURE_BYTES + 1
    if len(body) < least:
        raise CookieError(f"{len(body)} bytes, where v4.{purpose} has {least} and more")
    is_usual = [to_b64url(body), to_b64url(footer)] == texts
    notes = () if is_usual else UNUSED_BITS
    return _Token(purpose, body, footer, notes)


def _keys(secret: Secret, purpose: str | None) -> list[Key]:
    return paseto_keys.keys_of(secret, purpose)


def _proven(token: _Token, key: Key, context: CookieContext) -> bytes | None:
    """The claims as they are written, if the key vouches for them."""
    body, around = token.body, (token.footer, _text(context, _IMPLICIT))
    if token.purpose == LOCAL:
        nonce, mac = body[:NONCE_BYTES], body[-MAC_BYTES:]
        sealed = body[NONCE_BYTES:-MAC_BYTES]
        return paseto_keys.unseal(key, nonce, sealed, mac, token.header, *around)
    claims, signature = body[:-SIGNATURE_BYTES], body[-SIGNATURE_BYTES:]
    message = paseto_keys.pae(token.header, claims, *around)
    return claims if key.verifies(message, signature) else None


def _read(claims: bytes, verdict: Verdict, context: CookieContext) -> Verdict:
    """The verdict with the claims and their times."""
    decoded = verdict.decoded or DecodedCookie(PasetoV4.name)
    verdict = json_body.read(claims, verdict, decoded, context.budget)
    if not verdict.valid or verdict.decoded is None:
        return verdict
    exp, _, iat = (_instant(verdict.decoded.payload.get(name)) for name in _TIMES)
    return replace(verdict, decoded=replace(verdict.decoded, issued_at=iat, expires_at=exp))


def _judged(
    verdict: Verdict, now: datetime, leeway: timedelta, max_age: timedelta | None
) -> Verdict:
    """A verdict that was good so far, by the claims' times. The clock is cut to whole seconds.

    Source: pyseto 1.10.0 `paseto.py`, _verify_registered_claims.
    """
    if not verdict.valid or verdict.decoded is None:
        return verdict
    payload, clock = verdict.decoded.payload, now.replace(microsecond=0)
    for name in _TIMES:
        if name in payload and _instant(payload[name]) is None:
            return json_body.unreadable(verdict, f"its {name} is no ISO 8601 time with a zone")
    expires_at, starts_at, issued_at = (_instant(payload.get(name)) for name in _TIMES)
    if starts_at is not None and clock + leeway < starts_at:
        return replace(verdict, word=VerdictWord.NOT_YET_VALID)
    if expires_at is not None and clock - leeway > expires_at:
        return replace(verdict, word=VerdictWord.EXPIRED)
    if max_age is None:
        return verdict
    if issued_at is None:
        note = "it has no iat, so its age cannot be judged"
        return replace(verdict, word=VerdictWord.UNVERIFIED, notes=(*verdict.notes, note))
    if issued_at > clock + leeway:
        return replace(verdict, word=VerdictWord.FROM_FUTURE)
    is_old = clock - issued_at > max_age + leeway
    return replace(verdict, word=VerdictWord.EXPIRED) if is_old else verdict


def _instant(text: Any) -> datetime | None:
    ms = parse_iso_ms(text) if isinstance(text, str) else None
    return None if ms is None else from_ms(ms)


def _unproven(token: _Token) -> Verdict:
    decoded = DecodedCookie(PasetoV4.name, notes=_said(token))
    return Verdict(VerdictWord.VALID, Signature.UNVERIFIED, decoded)


def _said(token: _Token) -> tuple[str, ...]:
    """What a token says about itself, for people."""
    footer = shown(token.footer.decode("utf-8", "replace"))
    return (f"its footer says: {footer}",) if token.footer else ()


def _text(context: CookieContext, name: str) -> bytes:
    return context.parameters.get(name, "").encode("utf-8", "surrogateescape")


def _purpose(context: CookieContext) -> str | None:
    """The app's purpose, if it is told. Raises UsageError."""
    word = context.parameters.get("purpose")
    if word not in (None, LOCAL, PUBLIC):
        raise UsageError(f"'{word}' is no purpose of PASETO", hint="-p purpose=public")
    return word
