"""Iron seals: the session in the cookie, encrypted and signed under a password.

Who writes them: iron-session (checked with 8.0.4; 6 and 9 read), @hapi/iron (7.0.1) with @hapi/yar
(11.0.3) and hapi's cookie authentication, h3 and Nuxt.

    Fe26.2*1*5131a303...*N33FjVvS-PuOh_FJxb7ODg*bRtJH8ul3DfLwFNhOxPwcg*1768435200000*4231c4...*Dol...~2
    password: this-is-a-32-plus-character-secret-value!

Eight fields between stars: `Fe26.2`, password id, salt, initialisation vector, ciphertext, expiry
(ms since 1970, or nothing), salt of the MAC, MAC. Both keys come from the password by PBKDF2-SHA1
of one round: AES-256-CBC over JSON, HMAC-SHA256 over the first six fields. 60 s may pass after the
expiry. iron-session adds `~2`, which nothing signs. Where there are several passwords the id names
one (`--secret-from 2=env:NEW`): iron-session seals with the highest number; a lone one has id 1
there and none in hapi.
Not supported: hapi's own signature behind a seal; the obsolete `Fe26.1`.

Source: hapijs/iron 7.0.1 `lib/index.js`; iron-session 8.0.4 `src/core.ts`; yar `lib/index.js`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sessctl.cookies import json_body
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.crypto import ENCRYPTED
from sessctl.cookies.iron_seal import (
    PARAMETERS,
    PREFIX,
    Seal,
    Settings,
    is_genuine,
    is_seal,
    opened,
    parse,
    seal_guesser,
    sealed,
)
from sessctl.cookies.jose import instant, shown
from sessctl.cookies.paste import percent_decode
from sessctl.errors import CookieError, SerializerError, UsageError
from sessctl.timespec import to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Guess
    from sessctl.text import Secret

_SKEW_MS = 60_000
_PASSWORD_CHARACTERS = 32  # a shorter one is refused by the library
_NO_ID = "default"  # the id of a password, where a seal names none
_PASSWORD_ID = re.compile(r"\w+", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,9}")


class _Iron:
    """What both families share; they differ in the tail, the password ids and the payload."""

    name: str
    cookie_name: str
    carries_time = False  # it says when it ends, and not when it was made
    carries_expiry = True
    parameters: Mapping[str, str] = {
        **PARAMETERS,
        "ttl": "seconds that the app gives a seal, which tells when it was made",
    }

    _tail = ""
    _ttl: timedelta | None = None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        decoded = self._decoded(self._parse(value, context), context)
        return replace(decoded, notes=(*decoded.notes, ENCRYPTED))

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        settings = Settings.of(context.parameters)
        try:
            seal = self._parse(value, context)
        except CookieError as exc:
            other = value.startswith("Fe26.") and not value.startswith(PREFIX)
            word = VerdictWord.VERSION_NOT_ALLOWED if other else VerdictWord.MALFORMED
            return Verdict(word, Signature.NONE, notes=(exc.message,))
        decoded = self._decoded(seal, context)
        wanted = seal.password_id or _NO_ID
        named = [(i, one) for i, one in enumerate(secrets) if one.key_id in (None, wanted)]
        if not named:
            note = f"no password has the id {shown(wanted)}"
            return Verdict(VerdictWord.UNKNOWN_KEY, Signature.UNVERIFIED, decoded, notes=(note,))
        for index, password in named:
            if is_genuine(seal, password, settings):
                plain = opened(seal, password, settings)
                word, decoded, notes = _read(seal, plain, decoded, context, now)
                decoded = replace(decoded, sid=self._sid(decoded.payload))
                return Verdict(word, Signature.VALID, decoded, index, notes)
        return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)

    def guesser(self, value: str, context: CookieContext) -> Guess:
        return seal_guesser(self._parse(value, context), Settings.of(context.parameters))

    def sign(
        self,
        content: Any,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        ttl: timedelta | None = None,
    ) -> list[Cookie]:
        from sessctl.serializers.json import encode

        password, password_id = self._sealing(secrets)
        if len(password.reveal_text()) < _PASSWORD_CHARACTERS:
            raise UsageError(f"a password of {self.name} has {_PASSWORD_CHARACTERS} characters")
        ends = self._ttl if ttl is None else ttl
        seal = sealed(
            encode(self._payload(content)),
            password,
            Settings.of(context.parameters),
            password_id=password_id,
            expiry=str(to_ms(now + ends)) if ends else "",
        )
        return [Cookie(context.name or self.cookie_name, seal.text + self._tail)]

    # -- what differs --

    def _sealing(self, secrets: Sequence[Secret]) -> tuple[Secret, str]:
        """(the password that seals, its id)."""
        return secrets[0], secrets[0].key_id or ""

    def _payload(self, content: Any) -> Any:
        """What is sealed for a content that is to be signed. Raises UsageError."""
        if not isinstance(content, dict):
            raise UsageError(
                f"a {self.name} cookie carries data, a JSON object",
                hint="""sessctl sign '{"user":7}'""",
            )
        return content

    def _sid(self, payload: Any) -> str | None:
        """The id of a session on the server that the payload leads to."""
        return None

    def _bare(self, text: str) -> str:
        """The seal without what the library puts behind it."""
        return text

    # -- what is the same --

    def _parse(self, value: str, context: CookieContext) -> Seal:
        """Raises CookieError."""
        context.budget.check_cookie(len(value))
        return parse(self._bare(percent_decode(value)))

    def _decoded(self, seal: Seal, context: CookieContext) -> DecodedCookie:
        """What a seal says without a password."""
        issued_at, lasts = None, context.parameters.get("ttl", "0")
        if _NUMBER.fullmatch(lasts) is None:
            raise UsageError("ttl is a number of seconds", hint="-p ttl=1209600")
        if seal.expires_ms is not None and int(lasts):
            issued_at = instant(seal.expires_ms / 1000 - int(lasts))
        notes = (f"sealed under the password id {shown(seal.password_id)}",)
        return DecodedCookie(
            self.name,
            issued_at=issued_at,
            expires_at=None if seal.expires_ms is None else instant(seal.expires_ms / 1000),
            notes=notes if seal.password_id else (),
        )


class IronSession(_Iron):
    """iron-session: a seal and the version of its payload's form."""

    name = "iron-session"
    cookie_name = "iron-session"  # an app has to choose one
    _tail = "~2"
    _ttl = timedelta(days=14)

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        seal, tilde, _ = percent_decode(value).partition("~")
        if not is_seal(seal):
            return None
        if tilde:
            return Match(97, "Fe26.2, seven stars, and the ~ of iron-session")
        return Match(40, "Fe26.2 and seven stars, but not the ~2 of iron-session")

    def _bare(self, text: str) -> str:
        # Nothing signs what stands behind, and version 9 does not look at it any more.
        return text.partition("~")[0]

    def signing_index(self, secrets: Sequence[Secret]) -> int:
        ids = [one.key_id or "" for one in secrets]
        numbers = [int(one) if _NUMBER.fullmatch(one) else -1 for one in ids]
        return numbers.index(max(numbers))

    def _sealing(self, secrets: Sequence[Secret]) -> tuple[Secret, str]:
        named = [one for one in secrets if one.key_id is not None]
        if not named:
            return secrets[0], "1"
        if not all(_NUMBER.fullmatch(one.key_id or "") for one in named):
            raise UsageError(
                "the ids of iron-session's passwords are numbers, and the highest seals",
                hint="--secret-from 2=env:NEW --secret-from 1=env:OLD",
            )
        newest = secrets[self.signing_index(secrets)]
        return newest, newest.key_id or ""


