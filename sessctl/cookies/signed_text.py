"""`TEXT.SIGNATURE`, as npm's cookie-signature and @fastify/cookie write it.

SIGNATURE is base64 of the HMAC without padding; the *last* dot splits. The encoded signatures are
compared, as the libraries do: another spelling of the right bytes is not valid.
Source: cookie-signature 1.2.2 `index.js`, @fastify/cookie 11.0.2 `signer.js`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import TYPE_CHECKING

from sessctl.errors import CookieError, UsageError, did_you_mean
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.cookies.base import CookieContext
    from sessctl.cookies.guessing import Mac
    from sessctl.text import Secret

_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # the rest stands for bytes (PEP 383)
_UNESCAPED = "-_.!~*'()"  # what encodeURIComponent leaves alone beside letters and digits
# Characters of a signature in base64 without padding.
_LENGTHS = {27: "sha1", 43: "sha256", 64: "sha384", 86: "sha512"}
_STANDARD = str.maketrans("-_", "+/")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


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


def plain_mac(text: str, signature: str, digest: str = "sha256", *, url_safe: bool = False) -> Mac:
    """The HMAC of a signed text. Raises CookieError where no secret can have made it."""
    from sessctl.cookies.guessing import Mac

    return Mac(encode_id(text), mac_of(signature, digest, url_safe=url_safe), digest)


def mac_of(signature: str, digest: str, *, url_safe: bool = False) -> bytes:
    """The bytes of an encoded signature. Raises CookieError where the library writes none such."""
    found = digest_by_shape(signature, url_safe=url_safe)
    if found is not None and found != digest:
        raise CookieError(
            f"a signature of {len(signature)} characters, which is {found} and not {digest}",
            hint=f"if the app is set up so: --digest {found}",
        )
    plain = signature.translate(_STANDARD) if url_safe else signature
    mac = b"" if found is None else b64decode(plain + "=" * (-len(plain) % 4))
    if not mac or b64encode(mac).rstrip(b"=").decode() != plain:
        raise CookieError("its signature is not base64 as the library writes it: no secret made it")
    return mac


def digest_of(context: CookieContext, default: str) -> str:
    """The hash that the context asks for. Raises UsageError for one that there is not."""
    found = context.parameters.get("digest", default).lower().replace("-", "")
    if found not in _LENGTHS.values():
        raise UsageError(f"no digest '{found}'", hint=did_you_mean(found, _LENGTHS.values()))
    return found


def digest_by_shape(signature: str, *, url_safe: bool = False) -> str | None:
    """The hash whose signature the text could be; None if it is none. Cheaper than a pattern."""
    alphabet = _LETTERS + ("-_" if url_safe else "+/")
    return None if signature.strip(alphabet) else _LENGTHS.get(len(signature))


def is_id_like(text: str) -> bool:
    """Whether session ids look like that; shorter or stranger text may still be one."""
    return len(text) >= 16 and not text.strip(_LETTERS + "_.-")


def wire(text: str) -> str:
    """Text as JavaScript's encodeURIComponent writes it into a cookie."""
    from urllib.parse import quote  # 6 ms; reading a cookie does without

    return quote(text, safe=_UNESCAPED, encoding="utf-8", errors="surrogateescape")
