"""Encrypted journals: the key file, and the lines that only its owner reads.

AES-256-GCM. Each segment of a journal has a key of its own: HKDF-SHA256 of the key file with 16
random bytes, which stand in the line that opens the segment (the head, or a `segment` line where a
run was resumed). The nonce is the line's number, the associated data is the run's id. So no nonce
comes twice under a key: a line that was torn and is written again stands in another segment. And a
line opens in its own place only: not in another one, nor in another journal.

A sealed line is `{"kind": "sealed", "prev": ..., "line": number, "box": base64}` with the whole
line it stands for in the box. The checksum and the chain lie outside, so that anybody can see
whether the file is whole. The head shows what it takes to find a journal: when, which command and
which store; all of the head stands in its box once more, and that is what counts.
"""

from __future__ import annotations

import json
import os
import stat
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sessctl.errors import MissingExtra, UsageError
from sessctl.text import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Of the head, what stands in the open.
OPEN = ("format", "run", "started", "tool", "command", "backend", "store", "layout", "keep")
SEALED = "sealed"
GROWTH = 4 / 3  # base64
MIN_BYTES, MAX_BYTES = 32, 64 * 1024  # of a key file
_SALT_BYTES, _KEY_BYTES, _NONCE_BYTES = 16, 32, 12
_INFO = b"sessctl journal"
_MAKE_ONE = "make one: (umask 077; openssl rand -out PATH 32)"


class WrongKey(ValueError):
    """A box that this key does not open in this place: another key, or somebody changed it."""


class JournalKey:
    """What a key file holds. Prints as nothing."""

    __slots__ = ("_material",)

    def __init__(self, material: bytes) -> None:
        if len(material) < MIN_BYTES:
            raise UsageError(
                f"a journal key has {MIN_BYTES} bytes at the least, not {len(material)}",
                hint=_MAKE_ONE,
            )
        with _crypto():  # now, and not when sessions have been read already
            import cryptography.hazmat.primitives.ciphers.aead  # noqa: F401 - 30 ms
        self._material = Secret(material)

    @classmethod
    def named(cls, path: Path | None) -> JournalKey | None:
        """The key of a file, where one is named; errors as of `from_file`."""
        return None if path is None else cls.from_file(path)

    @classmethod
    def from_file(cls, path: Path) -> JournalKey:
        """All bytes of a file are the key.

        Raises:
            UsageError: it cannot be read, others can read it, or it is too short or too long.
            MissingExtra: without cryptography: what is to be encrypted is never written plain.
        """
        try:
            with path.expanduser().open("rb") as file:
                found = os.fstat(file.fileno())
                material = file.read(MAX_BYTES + 1)
        except OSError as exc:
            raise UsageError(
                f"cannot read the journal key {path} ({(exc.strerror or 'error').lower()})",
                hint=_MAKE_ONE,
            ) from None
        is_ours = not hasattr(os, "geteuid") or found.st_uid in (0, os.geteuid())
        if not is_ours or found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(
                f"others may read or change the journal key {path}", hint=f"chmod 600 {path}"
            )
        if len(material) > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES} bytes, which is no journal key")
        return cls(material)

    def segment(self, run: str, salt: bytes) -> Segment:
        """The part of a run's journal that begins with this salt."""
        with _crypto():
            from cryptography.hazmat.primitives.hashes import SHA256
            from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        key = HKDF(SHA256(), _KEY_BYTES, salt=salt, info=_INFO).derive(self._material.reveal())
        return Segment(key, run)


class Segment:
    """Seals and opens the lines of a segment."""

    __slots__ = ("_cipher", "_run")

    def __init__(self, key: bytes, run: str) -> None:
        with _crypto():
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher, self._run = AESGCM(key), run.encode()

    def seal(self, number: int, content: dict[str, Any]) -> str:
        """The box of a line. Never two contents for one number."""
        plain = json.dumps(content, separators=(",", ":")).encode()
        return b64encode(self._cipher.encrypt(_nonce(number), plain, self._run)).decode()

    def open(self, number: int, box: str) -> dict[str, Any]:
        """What was sealed. Raises WrongKey."""
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._cipher.decrypt(_nonce(number), b64decode(box, validate=True), self._run)
        except (InvalidTag, Base64Error, ValueError, OverflowError):
            raise WrongKey("it does not open with this key") from None
        found = json.loads(plain)  # ours: nobody else has the key
        assert isinstance(found, dict)
        return found


def new_salt() -> bytes:
    """Of a new segment."""
    return os.urandom(_SALT_BYTES)


def salt_as_text(salt: bytes) -> str:
    """As it stands in a line."""
    return b64encode(salt).decode()


def salt_of(content: dict[str, Any]) -> bytes | None:
    """The salt in a head or a `segment` line; None where it has none, and nothing is sealed."""
    try:
        return b64decode(content["salt"], validate=True)
    except (KeyError, TypeError, Base64Error, ValueError):
        return None


def _nonce(number: int) -> bytes:
    return number.to_bytes(_NONCE_BYTES, "big")


@contextmanager
def _crypto() -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise MissingExtra("an encrypted journal", "crypto") from None
