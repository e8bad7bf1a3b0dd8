"""How much of somebody else's data a reader takes in before it gives up.

Every serializer and cookie format is handed a `Budget`: what comes out of a cookie or a store is
never trusted for its size. The numbers are those of the safety promises (S20).
"""

from __future__ import annotations

from dataclasses import dataclass

from sessctl.errors import LimitExceeded

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Budget:
    """Ceilings for one value; bytes and counts."""

    value_bytes: int = 8 * MIB
    cookie_bytes: int = 64 * KIB
    unpacked_bytes: int = 16 * MIB  # what one layer of compression may hold
    depth: int = 200
    nodes: int = 200_000
    int_digits: int = 4_300  # CPython refuses longer integer texts; so do we, as text

    def check_value(self, size: int) -> None:
        """Raise LimitExceeded for a stored value that is too large to decode."""
        if size > self.value_bytes:
            raise LimitExceeded(self.too_large(size))

    def too_large(self, size: int) -> str:
        """Why a stored value of that many bytes is not read."""
        return (
            f"value of {size} bytes is over the limit of {self.value_bytes} bytes (--max-unpacked)"
        )

    def check_cookie(self, size: int) -> None:
        """Raise LimitExceeded for a cookie that no browser would have kept."""
        if size > self.cookie_bytes:
            raise LimitExceeded(f"cookie of {size} bytes is over the limit of {self.cookie_bytes}")


DEFAULT = Budget()
