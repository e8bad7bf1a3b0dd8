"""What `watch` found, as items of machine output. The key order is a contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sessctl.admin.watch import Change
from sessctl.cli.items import SESSION_KEYS, session_item
from sessctl.text import readable, short_id
from sessctl.timespec import iso

if TYPE_CHECKING:
    from sessctl.admin.watch import Event
    from sessctl.text import Masker

EVENT_KEYS = ("event", "at", "session", "changed")
_OF_SESSION = tuple(key for key in SESSION_KEYS if key not in ("data", "extra"))
ROW_KEYS = ("event", "at", *_OF_SESSION, "changed")


def event_item(
    event: Event, *, backend: str, layout: str, with_data: bool, masker: Masker | None
) -> dict[str, Any]:
    """One event. Of a session that is gone and was not kept, little more than its id is known."""
    if event.session is not None:
        session = session_item(
            event.session,
            backend=backend,
            layout=layout,
            now_ms=event.at_ms,
            with_data=with_data,
            masker=masker,
        )
    else:
        session = {
            **dict.fromkeys(SESSION_KEYS),
            "backend": backend,
            "sid": short_id(event.sid) if masker else readable(event.sid),
            "layout": layout,
            "state": "expired" if event.change is Change.EXPIRED else None,
            "expires_at": None if event.expires_ms is None else iso(event.expires_ms),
            "extra": {},
        }
    return {
        "event": str(event.change),
        "at": iso(event.at_ms),
        "session": session,
        "changed": None if event.changed is None else shown_paths(event.changed, masker),
    }


def shown_paths(paths: tuple[str, ...], masker: Masker | None) -> list[str]:
    """Paths into the data; what looks like a secret in one is masked where that is wanted."""
    return [masker.mask_text(path) if masker else path for path in paths]


def event_row(item: dict[str, Any]) -> dict[str, Any]:
    """The same flat, for csv, tsv and name."""
    return {**item["session"], "event": item["event"], "at": item["at"], "changed": item["changed"]}
