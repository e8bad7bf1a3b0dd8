"""Flask's cookies through a batch: 10 us each, where one by itself takes 100.

A cookie is plain if it is as Flask writes it and its JSON can be printed as it stands: no tags, no
letters beyond ASCII, no floats. Reading it with a fast reader and writing it again has to give the
same bytes, which rules out repeated keys, blanks and odd spellings.
"""

from __future__ import annotations

import hmac
import re
import zlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from hmac import compare_digest
from typing import TYPE_CHECKING

import msgspec

from sessctl.cookies.base import PlainJudge, VerdictWord
from sessctl.cookies.itsdangerous_signing import EPOCH_2011_S, Signing, keyed
from sessctl.limits import DEFAULT
from sessctl.timespec import iso, to_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence
    from datetime import datetime, timedelta

    from sessctl.text import Secret

# The signature in the one spelling that the library writes: two bits of its end are unused.
_PLAIN = re.compile(
    r"((\.?)([A-Za-z0-9_-]{9,4096})\.([A-Za-z0-9_-]{6}))\.([A-Za-z0-9_-]{26}[AEIMQUYcgkosw048])"
)
_STANDARD = str.maketrans("-_", "+/")
# Shorter than an integer that is kept as text; no wider than the budget either.
_LONGEST = DEFAULT.int_digits
_MAX_SID = 256  # beyond, it is no candidate for a signed id


def plain_judge(
    secrets: Sequence[Secret], signing: Signing, now: datetime, lifetime: timedelta
) -> PlainJudge:
    """The judge of plain Flask cookies."""
    keys = [hmac.new(keyed(one, signing).secret_key, digestmod=signing.digest) for one in secrets]
    now_s, limit_s = to_ms(now) // 1000, lifetime.total_seconds()
    whole, plain = _PLAIN.fullmatch, _plain_json()

    def judge(text: str) -> tuple[Hashable, tuple[bytes, ...]] | None:
        found = whole(text)
        if found is None:
            return None
        signed, dot, body, stamp, signature = found.groups()
        stamp_s = int.from_bytes(_bytes(stamp), "big")
        payload = plain(body, dot)
        if payload is None or stamp_s < EPOCH_2011_S:
            return None
        own = payload, b'"%b"' % iso(stamp_s * 1000).encode()
        message, given = signed.encode(), _bytes(signature)
        # What tells which other formats the text could be of, beside the verdict.
        shape = dot, "-" in signature or "_" in signature, len(signed) > _MAX_SID
        for index, key in enumerate(keys):
            mac = key.copy()
            mac.update(message)
            if compare_digest(mac.digest(), given):
                age_s = now_s - stamp_s
                if age_s < 0:
                    return (index, VerdictWord.FROM_FUTURE, shape), own
                word = VerdictWord.VALID if age_s <= limit_s else VerdictWord.EXPIRED
                return (index, word, shape), own
        return (None, VerdictWord.BAD_SIGNATURE, shape), own

    return PlainJudge(("payload", "issued_at"), judge)


def _bytes(text: str) -> bytes:
    return a2b_base64(text.translate(_STANDARD) + "==")


def _plain_json() -> Callable[[str, str], bytes | None]:
    """From a body to its JSON, if it can be printed as it stands."""
    read = msgspec.json.Decoder(dict, float_hook=_refuse).decode
    write = msgspec.json.Encoder().encode

    def plain(body: str, dot: str) -> bytes | None:
        try:
            raw = _bytes(body)
            if dot:
                stream = zlib.decompressobj()
                raw = stream.decompress(raw, _LONGEST + 1)
                if not stream.eof or stream.unused_data:
                    return None
            if len(raw) > _LONGEST or not raw.isascii() or write(read(raw)) != raw:
                return None
        except (Base64Error, zlib.error, msgspec.DecodeError, ValueError, RecursionError):
            return None
        # A tag, a character that is spelled out on printing, the header of a JWT, what is too deep.
        if b'{" ' in raw or b"\x7f" in raw or b'"alg"' in raw:
            return None
        return raw if raw.count(b"[") + raw.count(b"{") <= DEFAULT.depth else None

    return plain


def _refuse(text: str) -> float:
    """A float may be written in more than one way."""
    raise ValueError(text)
