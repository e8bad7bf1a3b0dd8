"""A cookie's signature as hashcat wants it, for lists and rules that are beyond us.

Mode 16500 takes a JWT as it is (HS256, HS384, HS512), and 29100 a small Flask cookie. 150, 1450 and
1750 are HMAC-SHA1, -SHA256 and -SHA512 with the password as *key* (160, 1460 and 1760 have it as
the message): `hex of the MAC`, `:`, and the message that was signed as salt, of 256 bytes at the
most.
Source: hashcat `src/modules/module_00150.c`, `module_01450.c`, `module_16500.c`,
`module_29100.c`; the sizes: there and in `tools/test_modules/m01750.pm` (without -O).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sessctl.cookies.guessing import PlainlySigned, check_guessable
from sessctl.errors import UsageError

if TYPE_CHECKING:
    from sessctl.cookies.base import CookieContext, CookieFormat

_HMAC_MODES = {"sha1": 150, "sha256": 1450, "sha512": 1750}
_JWT_MODE, _FLASK_MODE = 16500, 29100
_MAX_SALT = 256
_MAX_FIELD, _MAX_SIGNED = 2047, 4096  # of a JWT
_MAX_FLASK_BODY = 56


class HashLine(NamedTuple):
    """What stands in a file for hashcat, and with which `-m` it is read."""

    mode: int
    text: str
    hex_salt: bool = False

    @property
    def command(self) -> str:
        """What to type, the line being in `hash.txt`."""
        option = " --hex-salt" if self.hex_salt else ""
        return f"hashcat -m {self.mode} -a 0{option} hash.txt WORDLIST"


def hash_line(format: CookieFormat, value: str, context: CookieContext) -> HashLine:
    """The line for hashcat of a signed cookie.

    Raises:
        UsageError: hashcat has no mode for it, or not for one of this size; with the reason.
        CookieError: not a cookie of this format.
    """
    check_guessable(format, value, context)
    if format.name == "jwt":
        return _of_jwt(value)
    if format.name == "flask":
        return _of_flask(value, context)
    if not isinstance(format, PlainlySigned):
        raise UsageError(
            f"hashcat has no mode for {format.name}: its signature is no plain HMAC of the secret",
            hint="verify COOKIE --wordlist FILE tries a list on it",
        )
    message, mac, digest = format.plain_mac(value, context)
    mode = _HMAC_MODES.get(digest)
    if mode is None:
        raise UsageError(
            f"hashcat has no mode for HMAC-{digest.upper()}",
            hint="verify COOKIE --wordlist FILE tries a list on it",
        )
    if len(message) > _MAX_SALT:
        raise UsageError(
            f"hashcat takes {_MAX_SALT} bytes that were signed, and here are {len(message)}",
            hint="a cookie with less in it, of the same app, will do",
        )
    # A blank at an end, a colon or a byte that is no letter would not survive as text.
    plain = message.decode("latin-1")
    is_text = plain.isascii() and plain.isprintable() and plain.strip() == plain
    is_hex = not is_text or ":" in plain
    return HashLine(mode, f"{mac.hex()}:{message.hex() if is_hex else plain}", is_hex)


def _of_jwt(value: str) -> HashLine:
    first, second, _ = value.split(".")
    if max(len(first), len(second)) > _MAX_FIELD or len(first) + 1 + len(second) > _MAX_SIGNED:
        raise UsageError(
            f"hashcat takes {_MAX_FIELD} characters of a token's header and claims, and here are "
            f"{max(len(first), len(second))}",
            hint="a token with less in it, of the same app, will do",
        )
    return HashLine(_JWT_MODE, value)


def _of_flask(value: str, context: CookieContext) -> HashLine:
    if context.parameters.keys() & {"salt", "digest", "key_derivation"}:
        raise UsageError(
            "hashcat knows only Flask's own salt, hash and key derivation",
            hint="verify COOKIE --wordlist FILE tries a list on it",
        )
    body = value.rsplit(".", 2)[0]
    if body.startswith(".") or len(body) > _MAX_FLASK_BODY:
        raise UsageError(
            f"hashcat takes a Flask session that is not compressed and has {_MAX_FLASK_BODY} "
            "characters at the most",
            hint="verify COOKIE --wordlist FILE tries a list on it; or take a cookie with less in "
            "it, of the same app",
        )
    return HashLine(_FLASK_MODE, value.rstrip("="))
