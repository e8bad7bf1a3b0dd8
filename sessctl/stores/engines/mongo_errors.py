"""pymongo's exceptions as ours. None of its messages is shown that could hold a credential.

Source: pymongo 4.20 `errors.py`; codes of MongoDB 8.0 `error_codes.yml`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sessctl.errors import AccessDenied, MissingExtra, StoreError, StoreUnreachable
from sessctl.serializers.bson import READ_ERRORS
from sessctl.stores.engines.lost import LostReply
from sessctl.text import escape, redact, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

try:
    from pymongo import errors as known
except ImportError:
    raise MissingExtra("a mongodb store", "mongo") from None

_UNAUTHORIZED, _AUTHENTICATION_FAILED, _ATLAS, _TIMED_OUT = 13, 18, 8000, 50
NO_REPLICA_SET = 76
_CERTIFICATE = re.compile(r"certificate verify failed: ([^(]+?)\s*[.(]")


class NotAcknowledged(StoreError):
    """The server did it, and could not say that a majority of its replica set has it."""


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise what pymongo raises as a StoreError."""
    try:
        yield
    except (known.PyMongoError, *READ_ERRORS) as exc:
        raise store_error(exc, address) from None


def store_error(exc: Exception, address: str) -> StoreError:
    """One of pymongo's exceptions as one of ours."""
    where = f"mongodb at {address}"
    if isinstance(exc, known.ServerSelectionTimeoutError | known.ConfigurationError):
        return _no_server(exc, where)
    if isinstance(exc, known.AutoReconnect):  # NetworkTimeout and NotPrimaryError are such
        return LostReply(f"{where} broke the connection ({_network(str(exc))})")
    if isinstance(exc, known.WriteConcernError):
        return NotAcknowledged("a majority of the replica set did not confirm it in time")
    if isinstance(exc, known.OperationFailure):
        return _answered(exc, where)
    if not isinstance(exc, known.PyMongoError) or isinstance(exc, known.DocumentTooLarge):
        return StoreError(f"{where}: a document that cannot be sent or read ({type(exc).__name__})")
    return StoreError(f"{where}: {_brief(exc)}")


def _answered(exc: known.OperationFailure, where: str) -> StoreError:
    if exc.code in (_AUTHENTICATION_FAILED, _ATLAS):
        return AccessDenied(
            f"{where} refused the password",
            hint="check `username`, `password` and `authSource` of this backend",
        )
    if exc.code == _UNAUTHORIZED:
        return AccessDenied(
            f"this user of {where} lacks a right",
            hint="reading needs the role `read`, changing sessions `readWrite`",
        )
    if exc.code == _TIMED_OUT or isinstance(exc, known.ExecutionTimeout):
        return StoreError(f"{where} broke off a statement that took too long")
    return StoreError(f"{where} answered with: {_brief(exc)}")


def _no_server(exc: Exception, where: str) -> StoreError:
    text = str(exc)
    if found := _CERTIFICATE.search(text):
        return StoreUnreachable(
            f"TLS with {where} failed ({escape(found[1].lower())})",
            hint="set `ca_file` for a private certificate authority",
        )
    if "No replica set members" in text or "primary" in text.lower():
        return StoreUnreachable(
            f"{where}: no primary to talk to ({_network(text)})",
            hint="is one elected, and is it reachable from here by the name that it has there?",
        )
    return StoreUnreachable(
        f"cannot reach {where} ({_network(text)})", hint="is it running, and is the port right?"
    )


def _network(text: str) -> str:
    for words, reason in (
        ("refused", "connection refused"),
        ("name or service", "no such host"),
        ("name resolution", "no such host"),
        ("no address", "no such host"),
        ("dns", "no such host"),
        ("ssl", "TLS failed"),
        ("timed out", "timed out"),
        ("closed", "connection closed"),
    ):
        if words in text.lower():
            return reason
    return "network error"


def _brief(exc: Exception) -> str:
    """The message without the whole reply that pymongo appends to it."""
    text = str(exc).partition(", full error:")[0]
    return shorten(escape(redact(text)), 200)
