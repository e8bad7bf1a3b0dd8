"""Which library's sessions are in a store: each place is read as each layout that could be there.

An engine names the places (prefixes, tables), a layout says what its sessions have that no other
library's have (`marks`); the store itself reads a sample. Nothing is written, and no answer is used
for a write: that takes a layout which somebody has named.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sessctl.errors import SerializerError, SessctlError, StoreUnreachable, UsageError
from sessctl.session import Expiry, Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Store
    from sessctl.stores.layouts.base import Layout
    from sessctl.stores.survey import Place
    from sessctl.stores.url import StoreUrl

SAMPLE = 200  # sessions of one place
_SURE = 0.9  # of them; a few may be damaged, or another program's
_ALONE = 0.5  # where no other layout explains any of them
_FIRST_MS, _LAST_MS = 946_684_800_000, 4_102_444_800_000  # 2000 to 2100: a plausible expiry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layout that a place of a store may have.

    `settings` is what to configure it with beside its defaults; `score` 0 to 100; `sure`: nearly
    all that was read has the layout's marks, and no other layout explains it as well; or half of
    it, and none explains any of it.
    """

    layout: str
    place: str
    settings: Mapping[str, Any]
    score: int
    evidence: str
    sampled: int
    sure: bool = False

    def url(self, store: StoreUrl) -> str:
        """The store's URL with this layout named in it; its password is masked."""
        settings = {key: str(value) for key, value in self.settings.items() if value is not None}
        return replace(store, settings=(("layout", self.layout), *settings.items())).typed


def find_candidates(
    places: Iterable[Place],
    layouts: Sequence[Layout],
    open_as: Callable[[Layout, Mapping[str, Any]], Store],
) -> list[Candidate]:
    """The layouts of each place, the likeliest first.

    Args:
        open_as: opens the store with a layout and settings, for reading.

    Raises:
        StoreUnreachable: the connection broke. What cannot be read as a layout is none.
    """
    found: list[Candidate] = []
    for place in places:
        here = [
            candidate
            for layout in layouts
            if layout.may_be_at(place.columns) and _may_have(layout, place)
            if (candidate := _try(place, layout, open_as)) is not None
        ]
        here.sort(key=lambda one: -one.score)
        found += [replace(one, sure=_is_sure(one, here)) for one in here]
    return sorted(found, key=lambda one: (not one.sure, -one.score))


def _may_have(layout: Layout, place: Place) -> bool:
    """Keys of a library that names itself in each of them have no other prefix or suffix."""
    ending: str = getattr(layout, "prefix_ends", "")
    return (
        str(place.settings.get("prefix", "")).endswith(ending)
        and getattr(layout, "suffix", "") == place.suffix
    )


def _is_sure(one: Candidate, rivals: list[Candidate]) -> bool:
    best = [other for other in rivals if other.score >= one.score]
    enough = _SURE if len(rivals) > 1 else _ALONE
    return best == [one] and one.score >= 100 * enough * 0.9


def _try(
    place: Place, layout: Layout, open_as: Callable[[Layout, Mapping[str, Any]], Store]
) -> Candidate | None:
    settings = _own_settings(place, layout)
    before = place.settings.get("prefix", "") if getattr(layout, "sid_has_prefix", False) else ""
    try:
        with open_as(layout, settings) as store:
            sessions = (
                store.get([f"{before}{sid}" for sid in place.sids])
                if place.sids is not None
                else list(islice(store.scan(Query()), SAMPLE))
            )
    except (UsageError, StoreUnreachable):
        raise
    except SessctlError:  # a column of another type, a table that may not be read
        return None
    if not sessions:
        if not place.columns:
            return None
        return Candidate(layout.name, place.name, settings, 30, "the columns fit; it is empty", 0)
    marked = sum(_is_marked(session, layout) for session in sessions)
    share = marked / len(sessions)
    if not marked and not place.columns:
        return None
    usual = not settings
    # Of two layouts that fit all, the one that asks for more is the better explanation.
    score = round(share * 90) + min(len(layout.marks), 4) * 2 + 2 * usual
    words = [f"{marked} of {len(sessions)} values have {' and '.join(layout.marks) or 'its form'}"]
    words += ["the columns fit"] if place.columns else []
    words += ["at the library's usual place"] if usual else []
    return Candidate(
        layout.name, place.name, settings, score if marked else 20, ", ".join(words), len(sessions)
    )


def _own_settings(place: Place, layout: Layout) -> dict[str, Any]:
    """What of the place is not the layout's default."""
    return {
        key: value
        for key, value in place.settings.items()
        if key in layout.settings and getattr(layout, key, None) != value
    }


def _is_marked(session: Session, layout: Layout) -> bool:
    """The value has all that the layout's library writes, and an expiry that can be one."""
    if session.problem is not None:
        return False
    ends = session.expires_ms
    if ends is None and session.expiry is not Expiry.NEVER:
        return False
    if ends is not None and not _FIRST_MS < ends < _LAST_MS:
        return False
    try:
        decoded = session.decoded
    except SerializerError:
        return False
    return all(_has({**decoded.data, **decoded.extra}, path) for path in layout.marks)


def _has(value: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def said(url: StoreUrl, candidates: Sequence[Candidate]) -> str:
    """How to say which one is meant: the URLs to type, three at the most."""
    return " or ".join(f"-b '{one.url(url)}'" for one in candidates[:3])
