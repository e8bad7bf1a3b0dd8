"""Trying secrets on one cookie: what can be worked out once is, before the first of them.

`guesser` gives a function from a secret to yes or no. A format whose signature is one HMAC under
the secret says so by its method `plain_mac`, any other that has a fast way by a method `guesser`;
of those without either `verify` is asked, once a secret.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from sessctl.cookies.base import Signature, VerdictWord
from sessctl.errors import CookieError, UsageError
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.cookies.base import CookieContext, CookieFormat

    Guess = Callable[[bytes], bool]

_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))  # RFC 2104
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))
_NOBODY_S = b"\x00" * 32  # a secret that made no cookie


class Mac(NamedTuple):
    """An HMAC: what was signed, what came out, and the hash."""

    message: bytes
    mac: bytes
    digest: str


@runtime_checkable
class PlainlySigned(Protocol):
    """A format whose signature is one HMAC under the secret itself."""

    def plain_mac(self, value: str, context: CookieContext) -> Mac:
        """The HMAC of a value that is one of this format, and signed.

        Raises:
            CookieError: no secret can have made this signature.
        """
        ...


@runtime_checkable
class Guessable(Protocol):
    """A format with a fast way to try secrets on one cookie."""

    def guesser(self, value: str, context: CookieContext) -> Guess:
        """What tells of a secret whether it made the cookie's signature; the value is one of this
        format, and signed.

        Raises:
            CookieError: no secret can have made this signature.
        """
        ...


def guesser(format: CookieFormat, value: str, context: CookieContext) -> Guess:
    """What tells of a secret whether it made this cookie's signature.

    Raises:
        CookieError: not a cookie of this format, or no secret can have made its signature.
        UsageError: it has no signature, or none that a secret makes: a key pair's, say.
        MissingExtra: the format needs the extra `crypto`.
    """
    check_guessable(format, value, context)
    if isinstance(format, Guessable):
        return format.guesser(value, context)
    if isinstance(format, PlainlySigned):
        return hmac_guesser(*format.plain_mac(value, context))
    now = datetime.now(UTC)

    def guess(secret: bytes) -> bool:
        found = format.verify(value, [Secret.of_a_list(secret)], context, now=now)
        return found.signature is Signature.VALID

    return guess


def hmac_guesser(message: bytes, mac: bytes, digest: str) -> Guess:
    """What tells whether a secret is the key of an HMAC."""
    of = hmac_under(message, digest)
    # No constant time: who tries a list has the right answer, or nobody has.
    return lambda secret: of(secret) == mac


def derived_guesser(
    derive: Callable[[bytes], bytes], message: bytes, mac: bytes, digest: str
) -> Guess:
    """The same where the key is derived from the secret."""
    of = hmac_under(message, digest)
    return lambda secret: of(derive(secret)) == mac


def hmac_under(message: bytes, digest: str) -> Callable[[bytes], bytes]:
    """HMAC of a message under each key: the key's pads by two tables, and two hashes.

    0.6 million a second and core with SHA-256, twice what `hmac.digest` does.
    """
    new = getattr(hashlib, digest)
    block = new().block_size

    def mac(key: bytes) -> bytes:
        if len(key) > block:
            key = new(key).digest()
        key = key.ljust(block, b"\0")
        inner = new(key.translate(_INNER_PAD) + message).digest()
        return bytes(new(key.translate(_OUTER_PAD) + inner).digest())

    return mac


def begun(key: bytes, digest: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """What makes the inner hash of an HMAC and the outer one, which are given the message and the
    inner one's digest: half the time of `hmac`'s own objects."""
    new = getattr(hashlib, digest)
    block = new().block_size
    key = (new(key).digest() if len(key) > block else key).ljust(block, b"\0")
    return new(key.translate(_INNER_PAD)).copy, new(key.translate(_OUTER_PAD)).copy


def check_guessable(format: CookieFormat, value: str, context: CookieContext) -> None:
    """The signature is there, and a secret can have made it. Raises as `guesser`."""
    verdict = format.verify(value, [Secret.of_a_list(_NOBODY_S)], context, now=datetime.now(UTC))
    why = f" ({'; '.join(verdict.notes)})" if verdict.notes else ""
    if verdict.word is VerdictWord.MALFORMED:
        raise CookieError(f"not a cookie of {format.name}{why}")
    if verdict.word is VerdictWord.ALG_NOT_ALLOWED:
        raise UsageError(f"no list of secrets can be tried on this cookie{why}")
    if verdict.word is VerdictWord.MISSING_SIGNATURE and context.companion is None:
        raise UsageError(
            "this cookie has no signature to try a list on",
            hint="where the signature is a cookie of its own: --companion VALUE, or the header",
        )
    if verdict.signature is Signature.NONE:
        raise UsageError(f"a cookie of {format.name} has no signature to try a list on")
