"""What Django signs of a session: the cookie of `signed_cookies`, and a stored row pasted as one.

Who writes them: Django 1.4 and later (checked with 1.11, 2.2, 3.2, 4.2, 5.2). The engine
`signed_cookies` keeps all of the session in `sessionid`; the engines `db`, `cached_db` and `file`
keep the same text under another salt, before 3.1 in another form. An example and the signature:
`sessctl.serializers.django`.

The payload is read without SECRET_KEY. Not supported: SIGNING_BACKEND, `key_salt` of a session
class of the app's own (`--salt` names it). Pickles (PickleSerializer, up to 4.2) are read, inert.
Source: `contrib/sessions/backends/signed_cookies.py` and `base.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import Cookie, Match
from sessctl.cookies.django_signed import (
    DIGEST,
    Reading,
    SignedBody,
    of_data,
    session_json,
    session_match,
)
from sessctl.errors import SerializerError, UsageError
from sessctl.serializers import django

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext, PlainJudge
    from sessctl.cookies.guessing import Guess
    from sessctl.text import Secret


class DjangoSignedCookies(SignedBody):
    """All of a session in its cookie."""

    name = "django-signed-cookies"
    cookie_name = "sessionid"
    salt = "django.contrib.sessions.backends.signed_cookies"
    lifetime: timedelta | None = timedelta(days=14)
    setting = "SESSION_COOKIE_AGE"
    parameters: Mapping[str, str] = {"salt": f"of the key ({salt})", **DIGEST}

    def salts(self, context: CookieContext, reading: Reading | None) -> tuple[str, ...]:
        return (context.parameters.get("salt", self.salt),)

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        return session_match(value, "as django.core.signing writes it")

    def plain_judge(
        self, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
    ) -> PlainJudge:
        from sessctl.cookies.django_batch import plain_judge  # only a batch needs it

        return plain_judge(self, secrets, now=now, max_age=max_age)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        body = django.packed(session_json(content))
        return [Cookie(context.name or self.cookie_name, self._signed(body, secrets, context, now))]


class DjangoSessionData(DjangoSignedCookies):
    """The text of a stored session: the column `session_data`, a file, an older row."""

    name = "django-session-data"
    salt = django.STORED
    lifetime = None  # its row says how long it lives
    parameters: Mapping[str, str] = {
        "salt": f"of the key ({salt})",
        **DIGEST,
        "layout": "signing, or legacy-base64 to sign as Django did before 3.1 (signing)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        if ":" in value:
            return super().sniff(value, context)
        try:
            django.split_old(value)
        except SerializerError:
            return None
        return Match(90, "base64 of 40 hexadecimal digits, a colon and data, Django before 3.1")

    def read(self, value: str, context: CookieContext) -> Reading:
        if ":" in value:
            return super().read(value, context)
        context.budget.check_cookie(len(value))
        old = django.split_old(value)
        signed = django.Signed("", None, old.data.decode("latin-1"), old.mac)
        return of_data(self.name, signed, old.data, context.budget)

    def fitting(
        self, reading: Reading, secrets: Sequence[Secret], context: CookieContext
    ) -> tuple[int | None, tuple[str, ...]]:
        if reading.signed.stamp is not None:
            return super().fitting(reading, secrets, context)
        guess = _old_guesser(reading.signed)
        for index, secret in enumerate(secrets):
            if guess(secret.reveal()):
                return index, ("as Django stored it before 3.1; 4.0 and later read it no more",)
        return None, ()

    def guesser(self, value: str, context: CookieContext) -> Guess:
        reading = self._read(value, context)
        if reading.signed.stamp is None:
            return _old_guesser(reading.signed)
        return super().guesser(value, context)

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        layout = context.parameters.get("layout", "signing")
        if layout == "signing":
            return super().sign(content, secrets, context, now=now)
        if layout != "legacy-base64":
            raise UsageError(f"no layout '{layout}'", hint="-p layout=signing or legacy-base64")
        value = django.as_old(session_json(content), secrets[0].reveal())
        return [Cookie(context.name or self.cookie_name, value)]


def _old_guesser(signed: django.Signed) -> Guess:
    from hmac import compare_digest

    data, mac = signed.text.encode("latin-1"), signed.signature
    return lambda secret: compare_digest(django.old_mac(data, secret), mac)
