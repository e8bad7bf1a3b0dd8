"""A token that is encrypted with a key which both sides have (JWE, `alg: dir`), and its claims.

Five fields: header, nothing, initialisation vector, ciphertext, tag. Which key it is, and which
ciphers a library takes, is the format's to say. Compressed tokens are refused, so nothing unpacks
to more than the cookie. Source: RFC 7516, 7518 section 4.5; jose 6.2 `jwtDecrypt`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sessctl.cookies import jose
from sessctl.cookies.base import Verdict, VerdictWord
from sessctl.cookies.crypto import crypto_for
from sessctl.errors import SerializerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from joserfc.jwk import OctKey

    from sessctl.limits import Budget

FIELDS = 5


@dataclass(frozen=True, slots=True)
class Token:
    """The header of a token, and what is to be said about it."""

    header: Mapping[str, Any]
    notes: tuple[str, ...]
    wrapped_key: str

    @property
    def encryption(self) -> str:
        """Its cipher (`enc`)."""
        return str(self.header.get("enc"))

    def refused(self, encryption: tuple[str, ...]) -> str:
        """Why the library would not even try, or nothing."""
        if self.header.get("alg") != "dir" or self.wrapped_key:
            return "its key is not the app's own (alg dir)"
        if self.encryption not in encryption:
            return f"its enc is {jose.shown(self.header.get('enc'))}, not {' or '.join(encryption)}"
        if "zip" in self.header:
            return "it is compressed, which this library never does"
        return "its header's crit asks for an extension" if "crit" in self.header else ""


def parse(value: str, budget: Budget) -> Token:
    """Raises CookieError."""
    first, wrapped_key, *_ = jose.fields(value, FIELDS, budget)
    header, notes = jose.header(first, budget)
    return Token(header, (*notes, *jose.header_notes(header)), wrapped_key)


def judge_opened(
    plain: bytes,
    opened: Verdict,
    budget: Budget,
    *,
    now: datetime,
    leeway_s: int,
    max_age: timedelta | None,
) -> Verdict:
    """The verdict on the claims of a token that a key has opened.

    Args:
        opened: what is known of it so far; it comes back with the claims and the last word.
    """
    from sessctl.serializers.json import decode

    try:
        found = decode(plain, budget)
    except SerializerError as exc:
        return replace(opened, word=VerdictWord.PAYLOAD_ERROR, notes=(exc.message,))
    claims = found.data
    times = claims if isinstance(claims, dict) else {}
    decoded = opened.decoded and replace(
        opened.decoded,
        payload=claims,
        issued_at=jose.instant(times.get("iat")),
        expires_at=jose.instant(times.get("exp")),
        notes=(*opened.decoded.notes, *found.notes),
    )
    if not isinstance(claims, dict):
        problem: tuple[VerdictWord, str] | None
        problem = VerdictWord.PAYLOAD_ERROR, "its claims are not a JSON object"
    else:
        problem = jose.judge_times(claims, now=now, leeway_s=leeway_s, max_age=max_age)
    word, notes = (problem[0], (problem[1],)) if problem else (VerdictWord.VALID, ())
    return replace(opened, word=word, decoded=decoded, notes=notes)


def decrypt(value: str, key: OctKey, encryption: str) -> bytes | None:
    """The plaintext, or None if the key does not open it."""
    from joserfc import jwe
    from joserfc.errors import JoseError

    registry = jwe.JWERegistry(algorithms=["dir", encryption], strict_check_header=False)
    with jose.quietly():
        try:
            return jwe.decrypt_compact(value, key, registry=registry).plaintext
        except (JoseError, ValueError):  # ValueError: a field of an impossible length
            return None


def encrypt(header: dict[str, Any], plain: bytes, key: OctKey) -> str:
    """A new token."""
    from joserfc import jwe

    with jose.quietly():
        return jwe.encrypt_compact(header, plain, key, algorithms=["dir", header["enc"]])


def oct_key(format: str, raw: bytes) -> OctKey:
    """A key as joserfc takes it. Raises MissingExtra, naming the format, without joserfc."""
    with crypto_for(format):
        from joserfc.jwk import OctKey  # 86 ms
    return OctKey.import_key(raw)
