"""Writes to the memory of a live Node process: each page is one call, in which every session is
compared with what was read and then changed. JavaScript runs a call to its end, so nothing of the
application comes between; the process's own clock judges what is over.

A call whose answer is lost raises: it may have been done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sessctl.errors import StoreError
from sessctl.session import Expiry
from sessctl.stores.base import Outcome, Result
from sessctl.stores.engines.node_find import resource
from sessctl.text import is_utf8

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sessctl.session import Session
    from sessctl.stores.base import Pair
    from sessctl.stores.engines.node_cdp import Cdp
    from sessctl.stores.engines.node_find import Place

PAGE = 200  # sessions a call (S17)
_PAGE_BYTES = 512 * 1024  # of texts in one call, unless a single one is longer

_Answer = Literal[
    "done", "gone", "changed", "not due", "still there", "no cookie", "full", "present", "newer"
]  # fmt: skip
# What node_writing.js answers, beside "done".
_OUTCOMES: dict[str, tuple[Outcome, str | None]] = {
    "gone": (Outcome.GONE, None),
    "changed": (Outcome.CHANGED, "renewed since it was read"),
    "not due": (Outcome.CHANGED, "not expired by the store's clock"),
    "still there": (Outcome.FAILED, "the store's own destroy left it there"),
    "no cookie": (Outcome.FAILED, "it holds no cookie whose date could be moved"),
    "full": (Outcome.FAILED, "the store is full: it would push another session out"),
    "present": (Outcome.PRESENT, None),
    "newer": (Outcome.NEWER, None),
}


class NodeWriter:
    """What changes a store in a process; the helper that can is sent there only now."""

    def __init__(self, cdp: Cdp, place: Place) -> None:
        self._cdp = cdp
        self._store = place.store
        factory = cdp.remote(f"({{ make: {resource('node_writing.js')} }})")
        self._helper = cdp.get(factory, "make", place.helper)

    def delete(self, sessions: Sequence[Session], grace_ms: int | None) -> list[Result]:
        """See `Store.delete`."""
        rows = [{**_row(session), "due": session.expires_ms} for session in sessions]
        return self._run("destroy", sessions, rows, Outcome.DELETED, grace_ms)

    def replace(self, pairs: Sequence[Pair]) -> list[Result]:
        """See `Store.replace`."""
        rows = [{**_row(was), "to": _put_row(new)} for was, new in pairs]
        return self._run("replace", [was for was, _ in pairs], rows, Outcome.STORED)

    def put(self, sessions: Sequence[Session]) -> list[Result]:
        """See `Store.put`. A session that was not read from such a store gets its `expires_ms`."""
        possible = [session for session in sessions if is_utf8(session.sid)]
        rows = [_put_row(session) for session in possible]
        stored = {r.sid: r for r in self._run("put", possible, rows, Outcome.STORED)}
        refused = "JavaScript cannot hold this id"
        return [
            stored.get(session.sid) or Result(session.sid, Outcome.FAILED, refused)
            for session in sessions
        ]

    def _run(
        self,
        name: str,
        sessions: Sequence[Session],
        rows: list[dict[str, Any]],
        done: Outcome,
        *more: Any,
    ) -> list[Result]:
        results: list[Result] = []
        while len(results) < len(rows):
            page = _page(rows, len(results))
            words = self._cdp.run(
                self._helper, name, self._store, page, *more, returns=list[_Answer]
            )
            if len(words) != len(page):
                raise StoreError("the process answers nonsense to a write: it may have been done")
            for word in words:
                outcome, reason = (done, None) if word == "done" else _OUTCOMES[word]
                results.append(Result(sessions[len(results)].sid, outcome, reason))
        return results


def _page(rows: Sequence[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    """The next rows that one call may hold."""
    page: list[dict[str, Any]] = []
    size = 0
    for row in rows[start : start + PAGE]:
        size += len(row["text"]) + len(row.get("to", row)["text"])
        if page and size > _PAGE_BYTES:
            break
        page.append(row)
    return page


def _row(session: Session) -> dict[str, Any]:
    life = session.original.life
    return {"sid": session.sid, "text": session.raw.decode(), "life": life and list(life)}


def _put_row(session: Session) -> dict[str, Any]:
    kept = session.original
    if kept is not None and not kept.moved:
        return _row(session)
    row: dict[str, Any] = {"sid": session.sid, "text": session.raw.decode(), "life": None}
    if session.expires_ms is not None or session.expiry is Expiry.NEVER:
        row["ends"] = session.expires_ms
    return row
