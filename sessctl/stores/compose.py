"""A session made anew: data put into a value as the library of a store would write it.

What a `Reader` takes apart, this puts together: the application's data, and around it the
library's own part, with the dates of the session's life.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from sessctl.errors import Refused, SerializerError
from sessctl.session import Expiry, Query, Session
from sessctl.stores.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sessctl.stores.base import Store


_SAMPLE = 200  # sessions looked at for an encrypted one


def compose(
    store: Store,
    sid: str,
    data: Mapping[str, Any],
    *,
    expires_ms: int | None,
    now_ms: int | None = None,
    cookie_lasts: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> Session:
    """A session for `store.put` or `store.replace`, which that store's application takes for its
    own.

    Args:
        expires_ms: its end, in ms since 1970 UTC; None: it never ends by itself.
        now_ms: when it begins; else the store is asked.
        cookie_lasts: the browser keeps the cookie until then; else until it is closed.
        extra: the library's own part of another session, if it is of the same framework: cookie
            flags stay what they were, dates become those of `expires_ms`.

    Raises:
        Refused: values of this layout are read only.
        SerializerError: the data cannot be written as this layout does: it holds what JSON has no
            place for, or a key that belongs to the library; or the store's values are encrypted,
            and none is there to show how, or signed, and there is no secret.
    """
    layout = store.layout
    if layout.fresh is None:
        raise Refused(f"layout '{layout.name}' makes no new sessions")
    ends_ms = None if expires_ms is None else expires_ms - layout.lingers_ms
    begins_ms = store.now_ms() if now_ms is None else now_ms
    own = layout.fresh(begins_ms, ends_ms if cookie_lasts else None)
    for key, value in (extra or {}).items():
        if isinstance(value, dict) and isinstance(own.get(key), dict):
            own[key] = {**own[key], **_flags(value)}
    reader = Reader(layout)
    reader.check_data(data)
    text = reader.written(reader.whole(own, data))
    if len(text) > reader.budget.value_bytes:
        raise SerializerError(f"larger than the limit of {reader.budget.value_bytes} bytes")
    raw = reader.closed(text, like=_example(store, reader) if layout.store_secrets else None)
    user, _, problem = reader.read(raw)
    return Session(
        sid=sid,
        raw=raw,
        location="",
        expires_ms=expires_ms,
        expiry=Expiry.NEVER if expires_ms is None else Expiry.STORE,
        user=user,
        problem=problem,
        reader=reader,
    )


def _example(store: Store, reader: Reader) -> bytes | None:
    """An encrypted value of the store, to encrypt others like it; None where all are alike."""
    if store.layout.seals_alike:
        return None
    for session in islice(store.scan(Query()), _SAMPLE):
        if session.problem is None and reader.is_sealed(session.raw):
            return session.raw
    raise SerializerError(
        "no encrypted session to see from how the application does it", hint="log in once"
    )


_DATES = frozenset({"originalMaxAge", "expires", "maxAge", "originalExpires"})


def _flags(cookie: Mapping[str, Any]) -> dict[str, Any]:
    """Of a cookie's settings all but the dates."""
    return {key: value for key, value in cookie.items() if key not in _DATES}
