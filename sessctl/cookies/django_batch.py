"""Django's session cookies through a batch: 10 us each, where one by itself takes 100.

Plain is a cookie as Django writes it, whose JSON can be printed as it stands. One that the secrets
have not signed is plain too, unless they signed it under another of Django's salts: then it is of
another format, and `verify` says of which.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from hmac import compare_digest
from itertools import product
from typing import TYPE_CHECKING

from sessctl.cookies.base import CookieContext, DecodedCookie, PlainJudge, VerdictWord
from sessctl.cookies.django_signed import FROM_S, Reading, SignedBody
from sessctl.cookies.guessing import begun
from sessctl.cookies.plain_json import STANDARD, instants, plain_json
from sessctl.cookies.registry import cookie_format
from sessctl.serializers import django
from sessctl.timespec import to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime, timedelta

    from sessctl.text import Secret

# Signed with SHA-256, from 1999 to 2057: what all formats of Django take for theirs alike. The
# signature in the one spelling that Django writes: two bits of its end are unused.
_PLAIN = re.compile(
    rb"((\.?)(e[A-Za-z0-9+/]{1,4095}):([12][0-9A-Za-z])([0-9A-Za-z]{2})([0-9A-Za-z]{2}))"
    rb":([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048])"
)
# Whose cookies look the same.
_RIVALS = (
    *("django-signed-cookies", "django-session-data"),
    *("django-signing", "django-signed-cookie"),
)
_SIGNATURE = 44  # characters, with its colon
_UNNAMED = CookieContext()
_TIMED = Reading(django.Signed("", 0, "", ""), DecodedCookie(""))


def plain_judge(
    format: SignedBody, secrets: Sequence[Secret], *, now: datetime, max_age: timedelta | None
) -> PlainJudge:
    """The judge of a format's plain cookies."""
    mine, *others = _macs(format, secrets)
    now_ms = to_ms(now)
    limit = format.lifetime if max_age is None else max_age
    limit_ms = None if limit is None else limit.total_seconds() * 1000
    whole, plain, instant = _PLAIN.fullmatch, plain_json(), instants()
    # Times are read by two letters: a quarter of the time of one by one.
    pairs = {(a + b).encode(): django.stamp_s(a + b) for a, b in product(django.BASE62, repeat=2)}

    def judge(line: bytes) -> tuple[Hashable, tuple[bytes, ...]] | None:
        found = whole(line.translate(STANDARD))
        if found is None:
            return None
        _, dot, body, high, middle, low, signature = found.groups()
        payload = plain(body, dot)
        issued_s = (pairs[high] * 3844 + pairs[middle]) * 3844 + pairs[low]
        if payload is None or issued_s <= FROM_S:
            return None
        own = payload, instant(issued_s)
        message, given = line[:-_SIGNATURE], a2b_base64(signature + b"=")
        for index, mac in enumerate(mine):
            if compare_digest(mac(message), given):
                is_old = limit_ms is not None and now_ms - issued_s * 1000 > limit_ms
                return (index, VerdictWord.EXPIRED if is_old else VerdictWord.VALID, dot), own
        if any(compare_digest(mac(message), given) for macs in others for mac in macs):
            return None
        return (None, VerdictWord.BAD_SIGNATURE, dot), own

    return PlainJudge(("payload", "issued_at"), judge)


def _macs(format: SignedBody, secrets: Sequence[Secret]) -> list[list[Callable[[bytes], bytes]]]:
    """HMACs under each secret, by the salt of the format, and by those of the others that take
    such a cookie for theirs."""
    rivals = [one for one in map(cookie_format, _RIVALS) if isinstance(one, SignedBody)]
    return [
        [_mac(django.derived_key(salt, one.key_prefix + secret.reveal())) for secret in secrets]
        for one in (format, *(one for one in rivals if one.name != format.name))
        for salt in one.salts(_UNNAMED, _TIMED)
    ]


def _mac(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA256 under a key, its part done once: half the time of `hmac`'s own objects."""
    inner, outer = begun(key, "sha256")

    def mac(message: bytes) -> bytes:
        first, second = inner(), outer()
        first.update(message)
        second.update(first.digest())
        return bytes(second.digest())

    return mac
