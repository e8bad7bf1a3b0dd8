"""Values that a library encrypts before it stores them, and the secrets that open them.

A layout names the ciphers that its library can use; `Seal` takes the first whose form a value has.
A value in none of the forms is taken for what it is: not encrypted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sessctl.errors import LimitExceeded, MissingExtra, SerializerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.text import Secret

# A key is derived anew for every salt, 20 to 50 ms each. Where none of so many values opens, the
# secrets are wrong, and the rest of a large store is not tried.
_HOPELESS = 20

_CIPHERS = {"kruptein": "sessctl.serializers.kruptein:Kruptein"}


class Cipher(Protocol):
    """One library's way to encrypt values with a secret."""

    def __init__(self, secrets: Sequence[Secret]) -> None: ...

    def is_sealed(self, raw: bytes) -> bool:
        """The value has this cipher's form. No key is derived for it."""
        ...

    def open(self, raw: bytes) -> bytes:
        """What was encrypted, its authenticity checked before anything of it is believed.

        Raises:
            SerializerError: none of the secrets fits, the value was tampered with, or it was
                encrypted in a way of which nothing is known here.
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

    Raises:
        MissingExtra: there are secrets, and the extra `crypto` is not installed.
    """

    def __init__(self, names: Sequence[str], secrets: Sequence[Secret]) -> None:
        self._ciphers: list[Cipher] = [_find(name)(secrets) for name in names]
        self.has_secrets = bool(secrets)
        self._failures = 0
        self._fits = False  # a secret has opened something
        if secrets:
            _need_cryptography()

    def is_sealed(self, raw: bytes) -> bool:
        """The value is encrypted."""
        return any(cipher.is_sealed(raw) for cipher in self._ciphers)

    def open(self, raw: bytes) -> bytes:
        """The value as its serializer wrote it; one that is not encrypted, as it is.

        Raises:
            SerializerError: encrypted, and nothing opens it.
        """
        fitting = [cipher for cipher in self._ciphers if cipher.is_sealed(raw)]
        if not fitting:
            return raw
        if not self.has_secrets:
            raise SerializerError(
                "encrypted, and the backend names no secret for it",
                hint="name it: store_secrets = ['env:NAME']",
            )
        if self._failures >= _HOPELESS and not self._fits:
            raise SerializerError(
                f"encrypted, and not tried: none of the store secrets opened the {_HOPELESS} before"
            )
        failure: SerializerError | None = None
        for cipher in fitting:
            try:
                text = cipher.open(raw)
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
        """Encrypt a value as the library does; as `like` was, if one is given.

        Raises:
            SerializerError: there is no secret to do it with, or `like` does not open.
        """
        if like is not None and not self.is_sealed(like):
            return text
        if not self.has_secrets:
            raise SerializerError("cannot be encrypted without one of the store's secrets")
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

    module, _, attribute = _CIPHERS[name].partition(":")
    found: Any = getattr(import_module(module), attribute)
    return found  # type: ignore[no-any-return]


def _need_cryptography() -> None:
    from importlib.util import find_spec

    if find_spec("cryptography") is None:
        raise MissingExtra("an encrypted store", "crypto")
