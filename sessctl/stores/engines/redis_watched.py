"""Writing to one key of Redis without scripts: WATCH, read again, MULTI, EXEC.

Slower than a script, and as safe: EXEC does nothing where the key was written to since WATCH.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sessctl.errors import StoreError
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.redis_errors import Reply, checked, reply_error
from sessctl.stores.engines.redis_node import pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.session import Session
    from sessctl.stores.engines.redis_node import Channel

RENEWED = "renewed since it was read"

Words = tuple[bytes | str | int, ...]  # of a command
# What is against a write at this moment of the server's clock, in ms; None: nothing.
Judge = Callable[[int], "Outcome | None"]


def ends_as(left: int, right: int, tolerance: int) -> bool:
    """The same end of a key; below 0: none."""
    return (left < 0) == (right < 0) and abs(left - right) <= tolerance


def write_watched(
    channel: Channel,
    key: bytes,
    session: Session,
    judge: Judge,
    commands: Sequence[Words],
    done: Outcome,
    *,
    absolute: bool,
    tolerance: int,
) -> Result:
    """Send these commands if the key is as it was read; `done` is what became of it then.

    Args:
        absolute: the server knows PEXPIRETIME.

    Raises:
        LostReply: perhaps they were carried out.
    """
    ends = pack("PEXPIRETIME" if absolute else "PTTL", key)
    try:
        watched, value, end, clock = channel.exchange(
            pack("WATCH", key) + pack("GET", key) + ends + pack("TIME"), 4
        )
        for reply, word in ((watched, "WATCH"), (value, "GET"), (end, "PEXPIRETIME")):
            checked(reply, word)
        now = int(clock[0]) * 1000 + int(clock[1]) // 1000
        if not absolute and end >= 0:
            end += now
        left = judge(now)
        if value is None:
            left = Outcome.GONE
        elif value != session.raw or not ends_as(end, session.original, tolerance):
            left = Outcome.CHANGED
        if left is not None:
            channel.exchange(pack("UNWATCH"), 1)
            return Result(session.sid, left, RENEWED if left is Outcome.CHANGED else None)
        words = b"".join(pack(*command) for command in commands)
        replies = channel.exchange(pack("MULTI") + words + pack("EXEC"), len(commands) + 2)[-1]
    except LostReply:
        raise
    except StoreError as exc:
        channel.close()
        return Result(session.sid, Outcome.FAILED, exc.message)
    if replies is None:
        return Result(session.sid, Outcome.CHANGED, RENEWED)
    for reply in [replies] if isinstance(replies, Reply) else replies:
        if isinstance(reply, Reply):
            error = reply_error(reply, str(commands[0][0]))
            return Result(session.sid, Outcome.FAILED, error.message)
    return Result(session.sid, done)
