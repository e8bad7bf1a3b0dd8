"""Redis behind Sentinel: the sentinels are asked who the primary is, and that one is asked itself.

    SENTINEL MASTER mymaster  ->  name mymaster ip 10.0.0.5 port 6379 ... config-epoch 3 ...

Source: Redis 7.0 `sentinel.c` (`addReplySentinelRedisInstance`). All sentinels that can be reached
are asked, and the one with the newest `config-epoch` is believed: one that was cut off from the
others goes on naming a primary that has been replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.errors import AccessDenied, StoreError, StoreUnreachable
from sessctl.stores.engines.redis_errors import Reply, reply_error
from sessctl.stores.engines.redis_node import pack
from sessctl.stores.engines.redis_nodes import Several
from sessctl.text import decode_id, escape

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sessctl.stores.access import Access
    from sessctl.stores.base import Remarks
    from sessctl.stores.engines.redis_node import Node


class SentinelNodes(Several):
    """The one primary of a service, whoever that is at the moment.

    Args:
        node_at: makes a node of a host and a port.

    Raises:
        StoreUnreachable: no sentinel can be reached.
        StoreError: they do not know the service.
    """

    def __init__(
        self,
        sentinels: Sequence[Node],
        service: str,
        node_at: Callable[[str, int], Node],
        remarks: Remarks,
        access: Access,
    ) -> None:
        self._sentinels, self._service, self._node_at = sentinels, service, node_at
        super().__init__(remarks, access)

    def look_again(self) -> None:
        told: list[tuple[int, str, int]] = []
        problem: StoreError = StoreUnreachable("no sentinel is named")
        for sentinel in self._sentinels:
            try:
                told.append(self._ask(sentinel))
            except AccessDenied as exc:
                raise AccessDenied(
                    exc.message, hint="`sentinel_password` is the one of the sentinels"
                ) from None
            except StoreError as exc:
                problem = exc
        if not told:
            raise problem
        _, host, port = max(told)
        self._node = self._node_at(host, port)

    def _ask(self, sentinel: Node) -> tuple[int, str, int]:
        """(config-epoch, host, port) as one sentinel knows them."""
        channel = sentinel.channel()
        try:
            reply = channel.exchange(pack("SENTINEL", "MASTER", self._service), 1)[0]
        finally:
            channel.close()
        if isinstance(reply, Reply):
            if "no such master" in str(reply).lower():
                raise StoreError(
                    f"the sentinel at {sentinel.address} knows no service '{self._service}'",
                    hint="SENTINEL MASTERS lists the services",
                )
            raise reply_error(reply, "SENTINEL MASTER")
        try:
            told = dict(zip(reply[::2], reply[1::2], strict=True))
            host = escape(decode_id(told[b"ip"]))
            return int(told[b"config-epoch"]), host, int(told[b"port"])
        except (TypeError, KeyError, ValueError):
            raise StoreError(f"{sentinel.address} does not answer as a sentinel") from None
