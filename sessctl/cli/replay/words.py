"""What happened to cookies, in the few words that a cell or an arrow has room for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessctl.replay.cookie import Held
from sessctl.replay.jar import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.replay.reports.report import ExchangeView

_MOST = 4
# That a cookie of another path stays at home is nothing to tell.
_TOLD = (Held.SECURE, Held.SAMESITE, Held.EXPIRED, Held.WITHHELD)


def cookie_acts(exchanges: Iterable[ExchangeView]) -> list[str]:
    """`new connect.sid`, `refused theme (Secure over plain http)`, each once, in order."""
    words: dict[str, None] = {}
    for exchange in exchanges:
        for held in exchange.held:
            if held.reason in _TOLD:
                words[f"not sent {held.cookie.name} ({held.reason})"] = None
        for change in exchange.received:
            name = change.cookie.name if change.cookie else "a cookie"
            if change.outcome == Outcome.REFUSED:
                words[f"refused {name} ({change.refusal})"] = None
            elif change.renewed:
                words[f"renewed {name}"] = None
            elif change.outcome != Outcome.SAME:
                words[f"{change.outcome} {name}"] = None
    return list(words)


def in_a_cell(words: list[str]) -> str:
    """The first of them, and how many there are more."""
    more = f", {len(words) - _MOST} more" if len(words) > _MOST else ""
    return ", ".join(words[:_MOST]) + more
