"""`Access`: how a store is opened, beside its URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sessctl.limits import DEFAULT, Budget

if TYPE_CHECKING:
    from sessctl.text import Secret

_GENTLE_PAGE = 100


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials and limits. `read_only` is what `open_store` was told by `write`.

    `allow_stale`: a replica may be read; what it says may be over. `gentle`: no more than 100
    sessions are asked for at once. `budget`: how large a value is read. `sentinel_username` and
    `sentinel_password` are for Redis' sentinels, which have users of their own.
    """

    read_only: bool = True
    timeout_s: float = 10.0
    username: str | None = None
    password: Secret | None = None
    require_tls: bool = False
    ca_file: str | None = None
    allow_stale: bool = False
    gentle: bool = False
    budget: Budget = DEFAULT
    sentinel_username: str | None = None
    sentinel_password: Secret | None = None

    def page(self, usual: int) -> int:
        """How many sessions to ask for at once, where that would be `usual`."""
        return min(usual, _GENTLE_PAGE) if self.gentle else usual
