"""What the store showed around one exchange."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sessctl.replay.data_changes import DataChange
    from sessctl.session import Session


class Fate(StrEnum):
    """What an exchange did to the session."""

    CREATED = "created"
    CHANGED = "changed"
    RENEWED = "renewed"
    UNCHANGED = "unchanged"
    GONE = "gone"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Look:
    """The store around one exchange.

    Attributes:
        sid: whose session; empty where the request led to none.
        replaced: the sid before, where the answer brought another one (a login that regenerates).
        expiry_moved_ms: how much later it ends; None where either end is not known.
        sessions: how many there are, before and after.
        waited_ms: how long after the answer the reading was.
    """

    fate: Fate
    sid: str = ""
    replaced: str = ""
    before: Session | None = None
    after: Session | None = None
    changes: tuple[DataChange, ...] = ()
    expiry_moved_ms: int | None = None
    sessions: tuple[int, int] = (0, 0)
    waited_ms: int = 0