class HapiIron(_Iron):
    """@hapi/iron as it is: yar, hapi's cookie authentication, h3."""

    name = "hapi-iron"
    cookie_name = "session"

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        seal, tilde, _ = percent_decode(value).partition("~")
        if not is_seal(seal):
            return None
        if tilde:
            return Match(30, "Fe26.2 and seven stars, with a ~ that hapi does not write")
        return Match(95, "Fe26.2 and seven stars")

    def _sealing(self, secrets: Sequence[Secret]) -> tuple[Secret, str]:
        password_id = secrets[0].key_id or ""
        if password_id and _PASSWORD_ID.fullmatch(password_id) is None:
            raise UsageError("the id of a password is letters, digits and _")
        return secrets[0], password_id

    def _payload(self, content: Any) -> Any:
        # A session that yar keeps in the server's cache leaves only its id in the cookie.
        return super()._payload({"id": content} if isinstance(content, str) else content)

    def _sid(self, payload: Any) -> str | None:
        if not isinstance(payload, dict) or not payload.keys() <= {"id", "_store"}:
            return None
        sid = payload.get("id")  # yar's; the data stands beside it, or on the server
        return json_body.sid_in(sid)


def _read(
    seal: Seal,
    plain: bytes | None,
    decoded: DecodedCookie,
    context: CookieContext,
    now: datetime,
) -> tuple[VerdictWord, DecodedCookie, tuple[str, ...]]:
    """(verdict, what is known, notes) of a seal whose MAC is right."""
    from sessctl.serializers.json import decode

    if plain is None:
        note = "the MAC is right; the app may have other settings (-p cipher=aes-128-ctr)"
        return VerdictWord.DECRYPT_FAILED, decoded, (note,)
    try:
        found = decode(plain, context.budget)
    except SerializerError as exc:
        return VerdictWord.PAYLOAD_ERROR, decoded, (exc.message,)
    decoded = replace(decoded, payload=found.data, notes=(*decoded.notes, *found.notes))
    if seal.expiry and seal.expires_ms is None:
        return VerdictWord.MALFORMED, decoded, ("its expiry is not a number of milliseconds",)
    if seal.expires_ms is not None and seal.expires_ms <= to_ms(now) - _SKEW_MS:
        return VerdictWord.EXPIRED, decoded, ()
    return VerdictWord.VALID, decoded, ()
