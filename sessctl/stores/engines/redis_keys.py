"""Commands of single keys, each sent to the server that holds its key, wherever that has gone.

A page of them goes out to all servers before the first reply is waited for. What a server has not
done (it redirects, it cannot be reached, it is no primary any more) is sent to the right one;
what it may have done is sent again only if it reads.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.errors import StoreError, StoreUnreachable
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.redis_errors import Reply, checked, reply_error
from sessctl.stores.engines.redis_node import pack
from sessctl.text import escape, redact

if TYPE_CHECKING:
    from sessctl.stores.engines.redis_node import Channel, Node
    from sessctl.stores.engines.redis_nodes import Nodes

_READ_TRIES = 3  # with a new connection each (S9)
_PAUSE_S = 0.1
_REDIRECTS = 16  # as redis-py: a slot on its way may send us back and forth
_ASKING = pack("ASKING")
# The server has done nothing, and will do it elsewhere or a little later.
_NOT_DONE = ("MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "READONLY", "NOSCRIPT")


class Call(NamedTuple):
    """Packed commands of one key, or of several at one server; each has one reply."""

    key: bytes
    commands: Sequence[bytes]


Prepare = Callable[["Channel", "Node"], None]
Answer = list[Any] | StoreError  # the replies; LostReply: perhaps done; others: not done


class Keys:
    """One connection to each server that is needed, kept."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes
        self._channels: dict[Node, Channel] = {}

    def channel(self, node: Node) -> Channel:
        """The connection to this server."""
        if node not in self._channels:
            self._channels[node] = self._nodes.channel(node)
        return self._channels[node]

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()

    def read(self, calls: Sequence[Call]) -> list[list[Any]]:
        """The replies to each call, asked for again where they were lost."""
        found: list[list[Any]] = []
        for answer in self._run(calls, again=True, prepare=None):
            if isinstance(answer, StoreError):
                raise answer
            found.append(answer)
        return found

    def write(self, calls: Sequence[Call], *, prepare: Prepare | None = None) -> list[Answer]:
        """The same, with nothing sent twice. Raises StoreError where not one call got through.

        `prepare` is run on a connection before calls go over it.
        """
        answers = self._run(calls, again=False, prepare=prepare)
        problem = next((a for a in answers if isinstance(a, StoreError)), None)
        if problem is not None and all(
            isinstance(a, StoreError) and not isinstance(a, LostReply) for a in answers
        ):
            raise problem
        return answers

    def everywhere(self, *words: bytes | str | int) -> list[Any]:
        """What every primary answers to a command that only reads."""
        patience = Patience(self._nodes, _READ_TRIES)
        while True:
            try:
                channels = [self.channel(node) for node in self._nodes.primaries()]
                for channel in channels:
                    channel.send(pack(*words), 1)
                replies = [channel.receive(1)[0] for channel in channels]
            except StoreUnreachable as exc:
                if not patience.allows(exc):
                    raise
            else:
                return [checked(reply, str(words[0])) for reply in replies]

    def _run(self, calls: Sequence[Call], *, again: bool, prepare: Prepare | None) -> list[Answer]:
        answers: dict[int, Answer] = {}
        left = list(range(len(calls)))
        asked: dict[int, Node] = {}  # where ASK leads, this once
        patience = Patience(self._nodes, _READ_TRIES if again else 1)
        turns = _REDIRECTS
        while left and turns:
            problem: StoreError | None = None
            answers |= self._round(calls, left, asked, prepare)
            todo, asked = [], {}
            for place in left:
                answer = answers[place]
                reply = None if isinstance(answer, StoreError) else _undone(answer)
                if reply is not None and (node := self._nodes.redirected(reply)) is not None:
                    todo.append(place)
                    if reply.word == "ASK":
                        asked[place] = node
                    continue
                if reply is not None:
                    answer = answers[place] = _not_now(reply)
                if isinstance(answer, StoreError) and (again or not isinstance(answer, LostReply)):
                    todo.append(place)
                    problem = answer
            left = todo
            if problem is None:
                turns -= 1
            elif not patience.allows(problem):
                break
        for place in left:
            if not isinstance(answers[place], StoreError):
                answers[place] = StoreUnreachable("the cluster redirects in circles")
        return [answers[place] for place in range(len(calls))]

    @staticmethod
    def _send(channel: Channel, node: Node, commands: list[bytes], prepare: Prepare | None) -> None:
        try:
            if prepare is not None:
                prepare(channel, node)
        except LostReply as exc:  # of what goes before: none of the calls has been sent
            raise StoreUnreachable(exc.message, hint=exc.hint) from None
        channel.send(b"".join(commands), len(commands))

    def _round(
        self,
        calls: Sequence[Call],
        places: list[int],
        asked: dict[int, Node],
        prepare: Prepare | None,
    ) -> dict[int, Answer]:
        """Send each of these calls once and collect what came back."""
        answers: dict[int, Answer] = {}
        parts: dict[Node, list[int]] = defaultdict(list)
        for place in places:
            try:
                parts[asked.get(place) or self._nodes.of(calls[place].key)].append(place)
            except StoreUnreachable as exc:
                answers[place] = exc
        sent: list[tuple[Channel, list[int]]] = []
        for node, part in parts.items():
            channel = self.channel(node)
            commands = [word for place in part for word in _worded(calls[place], place in asked)]
            try:
                self._send(channel, node, commands, prepare)
                sent.append((channel, part))
            except StoreError as exc:
                answers |= dict.fromkeys(part, exc)
        for channel, part in sent:
            replies: list[Any] = []
            steps = [len(calls[place].commands) * (1 + (place in asked)) for place in part]
            try:
                channel.receive(sum(steps), replies)
            except LostReply as exc:
                answers |= dict.fromkeys(part, exc)
            at = 0
            for place, step in zip(part, steps, strict=True):
                if at + step <= len(replies):
                    mine = replies[at : at + step]
                    answers[place] = mine[1::2] if place in asked else mine
                at += step
        return answers


def _worded(call: Call, asking: bool) -> list[bytes]:
    """The commands of a call; each has to be announced where its slot has not arrived yet."""
    if not asking:
        return list(call.commands)
    return [word for command in call.commands for word in (_ASKING, command)]


class Patience:
    """How long to go on trying: so many times, and as long as a failover may take."""

    def __init__(self, nodes: Nodes, tries: int) -> None:
        self._nodes, self._tries = nodes, tries
        self._until: float | None = None

    def allows(self, problem: StoreError) -> bool:
        """Wait a little and ask who the primaries are; False: that is of no use, or too late."""
        if not isinstance(problem, StoreUnreachable):
            return False
        now = time.monotonic()
        self._until = self._until or now + self._nodes.patience_s
        self._tries -= 1
        if self._tries <= 0 and now >= self._until:
            return False
        time.sleep(_PAUSE_S * (1 + random.random()))  # noqa: S311 - jitter
        with suppress(StoreUnreachable):
            self._nodes.look_again()
        return True


def is_elsewhere(reply: object) -> bool:
    """A server's word that it has not done this, and that another would, or it a little later."""
    return isinstance(reply, Reply) and reply.word in _NOT_DONE


def _undone(answer: list[Any]) -> Reply | None:
    return next(filter(is_elsewhere, answer), None)


def _not_now(reply: Reply) -> StoreError:
    if reply.word in ("MOVED", "ASK"):  # of one server that is a part of a cluster
        return reply_error(reply, "a command")
    return StoreUnreachable(f"redis does not do it now: {escape(redact(str(reply)))}")
