"""Cookie values changed as somebody would who tries to forge one.

    s%3Aabc.sig  ->  flip: s%3AAbc.sig   truncate: s%3Aabc   unsign: s%3Aabc   swap: s%3Aabc.other

Values are text as the jar holds it. Every function raises UsageError where a value gives nothing
to change, so that a test with an unchanged cookie cannot pass for one with a forged cookie.
"""

from __future__ import annotations

import re
from enum import StrEnum

from sessctl.errors import UsageError

# Rails puts two dashes before its MAC, nearly everybody else a dot.
_SIGNED = re.compile(r"(?P<content>.+)(?P<mark>--|\.)(?P<mac>[^.]+)", re.DOTALL)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_CUT = 8  # characters: 48 bits of base64, 32 of hexadecimal


class How(StrEnum):
    """The ways to tamper."""

    FLIP = "flip"
    TRUNCATE = "truncate"
    UNSIGN = "unsign"
    SWAP = "swap"


class Place(StrEnum):
    """Where a character is flipped."""

    FRONT = "front"
    MIDDLE = "middle"
    TAIL = "tail"


def tamper(value: str, how: How, *, other: str | None = None) -> str:
    """The value tampered with; `swap` takes the MAC of `other`.

    Raises:
        UsageError: there is nothing to change, or `other` is missing.
    """
    match how:
        case How.FLIP:
            return flip(value)
        case How.TRUNCATE:
            return truncate(value)
        case How.UNSIGN:
            return unsign(value)
        case How.SWAP:
            if other is None:
                raise UsageError("swap needs the cookie of another session")
            return swap(value, other)


def flip(value: str, place: Place = Place.MIDDLE) -> str:
    """Change one letter or digit so that the decoded bytes change too, be it base64 or
    hexadecimal: the last character of unpadded base64 has bits that nobody reads."""
    escaped = {at for found in _PERCENT.finditer(value) for at in range(*found.span())}
    places = [
        at
        for at, char in enumerate(value)
        if char.isascii() and char.isalnum() and at not in escaped
    ]
    if not places:
        raise UsageError("the cookie has no letter or digit that could be flipped")
    at = {Place.FRONT: places[0], Place.TAIL: places[-1]}.get(place, places[len(places) // 2])
    return f"{value[:at]}{_flipped(value[at])}{value[at + 1 :]}"


def truncate(value: str) -> str:
    """Cut off the end: eight characters, of a short value the second half."""
    end = len(value) - min(_CUT, (len(value) + 1) // 2)
    for found in _PERCENT.finditer(value):
        if found.start() < end < found.end():
            end = found.start()  # half an escape is another mistake
    if not value:
        raise UsageError("the cookie is empty and cannot be cut")
    return value[:end]


def unsign(value: str) -> str:
    """Leave the MAC away, and the mark before it."""
    return _parts(value)["content"]


def swap(value: str, other: str) -> str:
    """The content of one cookie under the MAC of another.

    Raises:
        UsageError: one is not signed, or they have the same MAC.
    """
    mine, theirs = _parts(value), _parts(other)
    if mine["mac"] == theirs["mac"]:
        raise UsageError("both cookies have the same signature", hint="take two sessions")
    return f"{mine['content']}{mine['mark']}{theirs['mac']}"


def _parts(value: str) -> re.Match[str]:
    found = _SIGNED.fullmatch(value)
    if found is None:
        raise UsageError("the cookie carries no signature", hint="flip or truncate it instead")
    return found


def _flipped(char: str) -> str:
    # `0` and `A` differ from what they replace in the upper two of six bits, as base64, and in
    # value, as hexadecimal. w to z share those bits with the digits.
    return "A" if char.isdigit() or char in "wxyz" else "0"
