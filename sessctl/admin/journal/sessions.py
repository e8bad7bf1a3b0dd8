"""Sessions as JSON that comes back as it was: every byte, every cell with its type."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from sessctl.errors import JournalError
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Store


class Keep(StrEnum):
    """What a journal keeps of a session."""

    FULL = "full"  # all that brings it back
    IDS = "ids"  # its id and the SHA-256 of its value: proof of an erasure, and no data


MAX_PAGE_BYTES = 512 * 2**20  # unpacked; more is neither written nor read


def pack(store: Store, sessions: Sequence[Session], keep: Keep = Keep.FULL) -> str:
    """A page of sessions, compressed: about half of the raw size.

    Raises:
        JournalError: it could not be read back, so it must not be deleted.
    """
    raw = msgspec.json.encode([_plain(_kept(store, session, keep)) for session in sessions])
    if len(raw) > MAX_PAGE_BYTES:
        raise JournalError(
            "a page of sessions is larger than a journal can give back",
            hint="--no-journal with --expired ends them without a way back",
        )
    return b64encode(zlib.compress(raw, 1)).decode()


def _kept(store: Store, session: Session, keep: Keep) -> dict[str, Any]:
    if keep is Keep.IDS:
        return {"sid": session.sid, "digest": sha256(session.raw).hexdigest()}
    return {"sid": session.sid, "location": session.location, **store.freeze(session)}


def digest_of(store: Store, session: Session) -> str:
    """What tells a session, value, expiry and all, from every other state of it."""
    return _digest(_plain({"sid": session.sid, **store.freeze(session)}))


def _digest(kept: dict[str, Any]) -> str:
    return sha256(msgspec.json.encode(kept, order="deterministic")).hexdigest()


def digests_of(store: Store, session: Session) -> set[str]:
    """Its digest, and those of the states that it may be in where the store tells an end to a few
    ms only: it may have been off when it was written down, and may be now."""
    kept = _plain({"sid": session.sid, **store.freeze(session)})
    off, ends = 2 * store.capabilities.ends_within_ms, kept.get("expires_ms")
    if not off or not isinstance(ends, int) or ends < 0:
        return {_digest(kept)}
    return {_digest({**kept, "expires_ms": ends + ms}) for ms in range(-off, off + 1)}


def unpack(packed: str, *, page: int) -> list[dict[str, Any]]:
    """What `pack` was given. Raises JournalError naming the page."""
    try:
        reader = zlib.decompressobj()
        raw = reader.decompress(b64decode(packed), MAX_PAGE_BYTES)
        if reader.unconsumed_tail:
            raise JournalError(f"page {page} unpacks to more than {MAX_PAGE_BYTES} bytes")
        found = [_original(item) for item in json.loads(raw)]
    except (zlib.error, ValueError, TypeError, RecursionError, Base64Error) as exc:
        raise JournalError(f"page {page} is damaged ({escape(str(exc))})") from None
    if not all(isinstance(one, dict) and isinstance(one.get("sid"), str) for one in found):
        raise JournalError(f"page {page} is damaged (not sessions)")
    return found


def _plain(value: Any) -> Any:
    """Bytes, floats and text that is not UTF-8 are marked."""
    kind = type(value)  # the usual first: a page of 1 000 rows comes by here 8 000 times
    if kind is str:
        return value if value.isascii() else _plain_text(value)
    if kind is dict:
        return {key: _plain(item) for key, item in value.items()}
    if kind is bytes:
        try:
            return {"bytes": value.decode()}
        except UnicodeDecodeError:
            return {"bytes_b64": b64encode(value).decode()}
    if kind is float:
        return {"float": value.hex()}
    return value


def _plain_text(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"text_b64": b64encode(value.encode("utf-8", "surrogateescape")).decode()}
    return value


def _original(value: Any) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            ((mark, inner),) = value.items()
            if mark == "bytes":
                return inner.encode()
            if mark == "bytes_b64":
                return b64decode(inner)
            if mark == "text_b64":
                return b64decode(inner).decode("utf-8", "surrogateescape")
            if mark == "float":
                return float.fromhex(inner)
        return {key: _original(item) for key, item in value.items()}
    return value
