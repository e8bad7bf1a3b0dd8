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

import hashlib
import re
import secrets as random
from dataclasses import dataclass, replace
from datetime import timedelta
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING, Any

from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.crypto import ENCRYPTED, crypto_for
from sessctl.cookies.jose import b64url, instant, shown, to_b64url
from sessctl.cookies.paste import percent_decode
from sessctl.errors import CookieError, SerializerError, UsageError
from sessctl.timespec import to_ms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sessctl.cookies.base import CookieContext
    from sessctl.limits import Budget
    from sessctl.text import Secret

_PREFIX = "Fe26.2"
_FIELDS = 8
_SKEW_MS = 60_000
_PASSWORD_CHARACTERS = 32  # a shorter one is refused by the library
_ROUNDS = 1_000_000  # more would be an hour's work for a batch of cookies
_KEY_BYTES = {"aes-256-cbc": 32, "aes-128-ctr": 16}
_IV_BYTES, _SALT_BYTES, _MAC_KEY_BYTES = 16, 32, 32
_PASSWORD_ID = re.compile(r"\w+", re.ASCII)
_EXPIRY = re.compile(r"[0-9]{1,15}")


class _Iron:
    """What both families share; they differ in the tail, the password ids and the payload."""

    name: str
    cookie_name: str
    carries_time = False  # it says when it ends, and not when it was made
    carries_expiry = True
    parameters: Mapping[str, str] = {
        "encryption": "aes-256-cbc or aes-128-ctr; aes-256-cbc",
        "encryption_iterations": "rounds of PBKDF2 for the key; 1",
        "integrity_iterations": "rounds of PBKDF2 for the key of the MAC; 1",
        "ttl": "seconds that the app gives a seal: tells when it was made; unknown",
    }

    _tail = ""
    _ttl: timedelta | None = None
    _missing_id: str  # the id of a password where a seal names none

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        seal = self._parse(value, context)
        decoded = self._decoded(seal, context)
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
        settings = _Settings.of(context)
        try:
            seal = self._parse(value, context)
        except CookieError as exc:
            other = percent_decode(value).startswith("Fe26.") and _PREFIX not in value
            word = VerdictWord.VERSION_NOT_ALLOWED if other else VerdictWord.MALFORMED
            return Verdict(word, Signature.NONE, notes=(exc.message,))
        decoded = self._decoded(seal, context)
        wanted = seal.password_id or self._missing_id
        named = [(i, one) for i, one in enumerate(secrets) if one.key_id in (None, wanted)]
        if not named:
            note = f"no password has the id {shown(wanted)}"
            return Verdict(VerdictWord.UNKNOWN_KEY, Signature.UNVERIFIED, decoded, notes=(note,))
        for index, password in named:
            if compare_digest(_mac(seal, password, settings), seal.mac.encode("utf-8", "replace")):
                return self._opened(seal, decoded, password, index, context, settings, now)
        return Verdict(VerdictWord.BAD_SIGNATURE, Signature.INVALID, decoded)

    def batch_judge(self, secrets: Sequence[Secret]) -> None:
        return None  # each payload is different

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
        settings, lasts = _Settings.of(context), self._ttl if ttl is None else ttl
        salt, mac_salt = random.token_hex(_SALT_BYTES), random.token_hex(_SALT_BYTES)
        iv = random.token_bytes(_IV_BYTES)
        key = _key(password, salt, settings.rounds, _KEY_BYTES[settings.cipher])
        ciphertext = _aes(self.name, settings.cipher, key, iv, encode(self._sealed(content)))
        seal = _Seal(
            password_id,
            salt,
            to_b64url(iv),
            to_b64url(ciphertext),
            str(to_ms(now + lasts)) if lasts else "",
            mac_salt,
            "",
        )
        mac = _mac(seal, password, settings).decode()
        value = f"{seal.signed}*{mac_salt}*{mac}{self._tail}"
        return [Cookie(context.name or self.cookie_name, value)]

    # -- what differs --

    def _sealing(self, secrets: Sequence[Secret]) -> tuple[Secret, str]:
        """(the password that seals, its id)."""
        return secrets[0], secrets[0].key_id or ""

    def _sealed(self, content: Any) -> Any:
        """What is sealed for a content that is to be signed. Raises UsageError."""
        if not isinstance(content, dict):
            raise UsageError(
                f"a {self.name} cookie carries data, a JSON object",
                hint="""sessctl sign '{"user":7}'""",
            )
        return content

    def _parse(self, value: str, context: CookieContext) -> _Seal:
        """Raises CookieError."""
        return _parse(value, context.budget)

    # -- what is the same --

    def _decoded(self, seal: _Seal, context: CookieContext) -> DecodedCookie:
        """What a seal says without a password."""
        expires_at = seal.expires_at
        lasts = context.parameters.get("ttl", "")
        issued_at = None
        if expires_at is not None and lasts.isascii() and lasts.isdigit():
            issued_at = instant(to_ms(expires_at) / 1000 - int(lasts[:12]))
        notes = (f"sealed under the password id {shown(seal.password_id)}",)
        return DecodedCookie(
            self.name,
            issued_at=issued_at,
            expires_at=expires_at,
            notes=notes if seal.password_id else (),
        )

    def _opened(
        self,
        seal: _Seal,
        decoded: DecodedCookie,
        password: Secret,
        index: int,
        context: CookieContext,
        settings: _Settings,
        now: datetime,
    ) -> Verdict:
        """The verdict on a seal whose MAC is right."""
        from sessctl.serializers.json import decode

        plain = _unsealed(self.name, seal, password, settings)
        if plain is None:
            note = (
                "the MAC is right; perhaps the app has other settings (-p encryption=aes-128-ctr)"
            )
            return Verdict(VerdictWord.DECRYPT_FAILED, Signature.VALID, decoded, index, (note,))
        try:
            found = decode(plain, context.budget)
        except SerializerError as exc:
            notes = (exc.message,)
            return Verdict(VerdictWord.PAYLOAD_ERROR, Signature.VALID, decoded, index, notes)
        decoded = replace(decoded, payload=found.data, notes=(*decoded.notes, *found.notes))
        if isinstance(found.data, dict) and found.data.keys() <= {"id", "_store"}:
            sid = found.data.get("id")  # yar's, whose data is here or in a cache of the server
            decoded = replace(decoded, sid=sid if isinstance(sid, str) else None)
        word = VerdictWord.VALID
        if seal.expiry and _EXPIRY.fullmatch(seal.expiry) is None:
            word = VerdictWord.MALFORMED
        elif seal.expiry and int(seal.expiry) <= to_ms(now) - _SKEW_MS:
            word = VerdictWord.EXPIRED
        return Verdict(word, Signature.VALID, decoded, index)


