"""Cookies without a signature, in libraries that can do without one.

Such a cookie proves nothing, whatever it says. It is `missing_signature`, unless the user says that
the app asks for none (`-p signed=false`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cookies.base import Signature, Verdict, VerdictWord
from sessctl.cookies.parameters import flag

if TYPE_CHECKING:
    from sessctl.cookies.base import CookieContext, DecodedCookie

PARAMETER = {"signed": "false: the app does not ask for a signature here (true)"}


def is_signed(context: CookieContext) -> bool:
    """Whether the app asks for a signature. Raises UsageError."""
    return flag(context, "signed", default=True)


def unsigned(decoded: DecodedCookie, *, expects_signature: bool) -> Verdict:
    """The verdict on a cookie that has no signature."""
    if expects_signature:
        return Verdict(VerdictWord.MISSING_SIGNATURE, Signature.NONE, decoded)
    note = "not signed: the app takes it from whoever writes it"
    return Verdict(VerdictWord.VALID, Signature.NONE, decoded, notes=(note,))
