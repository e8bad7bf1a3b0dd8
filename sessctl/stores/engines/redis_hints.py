"""Keyspace notifications: a word of the server that a session may have changed.

Source: redis.io, "Redis keyspace notifications": with `K` the channel `__keyspace@DB__:KEY`, with
`E` the channel `__keyevent@DB__:EVENT`. Whether the server sends any is its administrator's matter
(`notify-keyspace-events`); it is neither asked nor changed here, and where nothing is sent nothing
is heard. Messages get lost, and tell nothing of what is in a session: a hint, never a proof.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from sessctl.errors import StoreError
from sessctl.stores.engines.redis_node import pack

if TYPE_CHECKING:
    from sessctl.stores.engines.redis_node import Node, Wire
    from sessctl.stores.engines.redis_nodes import Nodes


class RedisHints:
    """Listens at every primary. The first message closes the connection, so that none pile up in
    the server; the next question opens it again.

    Args:
        pattern: of the keys, a glob.
    """

    def __init__(self, nodes: Nodes, db: int, pattern: bytes) -> None:
        self._nodes = nodes
        self._channels = (b"__keyspace@%d__:%b" % (db, pattern), b"__keyevent@%d__:expired" % db)
        self._wires: dict[Node, Wire] = {}
        self._deaf = False  # refused, or out of reach: it is not tried again

    def heard(self) -> bool:
        """Something has happened since the last time. Never waits."""
        if self._deaf:
            return False
        from redis.exceptions import RedisError

        try:
            wires = [self._wire(node) for node in self._nodes.primaries()]
        except (RedisError, StoreError, OSError):
            self._deaf = True
            self.close()
            return False
        try:
            said = any(wire.can_read(0) for wire in wires)
        except (RedisError, OSError):  # it broke: that is a word, too
            said = True
        if said:
            self.close()
        return said

    def _wire(self, node: Node) -> Wire:
        """The connection to this server, subscribed."""
        if node not in self._wires:
            wire = self._wires[node] = node.make()
            wire.connect()
            wire.send_packed_command([pack("PSUBSCRIBE", *self._channels)], check_health=False)
            for _ in self._channels:
                wire.read_response(disable_decoding=True, disconnect_on_error=True)
        return self._wires[node]

    def close(self) -> None:
        from redis.exceptions import RedisError

        for wire in self._wires.values():
            with suppress(RedisError, OSError):
                wire.disconnect()
        self._wires.clear()