class IronSession(_Iron):
    """iron-session: a seal and the version of its payload's form."""

    name = "iron-session"
    cookie_name = "iron-session"  # an app has to choose one
    _tail = "~2"
    _ttl = timedelta(days=14)
    _missing_id = ""

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        seal, tilde, _ = percent_decode(value).partition("~")
        if not _is_seal(seal):
            return None
        if tilde:
            return Match(97, "Fe26.2, seven stars, and the ~ of iron-session")
        return Match(40, "Fe26.2 and seven stars, but not the ~2 of iron-session")

    def _parse(self, value: str, context: CookieContext) -> _Seal:
        # Nothing signs what stands behind, and version 9 does not look at it any more.
        return _parse(percent_decode(value).partition("~")[0], context.budget)

    def _sealing(self, secrets: Sequence[Secret]) -> tuple[Secret, str]:
        named = [one for one in secrets if one.key_id is not None]
        if not named:
            return secrets[0], "1"
        try:
            newest = max(named, key=lambda one: int(one.key_id or ""))
        except ValueError:
            raise UsageError(
                "the ids of iron-session's passwords are numbers, and the highest seals",
                hint="--secret-from 2=env:NEW --secret-from 1=env:OLD",
            ) from None
        return newest, newest.key_id or ""


class HapiIron(_Iron):
    """@hapi/iron as it is: yar, hapi's cookie authentication, h3."""

    name = "hapi-iron"
    cookie_name = "session"
    _missing_id = "default"

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        seal, tilde, _ = percent_decode(value).partition("~")
        if not _is_seal(seal):
            return None
        if tilde:
            return Match(30, "Fe26.2 and seven stars, with a ~ that hapi does not write")
        return Match(95, "Fe26.2 and seven stars")

    def _sealing(self, secrets: Sequence[Secret]) -> tuple[Secret, str]:
        password_id = secrets[0].key_id or ""
        if password_id and _PASSWORD_ID.fullmatch(password_id) is None:
            raise UsageError("the id of a password is letters, digits and _")
        return secrets[0], password_id

    def _sealed(self, content: Any) -> Any:
        # A session that yar keeps in the server's cache leaves only its id in the cookie.
        return super()._sealed({"id": content} if isinstance(content, str) else content)


