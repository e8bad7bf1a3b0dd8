"""Values that a library encrypts or signs before it stores them, and the secrets for that.

A layout names the ciphers that its library can use; `Seal` takes the first whose form a value has.
A value in none of the forms is taken for what it is: not encrypted. What is only signed opens
without a secret, and is not closed again without one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sessctl.errors import LimitExceeded, MissingExtra, SerializerError
from sessctl.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.limits import Budget
    from sessctl.text import Secret

# A key is derived anew for every salt, 20 to 50 ms each. Where none of so many values opens, the
# secrets are wrong, and the rest of a large store is not tried.
_HOPELESS = 20


class Unproven(SerializerError):
    """None of the secrets signed the value; `text` is what it says all the same."""

    def __init__(self, message: str, text: bytes) -> None:
        super().__init__(message)
        self.text = text


class _Home(NamedTuple):
    """Where a cipher is defined, and whether it encrypts or only signs."""

    place: str
    encrypts: bool = True


_CIPHERS = {
    "kruptein": _Home("kruptein:Kruptein"),
    "connect-mongo-3": _Home("connect_mongo:ConnectMongo3"),
    "connect-mongo-webcrypto": _Home("connect_mongo:ConnectMongoWebCrypto"),
    "django-signed": _Home("django:StoredSession", encrypts=False),
}


def encrypts(names: Sequence[str]) -> bool:
    """Whether any of these ciphers hides what it seals; the others only sign it."""
    return any(_CIPHERS[name].encrypts for name in names)


class Cipher(Protocol):
    """One library's way to encrypt or sign values with a secret."""

    def __init__(self, secrets: Sequence[Secret]) -> None: ...

    def is_sealed(self, raw: bytes) -> bool:
        """The value has this cipher's form. No key is derived for it."""
        ...

    def open(self, raw: bytes, budget: Budget) -> bytes:
        """What was sealed, its authenticity checked before anything of it is believed.

        Raises:
            Unproven: none of the secrets signed it.
            SerializerError: none of the secrets fits, the value was tampered with, or it was
                sealed in a way of which nothing is known here.
            LimitExceeded: it unpacks to more than the budget allows.
        """
        ...

    def seal(self, text: bytes, like: bytes | None) -> bytes:
        """Encrypt as the library does: in the way, and with the secret, of the value `like`, or in
        the library's usual way with the newest secret.

        Raises:
            SerializerError: `like` does not open.
        """
        ...


class Seal:
    """Opens the values of one store, and closes them again.

    Args:
        names: of the ciphers that the layout's library can use.
        secrets: newest first; without any, encrypted values are told from others, and no more.
        budget: how much what is packed in a value may unpack to.

    Raises:
        MissingExtra: there are secrets, and the extra `crypto` is not installed.
    """

    def __init__(
        self, names: Sequence[str], secrets: Sequence[Secret], budget: Budget = DEFAULT
    ) -> None:
        self._ciphers: list[Cipher] = [_find(name)(secrets) for name in names]
        self._budget = budget
        self.encrypts = encrypts(names)  # else the library signs every value, and hides none
        self.has_secrets = bool(secrets)
        self._failures = 0
        self._fits = False  # a secret has opened something
        if secrets and self.encrypts:
            _need_cryptography()

    def is_sealed(self, raw: bytes) -> bool:
        """The value is encrypted, or signed."""
        return any(cipher.is_sealed(raw) for cipher in self._ciphers)

    def open(self, raw: bytes) -> bytes:
        """The value as its serializer wrote it; one that is not encrypted, as it is.

        Raises:
            SerializerError: sealed, and nothing opens it.
            LimitExceeded: it unpacks to more than the budget allows.
        """
        fitting = [cipher for cipher in self._ciphers if cipher.is_sealed(raw)]
        if not fitting:
            return raw
        if self.encrypts and not self.has_secrets:
            raise SerializerError(
                "encrypted, and the backend names no secret for it",
                hint="name it: store_secrets = ['env:NAME']",
            )
        if self.encrypts and self._failures >= _HOPELESS and not self._fits:
            raise SerializerError(
                f"encrypted, and not tried: none of the store secrets opened the {_HOPELESS} before"
            )
        failure: SerializerError | None = None
        for cipher in fitting:
            try:
                text = cipher.open(raw, self._budget)
            except LimitExceeded:
                raise
            except SerializerError as exc:
                failure = failure or exc
            else:
                self._fits = True
                return text
        self._failures += 1
        assert failure is not None
        raise failure

    def seal(self, text: bytes, like: bytes | None = None) -> bytes:
        """Encrypt or sign a value as the library does; as `like` was, if one is given.

        Raises:
            SerializerError: there is no secret to do it with, or `like` does not open.
        """
        if like is not None and not self.is_sealed(like):
            return text
        if not self.has_secrets:
            done = "encrypted" if self.encrypts else "signed"
            raise SerializerError(
                f"cannot be {done} without one of the store's secrets",
                hint="name it: store_secrets = ['env:NAME']",
            )
        failure = SerializerError("there is no cipher to encrypt with")
        for cipher in self._ciphers:
            if like is None or cipher.is_sealed(like):
                try:
                    return cipher.seal(text, like)
                except SerializerError as exc:
                    failure = exc
        raise failure


def _find(name: str) -> Callable[[Sequence[Secret]], Cipher]:
    from importlib import import_module

    module, _, attribute = _CIPHERS[name].place.partition(":")
    found: Any = getattr(import_module(f"sessctl.serializers.{module}"), attribute)
    return found  # type: ignore[no-any-return]


def _need_cryptography() -> None:
    from importlib.util import find_spec

    if find_spec("cryptography") is None:
        raise MissingExtra("an encrypted store", "crypto")
