"""JSON Web Tokens in a cookie: claims that anybody reads and a key signs.

Who writes them: jsonwebtoken (checked with 9.0.3), jose (6.2), PyJWT, and most API gateways.

    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NjcyMjU2MDB9.da4Lqsj_ZJnNaU4QX40VhvKgmRE0dtwF...
    secret: correct horse battery staple

base64url(header) `.` base64url(claims) `.` base64url(signature over the first two, as text). A
secret is a text (HS256 and its kin), a key as PEM (public, private or certificate), a JWK or a set
of them. The algorithm has to fit the *kind of secret*, whatever the token says: a public key never
checks an HMAC, and `none` is never allowed. `exp`, `nbf` and `iat` are seconds since 1970.
Not supported: encrypted tokens (their header is shown; those of NextAuth are formats of their own),
detached payloads and every other extension that `crit` asks for.

Source: RFC 7515, 7518, 7519, 8037; jsonwebtoken 9.0.3 `verify.js`, `sign.js`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sessctl.cookies import jose
from sessctl.cookies.base import Cookie, DecodedCookie, Match, Signature, Verdict, VerdictWord
from sessctl.cookies.jwt_keys import ALGORITHMS, checker, keys_of, signing_key
from sessctl.cookies.parameters import leeway_s
from sessctl.errors import CookieError, SerializerError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.limits import Budget
    from sessctl.text import Secret

_JWS_FIELDS, _JWE_FIELDS = 3, 5


class Jwt:
    """A signed token with its claims."""

    name = "jwt"
    cookie_name = "token"
    carries_time = True
    carries_expiry = True
    parameters: Mapping[str, str] = {
        "algorithms": "those allowed, as RS256,PS256; the first signs (all that fit the secret)",
        "audience": "what `aud` must name (anything)",
        "issuer": "what `iss` must be (anything)",
        "leeway": "seconds by which clocks may differ (0)",
    }

    def sniff(self, value: str, context: CookieContext) -> Match | None:
        header = jose.sniffed_header(value, _JWS_FIELDS, context.budget)
        if header is not None:
            if isinstance(header.get("alg"), str):
                return Match(95, f"three fields, and a header that says alg {_alg(header)}")
            return Match(20, "three fields and a JSON header, but it names no algorithm")
        header = jose.sniffed_header(value, _JWE_FIELDS, context.budget)
        if header is not None and "enc" in header:
            return Match(30, "an encrypted token (JWE), of which only the header is shown")
        return None

    def decode(self, value: str, context: CookieContext) -> DecodedCookie:
        if value.count(".") == _JWE_FIELDS - 1:
            return _encrypted(value, context.budget)
        return _parse(value, context.budget).decoded

    def verify(
        self,
        value: str,
        secrets: Sequence[Secret],
        context: CookieContext,
        *,
        now: datetime,
        max_age: timedelta | None = None,
    ) -> Verdict:
        allowed, leeway = _algorithms(context), leeway_s(context)
        try:
            if value.count(".") == _JWE_FIELDS - 1:
                decoded = _encrypted(value, context.budget)
                return Verdict(VerdictWord.ALG_NOT_ALLOWED, Signature.UNVERIFIED, decoded)
            token = _parse(value, context.budget)
        except CookieError as exc:
            return Verdict(VerdictWord.MALFORMED, Signature.NONE, notes=(exc.message,))
        word, index, note = _check(token, secrets, allowed)
        if word is not VerdictWord.VALID:
            return Verdict(word, Signature.INVALID, token.decoded, notes=(note,) if note else ())
        problem = _judge_claims(token, context, now=now, leeway_s=leeway, max_age=max_age)
        word, notes = (problem[0], (problem[1],)) if problem else (VerdictWord.VALID, ())
        return Verdict(word, Signature.VALID, token.decoded, index, notes)

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        from sessctl.cookies.guessing import Mac

        token = _parse(value, context.budget)
        if not token.signature:
            raise CookieError("its signature is not base64url: no secret made it")
        digest = f"sha{str(token.header['alg'])[2:]}"  # HS256, as was checked
        return Mac(token.signed, token.signature, digest)

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
                "a JWT carries claims, a JSON object", hint="""sessctl sign '{"sub":"7"}'"""
            )
        key, model, key_id = signing_key(secrets[0], _algorithms(context))
        issued = int(now.timestamp())
        claims = {**content, "iat": content.get("iat", issued)}
        if ttl is not None:
            claims["exp"] = issued + int(ttl.total_seconds())
        header = {"alg": model.name, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
        text = f"{jose.to_b64url(encode(header))}.{jose.to_b64url(encode(claims))}"
        signature = jose.to_b64url(model.sign(text.encode(), key))
        return [Cookie(context.name or self.cookie_name, f"{text}.{signature}")]


@dataclass(frozen=True, slots=True)
class _Token:
    """A token's parts. `claims` is None where they are no JSON object."""

    header: dict[str, Any]
    claims: dict[str, Any] | None
    signed: bytes  # what the signature is over
    signature: bytes | None  # None: not base64url
    decoded: DecodedCookie