@dataclass(frozen=True, slots=True)
class _Seal:
    """The fields of a seal, as text."""

    password_id: str
    salt: str
    iv: str
    ciphertext: str
    expiry: str  # ms since 1970, or nothing
    mac_salt: str
    mac: str

    @property
    def signed(self) -> str:
        """The first six fields, which the MAC is over."""
        six = (_PREFIX, self.password_id, self.salt, self.iv, self.ciphertext, self.expiry)
        return "*".join(six)

    @property
    def expires_at(self) -> datetime | None:
        return instant(int(self.expiry) / 1000) if _EXPIRY.fullmatch(self.expiry) else None


@dataclass(frozen=True, slots=True)
class _Settings:
    """How the app seals; nothing in a seal tells."""

    cipher: str
    rounds: int
    mac_rounds: int

    @classmethod
    def of(cls, context: CookieContext) -> _Settings:
        """Raises UsageError for a parameter that cannot be."""
        given = context.parameters
        cipher = given.get("encryption", "aes-256-cbc")
        if cipher not in _KEY_BYTES:
            raise UsageError(f"encryption is one of: {', '.join(_KEY_BYTES)}")
        rounds = [given.get(f"{key}_iterations", "1") for key in ("encryption", "integrity")]
        if not all(
            one.isascii() and one.isdigit() and 0 < int(one[:9]) <= _ROUNDS for one in rounds
        ):
            raise UsageError(f"iterations is a number from 1 to {_ROUNDS}")
        return cls(cipher, int(rounds[0]), int(rounds[1]))


def _is_seal(text: str) -> bool:
    return text.startswith(_PREFIX + "*") and text.count("*") == _FIELDS - 1


def _parse(value: str, budget: Budget) -> _Seal:
    """Raises CookieError."""
    budget.check_cookie(len(value))
    prefix, *rest = percent_decode(value).split("*")
    if prefix != _PREFIX:
        raise CookieError(f"it does not start with {_PREFIX}*, as seals of this version do")
    if len(rest) != _FIELDS - 1:
        raise CookieError(f"{len(rest) + 1} fields between stars, where a seal has {_FIELDS}")
    return _Seal(*rest)


def _key(password: Secret, salt: str, rounds: int, size: int) -> bytes:
    """The key for a salt. Without one the password was a buffer, which is the key itself."""
    if not salt:
        return password.reveal()
    return hashlib.pbkdf2_hmac(
        "sha1", password.reveal(), salt.encode("utf-8", "surrogateescape"), rounds, size
    )


def _mac(seal: _Seal, password: Secret, settings: _Settings) -> bytes:
    """The MAC as text; the library compares texts too."""
    key = _key(password, seal.mac_salt, settings.mac_rounds, _MAC_KEY_BYTES)
    signed = seal.signed.encode("utf-8", "surrogateescape")
    return to_b64url(hmac_digest(key, signed, "sha256")).encode()


def _unsealed(format: str, seal: _Seal, password: Secret, settings: _Settings) -> bytes | None:
    """The plaintext; None if it cannot be had with these settings."""
    key = _key(password, seal.salt, settings.rounds, _KEY_BYTES[settings.cipher])
    try:
        iv, ciphertext = b64url(seal.iv), b64url(seal.ciphertext)
        return _aes(format, settings.cipher, key, iv, ciphertext, decrypts=True)
    except (CookieError, ValueError):  # ValueError: a length or a padding that cannot be
        return None


def _aes(
    format: str, cipher: str, key: bytes, iv: bytes, data: bytes, *, decrypts: bool = False
) -> bytes:
    """Raises ValueError for lengths or a padding that cannot be."""
    with crypto_for(format):
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
        from cryptography.hazmat.primitives.padding import PKCS7

    whole = Cipher(AES(key), CBC(iv) if cipher.endswith("cbc") else CTR(iv))
    step, padding = whole.decryptor() if decrypts else whole.encryptor(), PKCS7(AES.block_size)
    if cipher.endswith("ctr"):
        return step.update(data) + step.finalize()
    if decrypts:
        unpadder = padding.unpadder()
        return unpadder.update(step.update(data) + step.finalize()) + unpadder.finalize()
    padder = padding.padder()
    return step.update(padder.update(data) + padder.finalize()) + step.finalize()
