"""Session tokens of NextAuth.js 4 and Auth.js 5: a JWT that is encrypted, with a key derived from
the app's secret.

Who writes them: next-auth 4 (checked with 4.24.15), @auth/core (0.41.3) and next-auth 5 over it.

    eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..cQblYVZU3Bfl...
    secret: correct horse battery staple

Five fields, the second empty: header, initialisation vector, ciphertext and tag (JWE, `alg: dir`).
4: A256GCM. 5: A256CBC-HS512, with the cookie's name as salt of the key, and a `kid` that names the
key. Both add `iat`, `exp` and `jti`, and allow the clocks to differ by 15 s. Longer values stand in
several cookies, `name.0` and on. Not supported: compressed tokens, which neither writes.

Source: next-auth 4 `jwt/index.js`, `core/lib/cookie.js`; @auth/core `jwt.js`,
`lib/utils/cookie.js`.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from sessctl.cookies import jose, jwe
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.crypto import ENCRYPTED, crypto_for
from sessctl.errors import CookieError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from joserfc.jwk import OctKey

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret

_LEEWAY_S = 15
_TTL_S = 30 * 24 * 3600
_GCM, _CBC = "A256GCM", "A256CBC-HS512"
_KEY_BYTES = {_GCM: 32, _CBC: 64}
_SECURE = "__Secure-"


class _SessionToken(ABC):
    """What both generations share; they differ in the key, the cipher and the names."""

    name: str
    cookie_name: str
    carries_time = True
    carries_expiry = True
    parameters: Mapping[str, str]

    _encryption: tuple[str, ...]  # those it reads; the first is what it writes
    _chunk_characters: int

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        token = jwe.parse(value, context.budget)
        return DecodedCookie(self.name, notes=(*token.notes, ENCRYPTED))

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
            token = jwe.parse(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        decoded = DecodedCookie(self.name, notes=token.notes)
        if reason := token.refused(self._encryption):
            return Verdict(VerdictWord.ALG_NOT_ALLOWED, Signature.INVALID, decoded, notes=(reason,))
        for index, key in self._keys(token, secrets, context):
            plain = jwe.decrypt(value, key, token.encryption)
            if plain is not None:
                opened = Verdict(VerdictWord.VALID, Signature.VALID, decoded, index)
                return jwe.judge_opened(
                    plain, opened, context.budget, now=now, leeway_s=_LEEWAY_S, max_age=max_age
                )
        return Verdict(VerdictWord.DECRYPT_FAILED, Signature.INVALID, decoded)

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

        if not isinstance(content, dict):
            raise UsageError(
                f"a {self.name} cookie carries claims, a JSON object",
                hint="""sessctl sign '{"sub":"7","name":"Al"}'""",
            )
        issued = int(now.timestamp())
        claims = {
            **content,
            "iat": issued,
            "exp": issued + (_TTL_S if ttl is None else int(ttl.total_seconds())),
            "jti": str(uuid.uuid4()),
        }
        name = context.name or self.cookie_name
        encryption = self._encryption[0]
        key = jwe.oct_key(self.name, self._derived(secrets[0], encryption, self._salts(context)[0]))
        header = {"alg": "dir", "enc": encryption, **self._key_id(key)}
        value = jwe.encrypt(header, encode(claims), key)
        size = self._chunk_characters
        if len(value) <= size:
            return [Cookie(name, value)]
        chunks = [value[start : start + size] for start in range(0, len(value), size)]
        return [Cookie(f"{name}.{number}", chunk) for number, chunk in enumerate(chunks)]

    # -- what differs --

    @abstractmethod
    def _salts(self, context: CookieContext) -> list[str]:
        """The salts that the key may have been derived with; the first one signs."""

    @abstractmethod
    def _derived(self, secret: Secret, encryption: str, salt: str) -> bytes:
        """The key for this cipher, from the app's secret."""

    def _key_id(self, key: OctKey) -> dict[str, str]:
        return {}

    def _keys(
        self, token: jwe.Token, secrets: Sequence[Secret], context: CookieContext
    ) -> list[tuple[int, OctKey]]:
        """(index of its secret, key) of each key that the library would try."""
        return [
            (index, jwe.oct_key(self.name, self._derived(secret, token.encryption, salt)))
            for index, secret in enumerate(secrets)
            for salt in self._salts(context)
        ]


