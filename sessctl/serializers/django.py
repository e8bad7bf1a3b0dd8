"""Django's signed texts: its stored sessions, its cookies, everything of `django.core.signing`.

Who writes them: Django 1.4 and later (checked with 1.11, 2.2, 3.2, 4.2, 5.2).

    eyJ1c2VyX2lkIjo0MiwibmFtZSI6ImFsaWNlIn0:1vb66i:vhkxxUWwxQxL5_0QrZmGqj1fAz_aWe596Jk3GquQO8Y
    SECRET_KEY: correct horse battery staple; salt: django.contrib.sessions.backends.signed_cookies

`BODY:STAMP:SIGNATURE`, split from the right. BODY is url-safe base64 without padding of compact
JSON in ASCII, or of a pickle where the app says PickleSerializer (up to 4.2); a `.` in front: of
zlib of that, which Django takes where it is shorter. STAMP is seconds since 1970 in base 62.
SIGNATURE is url-safe base64 without padding of HMAC(hash, key, all before the last colon), and
key = hash(salt + "signer" + SECRET_KEY); the hash is SHA-256, before 3.1 SHA-1.

A stored session was before 3.1, and is in rows that nobody has saved since:

    base64("<40 hex>:" + JSON or pickle)

the digits HMAC-SHA1 of what follows the colon, with the key
SHA1("django.contrib.sessionsSessionStore" + SECRET_KEY).

Not supported: SIGNING_BACKEND, and session classes with another name than SessionStore.
Source: Django 5.2.19 `core/signing.py`, `contrib/sessions/backends/base.py`; 2.2.28 the same files.
"""

from __future__ import annotations

import hashlib
import hmac
import time
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, NamedTuple

from sessctl.errors import SerializerError
from sessctl.limits import DEFAULT
from sessctl.serializers.ciphers import Unproven
from sessctl.serializers.compression import inflate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sessctl.limits import Budget
    from sessctl.text import Secret

STORED = "django.contrib.sessions.SessionStore"  # the salt of stored sessions
_STORED_BEFORE_3_1 = b"django.contrib.sessionsSessionStore"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_IN_BASE62 = {letter: value for value, letter in enumerate(BASE62)}
_STAMP_LETTERS = 8  # a stamp of our days has 6
_OLD_MAC_DIGITS = 40


class Signed(NamedTuple):
    """A signed text in its parts; `stamp` is in seconds since 1970 UTC, None without one."""

    body: str
    stamp: int | None
    text: str  # what was signed: body and stamp
    signature: str


def split(text: str, *, timed: bool = True) -> Signed:
    """The parts of a signed text. Raises SerializerError."""
    signed, colon, signature = text.rpartition(":")
    if not colon:
        raise SerializerError("no ':' between value and signature")
    if not timed:
        return Signed(signed, None, signed, signature)
    body, colon, stamp = signed.rpartition(":")
    if not colon:
        raise SerializerError("no ':' between value and time")
    return Signed(body, stamp_s(stamp), signed, signature)


def stamp_s(stamp: str) -> int:
    """Seconds since 1970 UTC. Raises SerializerError for what is no number in base 62."""
    if not 0 < len(stamp) <= _STAMP_LETTERS:
        raise SerializerError("its time is no number in base 62")
    seconds = 0
    for letter in stamp:
        value = _IN_BASE62.get(letter)
        if value is None:
            raise SerializerError("its time is no number in base 62")
        seconds = seconds * 62 + value
    return seconds


def as_stamp(seconds: int) -> str:
    """The reverse of `stamp_s`, of a moment after 1970."""
    letters = ""
    while seconds:
        seconds, last = divmod(seconds, 62)
        letters = BASE62[last] + letters
    return letters or "0"


def unpacked(body: str, budget: Budget = DEFAULT) -> bytes:
    """What a body holds: JSON, or a pickle.

    Raises:
        SerializerError: not base64, or not zlib where it says so.
        LimitExceeded: it unpacks to more than the budget allows.
    """
    text = body.removeprefix(".")
    try:
        # As lenient as Django, which passes over what is no base64.
        raw = b64decode(text + "=" * (-len(text) % 4), b"-_")
    except (Base64Error, ValueError):
        raise SerializerError("its value is not base64") from None
    return inflate(raw, budget) if body.startswith(".") else raw


