"""How much more a Redis takes before it throws keys out, or refuses to store any.

Redis 7 `INFO`: `used_memory`, `maxmemory` (0: none), `maxmemory_policy`, `evicted_keys`. A policy
of `volatile-*` throws sessions out as `allkeys-*` does: they have a TTL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.stores.base import Room
from sessctl.stores.engines.redis_nodes import info
from sessctl.timespec import format_size

if TYPE_CHECKING:
    from collections.abc import Sequence

_FULL = 0.9
# Beside the value: key, entries in the tables of keys and of expiries. Redis 7.0, ids of 32
# characters, values of 150 to 1 000 bytes: 159 to 215 bytes, measured.
_OVERHEAD = 220


def room_of(infos: Sequence[bytes]) -> Room:
    """The room of a server, or of a cluster whose keys are spread evenly."""
    told = [info(text) for text in infos]
    free: list[int] = []
    limit = ""
    for one in told:
        most = int(one.get("maxmemory", 0))
        if most:
            free.append(int(most * _FULL) - int(one.get("used_memory", 0)))
            limit = f"90 % of maxmemory {format_size(most)} ({one.get('maxmemory_policy', '?')})"
    return Room(
        free_bytes=min(free) * len(told) if free else None,
        overhead_bytes=_OVERHEAD,
        evicted=sum(int(one.get("evicted_keys", 0)) for one in told),
        limit=limit,
    )
