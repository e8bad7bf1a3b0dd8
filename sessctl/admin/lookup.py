"""From a cookie to the session it leads to; where cookies and stores meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.cookies.base import CookieContext
from sessctl.cookies.paste import Pasted
from sessctl.cookies.picking import gathered, ranked
from sessctl.cookies.registry import best_format, cookie_format
from sessctl.errors import UnreadableInput

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
        name: the session cookie's; else the likeliest cookie that has an id in it is taken.
        format: of the cookie; else detected.
    """
    given = [Pasted(cookie, value) for cookie, value in cookies.items()]
    found = [one for one in gathered(given) if name in (None, one.name)]
    for one in found if format else ranked(found):
        context = CookieContext(name=one.name, companion=one.companion)
        try:
            reader = cookie_format(format) if format else best_format(one.value, context)
            decoded = reader.decode(one.value, context)
        except UnreadableInput:
            continue
        if decoded.sid:
            return decoded.sid
    return None
