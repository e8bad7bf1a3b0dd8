"""A write whose answer was lost: it may or may not have been done, and is never sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import StoreUnreachable
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Pair


class LostReply(StoreUnreachable):
    """The connection broke after a command was sent: it may or may not have been done."""


def after_lost_delete(
    sessions: Iterable[Session], is_there: Callable[[Session], bool]
) -> list[Result]:
    """What became of sessions of which nobody knows: who is absent now is `unconfirmed`."""
    return [
        Result(s.sid, Outcome.FAILED, "connection lost, still there")
        if is_there(s)
        else Result(s.sid, Outcome.UNCONFIRMED, "connection lost, absent now")
        for s in sessions
    ]


def after_lost_replace(
    pairs: Iterable[Pair],
    read: Callable[[Sequence[str]], Sequence[Session]],
    same: Callable[[Session, Session], bool],
) -> list[Result]:
    """What became of sessions that were to be written over: what stands there now tells."""
    pairs = list(pairs)
    now = {session.sid: session for session in read([was.sid for was, _ in pairs])}
    return [_replaced(was, new, now.get(was.sid), same) for was, new in pairs]


def _replaced(
    was: Session, new: Session, now: Session | None, same: Callable[[Session, Session], bool]
) -> Result:
    if now is None:
        return Result(was.sid, Outcome.UNCONFIRMED, "connection lost, absent now")
    if same(now, new):
        return Result(was.sid, Outcome.STORED, "connection lost, changed now")
    if same(now, was):
        return Result(was.sid, Outcome.FAILED, "connection lost, as it was")
    return Result(was.sid, Outcome.CHANGED, "connection lost, renewed since")
