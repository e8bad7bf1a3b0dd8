"""Copies never push others out (S13): room in the target, before a run and while it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sessctl.errors import GuardRefused
from sessctl.timespec import format_size

if TYPE_CHECKING:
    from sessctl.stores.base import Room, RoomyStore, Store

MARGIN = 1.3


class RoomGuard:
    """Watches a target that can be full; of the others nothing is known, and nothing refused."""

    def __init__(self, target: Store) -> None:
        self._target = target
        self._evicted: int | None = None

    def check(self, count: int, size_bytes: int) -> None:
        """So many sessions of so many bytes in all fit.

        Raises:
            GuardRefused: they do not, with what an estimate needs on top; nothing was written.
        """
        room = self._look()
        if room is None or room.free_bytes is None:
            return
        needed = _needed(room, count, size_bytes)
        if needed > room.free_bytes:
            raise GuardRefused(
                "room",
                f"about {format_size(needed)} would be written, and the target has room for "
                f"{format_size(max(room.free_bytes, 0))}: {room.limit}",
                hint="give it more, or copy fewer: a query says which, as `--active --user 42`",
            )

    def stop_reason(self, count: int, size_bytes: int) -> str | None:
        """Why a page of this size must not be written, in words."""
        room = self._look()
        if room is None:
            return None
        if self._evicted is not None and room.evicted > self._evicted:
            gone = room.evicted - self._evicted
            return f"the target threw {gone:,} keys out to make room (evicted_keys)"
        if room.free_bytes is not None and _needed(room, count, size_bytes) > room.free_bytes:
            return f"the target is full: {room.limit}"
        return None

    def _look(self) -> Room | None:
        if not self._target.capabilities.tells_room:
            return None
        room = cast("RoomyStore", self._target).room()
        if self._evicted is None:
            self._evicted = room.evicted
        return room


def _needed(room: Room, count: int, size_bytes: int) -> int:
    return int((size_bytes + count * room.overhead_bytes) * MARGIN)
