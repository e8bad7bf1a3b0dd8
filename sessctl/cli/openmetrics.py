"""`stats` in the OpenMetrics text format, for Prometheus and whatever else reads it.

Source: the OpenMetrics specification 1.0. No session id, no user and nothing else of a session's
data is a label: what is scraped is kept for years, and by others.
"""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from sessctl.admin.stats import AGE_BANDS, EXPIRY_BANDS, SIZE_BANDS
from sessctl.text import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Item = dict[str, Any]
_LABELS = ("backend", "layout", "scope")
# What follows the family's name, further labels, the number.
Sample = tuple[str, dict[str, str], int]
_STATES = ("active", "expired", "unknown")
_SECOND_MS = 1000


class Family(NamedTuple):
    """One family; its unit, if it has one, is the end of its name."""

    name: str
    kind: str
    unit: str
    help: str
    samples: Callable[[Item], list[Sample]]


def openmetrics(items: Iterable[Item], addresses: Iterable[str]) -> Iterator[str]:
    """The lines of an exposition; what was not counted in any backend is left out.

    Args:
        addresses: where the store of each item is.
    """
    listed = _apart(items, addresses)
    for family in _FAMILIES:
        found = [(item, sample) for item in listed for sample in family.samples(item)]
        if not found:
            continue
        yield f"# TYPE {family.name} {family.kind}"
        if family.unit:
            yield f"# UNIT {family.name} {family.unit}"
        yield f"# HELP {family.name} {family.help}"
        for item, (suffix, more, value) in found:
            labels = {**{name: item[name] for name in _LABELS}, **more}
            text = ",".join(f'{name}="{_quoted(one)}"' for name, one in labels.items())
            yield f"{family.name}{suffix}{{{text}}} {value}"
    yield "# EOF"


def _apart(items: Iterable[Item], addresses: Iterable[str]) -> list[Item]:
    """A store that is named twice is one, for no two samples may have the same labels; two stores
    that would have the same, files of one name in two folders, are told apart by their address."""
    stores = {
        (*(item[name] for name in _LABELS), at): item
        for item, at in zip(items, addresses, strict=True)
    }
    times = Counter(key[:-1] for key in stores)
    return [
        item if times[key[:-1]] == 1 else {**item, "backend": f"{item['backend']} ({key[-1]})"}
        for key, item in stores.items()
    ]


def _quoted(text: str) -> str:
    return escape(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(key: str) -> Callable[[Item], list[Sample]]:
    return lambda item: [] if item[key] is None else [("", {}, item[key])]


def _by_state(item: Item) -> list[Sample]:
    return [("", {"state": key}, item[key]) for key in _STATES if item[key] is not None]


def _users(item: Item) -> list[Sample]:
    users = item["users"]
    return [] if users is None or users["distinct"] is None else [("", {}, users["distinct"])]


def _problems(item: Item) -> list[Sample]:
    return [("", {"code": code}, count) for code, count in (item["problems"] or {}).items()]


def _sizes(item: Item) -> list[Sample]:
    sizes = item["sizes"]
    if sizes is None:
        return []
    buckets = _buckets(SIZE_BANDS, sizes["bands"], 1)
    return [*buckets, ("_gcount", {}, item["sessions"]), ("_gsum", {}, sizes["sum_bytes"])]


def _spans(key: str, bands: Mapping[str, int | None]) -> Callable[[Item], list[Sample]]:
    return lambda item: [] if item[key] is None else _buckets(bands, item[key], _SECOND_MS)


def _buckets(
    bands: Mapping[str, int | None], counts: Mapping[str, int], scale: int
) -> list[Sample]:
    """Cumulative buckets; a band's end belongs to it, as `le` says."""
    totals = accumulate(counts[name] for name in bands)
    return [
        ("_bucket", {"le": "+Inf" if end is None else f"{end / scale:.1f}"}, total)
        for end, total in zip(bands.values(), totals, strict=True)
    ]


_FAMILIES = (
    Family("sessctl_sessions", "gauge", "", "Sessions that match.", _number("sessions")),
    Family("sessctl_sessions_by_state", "gauge", "",
           "Sessions by state, judged by the store's clock.", _by_state),
    Family("sessctl_sessions_without_expiry", "gauge", "",
           "Active sessions that nothing ends.", _number("without_expiry")),
    Family("sessctl_sessions_by_cookie_date", "gauge", "",
           "Sessions of which only the date in the value says when they end.",
           _number("by_cookie_date")),
    Family("sessctl_sessions_anonymous", "gauge", "",
           "Sessions without a user.", _number("anonymous")),
    Family("sessctl_sessions_empty", "gauge", "",
           "Sessions without a user and without data.", _number("empty")),
    Family("sessctl_sessions_unreadable", "gauge", "",
           "Sessions whose value does not decode.", _number("unreadable")),
    Family("sessctl_sessions_unreadable_by_code", "gauge", "",
           "Sessions whose value does not decode, by error code.", _problems),
    Family("sessctl_strangers", "gauge", "",
           "Things in the place of sessions that are none.", _number("strangers")),
    Family("sessctl_users", "gauge", "", "Different users with a session.", _users),
    Family("sessctl_session_size_bytes", "gaugehistogram", "bytes",
           "Sizes of stored values.", _sizes),
    Family("sessctl_session_ttl_seconds", "gaugehistogram", "seconds",
           "Time left of sessions with an expiry.", _spans("expires", EXPIRY_BANDS)),
    Family("sessctl_session_age_seconds", "gaugehistogram", "seconds",
           "Time since sessions were created.", _spans("created", AGE_BANDS)),
    Family("sessctl_session_idle_seconds", "gaugehistogram", "seconds",
           "Time since sessions were last used.", _spans("seen", AGE_BANDS)),
)  # fmt: skip
