"""`TEXT.SIGNATURE`, as npm's cookie-signature and @fastify/cookie write it.

SIGNATURE is base64 of the HMAC without padding; the *last* dot splits. The encoded signatures are
compared, as the libraries do: another spelling of the right bytes is not valid.
Source: cookie-signature 1.2.2 `index.js`, @fastify/cookie 11.0.2 `signer.js`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING

from sessctl.errors import CookieError, UsageError, did_you_mean
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sessctl.cookies.base import CookieContext
    from sessctl.text import Secret

_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # the rest stands for bytes (PEP 383)
_UNESCAPED = "-_.!~*'()"  # what encodeURIComponent leaves alone beside letters and digits
_SIZES = {"sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}  # bytes
# A session id as generators make them; shorter or stranger text may still be one.
ID_LIKE = re.compile(r"[A-Za-z0-9_.-]{16,}")


def split(text: str) -> tuple[str, str]:
    """(text, signature). Raises CookieError."""
    signed, dot, signature = text.rpartition(".")
    if not dot:
        raise CookieError("no '.' between session id and signature")
    if _SURROGATE.search(text):
        raise CookieError("a lone surrogate, which no cookie can carry")
    return signed, signature


def signature_of(text: str, secret: Secret, digest: str = "sha256") -> bytes:
    """The encoded signature, ASCII."""
    return b64encode(hmac_digest(secret.reveal(), encode_id(text), digest)).rstrip(b"=")


def fitting(
    text: str, signature: str, secrets: Sequence[Secret], digest: str = "sha256"
) -> int | None:
    """The place of the secret that made the signature; None: none of them did."""
    given = encode_id(signature)
    for index, secret in enumerate(secrets):
        if compare_digest(signature_of(text, secret, digest), given):
            return index
    return None


def digest_of(context: CookieContext, default: str) -> str:
    """The hash that the context asks for. Raises UsageError for one that there is not."""
    found = context.parameters.get("digest", default).lower().replace("-", "")
    if found not in _SIZES:
        raise UsageError(f"no digest '{found}'", hint=did_you_mean(found, _SIZES))
    return found


def shapes(alphabet: str) -> Mapping[str, re.Pattern[str]]:
    """What an encoded signature looks like, by its digest."""
    return {
        name: re.compile(f"[A-Za-z0-9{alphabet}]{{{-(-size * 8 // 6)}}}")
        for name, size in _SIZES.items()
    }


def wire(text: str) -> str:
    """Text as JavaScript's encodeURIComponent writes it into a cookie."""
    from urllib.parse import quote  # 6 ms; reading a cookie does without

    return quote(text, safe=_UNESCAPED, encoding="utf-8", errors="surrogateescape")
