"""A write whose answer was lost: it may or may not have been done, and is never sent again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import StoreUnreachable
from sessctl.stores.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sessctl.session import Session


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
