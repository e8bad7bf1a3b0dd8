"""Secrets as keys of JSON Web Tokens: which algorithms each kind of key may be used with.

The kind of the secret decides, never the token: a public key that is handed to an HMAC as if it
were a text (algorithm confusion) finds no algorithm that fits. Source: RFC 7518, section 3.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sessctl.cookies.crypto import crypto_for
from sessctl.cookies.jose import quietly
from sessctl.errors import SerializerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from joserfc.jwa import JWSAlgModel
    from joserfc.jwk import Key

    from sessctl.text import Secret

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# By kind of key, and the first one of a kind signs unless told otherwise.
_OF_KIND = {
    "oct": ("HS256", "HS384", "HS512"),
    "RSA": _RSA,
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA", "Ed25519"),
}
ALGORITHMS = tuple(name for names in _OF_KIND.values() for name in names)
_PEM = re.compile(rb"-----BEGIN [A-Z ]*(?:PUBLIC KEY|PRIVATE KEY|CERTIFICATE)-----")
_NOT_A_KEY = "the secret looks like a key, and cannot be read as one"
_WRITE_PEM = "a key is PEM (-----BEGIN PUBLIC KEY-----) without a password, or a JWK"


def keys_of(secret: Secret, kid: Any = None) -> list[Key]:
    """The keys in a secret: one, or of a JWK set those that `kid` names; of several only.

    Raises:
        UsageError: it looks like PEM or a JWK and is not.
        MissingExtra: without joserfc.
    """
    keys = _keys_in(secret)
    if len(keys) == 1 or kid is None:
        return list(keys)
    return [key for key in keys if key.kid in (None, kid)]


@lru_cache(maxsize=16)  # a batch of tokens asks for the same few over and over; 80 us
def _keys_in(secret: Secret) -> tuple[Key, ...]:
    """Raises as `keys_of`."""
    with crypto_for("JWT"):
        from joserfc.errors import JoseError  # 118 ms
        from joserfc.jwk import OctKey

    raw = secret.reveal()
    with quietly():
        try:
            if _PEM.search(raw):
                return (_from_pem(raw),)
            members = _jwks(raw)
            # A public key in another spelling (DER, OpenSSH) is no text to make an HMAC with.
            return (OctKey.import_key(raw),) if members is None else tuple(_from_jwks(members))
        except (JoseError, ValueError, TypeError):  # TypeError: a private key with a password
            raise UsageError(_NOT_A_KEY, hint=_WRITE_PEM) from None


def checker(key: Key, alg: str) -> Callable[[bytes, bytes], bool] | None:
    """What checks (text, signature) by this key, or None if the algorithm does not fit it."""
    model = _model(key, alg)
    if model is None:
        return None
    from joserfc.errors import JoseError

    def check(signed: bytes, signature: bytes) -> bool:
        try:
            return model.verify(signed, signature, key)
        except JoseError:  # a JWK that says it is for something else
            return False

    return check


def signing_key(secret: Secret, algorithms: Sequence[str] | None) -> tuple[Key, JWSAlgModel, str]:
    """(key, algorithm, key id or "") to sign with: the first algorithm that fits the key.

    Raises:
        UsageError: none fits, or the key is a public one.
    """
    key = keys_of(secret)[0]
    for alg in algorithms or _OF_KIND[key.key_type]:
        if (model := _model(key, alg)) is not None:
            if not key.is_private:
                raise UsageError(
                    "the secret is a public key, which checks and cannot sign",
                    hint="give the private key: --secret-from file:PATH",
                )
            return key, model, secret.key_id or key.kid or ""
    raise UsageError(f"no algorithm that is allowed fits a secret of the kind {key.key_type}")


def _model(key: Key, alg: str) -> JWSAlgModel | None:
    from joserfc.errors import JoseError

    if alg not in _OF_KIND[key.key_type]:
        return None
    with quietly():
        model = _algorithm(alg)
        try:
            model.check_key(key)  # the curve, and what a JWK says it is for
        except JoseError:
            return None
    return model


@lru_cache(maxsize=len(ALGORITHMS))  # 30 us
def _algorithm(name: str) -> JWSAlgModel:
    from joserfc.jws import JWSRegistry

    return JWSRegistry(algorithms=ALGORITHMS).get_alg(name)


def _from_pem(raw: bytes) -> Key:
    """Raises ValueError or TypeError when it is none."""
    from joserfc.errors import InvalidKeyTypeError
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return kind.import_key(raw)
        except InvalidKeyTypeError:
            continue
    raise ValueError("a key of another kind")


def _from_jwks(members: list[Any]) -> list[Key]:
    """The keys that can be read, for a set may hold others too. Raises ValueError without one."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    keys = []
    for member in members:
        try:
            keys.append(JWKRegistry.import_key(member))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not keys:
        raise ValueError("no key")
    return keys


def _jwks(raw: bytes) -> list[Any] | None:
    """The keys of a JWK or of a set of them; None for a text that is neither."""
    if not raw.lstrip().startswith(b"{"):
        return None
    from sessctl.serializers.json import decode

    try:
        found = decode(raw).data
    except SerializerError:
        return None
    if isinstance(found, dict) and isinstance(keys := found.get("keys"), list) and keys:
        return keys
    return [found] if isinstance(found, dict) and "kty" in found else None