def packed(data: bytes, *, compress: bool = True) -> str:
    """The body for JSON, compressed where that is shorter."""
    small = zlib.compress(data) if compress else data
    dot = ""
    if len(small) < len(data) - 1:
        data, dot = small, "."
    return dot + b64encode(data, b"-_").rstrip(b"=").decode()


class Signer:
    """Signs and checks texts with secrets, newest first. Their keys are derived once."""

    def __init__(self, salt: str, secrets: Iterable[bytes], digest: str = "sha256") -> None:
        self._keyed = [
            hmac.new(derived_key(salt, secret, digest), digestmod=digest) for secret in secrets
        ]

    def signature(self, text: str) -> str:
        """By the newest secret."""
        return _signature(self._keyed[0], text.encode("utf-8", "surrogatepass")).decode()

    def fitting(self, text: str, signature: str) -> int | None:
        """The place of the secret that signed; None: none of them did."""
        message, given = (one.encode("utf-8", "surrogatepass") for one in (text, signature))
        for index, keyed in enumerate(self._keyed):
            if hmac.compare_digest(_signature(keyed, message), given):
                return index
        return None


def derived_key(salt: str, secret: bytes, digest: str = "sha256") -> bytes:
    """The key of an HMAC, made of salt and SECRET_KEY."""
    return hashlib.new(digest, salt.encode("utf-8", "surrogatepass") + b"signer" + secret).digest()


def _signature(keyed: hmac.HMAC, message: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(message)
    return b64encode(mac.digest(), b"-_").rstrip(b"=")


class OldSession(NamedTuple):
    """A stored session as Django wrote it before 3.1: hexadecimal digits, JSON or a pickle."""

    mac: str
    data: bytes


def split_old(text: str) -> OldSession:
    """Raises SerializerError for anything else."""
    try:
        mac, colon, data = b64decode(text, validate=True).partition(b":")
        digits = mac.decode("ascii")
    except (Base64Error, ValueError):
        raise SerializerError("neither a signed text nor base64 of one") from None
    if not colon or len(digits) != _OLD_MAC_DIGITS or digits.strip("0123456789abcdef"):
        raise SerializerError("no signature of 40 hexadecimal digits before its data")
    return OldSession(digits, data)


def old_mac(data: bytes, secret: bytes) -> str:
    """The digits for a stored session before 3.1."""
    key = hashlib.sha1(_STORED_BEFORE_3_1 + secret).digest()  # noqa: S324 - Django's own choice
    return hmac.digest(key, data, "sha1").hex()


def as_old(data: bytes, secret: bytes) -> str:
    """A stored session as Django wrote it before 3.1."""
    return b64encode(old_mac(data, secret).encode() + b":" + data).decode()


class StoredSession:
    """The signature around a stored session; see `ciphers.Cipher`.

    Without secrets it is taken off unchecked. With them, one that none of them made is an error:
    Django itself sees an empty session there.
    """

    def __init__(self, secrets: Sequence[Secret], now_s: Callable[[], float] = time.time) -> None:
        self._secrets = [secret.reveal() for secret in secrets]
        self._signer = Signer(STORED, self._secrets)
        self._now_s = now_s

    def is_sealed(self, raw: bytes) -> bool:
        return True  # Django reads nothing that is not signed

    def open(self, raw: bytes, budget: Budget = DEFAULT) -> bytes:
        try:
            text = raw.decode("ascii")
        except UnicodeDecodeError as exc:
            raise SerializerError("not a signed text of Django", offset=exc.start) from None
        if ":" in text:
            signed = split(text)
            is_good = self._signer.fitting(signed.text, signed.signature) is not None
            data = unpacked(signed.body, budget)
        else:
            mac, data = split_old(text)
            is_good = any(
                hmac.compare_digest(old_mac(data, secret), mac) for secret in self._secrets
            )
        if self._secrets and not is_good:
            raise Unproven("signed by none of the store secrets: Django reads it as empty", data)
        return data

    def seal(self, text: bytes, like: bytes | None) -> bytes:
        if like is not None and b":" not in like:
            return as_old(text, self._secrets[0]).encode()
        signed = f"{packed(text)}:{as_stamp(int(self._now_s()))}"
        return f"{signed}:{self._signer.signature(signed)}".encode()
