"""The numbers of `stats` as items and rows of machine output. The key order is a contract."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sessctl.text import readable, short_id
from sessctl.timespec import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sessctl.admin.stats import Stats

STATS_KEYS = (
    "backend", "layout", "scope", "taken_at", "sessions", "active", "expired", "unknown",
    "without_expiry", "by_cookie_date", "anonymous", "empty", "unreadable", "problems", "strangers",
    "sizes", "expires", "created", "seen", "users", "largest",
)  # fmt: skip
ROW_KEYS = ("backend", "layout", "scope", "metric", "label", "value")
_COUNTS = STATS_KEYS[4:13]


def stats_item(found: Stats, *, backend: str, scope: str, redact: bool) -> dict[str, Any]:
    """What was counted in one backend."""
    sizes = {
        (f"{key}_bytes" if key in ("sum", "median", "p90", "p99", "max") else key): value
        for key, value in asdict(found.sizes).items()
    }
    return {
        **count_item(backend, found.layout, scope, found.taken_ms, found.sessions),
        **{key: getattr(found, key) for key in (*_COUNTS, "problems", "strangers")},
        "sizes": sizes,
        "expires": found.expires,
        "created": found.created,
        "seen": found.seen,
        "users": {
            "distinct": found.users.distinct,
            "error": found.users.error,
            "top": [{"user": readable(user), "sessions": n} for user, n in found.users.top],
        },
        "largest": [
            {
                "sid": short_id(one.sid) if redact else readable(one.sid),
                "user": one.user,
                "size_bytes": one.size_bytes,
            }
            for one in found.largest
        ],
    }


def count_item(
    backend: str, layout: str, scope: str, taken_ms: int, sessions: int
) -> dict[str, Any]:
    """The number of sessions alone; whatever was not counted is null.

    Args:
        scope: the prefix or the table, which tells stores of one backend apart.
    """
    return {
        **dict.fromkeys(STATS_KEYS),
        "backend": backend,
        "layout": layout,
        "scope": scope,
        "taken_at": iso(taken_ms),
        "sessions": sessions,
    }


def stats_rows(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """An item as rows of one number each; `label` tells those of one metric apart."""
    for metric, label, value in _numbers(item):
        yield {**item, "metric": metric, "label": label, "value": value}


def _numbers(item: Mapping[str, Any]) -> Iterator[tuple[str, str | None, Any]]:
    for key in (*_COUNTS, "strangers"):
        if item[key] is not None:
            yield key, None, item[key]
    for key in ("problems", "expires", "created", "seen"):
        for label, value in (item[key] or {}).items():
            yield key, label, value
    for key, value in (item["sizes"] or {}).items():
        if key == "bands":
            for label, count in value.items():
                yield "sizes", label, count
        else:
            yield f"sizes_{key}", None, value
    users = item["users"] or {"top": []}
    for key in ("distinct", "error"):
        if key in users:
            yield f"users_{key}", None, users[key]
    for one in users["top"]:
        yield "users_top", one["user"], one["sessions"]
    for one in item["largest"] or []:
        yield "largest_bytes", one["sid"], one["size_bytes"]
