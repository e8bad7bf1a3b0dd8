"""Our clock against the store's, which judges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from sessctl.stores.base import Store

SHOWN_FROM_MS = 5_000


@dataclass(frozen=True, slots=True)
class Skew:
    """How far the store's clock is ahead of ours, in ms; negative if it is behind."""

    ahead_ms: int

    @property
    def extra_grace_ms(self) -> int:
        """Added to the grace. A store that is ahead would condemn sessions that the application,
        which judges by its own clock, still takes for live; one that is behind changes nothing."""
        return max(self.ahead_ms, 0)

    @property
    def note(self) -> str | None:
        """Worth telling from five seconds on."""
        if abs(self.ahead_ms) <= SHOWN_FROM_MS:
            return None
        word = "ahead of" if self.ahead_ms > 0 else "behind"
        span = format_duration(abs(self.ahead_ms) / 1000)
        return f"the store's clock is {span} {word} this machine's"


def measure_skew(store: Store, local_ms: Callable[[], int]) -> Skew:
    """Compare the clocks; half the round trip is taken off, so that a slow network is no skew."""
    before = local_ms()
    server = store.now_ms()
    after = local_ms()
    ahead = server - (before + after) // 2
    return Skew(ahead if abs(ahead) > (after - before) else 0)
