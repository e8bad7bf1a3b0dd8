"""A new session, and the cookie that leads to it: to be logged in without a login."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.data import Assignment, assigned, parse_path
from sessctl.cookies.api import sign_cookie
from sessctl.cookies.base import Cookie
from sessctl.errors import GuardRefused, Refused, SerializerError, StoreError, UsageError
from sessctl.session import Query
from sessctl.stores.base import Outcome
from sessctl.stores.compose import compose
from sessctl.stores.reader import user_text
from sessctl.text import short_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from sessctl.admin.data import Path_
    from sessctl.cookies.api import Secrets
    from sessctl.session import Session
    from sessctl.stores.base import Store
    from sessctl.stores.layouts.base import Layout

_LOOKED_AT = 100


class Created(NamedTuple):
    """A session as the store has it, and its cookies: some libraries write two."""

    session: Session
    cookies: list[Cookie]


def create(
    store: Store,
    data: Mapping[str, Any],
    secret: Secrets | None = None,
    *,
    user: str | None = None,
    sid: str | None = None,
    ttl: timedelta | None = None,
) -> Created:
    """Put a new session in a store and sign the cookie that leads to it.

        made = create(store, {"userId": 42}, "keyboard cat")
        print(made.cookies[0].header)

    Args:
        store: opened with `write=True`.
        secret: signs the cookie; None where the library does not sign it (`layout.signs_ids`).
        user: put where the store's sessions have theirs, else where the layout looks first.
        sid: else one as the library makes them.
        ttl: the session's and the cookie's life; else as long as the library gives it.

    Raises:
        Refused: a session with this id is there, or the store would not have it.
        UsageError: the data cannot be written as the library does, the secret is empty, or nothing
            proves the login (see `with_user`).
    """
    layout = store.layout
    made = compose_new(store, with_user(store, data, user), sid=sid, ttl=ttl)
    cookies = [Cookie(layout.cookie_name, made.sid)]
    if layout.signs_ids:
        cookies = sign_cookie(made.sid, secret or "", layout.cookie_format, name=layout.cookie_name)
    return Created(put_new(store, made), cookies)


def with_user(store: Store, data: Mapping[str, Any], user: str | None) -> dict[str, Any]:
    """The data with the user where other sessions of the store have theirs, a number if that is
    one; where there is none to see, where the layout looks first.

    What else the library wants to see of a login is that of another session of this user.

    Raises:
        UsageError: there is none, and the data does not say it either.
    """
    if user is None:
        return dict(data)
    path, example = next(_users_of_others(store), (parse_path(store.layout.user[0]), user))
    value = int(user) if isinstance(example, int) and user.isdecimal() else user
    found: dict[str, Any] = assigned(dict(data), [Assignment(path, value)])
    return {**_proof_of(store, user, found), **found}


def _proof_of(store: Store, user: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the library asks for beside the user's id, as far as the data lacks it."""
    missing = [key for key in store.layout.proves_login if key not in data]
    if not missing:
        return {}
    for session in store.scan(Query(user=user)):
        found = session.data if session.problem is None else {}
        if all(key in found for key in missing):
            return {key: found[key] for key in missing}
    raise UsageError(
        "nobody is logged in by an id alone: the application also looks at "
        f"{' and '.join(missing)}, and no session of this user has them to copy",
        hint="log in once as this user, or give them as KEY=VALUE",
    )


def _users_of_others(store: Store) -> Iterator[tuple[Path_, Any]]:
    """(path, value) of the user in each of the first sessions that has one."""
    paths = [parse_path(text) for text in store.layout.user]
    for session in islice(store.scan(Query()), _LOOKED_AT):
        if session.user is None or session.problem is not None:
            continue
        for path in paths:
            value: Any = session.data
            for step in path:
                value = value.get(step) if isinstance(value, dict) else None
            if isinstance(value, dict):  # as `Session.user` is told
                step, value = next(
                    ((key, one) for key, one in value.items() if user_text(one) == session.user),
                    ("", None),
                )
                path = (*path, step)
            if user_text(value) == session.user:
                yield path, value
                break


def new_sid(layout: Layout) -> str:
    """An id as the library makes them; with the prefix where that is a part of it."""
    has_prefix = getattr(layout, "sid_has_prefix", False)
    return f"{layout.prefix if has_prefix else ''}{layout.new_sid()}"  # type: ignore[attr-defined]


def compose_new(
    store: Store, data: Mapping[str, Any], *, sid: str | None = None, ttl: timedelta | None = None
) -> Session:
    """The session to put: without `ttl` as the library writes it for an application that sets no
    lifetime.

    Raises:
        Refused: values of this layout are read only.
        UsageError: the data cannot be written as the library does.
    """
    layout, now_ms = store.layout, store.now_ms()
    life_ms = layout.lifetime_s * 1000
    if ttl is not None:
        life_ms = round(ttl.total_seconds() * 1000) + layout.lingers_ms
    try:
        return compose(
            store,
            new_sid(layout) if sid is None else sid,
            data,
            expires_ms=now_ms + life_ms,
            now_ms=now_ms,
            cookie_lasts=ttl is not None or layout.cookie_lasts,
        )
    except SerializerError as exc:
        raise UsageError(exc.message, hint=exc.hint) from None


def put_new(store: Store, session: Session) -> Session:
    """Store it, and read it as it is there now. Raises Refused where it was not stored."""
    (result,) = store.put([session])
    name = short_id(session.sid)
    if result.outcome in (Outcome.PRESENT, Outcome.NEWER):
        raise Refused(f"there is a session {name} already", hint="leave --sid out for a new id")
    if result.outcome is not Outcome.STORED:
        raise Refused(f"session {name} was not stored: {result.reason or result.outcome}")
    found = store.get([session.sid])
    if not found:
        raise StoreError(f"session {name} was stored, and is not there now")
    return found[0]


def check_looks_right(store: Store, *, forced: bool) -> None:
    """The store holds sessions of its layout, or none. Raises GuardRefused (wrong-store)."""
    looked, known = 0, 0
    for session in store.scan(Query()):
        looked += 1
        known += store.recognises(session)
        if known or looked == _LOOKED_AT:
            break
    if looked and not known and not forced:
        raise GuardRefused(
            "wrong-store",
            f"none of the first {looked} values is a {store.layout.name} session",
            hint="check prefix, table and layout; --force=wrong-store if this is the right store",
        )
