"""From a cookie to the session it leads to; where cookies and stores meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessctl.cookies.base import DecodedCookie
    from sessctl.session import Session
    from sessctl.stores.base import Store


def find_session(cookie: DecodedCookie, store: Store) -> Session | None:
    """The stored session that an opaque cookie names; None if there is none or no id in it."""
    if cookie.sid is None:
        return None
    return next(iter(store.get([cookie.sid])), None)
