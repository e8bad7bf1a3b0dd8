"""Beaker's `beaker.session.id`: a session in the cookie, signed or encrypted too; or an id, signed.

Who writes it: Beaker 1 (checked with 1.14.1), `session.type = cookie`, or others with a `secret`.

    62161d1d2910c870f169ded07932739d97db3523eJxtjM0OgyAQhF/FcG5auvwovgxZlzUlQWwET03fXbHX3ubLNzMf...
    validate_key: correct horse battery staple

HMAC-SHA1 in hexadecimal, 40 characters, then what it signs: base64 of the session; with an
`encrypt_key` 24 characters of nonce and base64 of the ciphertext; or, where a store holds the
session, its id of 32 hexadecimal digits. The session is a pickle (Beaker's default), or JSON and
zlib. Pickles are read as data and never written: `sign` writes JSON, for apps with
`data_serializer = json`. With an `encrypt_key` the secrets have the ids `validate` and `encrypt`.
Beaker has no rotation; several secrets are tried one after the other. The app's `timeout` is judged
by `_accessed_time`. Not supported: serializers of the app's own.
Source: Beaker 1.14.1 `session.py`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any

from sessctl.cookies import beaker_body, json_body
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.beaker_body import Settings
from sessctl.cookies.jose import instant, is_number
from sessctl.errors import CookieError, SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.beaker_body import Session
    from sessctl.cookies.guessing import Mac
    from sessctl.limits import Budget
    from sessctl.text import Secret

_MAC_CHARACTERS = 40
_SIGNED = re.compile(r"[0-9a-f]{40}.+", re.DOTALL)
_SID = re.compile(r"[0-9a-f]{32}")
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_SESSION = re.compile(rf"(?:e[A-P]|gA){_BASE64}")  # zlib's first byte, a pickle's first two
_SEALED = re.compile(rf"[A-Za-z0-9+/]{{22}}=={_BASE64}")
_LONGEST = 4064  # characters that Beaker signs
_ENCRYPT = "encrypt"
_BOTH = "--secret-from validate=env:NAME --secret-from encrypt=env:OTHER"
_ENCRYPTED = f"encrypted: give both secrets to read it ({_BOTH})"


class Beaker:
    """A signed session, or the signed id of one."""

    name = "beaker"
    cookie_name = "beaker.session.id"
    carries_time = True
    carries_expiry = False
    parameters: Mapping[str, str] = beaker_body.PARAMETERS

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if _SIGNED.fullmatch(value) is None:
            return None
        body = value[_MAC_CHARACTERS:]
        if _SID.fullmatch(body):
            score = 60 if context.name == self.cookie_name else 30
            return Match(score, "72 hexadecimal digits: a signature and an id, perhaps")
        if _SESSION.fullmatch(body):
            what = "a pickle" if body.startswith("g") else "zlib"
            return Match(93, f"40 hexadecimal digits, then base64 of {what}")
        if _SEALED.fullmatch(body):
            return Match(90, "40 hexadecimal digits, then a nonce and a ciphertext in base64")
        return None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        settings = Settings.of(context.parameters)
        _, body = _split(value, context.budget)
        if _SID.fullmatch(body):
            return DecodedCookie(self.name, sid=body)
        if settings.is_sealed(body):
            return DecodedCookie(self.name, notes=(_ENCRYPTED,))
        raw = beaker_body.from_base64(body)
        return _decoded(beaker_body.read(raw, settings, context.budget))

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        settings, (signing, encrypting) = Settings.of(context.parameters), _by_use(secrets)
        try:
            mac, body = _split(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        index = next((i for i, one in signing if compare_digest(_mac(body, one), mac)), None)
        if index is None:
            return self._not_genuine(value, context)
        good = Verdict(VerdictWord.VALID, Signature.VALID, DecodedCookie(self.name), index)
        if _SID.fullmatch(body):
            decoded = DecodedCookie(self.name, sid=body)
            return _without_age(replace(good, decoded=decoded), max_age)
        if not encrypting and settings.is_sealed(body):
            return replace(good, word=VerdictWord.UNVERIFIED, notes=(_ENCRYPTED,))
        try:
            raw = beaker_body.opened(body, encrypting, secrets[index], settings)
            if raw is None:
                return replace(good, word=VerdictWord.DECRYPT_FAILED)
            session = beaker_body.read(raw, settings, context.budget)
        except (CookieError, SerializerError) as exc:
            return json_body.unreadable(good, exc.message)
        good = replace(good, decoded=_decoded(session))
        if session.unsafe:
            return replace(good, word=VerdictWord.UNSAFE_PICKLE, notes=(session.unsafe,))
        return _judged(good, session.data, now, max_age)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        from sessctl.cookies.guessing import Mac

        mac, body = _split(value, context.budget)
        return Mac(_bytes(body), bytes.fromhex(mac.decode()), "sha1")

    def signing_index(self, secrets: Sequence[Secret]) -> int:
        return next((i for i, one in enumerate(secrets) if one.key_id != _ENCRYPT), 0)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        settings, (signing, encrypting) = Settings.of(context.parameters), _by_use(secrets)
        _, secret = signing[0]
        if isinstance(content, str) and _SID.fullmatch(content):
            body = content
        else:
            raw = beaker_body.written(content, now, settings)
            if encrypting:
                body = beaker_body.sealed(raw, encrypting[0], secret, settings)
            else:
                body = beaker_body.to_base64(raw)
        if len(body) > _LONGEST:
            raise UsageError(
                f"Beaker signs {_LONGEST} characters, and here are {len(body)}",
                hint="keep less in the session",
            )
        return [Cookie(context.name or self.cookie_name, _mac(body, secret).decode() + body)]

    def _not_genuine(self, value: str, context: CookieContext) -> Verdict:
        """What no secret has signed is shown if it can be read."""
        try:
            decoded = self.decode(value, context)
        except (CookieError, SerializerError):
            decoded = None
        return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)


def _split(value: str, budget: Budget) -> tuple[bytes, str]:
    """(MAC as 40 hexadecimal digits, what it signs). Raises CookieError."""
    budget.check_cookie(len(value))
    if _SIGNED.fullmatch(value) is None:
        raise CookieError("it does not begin with 40 hexadecimal digits, Beaker's signature")
    return value[:_MAC_CHARACTERS].encode(), value[_MAC_CHARACTERS:]


def _bytes(body: str) -> bytes:
    return body.encode("utf-8", "surrogatepass")  # hostile text is compared in vain


def _mac(body: str, secret: Secret) -> bytes:
    return hmac_digest(secret.reveal(), _bytes(body), "sha1").hex().encode()


def _by_use(secrets: Sequence[Secret]) -> tuple[list[tuple[int, Secret]], list[Secret]]:
    """((index, secret) of those that sign, those that encrypt). Raises UsageError."""
    signing = [(i, one) for i, one in enumerate(secrets) if one.key_id != _ENCRYPT]
    if secrets and not signing:
        raise UsageError(
            "beaker signs with its validate_key, and only an encrypt_key is given", hint=_BOTH
        )
    return signing, [one for one in secrets if one.key_id == _ENCRYPT]


def _decoded(session: Session) -> DecodedCookie:
    return DecodedCookie(
        Beaker.name,
        sid=json_body.sid_in(session.data.get("_id")),
        payload=session.data,
        issued_at=instant(session.data.get("_creation_time")),
        notes=session.notes,
    )


def _without_age(verdict: Verdict, max_age: timedelta | None) -> Verdict:
    """The verdict on an id, whose age only its store knows."""
    if max_age is None:
        return verdict
    note = "an id does not say when it was issued, so its age cannot be judged"
    return replace(verdict, word=VerdictWord.UNVERIFIED, notes=(note,))


def _judged(
    verdict: Verdict, session: Mapping[str, Any], now: datetime, max_age: timedelta | None
) -> Verdict:
    """A verdict that was good so far, by the time of the last access."""
    if max_age is None:
        return verdict
    accessed = session.get("_accessed_time", now.timestamp())
    if not is_number(accessed):
        return json_body.unreadable(verdict, "its `_accessed_time` is not a number of seconds")
    is_over = accessed < now.timestamp() - max_age.total_seconds()  # too large for a float, perhaps
    return replace(verdict, word=VerdictWord.EXPIRED) if is_over else verdict
