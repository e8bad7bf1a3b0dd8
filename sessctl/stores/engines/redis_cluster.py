"""Redis Cluster: which primary owns which slots, and which slots are on the move.

    CLUSTER SLOTS  ->  [[0, 5460, ["10.0.0.5", 7000, ID, ...], replicas...], ...]
    CLUSTER NODES  ->  ID 10.0.0.5:7000@17000 myself,master - 0 0 1 connected 0-5460 [93-<-ID]

The first is where the owners are (by the address that the cluster prefers to be called by), the
second is what each primary says of itself: its epoch, its slots, and those that come (`-<-`) or
go (`->-`).

Source: Redis 7.0 `cluster.c` (`clusterReplyMultiBulkSlots`, `clusterGenNodeDescription`) and the
cluster specification for slots and hash tags.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sessctl.errors import StoreError, StoreUnreachable
from sessctl.stores.engines.redis_errors import Reply, checked, reply_error
from sessctl.stores.engines.redis_node import pack
from sessctl.stores.engines.redis_nodes import SLOTS, Several
from sessctl.text import decode_id, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_node import Channel, Node
    from sessctl.stores.engines.redis_nodes import Standing


def slot_of(key: bytes) -> int:
    """The slot of a key: CRC16 (XMODEM) of its hash tag, or of all of it."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


class ClusterNodes(Several):
    """The primaries of a cluster, by their slots.

    Args:
        seeds: servers of the cluster to ask at first; every one that is met is asked later.
        node_at: makes a node of a host and a port.

    Raises:
        StoreUnreachable: none of them can be reached.
        StoreError: they are no cluster.
    """

    sharded = True

    def __init__(
        self,
        seeds: Sequence[Node],
        node_at: Callable[[str, int], Node],
        remarks: Remarks,
        access: Access,
    ) -> None:
        self._known = dict.fromkeys(seeds)  # whom to ask, the one that answered last first
        self._node_at = node_at
        self._owners: list[Node | None] = [None] * SLOTS
        self._primaries: dict[Node, None] = {}
        super().__init__(remarks, access)

    def primaries(self) -> Sequence[Node]:
        return tuple(self._primaries)

    def of(self, key: bytes) -> Node:
        slot = slot_of(key)
        owner = self._owners[slot]
        if owner is None:
            raise StoreUnreachable(f"slot {slot} of the cluster has no primary")
        return owner

    def look_again(self) -> None:
        problem: StoreError = StoreUnreachable("no server of the cluster is named")
        for node in list(self._known):
            try:
                ranges = self._ask(node)
                break
            except StoreUnreachable as exc:
                problem = exc
                self._known[node] = self._known.pop(node)  # next time the others first
        else:
            raise problem
        try:
            self._learn(ranges, node.host)
        except (TypeError, ValueError, IndexError, AttributeError):
            raise StoreError(f"redis at {node.address} does not answer as a cluster") from None

    def _ask(self, node: Node) -> list[Any]:
        channel = node.channel()
        try:
            reply = channel.exchange(pack("CLUSTER", "SLOTS"), 1)[0]
        finally:
            channel.close()
        if isinstance(reply, Reply):
            if "cluster support disabled" in str(reply):
                raise StoreError(
                    f"redis at {node.address} is not part of a cluster",
                    hint=f"write redis://{node.address}",
                )
            raise reply_error(reply, "CLUSTER SLOTS")
        ranges: list[Any] = reply
        return ranges

    def _learn(self, ranges: list[Any], asked: str) -> None:
        owners: list[Node | None] = [None] * SLOTS
        primaries: dict[Node, None] = {}
        for first, last, *servers in ranges:
            nodes = [self._named(server[0], server[1], asked) for server in servers]
            owners[first : last + 1] = [nodes[0]] * (last + 1 - first)
            primaries[nodes[0]] = None
            self._known |= dict.fromkeys(nodes)
        if len(owners) != SLOTS:
            raise ValueError
        self._owners, self._primaries = owners, primaries

    def _named(self, host: bytes | None, port: int, asked: str) -> Node:
        """A server by its address; one that does not know its own is where we asked."""
        name = escape(decode_id(host)) if host not in (None, b"", b"?") else asked
        return self._node_at(name, int(port))

    def redirected(self, reply: Reply) -> Node | None:
        if reply.word not in ("MOVED", "ASK"):
            return None
        try:
            _, slot, address = str(reply).split(" ")
            host, _, port = address.rpartition(":")
            owner = self._owners[int(slot)]
            node = self._named(host.encode(), int(port), owner.host if owner else "")
            if reply.word == "MOVED":
                self._owners[int(slot)] = node
                self._primaries[node] = None
        except (ValueError, IndexError):
            raise StoreError("a server of the cluster redirects to nowhere") from None
        self._known.setdefault(node)
        return node

    def standing(self, channel: Channel, node: Node) -> Standing:
        found = super().standing(channel, node)
        text = checked(channel.exchange(pack("CLUSTER", "NODES"), 1)[0], "CLUSTER NODES")
        try:
            epoch, slots, importing = _of_itself(text.decode("utf-8", "replace"))
        except (ValueError, IndexError, AttributeError):
            raise StoreError(f"redis at {node.address} does not answer as a cluster") from None
        return replace(found, epoch=epoch, slots=slots, importing=importing)


def _of_itself(text: str) -> tuple[int, int, int]:
    """(epoch, slots, slots that come) in what a primary's `CLUSTER NODES` says of itself."""
    lines = (line.split() for line in text.splitlines())
    own: list[str] = next((words for words in lines if "myself" in words[2]), [])
    slots = importing = 0
    for word in own[8:]:
        if word.startswith("["):
            slot, arrow, _ = word[1:-1].partition("-<-")
            importing |= 1 << int(slot) if arrow else 0
        else:
            first, _, last = word.partition("-")
            slots |= (1 << int(last or first) + 1) - (1 << int(first))
    return int(own[6]), slots, importing
