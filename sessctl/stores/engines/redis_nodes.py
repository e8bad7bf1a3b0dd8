"""Which servers hold the keys. One server holds them all; Sentinel (`redis_sentinel.py`) and
Cluster (`redis_cluster.py`) tell the same of several.

Keys are spoken of by their slots, as a cluster does: one server owns all 16 384 of them. Sets of
slots are bit masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sessctl.errors import Refused
from sessctl.stores.engines.redis_errors import NotPrimary, Reply
from sessctl.stores.engines.redis_node import pack
from sessctl.text import decode_id, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_node import Channel, Node

SLOTS = 16384
ALL_SLOTS = (1 << SLOTS) - 1


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server is. While it stays the same, its SCAN cursors hold and its keys stay there.

    A restart has another `run_id`; a failover, and being filled anew from another server, another
    `replication_id`; a change of slots another `epoch` or other `slots`. None: it did not tell.
    """

    run_id: str | None
    replication_id: str | None
    epoch: int = 0
    slots: int = ALL_SLOTS
    importing: int = 0  # slots that keys are moving into, which are still another's

    @property
    def holds(self) -> int:
        """Every slot of which it has keys, or may have."""
        return self.slots | self.importing

    @property
    def itself(self) -> tuple[str | None, str | None, int]:
        """What is to be the same even where slots have moved."""
        return self.run_id, self.replication_id, self.epoch


SCAN_COUNT = 1000  # 10 000 is slower and holds the server for 15 ms a call (measured)


class Nodes:
    """The simplest case: one server, for better or worse.

    `tries`: how often a scan goes over what has changed under it; where that is once, what has
    changed makes it incomplete. `patience_s`: how long to wait for a new primary. `sharded`: a
    command may take keys of one slot only. `scan_count`: keys that a SCAN goes over, at the most.
    """

    tries = 1
    sharded = False
    patience_s = 0.0

    def __init__(self, node: Node, remarks: Remarks, access: Access) -> None:
        self._node, self._remarks, self._access = node, remarks, access
        self.scan_count = access.page(SCAN_COUNT)

    def primaries(self) -> Sequence[Node]:
        """Every server whose keys together are the store."""
        return (self._node,)

    def of(self, key: bytes) -> Node:
        """The server that holds this key. Raises StoreUnreachable if there is none."""
        return self._node

    def look_again(self) -> None:
        """Something has changed: ask who the primaries are. Raises StoreUnreachable."""

    def redirected(self, reply: Reply) -> Node | None:
        """Where a redirection leads to, if it is one; `MOVED` is remembered."""
        return None

    def channel(self, node: Node) -> Channel:
        """A connection to a server, which is asked on every connect whether it is a primary."""
        return node.channel(lambda channel: self._greet(channel, node))

    def _greet(self, channel: Channel, node: Node) -> None:
        self.check_role(channel.exchange(pack("ROLE"), 1)[0], node)

    def check_role(self, role: Any, node: Node) -> None:
        """Judge an answer to ROLE: writes go to a primary only, reads as well if not told otherwise
        (S10). Raises Refused for a replica that was named, NotPrimary for one that has become it.
        """
        if isinstance(role, Reply):
            self._remarks.note("not allowed to ask for ROLE: a replica would not be noticed")
        elif isinstance(role, list) and role[0] != b"master":
            self._judge_replica(role, node)

    def _judge_replica(self, role: list[Any], node: Node) -> None:
        if self._access.allow_stale and self._access.read_only:
            self._remarks.note(f"stale: read from the replica {node.address}")
            return
        primary = f"{escape(decode_id(role[1]))}:{int(role[2])}" if len(role) > 2 else "unknown"
        stale = "; --allow-stale reads the replica" if self._access.read_only else ""
        raise Refused(
            f"redis at {node.address} is a replica", hint=f"its primary is {primary}{stale}"
        )

    def standing(self, channel: Channel, node: Node) -> Standing:
        """What the server at the other end is at this moment. Raises NotPrimary, LostReply."""
        role, server, replication = channel.exchange(
            pack("ROLE") + pack("INFO", "server") + pack("INFO", "replication"), 3
        )
        self.check_role(role, node)
        if isinstance(server, Reply) or isinstance(replication, Reply):
            self._remarks.note("not allowed to ask for INFO: a failover would not be noticed")
            return Standing(None, None)
        told = info(server) | info(replication)
        return Standing(told.get("run_id"), told.get("master_replid"))


class Several(Nodes):
    """What Sentinel and Cluster have in common: a primary that is lost is followed by another."""

    tries = 3

    def __init__(self, remarks: Remarks, access: Access) -> None:
        self._remarks, self._access = remarks, access
        self.scan_count = access.page(SCAN_COUNT)
        self.patience_s = access.timeout_s
        self.look_again()

    def _judge_replica(self, role: list[Any], node: Node) -> None:
        raise NotPrimary(
            f"redis at {node.address} is no primary", hint="a failover may be under way; try again"
        )


def info(text: bytes) -> dict[str, str]:
    """`INFO` as a dictionary."""
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