class NextAuthV4(_SessionToken):
    """next-auth 4: A256GCM; the cookie's name plays no part in the key."""

    name = "nextauth-v4"
    cookie_name = "next-auth.session-token"
    parameters: Mapping[str, str] = {"salt": "that `encode` was called with (none)"}
    _encryption = (_GCM,)
    _chunk_characters = 4096 - 163  # its estimate of an empty cookie

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _sniff(value, context)
        if found is None or found[0] != _GCM:
            return None
        evidence = "an encrypted token (JWE) with alg dir and enc A256GCM"
        return _by_name(Match(60 if found[1] else 95, evidence), "next-auth.", context)

    def _salts(self, context: CookieContext) -> list[str]:
        return [context.parameters.get("salt", "")]

    def _derived(self, secret: Secret, encryption: str, salt: str) -> bytes:
        info = "NextAuth.js Generated Encryption Key" + (f" ({salt})" if salt else "")
        return _hkdf(self.name, secret, salt, info, _KEY_BYTES[encryption])


class AuthJs(_SessionToken):
    """@auth/core (next-auth 5): A256CBC-HS512; the cookie's name is the salt of the key."""

    name = "authjs"
    cookie_name = "authjs.session-token"
    parameters: Mapping[str, str] = {"salt": "of the key's derivation (the cookie's name)"}
    _encryption = (_CBC, _GCM)
    _chunk_characters = 4096 - 160

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        found = _sniff(value, context)
        if found is None or found[0] not in self._encryption:
            return None
        encryption, with_kid = found
        score = 50 + 25 * (encryption == _CBC) + 20 * with_kid
        kid = " and a kid" if with_kid else ""
        evidence = f"an encrypted token (JWE) with alg dir, enc {encryption}{kid}"
        return _by_name(Match(score, evidence), "authjs.", context)

    def _salts(self, context: CookieContext) -> list[str]:
        given = context.parameters.get("salt", context.name)
        # A bare value has lost its name; it had one of these two, unless the app renamed it.
        return [given] if given is not None else [self.cookie_name, _SECURE + self.cookie_name]

    def _derived(self, secret: Secret, encryption: str, salt: str) -> bytes:
        info = f"Auth.js Generated Encryption Key ({salt})"
        return _hkdf(self.name, secret, salt, info, _KEY_BYTES[encryption])

    def _key_id(self, key: OctKey) -> dict[str, str]:
        from joserfc.jwk import thumbprint

        k = str(key.as_dict()["k"])
        long = len(key.raw_value) == _KEY_BYTES[_CBC]
        return {"kid": thumbprint({"kty": "oct", "k": k}, "sha512" if long else "sha256")}

    def _keys(
        self, token: jwe.Token, secrets: Sequence[Secret], context: CookieContext
    ) -> list[tuple[int, OctKey]]:
        kid = token.header.get("kid")
        if kid is None:  # then the library knows the newest secret only
            return super()._keys(token, secrets[:1], context)
        keys = super()._keys(token, secrets, context)
        return [(index, key) for index, key in keys if self._key_id(key)["kid"] == kid]


def _sniff(value: str, context: CookieContext) -> tuple[str, bool] | None:
    """(enc, whether it names its key) of a token of this family."""
    header = jose.sniffed_header(value, jwe.FIELDS, context.budget)
    if header is None or header.get("alg") != "dir" or value.split(".", 2)[1]:
        return None
    return str(header.get("enc")), "kid" in header


def _by_name(match: Match, prefix: str, context: CookieContext) -> Match:
    """The match, once the cookie's name has spoken: the library names all its cookies alike."""
    name = context.name or ""
    if prefix not in name:
        return match
    if "session-token" in name:
        return Match(99, f"{match.evidence}, by its usual name")
    return Match(40, f"{match.evidence}, but by its name not the session")  # state, PKCE, nonce


def _hkdf(format: str, secret: Secret, salt: str, info: str, size: int) -> bytes:
    with crypto_for(format):
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    raw_salt, raw_info = (text.encode("utf-8", "surrogatepass") for text in (salt, info))
    return HKDF(SHA256(), size, salt=raw_salt, info=raw_info).derive(secret.reveal())
