"""What the JOSE formats share: fields, headers, and the times among the claims.

A header is written by a stranger. It says which algorithm and which key it *claims*; where keys
come from is never its business: `jku`, `jwk`, `x5u` and `x5c` are named in a note and not used.
"""

from __future__ import annotations

import re
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeGuard

from sessctl.cookies.base import VerdictWord
from sessctl.errors import CookieError, SerializerError
from sessctl.text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sessctl.limits import Budget

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ALPHABET = re.compile(r"[A-Za-z0-9_-]*")
_FOREIGN_KEYS = ("jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256")
_SHOWN = 32  # characters of a header's word in a note


def fields(value: str, count: int, budget: Budget) -> list[str]:
    """The fields of a compact token. Raises CookieError for another number of them."""
    budget.check_cookie(len(value))
    found = value.split(".")
    if len(found) != count:
        raise CookieError(f"{len(found)} fields between dots, where such a token has {count}")
    return found


def b64url(field: str) -> bytes:
    """The bytes of a field. Raises CookieError for padding and for other alphabets (RFC 7515)."""
    if _ALPHABET.fullmatch(field) is None or len(field) % 4 == 1:
        raise CookieError("a field is not base64url")
    return urlsafe_b64decode(field + "=" * (-len(field) % 4))


def to_b64url(raw: bytes) -> str:
    """A field without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@lru_cache(maxsize=64)  # an app's tokens have one and the same
def header(field: str, budget: Budget) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """(header, notes) of a token's first field. Raises CookieError when it is not a JSON object."""
    from sessctl.serializers.json import decode  # 9 ms; only tokens need it

    try:
        found = decode(b64url(field), budget)
    except SerializerError as exc:
        raise CookieError(f"the header is unreadable: {exc.message}") from None
    if not isinstance(found.data, dict):
        raise CookieError("the header is not a JSON object")
    return found.data, found.notes


def sniffed_header(value: str, count: int, budget: Budget) -> Mapping[str, Any] | None:
    """The header of what looks like a token of so many fields. Never raises."""
    if not value.startswith("e") or value.count(".") != count - 1:
        return None
    try:
        return header(fields(value, count, budget)[0], budget)[0]
    except (CookieError, SerializerError):
        return None


def header_notes(header: Mapping[str, Any]) -> tuple[str, ...]:
    """What a header says about itself, for people."""
    said = [f"{key} {shown(header[key])}" for key in ("alg", "enc", "kid") if key in header]
    foreign = [key for key in _FOREIGN_KEYS if key in header]
    notes = [f"its header says {', '.join(said)}"] if said else []
    if foreign:
        notes.append(
            f"its header's {', '.join(foreign)} is not followed: keys are the secrets you give"
        )
    return tuple(notes)


def shown(word: Any) -> str:
    """A word of a header in a message, shortened; what is not a text is said to be none."""
    return shorten(word, _SHOWN) if isinstance(word, str) else f"of type {type(word).__name__}"


def instant(seconds: Any) -> datetime | None:
    """A NumericDate (seconds since 1970, fractions allowed); None for what no calendar has."""
    if not is_number(seconds):
        return None
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def judge_times(
    claims: Mapping[str, Any], *, now: datetime, leeway_s: int, max_age: timedelta | None
) -> tuple[VerdictWord, str] | None:
    """Why a genuine token does not count now, or None if it does.

    The clock is cut to whole seconds, as both libraries do. Source: jsonwebtoken 9.0.3 `verify.js`;
    jose 6.2 `lib/jwt_claims_set.js`.
    """
    clock = int(now.timestamp())
    for claim in ("nbf", "exp", "iat"):
        if claim in claims and not is_number(claims[claim]):
            return VerdictWord.PAYLOAD_ERROR, f"its {claim} is not a number of seconds"
    if "nbf" in claims and claims["nbf"] > clock + leeway_s:
        return VerdictWord.NOT_YET_VALID, "its nbf is still to come"
    if "exp" in claims and clock >= claims["exp"] + leeway_s:
        return VerdictWord.EXPIRED, "its exp has passed"
    if max_age is None:
        return None
    if "iat" not in claims:
        return VerdictWord.PAYLOAD_ERROR, "it has no iat, so its age cannot be judged"
    if claims["iat"] > clock + leeway_s:
        return VerdictWord.FROM_FUTURE, "its iat is still to come"
    if clock >= claims["iat"] + int(max_age.total_seconds()) + leeway_s:
        return VerdictWord.EXPIRED, "it is older than --max-age allows"
    return None


@contextmanager
def quietly() -> Iterator[None]:
    """Around joserfc, which warns about keys and algorithms that the app has chosen, not we."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_number(found: Any) -> TypeGuard[int | float]:
    """Whether JavaScript would call it a number."""
    return isinstance(found, int | float) and not isinstance(found, bool)
