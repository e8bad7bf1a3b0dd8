"""From a cookie to the session it leads to; where cookies and stores meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cookies.registry import best_format, cookie_format
from sessctl.errors import UnreadableInput
from sessctl.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.cookies.base import DecodedCookie
    from sessctl.session import Session
    from sessctl.stores.base import Store


def find_session(cookie: DecodedCookie, store: Store) -> Session | None:
    """The stored session that an opaque cookie names; None if there is none or no id in it."""
    if cookie.sid is None:
        return None
    return next(iter(store.get([cookie.sid])), None)


def session_id_of(
    cookies: Mapping[str, str], *, name: str | None = None, format: str | None = None
) -> str | None:
    """The session id that a browser's cookies lead to; nothing of it is proven.

    Args:
        name: the session cookie's; else the first cookie that has an id in it is taken.
        format: of the cookie; else detected.
    """
    for cookie, value in cookies.items():
        if name not in (None, cookie):
            continue
        try:
            reader = cookie_format(format) if format else best_format(value)
            decoded = reader.decode(value, budget=DEFAULT)
        except UnreadableInput:
            continue
        if decoded.sid:
            return decoded.sid
    return None
