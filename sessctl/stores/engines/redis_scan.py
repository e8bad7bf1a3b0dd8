"""One look at every key of the store, although servers die, change their roles and hand on slots.

All primaries are scanned side by side, each with its own connection and cursor, a page of each in
turn. At the end every one is asked whether it is what it was at the beginning (`Standing`); what
is not certain of a slot, is scanned again, and what is still not certain after three times makes
the scan incomplete, which is an error (safety promise S10).

Slots on the move need no more than that. A key that moves from A to B during the scan is met at A;
or it had left A when A's scan ended, and then B, scanned *again after that*, has it.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from sessctl.errors import AccessDenied, Incomplete, Refused, StoreError, StoreUnreachable
from sessctl.stores.engines.lost import LostReply
from sessctl.stores.engines.redis_cluster import slot_of
from sessctl.stores.engines.redis_errors import checked
from sessctl.stores.engines.redis_keys import Patience
from sessctl.stores.engines.redis_node import pack
from sessctl.stores.engines.redis_nodes import ALL_SLOTS
from sessctl.text import encode_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sessctl.stores.engines.redis_node import Channel, Node
    from sessctl.stores.engines.redis_nodes import Nodes, Standing
    from sessctl.stores.layouts.base import KeyLayout

_GLOB = re.compile(rb"[\\*?\[\]]")
_Asked = tuple[list[bytes], bytes, int]  # keys, what was sent for them, how many replies
T = TypeVar("T")


def glob_of(layout: KeyLayout) -> bytes:
    """The glob of all keys that begin and end as the layout's, and of no others."""
    before, after = (encode_id(end) for end in (layout.prefix, layout.suffix))
    return b"%b*%b" % (_GLOB.sub(rb"\\\g<0>", before), _GLOB.sub(rb"\\\g<0>", after))


class Reading(Protocol[T]):
    """What is done with the keys that a scan finds."""

    @property
    def words(self) -> tuple[str, ...]:
        """What follows the usual words of SCAN."""
        ...

    def ask(self, keys: list[bytes]) -> list[bytes]:
        """Packed commands that read these keys."""
        ...

    def take(self, keys: list[bytes], replies: list[Any]) -> list[T]:
        """What the replies amount to."""
        ...

    def key_of(self, one: T) -> bytes: ...

    def next_size(self, size: int, replies: list[Any]) -> int:
        """How many keys to ask for, when asking for `size` has had these replies."""
        ...


class Met:
    """The keys that a scan has had, 9 bytes each: 64 bits of their hashes, looked at only when
    slots are scanned again.

    Among ten million keys two are taken for one with a chance of 3 in a million.
    """

    _PLACES = 1 << 14

    def __init__(self) -> None:
        self._places: defaultdict[int, array[int]] = defaultdict(partial(array, "q"))

    def add(self, keys: list[bytes]) -> None:
        for mark in map(hash, keys):
            self._places[mark % self._PLACES].append(mark)

    def discard(self, keys: Sequence[bytes]) -> None:
        for mark in map(hash, keys):
            place = self._places[mark % self._PLACES]
            with suppress(ValueError):
                place.remove(mark)

    def __contains__(self, key: bytes) -> bool:
        mark = hash(key)
        return mark in self._places.get(mark % self._PLACES, ())


class Sweep(Generic[T]):
    """A scan of the whole store. `met` is None where nothing is ever scanned again."""

    def __init__(
        self,
        nodes: Nodes,
        reading: Reading[T],
        layout: KeyLayout,
    ) -> None:
        self.nodes, self.reading = nodes, reading
        self.pattern, self.keys = glob_of(layout), layout.keys
        self.met = Met() if nodes.tries > 1 else None
        self.strayed = 0  # slots of which keys were found where they do not belong

    def pages(self) -> Iterator[list[T]]:
        """Everything, once, in pages.

        Raises:
            Incomplete: servers or slots kept changing, or slots stayed without a primary.
            StoreError: a read failed, where that is the end of it.
        """
        todo, problem = ALL_SLOTS, None
        for turn in range(self.nodes.tries):
            parts = self._begin(todo, problem, again=turn > 0)
            try:
                yield from _in_turn([part.pages() for part in parts])
                for part in parts:
                    part.end()
            finally:
                for part in parts:
                    part.close()
            todo = 0
            for part in parts:
                todo |= part.unsure(again=turn > 0)
                problem = part.problem or problem
            if not todo:
                return
        if problem is not None and self.nodes.tries == 1:
            raise problem
        raise _incomplete(todo, problem)

    def _begin(self, todo: int, problem: StoreError | None, *, again: bool) -> list[Part[T]]:
        """Connect to every primary that has to do with these slots, once each slot has one."""
        patience = Patience(self.nodes, 1)
        if again:
            patience.allows(StoreUnreachable("something has changed"))
        while True:
            parts: list[Part[T]] = []
            covered = 0
            for node in self.nodes.primaries():
                part = Part(self, node, None if not again else todo, claimed=covered)
                try:
                    part.begin()
                except StoreUnreachable as exc:
                    problem = exc
                    continue
                parts.append(part)
                covered |= part.slots
            missing = todo & ~covered
            if not missing:
                return [part for part in parts if part.concerns(todo)]
            for part in parts:
                part.close()
            if not patience.allows(StoreUnreachable("slots without a primary")):
                if problem is not None and not parts and not again:
                    raise problem
                raise _incomplete(missing, problem)


def _incomplete(slots: int, problem: StoreError | None) -> Incomplete:
    whose = "the store" if slots == ALL_SLOTS else f"{slots.bit_count()} slots of the cluster"
    why = problem.message if problem is not None else "slots kept moving"
    return Incomplete(
        f"incomplete: some sessions of {whose} may not have been seen ({why})",
        hint="run it again when the servers are well",
    )


