"""Do dates without a zone mean what we take them for? Values that say when they were saved tell.

A session that was saved at 12:00 and lives 14 days ends at 12:00. Where the table has 07:00 for it,
and so for most others, the application writes the clock of its own wall.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sessctl.session import Session
    from sessctl.stores.layouts.base import TableLayout

SAMPLE = 50  # sessions
_WIDEST_S = 14 * 3600  # no zone is further from UTC
_STEP_S, _SLACK_S = 900, 5  # zones lie a quarter of an hour apart; saving takes a moment


def doubt(sessions: Iterable[Session], layout: TableLayout) -> str:
    """What the sessions say against the zone that their dates are read in; empty: nothing."""
    if layout.saved_s is None:
        return ""
    apart: Counter[int] = Counter()
    for session in sessions:
        saved_s = layout.saved_s(session.raw)
        if saved_s is None or session.expires_ms is None:
            continue
        off_s = session.expires_ms // 1000 - saved_s - layout.lifetime_s
        nearest = round(off_s / _STEP_S) * _STEP_S
        if abs(off_s) <= _WIDEST_S and abs(off_s - nearest) <= _SLACK_S:
            apart[nearest] += 1
    for off_s, count in apart.most_common(1):
        if off_s and 2 * count > apart.total():
            side = "earlier" if off_s < 0 else "later"
            return (
                f"of {apart.total()} sessions {count} end {format_duration(abs(off_s))} {side} "
                f"than {format_duration(layout.lifetime_s)} after they were saved"
            )
    return ""