def _parse(value: str, budget: Budget) -> _Token:
    """Raises CookieError."""
    from sessctl.serializers.json import decode

    first, second, third = jose.fields(value, _JWS_FIELDS, budget)
    header, notes = jose.header(first, budget)
    notes += jose.header_notes(header)
    payload: Any = None
    try:
        found = decode(jose.b64url(second), budget)
        payload, notes = found.data, (*notes, *found.notes)
    except SerializerError as exc:
        notes += (f"its claims are unreadable: {exc.message}",)
    claims = payload if isinstance(payload, dict) else None
    decoded = DecodedCookie(
        Jwt.name,
        payload=payload,
        signed=third != "",
        issued_at=jose.instant(claims.get("iat")) if claims else None,
        expires_at=jose.instant(claims.get("exp")) if claims else None,
        notes=notes,
    )
    try:
        signature = jose.b64url(third)
    except CookieError:
        signature = None
    if signature is not None and jose.to_b64url(signature) != third:
        signature = None  # another spelling of the last character: one token has one text
    return _Token(header, claims, f"{first}.{second}".encode(), signature, decoded)


def _check(
    token: _Token, secrets: Sequence[Secret], allowed: tuple[str, ...] | None
) -> tuple[VerdictWord, int | None, str]:
    """(verdict on the signature, index of the secret that made it, why not)."""
    alg, kid = token.header.get("alg"), token.header.get("kid")
    if "crit" in token.header:
        return VerdictWord.ALG_NOT_ALLOWED, None, "its header's crit asks for an extension"
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        return VerdictWord.ALG_NOT_ALLOWED, None, f"alg {_alg(token.header)} is never allowed"
    if allowed is not None and alg not in allowed:
        return VerdictWord.ALG_NOT_ALLOWED, None, f"allowed: {', '.join(allowed)}"
    keys = [
        (index, key)
        for index, secret in enumerate(secrets)
        if kid is None or secret.key_id in (None, kid)
        for key in keys_of(secret, kid)
    ]
    if not keys:
        return VerdictWord.UNKNOWN_KEY, None, f"no secret has the id {jose.shown(kid)}"
    fitting = [(index, check) for index, key in keys if (check := checker(key, alg)) is not None]
    if not fitting:
        return VerdictWord.ALG_NOT_ALLOWED, None, f"{alg} does not fit a secret of this kind"
    if not token.decoded.signed:
        return VerdictWord.MISSING_SIGNATURE, None, ""
    for index, check in fitting:
        if token.signature and check(token.signed, token.signature):
            return VerdictWord.VALID, index, ""
    return VerdictWord.BAD_SIGNATURE, None, ""


def _judge_claims(
    token: _Token,
    context: CookieContext,
    *,
    now: datetime,
    leeway_s: int,
    max_age: timedelta | None,
) -> tuple[VerdictWord, str] | None:
    """Why a genuine token does not count here and now, or None if it does."""
    claims = token.claims
    if claims is None:
        return VerdictWord.PAYLOAD_ERROR, "its claims are not a JSON object"
    problem = jose.judge_times(claims, now=now, leeway_s=leeway_s, max_age=max_age)
    if problem is not None:
        return problem
    audience, issuer = context.parameters.get("audience"), context.parameters.get("issuer")
    named = claims.get("aud")
    if audience is not None and audience not in (named if isinstance(named, list) else [named]):
        return VerdictWord.PURPOSE_MISMATCH, "its aud does not name this audience"
    if issuer is not None and claims.get("iss") != issuer:
        return VerdictWord.PURPOSE_MISMATCH, "its iss is another issuer"
    return None


def _encrypted(value: str, budget: Budget) -> DecodedCookie:
    """What an encrypted token shows. Raises CookieError."""
    first = jose.fields(value, _JWE_FIELDS, budget)[0]
    header, notes = jose.header(first, budget)
    return DecodedCookie(
        Jwt.name,
        notes=(*notes, *jose.header_notes(header), "encrypted: only the header is shown"),
    )


def _alg(header: Mapping[str, Any]) -> str:
    return jose.shown(header["alg"]) if "alg" in header else "(none named)"


def _algorithms(context: CookieContext) -> tuple[str, ...] | None:
    """The parameter `algorithms` as names; None if it is not given."""
    given = context.parameters.get("algorithms")
    if given is None:
        return None
    names = tuple(name.strip() for name in given.split(","))
    for name in names:
        if name not in ALGORITHMS:
            raise UsageError(
                f"'{name}' is no algorithm that may sign a JWT",
                hint=did_you_mean(name, ALGORITHMS, all_are="they are"),
            )
    return names
