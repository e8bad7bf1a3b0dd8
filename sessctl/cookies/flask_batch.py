"""Flask's cookies through a batch: 10 us each, where one by itself takes 100.

A cookie is plain if it is as Flask writes it, and its JSON has no tags and can be printed as it
stands.
"""

from __future__ import annotations

import re
from binascii import a2b_base64
from hmac import compare_digest
from typing import TYPE_CHECKING

from sessctl.cookies.base import PlainJudge
from sessctl.cookies.guessing import begun
from sessctl.cookies.itsdangerous_signing import EPOCH_2011_S, Signing, keyed
from sessctl.cookies.plain_json import STANDARD, instants, plain_json
from sessctl.timespec import to_ms

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from datetime import datetime, timedelta

    from sessctl.text import Secret

# The signature in the one spelling that the library writes: two bits of its end are unused.
_PLAIN = re.compile(
    rb"((\.?)([A-Za-z0-9+/]{9,4096})\.([A-Za-z0-9+/]{6}))\.([A-Za-z0-9+/]{26}[AEIMQUYcgkosw048])"
)
_SIGNATURE = 28  # characters, with its dot
_BLANK, _PLUS, _SLASH = b" +/"
_MAX_SID = 256  # beyond, it is no candidate for a signed id


def plain_judge(
    secrets: Sequence[Secret], signing: Signing, now: datetime, lifetime: timedelta
) -> PlainJudge:
    """The judge of plain Flask cookies."""
    keys = [begun(keyed(one, signing).secret_key, signing.digest) for one in secrets]
    now_s, limit_s = to_ms(now) // 1000, lifetime.total_seconds()
    whole, plain, instant = _PLAIN.fullmatch, plain_json(), instants()

    def judge(line: bytes) -> tuple[Hashable, tuple[bytes, ...]] | None:
        found = whole(line.translate(STANDARD))
        if found is None:
            return None
        signed, dot, body, stamp, signature = found.groups()
        stamp_s = int.from_bytes(a2b_base64(stamp + b"=="), "big")
        payload = plain(body, dot)
        if payload is None or stamp_s < EPOCH_2011_S:
            return None
        # A tag of Flask, which begins with a blank; the header of a JWT. A single byte is looked
        # for in a quarter of the time.
        if (_BLANK in payload and b'{" ' in payload) or (not dot and b'"alg"' in payload):
            return None
        own = payload, instant(stamp_s)
        given, message = a2b_base64(signature + b"="), line[:-_SIGNATURE]
        # What tells which other formats the text could be of, beside the verdict.
        shape = dot, _PLUS in signature or _SLASH in signature, len(signed) > _MAX_SID
        for index, (inner, outer) in enumerate(keys):
            mac, whole_mac = inner(), outer()
            mac.update(message)
            whole_mac.update(mac.digest())
            if compare_digest(whole_mac.digest(), given):
                age_s = now_s - stamp_s
                is_old, is_young = age_s > limit_s, age_s < 0
                return (index, is_old, is_young, shape), own
        return (None, shape), own

    return PlainJudge(("payload", "issued_at"), judge)