def _in_turn(sources: list[Iterator[list[T]]]) -> Iterator[list[T]]:
    """A page of each, again and again: the servers look for the next ones meanwhile."""
    while sources:
        for source in list(sources):
            page = next(source, None)
            if page is None:
                sources.remove(source)
            else:
                yield page


class Part(Generic[T]):
    """The scan of one primary. What became of it is told by `problem` and `unsure`.

    Args:
        only: the slots that are scanned again; None: it is the first time.
        claimed: slots that another primary has said to own.
    """

    def __init__(self, sweep: Sweep[T], node: Node, only: int | None, *, claimed: int) -> None:
        self._sweep, self._node, self._reading = sweep, node, sweep.reading
        self._only, self._claimed = only, claimed
        self._channel = node.channel(self._greet)
        self._before: Standing | None = None
        self._after: Standing | None = None
        self.problem: StoreError | None = None

    def begin(self) -> None:
        """Connect. Raises StoreUnreachable."""
        self._channel.read(pack("PING"), 1)

    def close(self) -> None:
        self._channel.close()

    @property
    def slots(self) -> int:
        """What this primary owned at the beginning."""
        return self._before.slots if self._before is not None else 0

    def concerns(self, slots: int) -> bool:
        """It owns one of these slots, or one of them is coming."""
        return self._before is not None and bool(self._before.holds & slots)

    def pages(self) -> Iterator[list[T]]:
        """The keys of this server in pages, until the end or a problem."""
        try:
            yield from self._pages()
        except AccessDenied:
            raise
        except StoreError as exc:
            self.problem = exc

    def _pages(self) -> Iterator[list[T]]:
        """One page ahead: the server fetches the next page while Python reads this one."""
        channel, reading, met = self._channel, self._reading, self._sweep.met
        size = self._sweep.nodes.scan_count
        cursor, found = channel.ask(*self._scan(b"0", size))
        asked: _Asked | None = self._ask(found, cursor, size)
        while asked is not None:
            keys, commands, count = asked
            replies = self._answers(commands, count)
            asked = None
            if cursor != b"0":
                cursor, found = checked(replies.pop(), "SCAN")
                size = reading.next_size(size, replies)
                asked = self._ask(found, cursor, size)
            page = reading.take(keys, replies)
            if met is not None:
                twice = self._met_meanwhile(keys)
                page = [one for one in page if reading.key_of(one) not in twice] if twice else page
                met.add(keys)
            yield page

    def _scan(self, cursor: bytes, size: int) -> tuple[bytes | str | int, ...]:
        return ("SCAN", cursor, "MATCH", self._sweep.pattern, "COUNT", size, *self._reading.words)

    def _ask(self, found: list[bytes], cursor: bytes, size: int) -> _Asked:
        """Ask for the values of these keys and, in the same write, for the next `size` keys."""
        keys = self._unmet(found)
        out = self._reading.ask(keys)
        if cursor != b"0":
            out.append(pack(*self._scan(cursor, size)))
        commands = b"".join(out)
        if out:
            with suppress(StoreUnreachable):  # `_answers` asks again
                self._channel.send(commands, len(out))
        return keys, commands, len(out)

    def _answers(self, commands: bytes, count: int) -> list[Any]:
        """The replies to what was sent ahead, asked for again when they got lost."""
        try:
            return self._channel.receive(count)
        except LostReply:
            return self._channel.read(commands, count)

    def _unmet(self, found: list[bytes]) -> list[bytes]:
        """Of the keys of a page those of the layout that have not come by before."""
        met = self._sweep.met
        keys = list(filter(self._sweep.keys.fullmatch, dict.fromkeys(found)))
        own = self.slots & ~self._claimed if self._only is None else 0
        if met is None or own == ALL_SLOTS:
            return keys
        if self._only not in (None, ALL_SLOTS):
            keys = [key for key in keys if self._only >> slot_of(key) & 1]
        fresh: list[bytes] = []
        for key in keys:
            slot = slot_of(key)
            if not own >> slot & 1:  # it has come here, or stayed here: perhaps met at the owner's
                if key in met:
                    continue
                self._sweep.strayed |= 1 << slot
            fresh.append(key)
        return fresh

    def _met_meanwhile(self, keys: list[bytes]) -> set[bytes]:
        """Those that were read elsewhere, too, while their answer was on its way."""
        strayed, met = self._sweep.strayed, self._sweep.met
        if not strayed or met is None:
            return set()
        return {key for key in keys if strayed >> slot_of(key) & 1 and key in met}

    def _greet(self, channel: Channel) -> None:
        """On each connect: a cursor is good at the very process that gave it, while it stays what
        it was."""
        standing = self._sweep.nodes.standing(channel, self._node)
        if self._before is None:
            self._before = standing
        elif standing != self._before or standing.run_id is None:
            raise self._changed()

    def end(self) -> None:
        """Ask what the server is now that all of them are through."""
        if self.problem is None:
            try:
                self._after = self._sweep.nodes.standing(self._channel, self._node)
            except Refused:  # a replica by now
                self.problem = self._changed()
            except StoreError as exc:
                self.problem = exc

    def unsure(self, *, again: bool) -> int:
        """Slots of which keys may have been missed here."""
        before, after = self._before, self._after
        assert before is not None
        if after is None:
            return before.holds
        if before.itself != after.itself:
            self.problem = self._changed()
            return before.holds | after.holds
        moved = (before.slots ^ after.slots) | (before.importing ^ after.importing)
        # What came in the first time is looked at once more, even if it is still coming.
        return moved if again else moved | before.importing

    def _changed(self) -> Incomplete:
        return Incomplete(
            f"redis at {self._node.address} was restarted or replaced in the middle of a scan",
            hint="run it again",
        )
